//! Lays a report out as the table that a person reads at the end of a run.

use std::fmt::Write as _;

use super::dln::{self, Dln, Outcome, Trained};
use super::network::{self, Curve, Network, Subject};
use super::paths;
use super::{Chains, Estimate, Judgement, Report, Scores};
use crate::record::time::duration;
use crate::words::{counted, fixed, interval, with_error};
use serde::Serialize;
use serde_json::{Value, json};

/// What `write` writes.
pub fn rendered(write: impl FnOnce(&mut String) -> std::fmt::Result) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out);
    out
}

/// The report of an estimate around a trained network, in lines of at most about 100 columns.
pub fn render_network(report: &Report<Network>) -> String {
    rendered(|out| write_network(out, report))
}

fn write_network(out: &mut String, report: &Report<Network>) -> std::fmt::Result {
    let found = &report.found;
    writeln!(out)?;
    writeln!(out, "{:<16}{}, {}", "network", found.network, part(found.d, found.num_parameters))?;
    let sets = |scores: Scores| {
        [
            ("on training data", scores.train_loss, scores.train_accuracy),
            ("on test data", scores.test_loss, scores.test_accuracy),
        ]
    };
    for (name, loss, accuracy) in found.scores.map(sets).into_iter().flatten() {
        writeln!(out, "{name:<16} loss {loss:.4}, accuracy {:.2} %", 100.0 * accuracy)?;
    }
    write_posterior(out, found.n, &found.chains, &found.estimate)?;
    write_epsilon(out, &found.estimate)?;
    writeln!(out)?;
    let llc = &found.estimate.llc;
    write_llc(out, "λ̂", llc.mean, llc.mcse, &llc.ci90)?;
    write_diagnostics(out, &found.estimate)?;
    writeln!(out)?;
    write_verdict(out, &found.estimate.judgement)?;
    write_record(out, report)
}

/// How many of a network's parameters are sampled.
pub fn part(d: usize, num_parameters: usize) -> String {
    if d < num_parameters { format!("{d} of {num_parameters} parameters") } else { format!("d = {d}") }
}

/// One point of a curve, in a line that begins with `name`, which may be empty.
pub fn curve_line(point: &network::Point, name: &str) -> String {
    let network::Point { scores, estimate, .. } = point;
    let on_data = |scores: Scores| {
        format!(
            "train {:.4} {:5.1} %  test {:.4} {:5.1} %",
            scores.train_loss,
            100.0 * scores.train_accuracy,
            scores.test_loss,
            100.0 * scores.test_accuracy,
        )
    };
    format!(
        "{name}{}step {:>7}  {}  λ̂ {}  {}",
        if name.is_empty() { "" } else { "  " },
        point.step,
        scores.map_or_else(|| format!("loss {:.4}", point.init_loss), on_data),
        with_error(estimate.llc.mean, estimate.llc.mcse, decimals(estimate.llc.mcse).min(3)),
        estimate.judgement.words(),
    )
}

/// One estimate on a path between minima, in a line.
pub fn path_line(point: &paths::Point) -> String {
    let paths::Point { estimate, .. } = point;
    let digits = decimals(estimate.llc.mcse).min(3);
    format!(
        "t {:.3}  train {:.4}  test {:.4}  λ̂ {}  90 % interval {}  {}",
        point.t,
        point.train_loss,
        point.test_loss,
        with_error(estimate.llc.mean, estimate.llc.mcse, digits),
        interval(&estimate.llc.ci90, digits),
        estimate.judgement.words(),
    )
}

/// What the report of a curve says beside its points, each of which had its line when it was there.
pub fn render_curve(report: &Report<Curve>) -> String {
    rendered(|out| write_curve(out, report))
}

fn write_curve(out: &mut String, report: &Report<Curve>) -> std::fmt::Result {
    let found = &report.found;
    writeln!(out, "\n{:<16}{}, d = {}", "network", found.network, found.num_parameters)?;
    let loss_around = match &found.subject {
        Subject::Training { loss_around: Some(around), .. } => around,
        _ => "",
    };
    writeln!(out, "{:<16}{loss_around}", "loss around")?;
    write_setting(out, found.n, found.n_beta, found.gamma, &found.chains)?;
    let sampled_s: f64 = found.points.iter().map(|point| point.estimate.timing.sampling_s).sum();
    // Points of checkpoints were trained elsewhere.
    let trained_s = found.points.last().and_then(|point| point.train_s);
    let training = trained_s.map_or(String::new(), |trained_s| format!("training {}, ", duration(trained_s)));
    writeln!(out, "{:<16}{training}sampling {}", "time", duration(sampled_s))?;
    write_record(out, report)
}

/// A column of a table for other programs: its name, and what a row has there.
pub type Column<T> = (&'static str, fn(&T) -> String);

/// A table of `rows` for other programs.
///
/// # Errors
/// Whatever the writer reports, which writes to memory.
pub fn csv<T>(columns: &[Column<T>], rows: &[T]) -> csv::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(columns.iter().map(|(name, _)| name))?;
    for row in rows {
        table.write_record(columns.iter().map(|(_, cell)| cell(row)))?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

/// A number as tables for other programs have it: `NaN` for what is missing or not finite.
pub fn number(value: impl Into<Option<f64>>) -> String {
    value.into().filter(|value| value.is_finite()).unwrap_or(f64::NAN).to_string()
}

/// A number, a word or a truth value as a table has it; nothing for what is missing or not finite.
pub fn cell(value: impl Serialize) -> String {
    match json!(value) {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The columns of an estimate, behind those that say where it is.
const ESTIMATE: [Column<Estimate>; 9] = [
    ("llc", |estimate| number(estimate.llc.mean)),
    ("llc_mcse", |estimate| number(estimate.llc.mcse)),
    ("ci90_low", |estimate| number(estimate.llc.ci90[0])),
    ("ci90_high", |estimate| number(estimate.llc.ci90[1])),
    ("rhat", |estimate| number(estimate.diagnostics.rhat)),
    ("descent", |estimate| number(estimate.descent)),
    ("sampling_s", |estimate| number(estimate.timing.sampling_s)),
    ("verdict", |estimate| estimate.judgement.verdict.as_str().to_owned()),
    ("reasons", |estimate| estimate.judgement.reasons.join(" ")),
];

/// A table of `points`: the columns `before`, those of the estimate `of` each point, and the columns `after`.
fn points_csv<T>(
    before: &[Column<T>],
    of: fn(&T) -> &Estimate,
    after: &[Column<T>],
    points: &[T],
) -> csv::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let names = |columns: &[Column<T>]| columns.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    table.write_record([names(before), ESTIMATE.map(|(name, _)| name).to_vec(), names(after)].concat())?;
    for point in points {
        let cells = |columns: &[Column<T>]| columns.iter().map(|(_, cell)| cell(point)).collect::<Vec<_>>();
        let estimate = ESTIMATE.map(|(_, cell)| cell(of(point))).to_vec();
        table.write_record([cells(before), estimate, cells(after)].concat())?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

/// Where a point of a training is.
const TRAINING: [Column<network::Point>; 7] = [
    ("step", |point| point.step.to_string()),
    ("epoch", |point| number(point.epoch)),
    ("train_loss", |point| number(point.scores.map(|scores| scores.train_loss))),
    ("train_accuracy", |point| number(point.scores.map(|scores| scores.train_accuracy))),
    ("test_loss", |point| number(point.scores.map(|scores| scores.test_loss))),
    ("test_accuracy", |point| number(point.scores.map(|scores| scores.test_accuracy))),
    ("init_loss", |point| number(point.init_loss)),
];

/// The points of a curve as a table for other programs.
///
/// # Errors
/// Whatever the writer reports, which writes to memory.
pub fn curve_csv(points: &[network::Point]) -> csv::Result<Vec<u8>> {
    points_csv(&TRAINING, |point| &point.estimate, &[], points)
}

/// The points of several checkpoints: as [`curve_csv`], with the file of each.
///
/// # Errors
/// As [`curve_csv`].
pub fn checkpoints_csv(points: &[network::Point]) -> csv::Result<Vec<u8>> {
    let file: Column<network::Point> = ("checkpoint", |point| point.checkpoint.clone().unwrap_or_default());
    points_csv(&TRAINING, |point| &point.estimate, &[file], points)
}

/// The estimates on a path between minima as a table for other programs.
///
/// # Errors
/// As [`curve_csv`].
pub fn path_csv(points: &[paths::Point]) -> csv::Result<Vec<u8>> {
    const PATH: [Column<paths::Point>; 5] = [
        ("index", |point| point.index.to_string()),
        ("t", |point| number(point.t)),
        ("train_loss", |point| number(point.train_loss)),
        ("test_loss", |point| number(point.test_loss)),
        ("init_loss", |point| number(point.init_loss)),
    ];
    points_csv(&PATH, |point| &point.estimate, &[], points)
}

/// nβ, γ, and what the chains were.
fn write_setting(out: &mut String, n: usize, n_beta: f64, gamma: f64, chains: &Chains) -> std::fmt::Result {
    writeln!(out, "{:<16}n = {n}   nβ = {n_beta:.6}   γ = {gamma}", "posterior")?;
    writeln!(
        out,
        "{:<16}{}, {} × {}, the first {} warm-up",
        "sampler",
        chains.sampler,
        counted(chains.num_chains, "chain"),
        counted(chains.num_draws, "draw"),
        chains.num_warmup
    )
}

/// The same, and how long it took.
fn write_posterior(out: &mut String, n: usize, chains: &Chains, estimate: &Estimate) -> std::fmt::Result {
    write_setting(out, n, estimate.n_beta, estimate.gamma, chains)?;
    let timing = &estimate.timing;
    writeln!(out, "{:<16}{} at {:.1} steps/s", "", duration(timing.sampling_s), timing.steps_per_s)
}

/// Where the record is, if there is one.
pub fn write_record<R>(out: &mut String, report: &Report<R>) -> std::fmt::Result {
    match &report.run_dir {
        Some(dir) => writeln!(out, "{:<16}{dir} ({})", "record", report.status),
        None => Ok(()),
    }
}

/// The report of a run on a deep linear network, in lines of at most about 100 columns.
pub fn render(report: &Report<Dln>) -> String {
    rendered(|out| write(out, report))
}

/// The widths of a network, in one line.
pub fn widths(network: &[usize]) -> String {
    network.iter().map(usize::to_string).collect::<Vec<_>>().join(" → ")
}

fn write(out: &mut String, report: &Report<Dln>) -> std::fmt::Result {
    let found = &report.found;
    let (known, estimate) = (&found.known, &found.point.estimate);
    writeln!(out)?;
    writeln!(out, "{:<16}{}   d = {}", "network", widths(&found.network), found.d)?;
    writeln!(out, "{:<16}{}, rank {}", "truth", found.truth, known.rank_true)?;
    write_posterior(out, found.n, &found.chains, estimate)?;
    write_epsilon(out, estimate)?;
    writeln!(out)?;
    write_llcs(out, &found.point)?;
    let kind = if known.lambda.lambda_true_is_local {
        format!("exact, multiplicity {}", known.lambda.multiplicity)
    } else {
        let [low, high] = known.lambda_bounds;
        format!("global (Aoyagi), a lower bound at w*; the local one is between {low} and {high}")
    };
    let off = match 100.0 * found.relative_error {
        percent if percent.is_finite() => format!("λ̂ is {percent:+.2} % off"),
        _ => "no estimate".to_owned(),
    };
    writeln!(out, "{:<16}{} ({kind}); {off}", "λ", known.lambda.lambda_true_exact)?;
    write_point(out, &found.point)?;
    writeln!(out)?;
    write_verdict(out, &estimate.judgement)?;
    if let Some(trained) = &found.trained {
        write_trained(out, trained)?;
    }
    write_record(out, report)
}

/// What is said of the point where the training ended.
fn write_trained(out: &mut String, trained: &Trained) -> std::fmt::Result {
    let dln::Training { train_loss, distance, num_steps, train_s } = trained.training;
    writeln!(out)?;
    match num_steps {
        Some(num_steps) => write!(out, "{:<16}{}", "trained", counted(num_steps as usize, "step"))?,
        None => write!(out, "{:<16}training did not finish", "trained")?,
    }
    if let (Some(loss), Some(train_s), Some(distance)) = (train_loss.filter(|loss| loss.is_finite()), train_s, distance)
    {
        write!(out, " in {}, loss {loss:.3e}, {distance:.3} from w*", duration(train_s))?;
    }
    writeln!(out)?;
    if let Outcome::Estimated(point) = &trained.outcome {
        write_epsilon(out, &point.estimate)?;
        write_llcs(out, point)?;
        write_point(out, point)?;
    }
    write_verdict(out, trained.outcome.judgement())
}

fn write_epsilon(out: &mut String, estimate: &Estimate) -> std::fmt::Result {
    if !estimate.epsilon.is_empty() {
        let shown: Vec<String> = estimate.epsilon.iter().take(4).map(|epsilon| format!("{epsilon:.3e}")).collect();
        writeln!(out, "{:<16}{}", "ε", shown.join("  "))?;
    }
    Ok(())
}

/// λ̂ by every estimator.
fn write_llcs(out: &mut String, point: &dln::Point) -> std::fmt::Result {
    let llc = &point.estimate.llc;
    write_llc(out, "λ̂", llc.mean, llc.mcse, &llc.ci90)?;
    match &point.llc_wbic_slope {
        Some(slope) => write_llc(out, "λ̂, slope", slope.mean, slope.mcse, &slope.ci90),
        None => Ok(()),
    }
}

fn write_llc(out: &mut String, label: &str, mean: f64, mcse: f64, ci90: &[f64]) -> std::fmt::Result {
    let digits = decimals(mcse);
    writeln!(out, "{label:<16}{}   90 % interval {}", with_error(mean, mcse, digits), interval(ci90, digits))
}

/// The chains, their diagnostics, and what else was measured around a deep linear network.
fn write_point(out: &mut String, point: &dln::Point) -> std::fmt::Result {
    write_diagnostics(out, &point.estimate)?;
    if let Some(Some(rank)) = point.functional_rank {
        writeln!(out, "{:<16}rank of the Jacobian {rank}", "function")?;
    }
    if let Some(Some(trace)) = point.hessian_trace {
        writeln!(out, "{:<16}trace {}", "Hessian", with_error(trace.mean, trace.mcse, decimals(trace.mcse)))?;
    }
    if let Some(Some(layers)) = &point.distance_per_layer {
        let shown: Vec<String> = layers.iter().take(8).map(|distance| format!("{distance:.3}")).collect();
        writeln!(out, "{:<16}{} by layer, root mean square", "distance", shown.join("  "))?;
    }
    Ok(())
}

/// The chains and their diagnostics.
fn write_diagnostics(out: &mut String, estimate: &Estimate) -> std::fmt::Result {
    let Estimate { llc, diagnostics, .. } = estimate;
    let digits = decimals(llc.mcse);
    let shown: Vec<String> = llc.per_chain.iter().take(8).map(|llc| fixed(*llc, digits)).collect();
    writeln!(out, "{:<16}{}", "chains", shown.join("  "))?;
    write!(
        out,
        "{:<16}R-hat {}   ESS bulk {} tail {}",
        "diagnostics",
        fixed(diagnostics.rhat, 3),
        fixed(diagnostics.ess_bulk, 0),
        fixed(diagnostics.ess_tail, 0)
    )?;
    if let Some(acceptance) = diagnostics.acceptance.filter(|acceptance| acceptance.is_finite()) {
        write!(out, "   acceptance {acceptance:.3}")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "{:<16}variance ratio {}   virial {}   radius {}",
        "",
        with_error(diagnostics.variance_ratio, diagnostics.variance_ratio_mcse, 3),
        with_error(diagnostics.virial, diagnostics.virial_mcse, 3),
        fixed(diagnostics.radius, 3)
    )?;
    write_biases(out, estimate)?;
    if diagnostics.gamma_sensitivity.is_finite() {
        let mcse = diagnostics.gamma_sensitivity_mcse;
        let slope = with_error(diagnostics.gamma_sensitivity, mcse, decimals(mcse));
        writeln!(out, "{:<16}dλ̂/dlnγ {slope}", "scale")?;
    }
    if let Some(check) = &estimate.localisation_check {
        let llc = with_error(check.llc, check.mcse, digits);
        writeln!(out, "{:<16}at γ = {}: λ̂ = {llc}", "localisation", check.gamma)?;
    }
    Ok(())
}

/// What the step size and the minibatches add to λ̂, and what was taken off.
fn write_biases(out: &mut String, estimate: &Estimate) -> std::fmt::Result {
    let Estimate { llc, diagnostics, extrapolation, .. } = estimate;
    let share = |bias: f64| 100.0 * bias / llc.mean.abs();
    let step = diagnostics.step_bias.map_or(f64::NAN, share);
    if !step.is_finite() {
        return Ok(());
    }
    write!(out, "{:<16}step {step:+.1} %", "bias")?;
    let minibatch = diagnostics.minibatch_bias.map_or(f64::NAN, share);
    if minibatch != 0.0 {
        write!(out, "   minibatches about {minibatch:+.1} %")?;
    }
    if let Some(extrapolation) = extrapolation {
        let (bias, mcse) = (share(extrapolation.bias.value), share(extrapolation.bias.mcse));
        write!(out, "   corrected by extrapolation: {bias:+.1} ± {mcse:.1} %")?;
    }
    writeln!(out)
}

fn write_verdict(out: &mut String, judgement: &Judgement) -> std::fmt::Result {
    writeln!(out, "{:<16}{}", "verdict", judgement.words())?;
    for line in judgement.explanations.iter().chain(&judgement.notes) {
        writeln!(out, "{:<16}- {line}", "")?;
    }
    Ok(())
}

/// Decimals that show an error to two significant digits.
pub fn decimals(error: f64) -> usize {
    if error > 0.0 && error.is_finite() { (1.0 - error.log10().floor()).clamp(0.0, 12.0) as usize } else { 3 }
}

#[cfg(test)]
mod tests {
    use crate::data::DatasetName;
    use crate::llc::LlcEstimate;
    use crate::report::Scores;
    use crate::report::paths::Paths;
    use crate::wbic_slope::WbicSlope;
    use serde::de::DeserializeOwned;

    use super::*;

    /// The report of a run in tests/fixtures/records.
    fn recorded<R: DeserializeOwned>(id: u64) -> Report<R> {
        let path = format!("{}/tests/fixtures/records/{id}/report.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn what_was_not_found_is_a_dash_in_every_line_and_table_and_one_chain_is_one_chain() {
        let nan = f64::NAN;
        let mut dln: Report<Dln> = recorded(20);
        let estimate = &mut dln.found.point.estimate;
        // As of a run whose chains all diverged.
        estimate.llc = LlcEstimate { mean: nan, mcse: nan, ci90: [nan; 2], per_chain: vec![nan] };
        let diagnostics = &mut estimate.diagnostics;
        [diagnostics.rhat, diagnostics.ess_bulk, diagnostics.virial, diagnostics.variance_ratio_mcse] = [nan; 4];
        [diagnostics.variance_ratio, diagnostics.gamma_sensitivity] = [1.25, 2.5];
        diagnostics.gamma_sensitivity_mcse = nan;
        let check = estimate.localisation_check.as_mut().unwrap();
        [check.llc, check.mcse] = [nan; 2];
        let estimate = estimate.clone();
        dln.found.relative_error = nan;
        dln.found.point.hessian_trace = Some(Some(dln::HessianTrace { mean: nan, mcse: nan, num_probes: 2 }));
        dln.found.point.llc_wbic_slope = Some(WbicSlope {
            mean: 1.5,
            mcse: nan,
            ci90: [nan; 2],
            per_chain: Vec::new(),
            beta: Vec::new(),
            ess_weights: Vec::new(),
            smallest_ess_weights: nan,
        });
        let mut curve = recorded::<Curve>(11).found.points.remove(0);
        curve.estimate = estimate.clone();
        let mut path = recorded::<Paths>(80).found.estimates.unwrap().points.remove(0);
        path.estimate = estimate.clone();
        let found = Network {
            checkpoint: None,
            network: "mlp".to_owned(),
            data: Some(DatasetName::Mnist),
            n: 10,
            d: 5,
            num_parameters: 5,
            init_loss: 1.0,
            scores: Some(Scores { train_loss: 1.0, train_accuracy: 0.5, test_loss: 1.0, test_accuracy: 0.5 }),
            chains: Chains { sampler: "sgld".to_owned(), num_chains: 1, num_draws: 1, num_warmup: 0 },
            estimate,
        };
        let Report { schema_version, experiment, seed, run_dir, status, .. } = recorded::<Dln>(20);
        let network = render_network(&Report { schema_version, experiment, found, seed, run_dir, status });
        let dln = render(&dln);
        for shown in [&network, &dln, &curve_line(&curve, "e_10"), &path_line(&path)] {
            assert!(!shown.contains("NaN"), "{shown}");
            assert!(shown.contains('—'), "{shown}");
        }
        assert!(network.contains("sgld, 1 chain × 1 draw, the first 0 warm-up"), "{network}");
        assert!(dln.contains("1.500 ± —") && dln.contains("variance ratio 1.250 ± —   virial —"), "{dln}");
    }
}
