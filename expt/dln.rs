//! Runs `llc dln`: the local learning coefficient of a deep linear network, whose exact value is known.

use llc::config::DlnConfig;
use llc::config::dln::{Device, Switch, Truth};
use llc::diagnostics::{Draws, rhat};
use llc::dln::Problem;
use llc::estimate::{self, Estimation};
use llc::kernel::Sampler;
use llc::model::deep_linear::TrueParameter;
use llc::observe::file_tree::FileTreeObserver;
use llc::observe::terminal::TerminalObserver;
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::run::Chains;
use llc::target::{Batch, Target};
use llc::theory::{self, LearningCoefficient, LocalBounds, PartialRanks, ReducedRank};
use serde_json::{Value, json};

use crate::cli::{self, Context, Outcome};
use crate::table;

/// Runs that are expected to take longer say so first.
const LONG_S: f64 = 60.0;

/// Estimates λ as `config` says, records the run, and prints the result.
pub fn run(config: &DlnConfig, context: &Context) -> anyhow::Result<Outcome> {
    let mut observers = Observers::default();
    let tree = FileTreeObserver::create(&context.file_storage).map_err(|error| cli::CannotRecord(error.to_string()))?;
    observers.push(Box::new(tree));
    observers.push(Box::new(TerminalObserver::new(context.is_quiet, |chains| rhat(&Draws::new(chains)))));
    match sample(config, context, &mut observers) {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            let trace: Vec<String> = error.chain().map(|cause| format!("{cause}\n")).collect();
            observers.emit(&Event::Ended { status: Status::Failed, report: None, fail_trace: &trace });
            Err(error)
        }
    }
}

fn sample(config: &DlnConfig, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    let sampler_config = config.sampler();
    let Problem { mut target, sampler, chains, truth, data_s } = Problem::new(config, device(config.run().device)?)?;
    let known = Known::new(&config.model().dims(), &truth, &config.truth().kind)?;
    let init_loss = chains.plan.init_loss;
    observers.emit(&Event::Started(&RunInfo {
        name: context.name.clone(),
        command: DlnConfig::EXPERIMENT.to_owned(),
        argv: std::env::args().collect(),
        config: serde_json::to_value(config)?,
        config_updates: context.config_updates.clone(),
        comment: context.comment.clone(),
        num_chains: sampler_config.num_chains,
        num_draws: chains.plan.num_draws,
        num_warmup: chains.plan.num_warmup,
        num_parameters: config.model().num_parameters(),
        n_beta: config.n_beta(),
        init_loss,
    }));
    if let Some(failure) = observers.failures().first() {
        return Err(cli::CannotRecord(failure.clone()).into());
    }
    let check = sampler_config.check_localisation == Switch::On;
    let expected_s = expected_seconds(&mut target, sampler.as_ref(), &chains, check)?;
    if expected_s > LONG_S {
        let text = format!("expected to take about {}", table::duration(expected_s));
        observers.emit(&Event::Output(&text));
        if !context.is_quiet {
            eprintln!("{text}");
        }
    }
    let done = estimate::estimate(&mut target, sampler.as_ref(), &chains, check, &context.cancel, observers)?;
    let run_dir = observers.run_dir();
    let report = report(config, &done, &known, init_loss, data_s, run_dir.as_deref().and_then(|dir| dir.to_str()));
    let shown = table::render(&report);
    observers.emit(&Event::Output(&shown));
    let has_failed = done.num_diverged == sampler_config.num_chains;
    let fail_trace: Vec<String> = done.judgement.findings.iter().map(|f| format!("{}\n", f.explanation)).collect();
    let status = match (done.is_interrupted, has_failed) {
        (true, _) => Status::Interrupted,
        (false, true) => Status::Failed,
        (false, false) => Status::Completed,
    };
    let fail_trace = if status == Status::Failed { &fail_trace[..] } else { &[] };
    observers.emit(&Event::Ended { status, report: Some(&report), fail_trace });
    if !context.is_quiet {
        cli::print(&shown)?;
    }
    if context.is_json {
        cli::print(&format!("{report}\n"))?;
    }
    Ok(match status {
        Status::Interrupted => Outcome::Interrupted,
        _ if done.num_diverged > 0 => Outcome::Diverged,
        _ => Outcome::Done,
    })
}

/// What theory says of λ at w*.
struct Known {
    coefficient: LearningCoefficient,
    /// Whether that is the value at w* itself, not only its lower bound.
    is_local: bool,
    bounds: LocalBounds,
    rank: usize,
}

impl Known {
    fn new(widths: &[usize], truth: &TrueParameter, kind: &Truth) -> anyhow::Result<Known> {
        let network = theory::DeepLinear::new(widths, truth.rank)?;
        let global = network.learning_coefficient();
        // A product of random layers has the smallest of their ranks.
        let from = |ranks: &mut dyn Iterator<Item = &usize>| {
            ranks
                .scan(usize::MAX, |least, rank| {
                    *least = (*least).min(*rank);
                    Some(*least)
                })
                .collect::<Vec<_>>()
        };
        let ranks = &truth.layer_ranks;
        let mut to_output = from(&mut ranks.iter().rev());
        to_output.reverse();
        let bounds = LocalBounds::at(&PartialRanks::new(network, &from(&mut ranks.iter()), &to_output)?);
        let smallest = widths.iter().copied().min().unwrap_or(0);
        let is_on_closed_orbit = matches!(kind, Truth::Aligned { .. } | Truth::Zero);
        // A product of the largest rank possible: the map to the product is a submersion, the model is regular there.
        let is_regular = truth.rank == smallest;
        let (coefficient, is_local) = match (widths, ranks.as_slice()) {
            (&[input, hidden, output], &[first, second]) => {
                (ReducedRank::new(input, hidden, output, truth.rank)?.local(first, second)?, true)
            }
            _ => (global, is_on_closed_orbit || is_regular || bounds.lower == bounds.upper),
        };
        Ok(Known { coefficient, is_local, bounds, rank: truth.rank })
    }
}

fn report(
    config: &DlnConfig,
    done: &Estimation,
    known: &Known,
    init_loss: f64,
    data_s: f64,
    run_dir: Option<&str>,
) -> Value {
    use num_traits::ToPrimitive;
    let lambda = known.coefficient.lambda_f64();
    let judgement = &done.judgement;
    let has_failed = done.num_diverged == config.sampler().num_chains;
    json!({
        "experiment": DlnConfig::EXPERIMENT,
        "network": config.model().dims(),
        "sampler": config.sampler().kernel.kind().name(),
        "truth": config.truth().kind.name(),
        "n": config.data().num_training_data,
        "num_chains": config.sampler().num_chains,
        "num_draws": config.sampler().num_draws(),
        "num_warmup": config.sampler().num_warmup_draws(),
        "gamma": config.sampler().gamma,
        "llc": done.llc,
        "lambda_true": lambda,
        "lambda_true_exact": known.coefficient.lambda.to_string(),
        "lambda_true_is_local": known.is_local,
        "lambda_bounds": [known.bounds.lower.to_f64(), known.bounds.upper.to_f64()],
        "lambda_at_n_beta": known.coefficient.finite_n(config.n_beta()),
        "multiplicity": known.coefficient.multiplicity,
        "rank_true": known.rank,
        "relative_error": (done.llc.mean - lambda) / lambda,
        "init_loss": init_loss,
        "n_beta": config.n_beta(),
        "d": config.model().num_parameters(),
        "epsilon": done.epsilon,
        "largest_curvature": done.largest_curvature,
        "descent": done.descent,
        "diagnostics": done.diagnostics,
        "localisation_check": done.localisation.sampled(),
        "verdict": judgement.verdict,
        "reasons": judgement.findings.iter().map(|f| f.reason.as_str()).collect::<Vec<_>>(),
        "explanations": judgement.findings.iter().map(|f| f.explanation.as_str()).collect::<Vec<_>>(),
        "notes": judgement.notes,
        "timing": {
            "data_s": data_s,
            "sampling_s": done.sampling_s,
            "steps_per_s": done.num_steps as f64 / done.sampling_s,
        },
        "seed": config.seed(),
        "run_dir": run_dir,
        "status": if done.is_interrupted { "INTERRUPTED" } else if has_failed { "FAILED" } else { "COMPLETED" },
    })
}

/// Seconds that the chains are expected to take, from the cost of one pass.
fn expected_seconds(
    target: &mut dyn Target,
    sampler: &dyn Sampler,
    chains: &Chains,
    check_localisation: bool,
) -> anyhow::Result<f64> {
    let indices: Vec<u64> = (0..chains.plan.batch_size.unwrap_or(0) as u64).collect();
    let batch = match chains.plan.batch_size {
        Some(_) => Batch::Minibatch { key: chains.key, indices: &indices },
        None => Batch::Full,
    };
    let pass_s = estimate::seconds_per_pass(target, sampler.gradient(), batch)?;
    let side_by_side = (chains.threads / chains.threads_per_chain).clamp(1, chains.num_chains);
    let in_turn = chains.num_chains.div_ceil(side_by_side) as f64;
    let halves = if check_localisation { 1.5 } else { 1.0 };
    Ok(pass_s * sampler.passes_per_step() * (chains.plan.num_draws * chains.plan.thin) as f64 * in_turn * halves)
}

fn device(device: Device) -> anyhow::Result<tch::Device> {
    match device {
        Device::Cuda(index) => {
            let num_devices = tch::Cuda::device_count();
            anyhow::ensure!(
                tch::Cuda::is_available() && (index as i64) < num_devices,
                cli::NoDevice { index, num_devices }
            );
            Ok(tch::Device::Cuda(index))
        }
        _ => Ok(tch::Device::Cpu),
    }
}
