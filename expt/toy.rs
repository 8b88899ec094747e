//! Runs `llc toy`: small potentials by every sampler that fits, against the exact value at the same nβ and γ.

mod table;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use llc::config::{Epsilon, PositiveF64, SamplerConfig, ToyConfig};
use llc::estimate::{Estimation, estimate};
use llc::kernel::{GradientNeed, KernelConfig, SamplerKind};
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::report::profile::Timing;
use llc::report::toy::{self as report, Compared, Point, Toys};
use llc::rng::Key;
use llc::target::Target as _;
use llc::target::law::{GradientNoise, Law, LawTarget};
use llc::theory::Toy;

use crate::cli::{Context, Outcome};
use crate::registry::Experiment;
use crate::session;
use llc::points::Points;

/// Standard errors that λ̂ may be off the exact value and still agree: a right sampler is further off once in 370 times.
const MAX_Z: f64 = 3.0;
/// The word for those that do.
const AGREES: &str = "agrees";

impl Experiment for ToyConfig {
    /// Compares every potential by every sampler, records the run, and prints the table.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| compare(self, context, observers))
    }
}

fn compare(config: &ToyConfig, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    observers.emit(&Event::Started(&RunInfo {
        num_parameters: config.toy().potentials.iter().map(|&toy| Law::of(toy).num_parameters()).max().unwrap_or(0),
        ..session::run_info(ToyConfig::EXPERIMENT, config, context)?
    }));
    session::ensure_recorded(observers)?;
    let mut points = Points::of(&session::journal(context, observers, config))?;
    let mut is_interrupted = false;
    for case in cases(config)?.iter().skip(points.all().len()) {
        is_interrupted = context.cancel.load(Ordering::Relaxed);
        let point = if is_interrupted { None } else { case.point(config, context, points.all(), observers)? };
        match point {
            Some(point) => {
                observers.emit(&Event::Saving);
                points.push_quick(point)?;
            }
            None => {
                is_interrupted = true;
                break;
            }
        }
    }
    points.finish()?;
    end(config, context, points.into_all(), is_interrupted, observers)
}

/// One potential by one sampler.
struct Case<'a> {
    /// Place among all.
    index: usize,
    /// Place of (n, nβ) among the rounds.
    round: usize,
    n: Option<u64>,
    n_beta: f64,
    toy: Toy,
    /// E[nβ·K], which λ̂ is compared with.
    exact: f64,
    sampler: &'a SamplerConfig,
}

/// All that `config` asks for, in the order of the table.
fn cases(config: &ToyConfig) -> anyhow::Result<Vec<Case<'_>>> {
    let mut cases = Vec::new();
    for &toy in &config.toy().potentials {
        for (round, (n, n_beta)) in config.rounds().into_iter().enumerate() {
            let exact = toy.scaled_loss_mean(n_beta, config.gamma(toy))?;
            for sampler in config.samplers() {
                cases.push(Case { index: cases.len(), round, n, n_beta, toy, exact, sampler });
            }
        }
    }
    Ok(cases)
}

impl Case<'_> {
    /// What the report says of it; `None` where it was interrupted.
    fn point(
        &self,
        config: &ToyConfig,
        context: &Context,
        before: &[Point],
        observers: &mut Observers,
    ) -> anyhow::Result<Option<Point>> {
        let Self { toy, n_beta, exact, sampler, .. } = *self;
        let (gamma, kind) = (config.gamma(toy), sampler.kernel.kind());
        let mut target = LawTarget::new(Law::of(toy), GradientNoise::None, n_beta, gamma)?;
        let known = toy.learning_coefficient();
        let point = |outcome: report::Outcome| Point {
            potential: toy.name().to_owned(),
            formula: toy.formula().to_owned(),
            n: self.n,
            lambda_true: known.lambda_f64(),
            lambda_true_exact: known.to_string(),
            multiplicity: known.multiplicity,
            llc_exact: exact,
            lambda_at_n_beta: known.finite_n(n_beta),
            sampler: kind.name().to_owned(),
            outcome,
        };
        if kind.about().gradient == GradientNeed::None && target.as_conditional().is_none() {
            let why = "skipped: some coordinate is not normal given the others, so it can't be drawn exactly";
            return Ok(Some(point(report::Outcome::LeftOut { left_out: why.to_owned(), n_beta, gamma })));
        }
        observers.emit(&Event::Stage(&format!("{} by {}", toy.name(), kind.name())));
        let number = Toy::ALL.iter().position(|&other| other == toy).unwrap_or(0) as u64;
        let key = Key::new(config.seed()).part(number).part(self.round as u64);
        let mut chains = sampler.chains(config.run(), key, 0.0);
        let stage = format!("{}-{}-{}", toy.name(), self.round, kind.name());
        chains.store = Arc::new(session::journal(context, observers, config).stage(&stage));
        // Only the summaries of these many small estimates are reported, not their draws.
        let sampler = self.at_known_step(config.toy().sgld_step.get(), before).sampler();
        let done = estimate(&mut target, sampler.as_ref(), &chains, false, &context.cancel, &mut |_| {})?;
        if done.is_interrupted {
            return Ok(None);
        }
        observers.emit(&Event::Metrics {
            step: self.index as u64,
            values: &[("toy.llc", done.llc.mean), ("toy.llc_mcse", done.llc.mcse)],
        });
        Ok(Some(point(report::Outcome::Compared(Box::new(compared(&done, exact))))))
    }

    /// The sampler, and if it is SGLD at `share` of the step size that MALA has found for the same potential among the points `before`.
    fn at_known_step(&self, share: f64, before: &[Point]) -> KernelConfig {
        let is_it = |point: &&Point| {
            let of_mala = point.sampler == SamplerKind::Mala.name();
            of_mala && point.potential == self.toy.name() && point.scale()[0] == self.n_beta
        };
        let mut kernel = self.sampler.kernel.clone();
        let mala = before.iter().find(is_it).and_then(Point::compared);
        if let (KernelConfig::Sgld(settings), Some(mala)) = (&mut kernel, mala) {
            let found = mala.estimate.epsilon.iter().copied().reduce(f64::min);
            if let Some(epsilon) = found.and_then(|epsilon| PositiveF64::new(share * epsilon)) {
                settings.epsilon = Epsilon::Fixed(epsilon);
            }
        }
        kernel
    }
}

/// How far λ̂ is off `exact`, in its own errors.
fn compared(done: &Estimation, exact: f64) -> Compared {
    let z = (done.llc.mean - exact) / done.llc.mcse;
    let agreement = match z {
        _ if done.num_diverged > 0 => "diverged",
        z if z.abs() <= MAX_Z => AGREES,
        z if z < 0.0 => "too low",
        z if z > 0.0 => "too high",
        _ => "unknown",
    };
    Compared { estimate: done.into(), z, agreement: agreement.to_owned(), num_diverged: done.num_diverged }
}

fn end(
    config: &ToyConfig,
    context: &Context,
    points: Vec<Point>,
    is_interrupted: bool,
    observers: &mut Observers,
) -> anyhow::Result<Outcome> {
    let status = if is_interrupted { Status::Interrupted } else { Status::Completed };
    observers.emit(&Event::Artifact { name: "toy.csv", content: &table::csv(&points)? });
    let compared: Vec<&Compared> = points.iter().filter_map(Point::compared).collect();
    let has_diverged = compared.iter().any(|point| point.estimate.judgement.has_diverged());
    let found = Toys {
        num_compared: compared.len(),
        num_agreeing: compared.iter().filter(|point| point.agreement == AGREES).count(),
        max_z: MAX_Z,
        num_chains: config.toy().num_chains,
        timing: Timing { sampling_s: compared.iter().map(|point| point.estimate.timing.sampling_s).sum() },
        points,
    };
    let report = session::report(ToyConfig::EXPERIMENT, config.seed(), found, status, observers);
    session::end(context, observers, (&report, &table::render(&report)), &[])?;
    Ok(session::outcome(status, has_diverged))
}
