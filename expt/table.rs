//! Lays a report out as the table that a person reads at the end of a run.

use std::fmt::Write as _;
use std::path::Path;

use llc::record::time::duration;
use llc::words::{counted, fixed, interval, with_error};
use serde_json::Value;

/// What `write` writes.
pub fn rendered(write: impl FnOnce(&mut String) -> std::fmt::Result) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out);
    out
}

/// The report of a run on a deep linear network, in lines of at most about 100 columns.
pub fn render(report: &Value) -> String {
    rendered(|out| write(out, report))
}

/// The report of an estimate around a trained network.
pub fn render_network(report: &Value) -> String {
    rendered(|out| write_network(out, report))
}

fn write_network(out: &mut String, report: &Value) -> std::fmt::Result {
    let run = Section(report);
    writeln!(out)?;
    let (d, all) = (run.number("/d"), run.number("/num_parameters"));
    let part = if d < all { format!("{d} of {all} parameters") } else { format!("d = {d}") };
    writeln!(out, "{:<16}{}, {part}", "network", run.text("/network"))?;
    for (name, split) in [("on training data", "train"), ("on test data", "test")] {
        let loss = run.number(&format!("/{split}_loss"));
        let accuracy = 100.0 * run.number(&format!("/{split}_accuracy"));
        writeln!(out, "{name:<16} loss {loss:.4}, accuracy {accuracy:.2} %")?;
    }
    write_posterior(out, &run)?;
    write_epsilon(out, &run)?;
    writeln!(out)?;
    write_llc(out, &run)?;
    write_diagnostics(out, &run)?;
    writeln!(out)?;
    write_verdict(out, &run)?;
    write_record(out, &run)
}

/// One point of a curve, in a line.
pub fn curve_line(point: &Value) -> String {
    let point = Section(point);
    let mcse = point.number("/llc/mcse");
    let file = Path::new(point.text("/checkpoint")).file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    let file = if file.is_empty() { String::new() } else { format!("{file}  ") };
    format!(
        "{file}step {:>7}  train {:.4} {:5.1} %  test {:.4} {:5.1} %  λ̂ {}  {}",
        point.number("/step"),
        point.number("/train_loss"),
        100.0 * point.number("/train_accuracy"),
        point.number("/test_loss"),
        100.0 * point.number("/test_accuracy"),
        with_error(point.number("/llc/mean"), mcse, decimals(mcse).min(3)),
        point.verdict(),
    )
}

/// One estimate on a path between minima, in a line.
pub fn path_line(point: &Value) -> String {
    let point = Section(point);
    let mcse = point.number("/llc/mcse");
    let digits = decimals(mcse).min(3);
    format!(
        "t {:.3}  train {:.4}  test {:.4}  λ̂ {}  90 % interval {}  {}",
        point.number("/t"),
        point.number("/train_loss"),
        point.number("/test_loss"),
        with_error(point.number("/llc/mean"), mcse, digits),
        interval(&point.numbers("/llc/ci90"), digits),
        point.verdict(),
    )
}

/// What the report of a curve says beside its points, each of which had its line when it was there.
pub fn render_curve(report: &Value) -> String {
    rendered(|out| write_curve(out, report))
}

fn write_curve(out: &mut String, report: &Value) -> std::fmt::Result {
    let run = Section(report);
    let points = run.list("/points");
    writeln!(out, "\n{:<16}{}, d = {}", "network", run.text("/network"), run.number("/num_parameters"))?;
    writeln!(out, "{:<16}{}", "loss around", run.text("/loss_around"))?;
    write_setting(out, &run)?;
    let sampled_s: f64 = points.iter().map(|point| Section(point).number("/timing/sampling_s")).sum();
    let trained_s = points.last().map_or(f64::NAN, |point| Section(point).number("/train_s"));
    // Points of checkpoints were trained elsewhere.
    let training = if trained_s.is_finite() { format!("training {}, ", duration(trained_s)) } else { String::new() };
    writeln!(out, "{:<16}{training}sampling {}", "time", duration(sampled_s))?;
    write_record(out, &run)
}

/// A column's name, and where its values are in a report.
type Column = (&'static str, &'static str);

/// The columns of a curve.
const CURVE: [Column; 14] = [
    ("step", "/step"),
    ("epoch", "/epoch"),
    ("train_loss", "/train_loss"),
    ("train_accuracy", "/train_accuracy"),
    ("test_loss", "/test_loss"),
    ("test_accuracy", "/test_accuracy"),
    ("init_loss", "/init_loss"),
    ("llc", "/llc/mean"),
    ("llc_mcse", "/llc/mcse"),
    ("ci90_low", "/llc/ci90/0"),
    ("ci90_high", "/llc/ci90/1"),
    ("rhat", "/diagnostics/rhat"),
    ("descent", "/descent"),
    ("sampling_s", "/timing/sampling_s"),
];

/// The points of a curve as a table for other programs.
pub fn curve_csv(points: &[Value]) -> anyhow::Result<Vec<u8>> {
    estimates_csv(&CURVE, &[], points)
}

/// The points of several checkpoints: as [`curve_csv`], with the file of each.
pub fn checkpoints_csv(points: &[Value]) -> anyhow::Result<Vec<u8>> {
    estimates_csv(&CURVE, &[("checkpoint", "/checkpoint")], points)
}

/// The estimates on a path between minima as a table for other programs.
pub fn path_csv(points: &[Value]) -> anyhow::Result<Vec<u8>> {
    const COLUMNS: [Column; 12] = [
        ("index", "/index"),
        ("t", "/t"),
        ("train_loss", "/train_loss"),
        ("test_loss", "/test_loss"),
        ("init_loss", "/init_loss"),
        ("llc", "/llc/mean"),
        ("llc_mcse", "/llc/mcse"),
        ("ci90_low", "/llc/ci90/0"),
        ("ci90_high", "/llc/ci90/1"),
        ("rhat", "/diagnostics/rhat"),
        ("descent", "/descent"),
        ("sampling_s", "/timing/sampling_s"),
    ];
    estimates_csv(&COLUMNS, &[], points)
}

/// The numbers of each point at those places of its report, its verdict, and the texts at further ones.
fn estimates_csv(numbers: &[Column], texts: &[Column], points: &[Value]) -> anyhow::Result<Vec<u8>> {
    let names = |columns: &[Column]| columns.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([names(numbers), vec!["verdict", "reasons"], names(texts)].concat())?;
    for point in points {
        let point = Section(point);
        let mut row: Vec<String> = numbers.iter().map(|(_, path)| point.number(path).to_string()).collect();
        row.extend([point.text("/verdict").to_owned(), point.reasons().join(" ")]);
        row.extend(texts.iter().map(|(_, path)| point.text(path).to_owned()));
        table.write_record(row)?;
    }
    Ok(table.into_inner()?)
}

/// nβ, γ, and what the chains were.
fn write_setting(out: &mut String, run: &Section) -> std::fmt::Result {
    writeln!(
        out,
        "{:<16}n = {}   nβ = {:.6}   γ = {}",
        "posterior",
        run.number("/n"),
        run.number("/n_beta"),
        run.number("/gamma")
    )?;
    writeln!(
        out,
        "{:<16}{}, {} × {}, the first {} warm-up",
        "sampler",
        run.text("/sampler"),
        run.counted("/num_chains", "chain"),
        run.counted("/num_draws", "draw"),
        run.number("/num_warmup")
    )
}

/// The same, and how long it took.
fn write_posterior(out: &mut String, run: &Section) -> std::fmt::Result {
    write_setting(out, run)?;
    writeln!(
        out,
        "{:<16}{} at {:.1} steps/s",
        "",
        duration(run.number("/timing/sampling_s")),
        run.number("/timing/steps_per_s")
    )
}

/// Where the record is, if there is one.
pub fn write_record(out: &mut String, run: &Section) -> std::fmt::Result {
    let (dir, status) = (run.text("/run_dir"), run.text("/status"));
    if dir.is_empty() { Ok(()) } else { writeln!(out, "{:<16}{dir} ({status})", "record") }
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    let run = Section(report);
    let network: Vec<String> = run.list("/network").iter().map(Value::to_string).collect();
    writeln!(out)?;
    writeln!(out, "{:<16}{}   d = {}", "network", network.join(" → "), run.number("/d"))?;
    writeln!(out, "{:<16}{}, rank {}", "truth", run.text("/truth"), run.number("/rank_true"))?;
    write_posterior(out, &run)?;
    write_epsilon(out, &run)?;
    writeln!(out)?;
    write_llc(out, &run)?;
    let bounds = run.numbers("/lambda_bounds");
    let kind = if report["lambda_true_is_local"] == Value::Bool(true) {
        format!("exact, multiplicity {}", run.number("/multiplicity"))
    } else {
        format!("global (Aoyagi), a lower bound at w*; the local one is between {} and {}", bounds[0], bounds[1])
    };
    let off = match 100.0 * run.number("/relative_error") {
        percent if percent.is_finite() => format!("λ̂ is {percent:+.2} % off"),
        _ => "no estimate".to_owned(),
    };
    writeln!(out, "{:<16}{} ({kind}); {off}", "λ", run.text("/lambda_true_exact"))?;
    write_diagnostics(out, &run)?;
    writeln!(out)?;
    write_verdict(out, &run)?;
    if report["trained"].is_object() {
        write_trained(out, &Section(&report["trained"]))?;
    }
    write_record(out, &run)
}

/// What is said of the point where the training ended.
fn write_trained(out: &mut String, trained: &Section) -> std::fmt::Result {
    writeln!(out)?;
    match trained.number("/num_steps") {
        num_steps if num_steps.is_finite() => write!(out, "{:<16}{}", "trained", counted(num_steps as usize, "step"))?,
        _ => write!(out, "{:<16}training did not finish", "trained")?,
    }
    if trained.number("/train_loss").is_finite() {
        write!(
            out,
            " in {}, loss {:.3e}, {:.3} from w*",
            duration(trained.number("/train_s")),
            trained.number("/train_loss"),
            trained.number("/distance")
        )?;
    }
    writeln!(out)?;
    if trained.0["llc"].is_object() {
        write_epsilon(out, trained)?;
        write_llc(out, trained)?;
        write_diagnostics(out, trained)?;
    }
    write_verdict(out, trained)
}

fn write_epsilon(out: &mut String, point: &Section) -> std::fmt::Result {
    let epsilon = point.numbers("/epsilon");
    if !epsilon.is_empty() {
        let shown: Vec<String> = epsilon.iter().take(4).map(|epsilon| format!("{epsilon:.3e}")).collect();
        writeln!(out, "{:<16}{}", "ε", shown.join("  "))?;
    }
    Ok(())
}

/// λ̂ by every estimator.
fn write_llc(out: &mut String, point: &Section) -> std::fmt::Result {
    for (label, path) in [("λ̂", "/llc"), ("λ̂, slope", "/llc_wbic_slope")] {
        let mean = point.number(&format!("{path}/mean"));
        if point.0.pointer(path).is_none() {
            continue;
        }
        let mcse = point.number(&format!("{path}/mcse"));
        let digits = decimals(mcse);
        writeln!(
            out,
            "{label:<16}{}   90 % interval {}",
            with_error(mean, mcse, digits),
            interval(&point.numbers(&format!("{path}/ci90")), digits)
        )?;
    }
    Ok(())
}

/// The chains, their diagnostics, and what else was measured.
fn write_diagnostics(out: &mut String, point: &Section) -> std::fmt::Result {
    let digits = decimals(point.number("/llc/mcse"));
    let chains = point.numbers("/llc/per_chain");
    let shown: Vec<String> = chains.iter().take(8).map(|llc| fixed(*llc, digits)).collect();
    writeln!(out, "{:<16}{}", "chains", shown.join("  "))?;
    let diagnostic = |name: &str| point.number(&format!("/diagnostics/{name}"));
    write!(
        out,
        "{:<16}R-hat {}   ESS bulk {} tail {}",
        "diagnostics",
        fixed(diagnostic("rhat"), 3),
        fixed(diagnostic("ess_bulk"), 0),
        fixed(diagnostic("ess_tail"), 0)
    )?;
    if diagnostic("acceptance").is_finite() {
        write!(out, "   acceptance {:.3}", diagnostic("acceptance"))?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "{:<16}variance ratio {}   virial {}   radius {}",
        "",
        with_error(diagnostic("variance_ratio"), diagnostic("variance_ratio_mcse"), 3),
        with_error(diagnostic("virial"), diagnostic("virial_mcse"), 3),
        fixed(diagnostic("radius"), 3)
    )?;
    write_biases(out, point)?;
    if diagnostic("gamma_sensitivity").is_finite() {
        let mcse = diagnostic("gamma_sensitivity_mcse");
        let slope = with_error(diagnostic("gamma_sensitivity"), mcse, decimals(mcse));
        writeln!(out, "{:<16}dλ̂/dlnγ {slope}", "scale")?;
    }
    if point.0["localisation_check"].is_object() {
        writeln!(
            out,
            "{:<16}at γ = {}: λ̂ = {}",
            "localisation",
            point.number("/localisation_check/gamma"),
            with_error(point.number("/localisation_check/llc"), point.number("/localisation_check/mcse"), digits)
        )?;
    }
    if point.0["functional_rank"].is_number() {
        writeln!(out, "{:<16}rank of the Jacobian {}", "function", point.number("/functional_rank"))?;
    }
    if point.0["hessian_trace"].is_object() {
        let mcse = point.number("/hessian_trace/mcse");
        let trace = with_error(point.number("/hessian_trace/mean"), mcse, decimals(mcse));
        writeln!(out, "{:<16}trace {trace}", "Hessian")?;
    }
    let layers = point.numbers("/distance_per_layer");
    if !layers.is_empty() {
        let shown: Vec<String> = layers.iter().take(8).map(|distance| format!("{distance:.3}")).collect();
        writeln!(out, "{:<16}{} by layer, root mean square", "distance", shown.join("  "))?;
    }
    Ok(())
}

/// What the step size and the minibatches add to λ̂, and what was taken off.
fn write_biases(out: &mut String, point: &Section) -> std::fmt::Result {
    let share = |path: &str| 100.0 * point.number(path) / point.number("/llc/mean").abs();
    let step = share("/diagnostics/step_bias");
    if !step.is_finite() {
        return Ok(());
    }
    write!(out, "{:<16}step {step:+.1} %", "bias")?;
    let minibatch = share("/diagnostics/minibatch_bias");
    if minibatch != 0.0 {
        write!(out, "   minibatches about {minibatch:+.1} %")?;
    }
    if point.0["extrapolation"].is_object() {
        let (bias, mcse) = (share("/extrapolation/bias/value"), share("/extrapolation/bias/mcse"));
        write!(out, "   corrected by extrapolation: {bias:+.1} ± {mcse:.1} %")?;
    }
    writeln!(out)
}

fn write_verdict(out: &mut String, point: &Section) -> std::fmt::Result {
    writeln!(out, "{:<16}{}", "verdict", point.verdict())?;
    for line in point.list("/explanations").iter().chain(&point.list("/notes")) {
        writeln!(out, "{:<16}- {}", "", line.as_str().unwrap_or_default())?;
    }
    Ok(())
}

/// A part of a report, read by path.
pub struct Section<'a>(pub &'a Value);

impl Section<'_> {
    /// The number at `path`; NaN where there is none.
    pub fn number(&self, path: &str) -> f64 {
        self.0.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    /// The count at `path` with its noun: `1 chain`.
    pub fn counted(&self, path: &str, noun: &str) -> String {
        counted(self.number(path) as usize, noun)
    }

    /// The text at `path`; empty where there is none.
    pub fn text(&self, path: &str) -> &str {
        self.0.pointer(path).and_then(Value::as_str).unwrap_or("")
    }

    /// The list at `path`; empty where there is none.
    pub fn list(&self, path: &str) -> Vec<Value> {
        self.0.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    pub fn reasons(&self) -> Vec<String> {
        self.list("/reasons").iter().filter_map(|reason| reason.as_str().map(str::to_owned)).collect()
    }

    /// What is against the estimate, a line for each reason.
    pub fn explanations(&self) -> Vec<String> {
        self.list("/explanations").iter().filter_map(|line| line.as_str().map(|line| format!("{line}\n"))).collect()
    }

    /// The verdict, and why it is no better.
    pub fn verdict(&self) -> String {
        let reasons = self.reasons();
        let because = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
        format!("{}{because}", self.text("/verdict"))
    }

    /// The numbers of the list at `path`; NaN for what is none.
    pub fn numbers(&self, path: &str) -> Vec<f64> {
        self.list(path).iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
    }
}

/// Decimals that show an error to two significant digits.
pub fn decimals(error: f64) -> usize {
    if error > 0.0 && error.is_finite() { (1.0 - error.log10().floor()).clamp(0.0, 12.0) as usize } else { 3 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_found_is_a_dash_in_every_line_and_table_and_one_chain_is_one_chain() {
        // As of a run whose chains all diverged: JSON has null for NaN.
        let report = json!({
            "network": "mlp", "d": 5, "num_parameters": 5, "step": 3, "t": 0.5, "n": 10, "n_beta": 4.0, "gamma": 1.0,
            "train_loss": 1.0, "train_accuracy": 0.5, "test_loss": 1.0, "test_accuracy": 0.5, "sampler": "sgld",
            "num_chains": 1, "num_draws": 1, "num_warmup": 0, "timing": {"sampling_s": 1.0, "steps_per_s": 2.0},
            "llc": {"mean": null, "mcse": null, "ci90": null, "per_chain": [null]},
            "llc_wbic_slope": {"mean": 1.5, "mcse": null, "ci90": [null, null]},
            "diagnostics": {"rhat": null, "ess_bulk": null, "variance_ratio": 1.25, "virial": null, "gamma_sensitivity": 2.5},
            "localisation_check": {"gamma": 2.0, "llc": null, "mcse": null},
            "hessian_trace": {"mean": null, "mcse": null},
            "rank_true": 2, "lambda_true_is_local": true, "lambda_true_exact": "5/2", "multiplicity": 1, "relative_error": null,
            "verdict": "not_trusted", "reasons": ["diverged"],
        });
        for shown in [render_network(&report), render(&report), curve_line(&report), path_line(&report)] {
            assert!(!shown.contains("NaN"), "{shown}");
            assert!(shown.contains('—'), "{shown}");
        }
        let shown = render_network(&report);
        assert!(shown.contains("sgld, 1 chain × 1 draw, the first 0 warm-up"), "{shown}");
        assert!(shown.contains("1.500 ± —") && shown.contains("variance ratio 1.250 ± —   virial —"), "{shown}");
    }
}
