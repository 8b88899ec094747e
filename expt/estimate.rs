//! Runs `llc estimate`: the local learning coefficient of a network from a checkpoint or of a module, or of several.

mod several;

use std::path::Path;
use std::sync::Arc;

use llc::config::{EstimateConfig, Switch, files};
use llc::estimate::estimate;
use llc::observe::{Event, Observers, Status, forward};
use llc::posterior::Posterior;
use llc::report::network::Network;
use llc::report::{Estimate, Scores};
use llc::rng::Key;

use crate::cli::{Context, Outcome};
use crate::registry::Experiment;
use crate::trained::{Loaded, Loader};
use crate::{expected, session};
use llc::report::table;

impl Experiment for EstimateConfig {
    /// Estimates λ, records the run, and prints the result.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| sample(self, context, observers))
    }
}

fn sample(config: &EstimateConfig, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    observers.emit(&Event::Stage("reading the data"));
    tch::set_num_threads(config.run().threads as i32);
    let loader = Loader::open(config)?;
    if files::is_several(config.files()) {
        return several::estimate(&loader, context, observers);
    }
    let Loaded { trained, scores, notes } = loader.load(Path::new(config.files()), observers)?;
    let mut posterior = loader.posterior(&trained, config.sampler(), Key::new(config.seed()))?;
    let experiment = EstimateConfig::EXPERIMENT;
    let info = session::run_info(experiment, config, context)?;
    observers.emit(&Event::Started(&session::info_around(info, &posterior)));
    session::ensure_recorded(observers)?;
    if let Some(Scores { train_loss, train_accuracy, test_loss, test_accuracy }) = scores {
        observers.emit(&Event::Metrics {
            step: 0,
            values: &[
                ("train.loss", train_loss),
                ("train.accuracy", train_accuracy),
                ("test.loss", test_loss),
                ("test.accuracy", test_accuracy),
            ],
        });
    }
    let check = config.sampler().check_localisation == Switch::On;
    let Posterior { target, sampler, chains } = &mut posterior;
    let target = target.as_mut();
    chains.store = Arc::new(session::journal(context, observers, config));
    let expected_s = expected::sampling_seconds(target, sampler.as_ref(), chains, check)?;
    expected::report(expected_s, context, observers);
    let done = estimate(target, sampler.as_ref(), chains, check, &context.cancel, &mut forward(observers))?;
    let has_failed = done.num_diverged == chains.num_chains;
    let status = match (done.is_interrupted, has_failed) {
        (true, _) => Status::Interrupted,
        (false, true) => Status::Failed,
        (false, false) => Status::Completed,
    };
    let found = Network {
        checkpoint: Some(config.files().to_owned()),
        network: trained.name().to_owned(),
        data: loader.data_name(),
        n: loader.num_samples(),
        d: target.local().w_star().len(),
        num_parameters: trained.num_parameters(),
        init_loss: chains.plan.init_loss,
        scores,
        chains: config.sampler().into(),
        estimate: Estimate::from(&done).with_notes(&notes),
    };
    let report = session::report(experiment, config.seed(), found, status, observers);
    let explanations = done.judgement.findings.iter().map(|f| format!("{}\n", f.explanation)).collect::<Vec<_>>();
    session::end(context, observers, (&report, &table::render_network(&report)), &explanations)?;
    Ok(match status {
        Status::Interrupted => Outcome::Interrupted,
        _ if done.num_diverged > 0 => Outcome::Diverged,
        _ => Outcome::Done,
    })
}
