//! `llc-analysis check-rescaling`: says whether λ̂ of rescaled ReLU networks is the same at every factor.
//!
//! A factor that is a power of two changes exponents alone: no product, sum, root or noise of the chain rounds otherwise, so that λ̂ must be
//! the same bit for bit. Other factors round otherwise, and chaos amplifies that: there λ̂ must agree within a tolerance.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use llc::record::read::Run;
use llc::report::read;
use llc::report::trials::{Rescaled, Rescaling};

/// Largest relative difference at factors that are no powers of two.
const TOLERANCE: f64 = 1e-3;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Folders of runs of `llc rescaling`.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Largest relative difference of λ̂ at factors that are not powers of two; at powers of two none is allowed.
    #[arg(long, value_name = "SHARE", default_value_t = TOLERANCE)]
    tolerance: f64,
}

/// Checks every run, and fails after the first that is not invariant.
pub fn execute(arguments: &Arguments, output: &mut dyn Write) -> Result<()> {
    for path in &arguments.runs {
        let run = Run::open(path)?;
        let compared = check(&run, arguments.tolerance).with_context(|| format!("{}", path.display()))?;
        let Compared { num_exact, num_close, largest } = compared;
        write!(output, "{}: {num_exact} λ̂ equal bit for bit", path.display())?;
        match num_close {
            0 => writeln!(output)?,
            n => writeln!(output, ", {n} within {largest:.1e} of themselves")?,
        }
    }
    Ok(())
}

/// What was compared with the λ̂ of the same network and seed at the factor nearest to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Compared {
    num_exact: usize,
    num_close: usize,
    largest: f64,
}

/// One chain.
struct Trial {
    network: String,
    seed: u64,
    factor: f64,
    /// `None` where it diverged.
    llc: Option<f64>,
}

fn check(run: &Run, tolerance: f64) -> Result<Compared> {
    let report = run.report.as_ref().context("it has no report, since it has not ended")?;
    ensure!(report["experiment"] == "rescaling", "it is not a run of `llc rescaling`");
    ensure!(run.status == "COMPLETED", "it is {}: only a completed run can be checked", run.status);
    let found: Rescaling = read::found(Some(report), "rescaling").context("its report can't be read")?;
    let trials: Vec<Trial> = found.points.iter().flat_map(trials).collect();
    let mut compared = Compared::default();
    for trial in &trials {
        let nearest = |a: &&Trial, b: &&Trial| a.factor.ln().abs().total_cmp(&b.factor.ln().abs());
        let is_its_own = |other: &&Trial| other.network == trial.network && other.seed == trial.seed;
        // The trial itself is among them.
        let Some(base) = trials.iter().filter(is_its_own).min_by(nearest) else { continue };
        if std::ptr::eq(base, trial) {
            continue;
        }
        let place = format!("{}, seed {}, factor {}", trial.network, trial.seed, trial.factor);
        let (Some(llc), Some(expected)) = (trial.llc, base.llc) else {
            bail!("not invariant: {place} against {}: a chain diverged", base.factor);
        };
        let difference = (llc / expected - 1.0).abs();
        if is_power_of_two(trial.factor) && is_power_of_two(base.factor) {
            ensure!(
                llc.to_bits() == expected.to_bits(),
                "not invariant: {place}: λ̂ {llc} is not the {expected} at {}",
                base.factor
            );
            compared.num_exact += 1;
        } else {
            ensure!(
                difference <= tolerance,
                "not invariant: {place}: λ̂ {llc} differs by {difference:.1e} from the {expected} at {}",
                base.factor
            );
            compared.num_close += 1;
            compared.largest = compared.largest.max(difference);
        }
    }
    ensure!(compared.num_exact + compared.num_close > 0, "it has only one factor: there is nothing to compare");
    Ok(compared)
}

fn trials(point: &Rescaled) -> impl Iterator<Item = Trial> {
    point.trials.iter().map(|trial| Trial {
        network: point.network.clone(),
        seed: trial.seed,
        factor: point.factor,
        llc: Some(trial.llc).filter(|llc| llc.is_finite() && !trial.has_diverged),
    })
}

/// Whether nothing but the exponent of `factor` is set.
fn is_power_of_two(factor: f64) -> bool {
    factor.is_normal() && factor > 0.0 && factor.to_bits() & ((1 << (f64::MANTISSA_DIGITS - 1)) - 1) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_distinguished_from_other_factors() {
        assert!([0.0625, 0.5, 1.0, 2.0, 8192.0].into_iter().all(is_power_of_two));
        assert!(![0.1, 3.0, 1.0 + f64::EPSILON, 0.0, f64::NAN, f64::INFINITY].into_iter().any(is_power_of_two));
    }
}
