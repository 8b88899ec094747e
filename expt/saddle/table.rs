//! Lays out the points of saddle-to-saddle dynamics: a line for one, a table by rank at the end, CSV for other programs.

use std::fmt::Write as _;

use llc::record::time::duration;
use llc::words::{fixed, with_error};
use serde_json::{Value, json};

use crate::table::{Section, decimals, rendered, write_record};

/// One point, in a line.
pub fn line(point: &Value) -> String {
    let point = Section(point);
    let shown = |mean: f64, mcse: f64| with_error(mean, mcse, decimals(mcse).min(3));
    let gibbs = match point.number("/gibbs/llc/mean") {
        mean if mean.is_finite() => format!("  Gibbs {}", shown(mean, point.number("/gibbs/llc/mcse"))),
        _ => String::new(),
    };
    format!(
        "step {:>6}  loss {:>9.3e}  rank {}  λ = {:<6} λ̂ {}{gibbs}",
        point.number("/step"),
        point.number("/train_loss"),
        point.number("/rank"),
        point.number("/lambda_exact"),
        shown(point.number("/llc/mean"), point.number("/llc/mcse")),
    )
}

/// The stretches of points of one rank, with the means of what was estimated there.
pub fn stages(points: &[Value]) -> Vec<Value> {
    let stretch = |points: &[Value]| {
        let mean = |path: &str| {
            let values: Vec<f64> =
                points.iter().map(|point| Section(point).number(path)).filter(|x| x.is_finite()).collect();
            if values.is_empty() { None } else { Some(values.iter().sum::<f64>() / values.len() as f64) }
        };
        let (first, last) = (Section(&points[0]), Section(&points[points.len() - 1]));
        json!({
            "from_step": first.number("/step"),
            "to_step": last.number("/step"),
            "num_points": points.len(),
            "rank": first.number("/rank"),
            "lambda_exact": first.number("/lambda_exact"),
            "lambda_bounds": first.numbers("/lambda_bounds"),
            "llc": mean("/llc/mean"),
            "llc_gibbs": mean("/gibbs/llc/mean"),
        })
    };
    points.chunk_by(|a, b| a["rank"] == b["rank"]).map(stretch).collect()
}

/// What the report says beside the lines of its points.
pub fn render(report: &Value) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    let run = Section(report);
    let network: Vec<String> = run.list("/network").iter().map(Value::to_string).collect();
    let teacher: Vec<String> = run.numbers("/teacher").iter().map(f64::to_string).collect();
    writeln!(out, "\n{:<16}{}   d = {}", "network", network.join(" → "), run.number("/num_parameters"))?;
    writeln!(out, "{:<16}diag({})", "teacher", teacher.join(", "))?;
    writeln!(
        out,
        "{:<16}n = {}   nβ = {:.6}   γ = {}",
        "posterior",
        run.number("/n"),
        run.number("/n_beta"),
        run.number("/gamma")
    )?;
    writeln!(out, "\n{:>17}  rank  {:<18} {:>9}  {:>9}", "steps", "exact λ", run.text("/sampler"), "gibbs")?;
    for stage in run.list("/stages") {
        let stage = Section(&stage);
        let steps = format!("{} – {}", stage.number("/from_step"), stage.number("/to_step"));
        let (exact, bounds) = (stage.number("/lambda_exact"), stage.numbers("/lambda_bounds"));
        let exact = match bounds[..] {
            [low, high] if low < high => format!("{exact} (to {high})"),
            _ => exact.to_string(),
        };
        let shown = |path: &str| fixed(stage.number(path), 3);
        writeln!(
            out,
            "{steps:>17}  {:>4}  {exact:<18} {:>9}  {:>9}",
            stage.number("/rank"),
            shown("/llc"),
            shown("/llc_gibbs")
        )?;
    }
    let points = run.list("/points");
    let seconds = |path: &str| points.iter().map(|p| Section(p).number(path)).filter(|s| s.is_finite()).sum::<f64>();
    // An empty sum of floats is −0.
    let (own, gibbs_s) = (duration(seconds("/sampling_s").max(0.0)), seconds("/gibbs/sampling_s"));
    let gibbs = if gibbs_s > 0.0 { format!(", {} by Gibbs beside it", duration(gibbs_s)) } else { String::new() };
    writeln!(out, "\n{:<16}{own} by {}{gibbs}", "sampling", run.text("/sampler"))?;
    writeln!(
        out,
        "{:<16}means over the points of one rank; λ is Aoyagi's, a lower bound of the local value,\n{:<16}with the upper bound where that is another",
        "", ""
    )?;
    write_record(out, &run)
}

/// The points as a table for other programs.
pub fn csv(points: &[Value]) -> anyhow::Result<Vec<u8>> {
    const NUMBERS: [(&str, &str); 19] = [
        ("step", "/step"),
        ("train_loss", "/train_loss"),
        ("rank", "/rank"),
        ("lambda_exact", "/lambda_exact"),
        ("lambda_low", "/lambda_bounds/0"),
        ("lambda_high", "/lambda_bounds/1"),
        ("multiplicity", "/multiplicity"),
        ("llc", "/llc/mean"),
        ("llc_mcse", "/llc/mcse"),
        ("ci90_low", "/llc/ci90/0"),
        ("ci90_high", "/llc/ci90/1"),
        ("rhat", "/rhat"),
        ("llc_gibbs", "/gibbs/llc/mean"),
        ("llc_gibbs_mcse", "/gibbs/llc/mcse"),
        ("gibbs_ci90_low", "/gibbs/llc/ci90/0"),
        ("gibbs_ci90_high", "/gibbs/llc/ci90/1"),
        ("gibbs_rhat", "/gibbs/rhat"),
        ("sampling_s", "/sampling_s"),
        ("gibbs_sampling_s", "/gibbs/sampling_s"),
    ];
    let num_values = points.first().map_or(0, |point| Section(point).numbers("/singular_values").len());
    let mut table = csv::Writer::from_writer(Vec::new());
    let values = (1..=num_values).map(|i| format!("singular_value_{i}"));
    table
        .write_record(NUMBERS.iter().map(|(name, _)| (*name).to_owned()).chain(values).chain(["verdict".to_owned()]))?;
    for point in points {
        let point = Section(point);
        let numbers = NUMBERS.iter().map(|(_, path)| point.number(path).to_string());
        let values = point.numbers("/singular_values").into_iter().map(|value| value.to_string());
        table.write_record(numbers.chain(values).chain([point.text("/verdict").to_owned()]))?;
    }
    Ok(table.into_inner()?)
}
