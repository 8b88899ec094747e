//! Lays out the points of saddle-to-saddle dynamics: a line for one, a table by rank at the end, CSV for other programs.

use std::fmt::Write as _;

use llc::llc::LlcEstimate;
use llc::record::time::duration;
use llc::report::Report;
use llc::report::saddle::{Point, Saddle, Stage, Summary};
use llc::words::{fixed, with_error};

use llc::report::table::{Column, decimals, number, rendered, widths, write_record};

/// One point, in a line.
pub fn line(point: &Point) -> String {
    let shown = |llc: &LlcEstimate| with_error(llc.mean, llc.mcse, decimals(llc.mcse).min(3));
    let gibbs = match &point.gibbs {
        Some(gibbs) if gibbs.llc.mean.is_finite() => format!("  Gibbs {}", shown(&gibbs.llc)),
        _ => String::new(),
    };
    format!(
        "step {:>6}  loss {:>9.3e}  rank {}  λ = {:<6} λ̂ {}{gibbs}",
        point.step,
        point.train_loss,
        point.rank,
        point.lambda_exact,
        shown(&point.summary.llc),
    )
}

/// The stretches of points of one rank, with the means of what was estimated there.
pub fn stages(points: &[Point]) -> Vec<Stage> {
    let mean = |values: Vec<f64>| match values.len() {
        0 => None,
        count => Some(values.iter().sum::<f64>() / count as f64),
    };
    let stretch = |points: &[Point]| {
        let (first, last) = (&points[0], &points[points.len() - 1]);
        let own = points.iter().map(|point| point.summary.llc.mean);
        let gibbs = points.iter().filter_map(|point| Some(point.gibbs.as_ref()?.llc.mean));
        Stage {
            from_step: first.step as f64,
            to_step: last.step as f64,
            num_points: points.len(),
            rank: first.rank as f64,
            lambda_exact: first.lambda_exact,
            lambda_bounds: first.lambda_bounds,
            llc: mean(own.filter(|llc| llc.is_finite()).collect()),
            llc_gibbs: mean(gibbs.filter(|llc| llc.is_finite()).collect()),
        }
    };
    points.chunk_by(|a, b| a.rank == b.rank).map(stretch).collect()
}

/// What the report says beside the lines of its points.
pub fn render(report: &Report<Saddle>) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Report<Saddle>) -> std::fmt::Result {
    let found = &report.found;
    let (sampler, teacher) = (&found.chains.sampler, found.teacher.iter().map(f64::to_string).collect::<Vec<_>>());
    writeln!(out, "\n{:<16}{}   d = {}", "network", widths(&found.network), found.num_parameters)?;
    writeln!(out, "{:<16}diag({})", "teacher", teacher.join(", "))?;
    writeln!(out, "{:<16}n = {}   nβ = {:.6}   γ = {}", "posterior", found.n, found.n_beta, found.gamma)?;
    writeln!(out, "\n{:>17}  rank  {:<18} {sampler:>9}  {:>9}", "steps", "exact λ", "gibbs")?;
    for stage in &found.stages {
        let steps = format!("{} – {}", stage.from_step, stage.to_step);
        let exact = match stage.lambda_bounds {
            [low, high] if low < high => format!("{} (to {high})", stage.lambda_exact),
            _ => stage.lambda_exact.to_string(),
        };
        let [llc, gibbs] = [stage.llc, stage.llc_gibbs].map(|llc| fixed(llc.unwrap_or(f64::NAN), 3));
        writeln!(out, "{steps:>17}  {:>4}  {exact:<18} {llc:>9}  {gibbs:>9}", stage.rank)?;
    }
    // An empty sum of floats is −0.
    let own = duration(found.points.iter().map(|point| point.summary.sampling_s).sum::<f64>().max(0.0));
    let gibbs_s: f64 = found.points.iter().filter_map(|point| Some(point.gibbs.as_ref()?.sampling_s)).sum();
    let gibbs = if gibbs_s > 0.0 { format!(", and {} by Gibbs", duration(gibbs_s)) } else { String::new() };
    writeln!(out, "\n{:<16}{own} by {sampler}{gibbs}", "sampling")?;
    writeln!(
        out,
        "{:<16}means over the points of one rank; λ is Aoyagi's, a lower bound of the local value,\n{:<16}with the \
         upper bound where it differs",
        "", ""
    )?;
    write_record(out, report)
}

/// The points as a table for other programs.
pub fn csv(points: &[Point]) -> anyhow::Result<Vec<u8>> {
    fn gibbs(point: &Point, quantity: fn(&Summary) -> f64) -> String {
        number(point.gibbs.as_ref().map(quantity))
    }
    const NUMBERS: [Column<Point>; 19] = [
        ("step", |point| point.step.to_string()),
        ("train_loss", |point| number(point.train_loss)),
        ("rank", |point| point.rank.to_string()),
        ("lambda_exact", |point| number(point.lambda_exact)),
        ("lambda_low", |point| number(point.lambda_bounds[0])),
        ("lambda_high", |point| number(point.lambda_bounds[1])),
        ("multiplicity", |point| point.multiplicity.to_string()),
        ("llc", |point| number(point.summary.llc.mean)),
        ("llc_mcse", |point| number(point.summary.llc.mcse)),
        ("ci90_low", |point| number(point.summary.llc.ci90[0])),
        ("ci90_high", |point| number(point.summary.llc.ci90[1])),
        ("rhat", |point| number(point.summary.rhat)),
        ("llc_gibbs", |point| gibbs(point, |gibbs| gibbs.llc.mean)),
        ("llc_gibbs_mcse", |point| gibbs(point, |gibbs| gibbs.llc.mcse)),
        ("gibbs_ci90_low", |point| gibbs(point, |gibbs| gibbs.llc.ci90[0])),
        ("gibbs_ci90_high", |point| gibbs(point, |gibbs| gibbs.llc.ci90[1])),
        ("gibbs_rhat", |point| gibbs(point, |gibbs| gibbs.rhat)),
        ("sampling_s", |point| number(point.summary.sampling_s)),
        ("gibbs_sampling_s", |point| gibbs(point, |gibbs| gibbs.sampling_s)),
    ];
    let num_values = points.first().map_or(0, |point| point.singular_values.len());
    let mut table = csv::Writer::from_writer(Vec::new());
    let values = (1..=num_values).map(|i| format!("singular_value_{i}"));
    table
        .write_record(NUMBERS.iter().map(|(name, _)| (*name).to_owned()).chain(values).chain(["verdict".to_owned()]))?;
    for point in points {
        let numbers = NUMBERS.iter().map(|(_, cell)| cell(point));
        let values = point.singular_values.iter().map(|value| number(*value));
        table.write_record(numbers.chain(values).chain([point.summary.verdict.as_str().to_owned()]))?;
    }
    Ok(table.into_inner()?)
}
