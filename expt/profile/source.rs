//! Opens what a ladder is climbed around: its target, what is known of it exactly, and the test data.

use std::path::Path;

use llc::config::profile::{self, PotentialConfig};
use llc::config::{DlnConfig, EstimateConfig, ProfileConfig, files};
use llc::dln::Problem;
use llc::dln::known::Known;
use llc::observe::Observers;
use llc::params::Params;
use llc::profile::Scale;
use llc::report::profile::Subject;
use llc::rng::Key;
use llc::samples::Samples;
use llc::target::law::{GradientNoise, Law, LawTarget};
use llc::target::network::TrainedNetwork;
use llc::target::{Target, TargetError};
use llc::tensors::Tensors;
use llc::theory::Toy;
use llc::train::{self, Evaluation, Objective};

use crate::cli::Context;
use crate::dln::report;
use crate::session;
use crate::trained::{Data, Loaded, Loader, Trained};
use llc::climb;
use llc::report::rungs::Columns;

/// What a ladder is climbed around.
pub struct Source {
    target: Box<dyn Target>,
    init_loss: f64,
    key: Key,
    subject: Subject,
    toy: Option<Toy>,
    test: Option<Test>,
}

/// A trained network with the data that it was not trained on.
struct Test {
    trained: TrainedNetwork,
    samples: Samples,
    objective: Objective,
    /// The indices of the tensors that are sampled; `None` for all.
    sampled: Option<Vec<usize>>,
}

impl Source {
    /// The source that `config` chooses.
    ///
    /// # Errors
    /// [`TargetError::Cancelled`] where it was interrupted before the data were read; whatever else keeps it from being read.
    pub fn open(config: &ProfileConfig, context: &Context, observers: &mut Observers) -> anyhow::Result<Source> {
        let key = Key::new(config.seed());
        match config.source() {
            profile::Source::Trained(config) => trained(config, key, observers),
            profile::Source::DeepLinear(config) => deep_linear(config, key, context),
            profile::Source::Potential(config) => potential(config, key),
        }
    }
}

impl climb::Source for Source {
    fn target(&mut self) -> &mut dyn Target {
        self.target.as_mut()
    }

    fn init_loss(&self) -> f64 {
        self.init_loss
    }

    fn key(&self) -> Key {
        self.key
    }

    fn subject(&self) -> Subject {
        self.subject.clone()
    }

    fn columns(&self) -> Columns {
        Columns { has_test: self.test.is_some(), has_exact: self.toy.is_some() }
    }

    fn exact(&self, scale: Scale) -> Option<f64> {
        self.toy?.scaled_loss_mean(scale.n_beta, scale.gamma).ok()
    }

    fn on_test(&mut self, ends: &[Params]) -> Result<Option<(f64, f64)>, TargetError> {
        let Some(test) = self.test.as_mut().filter(|_| !ends.is_empty()) else { return Ok(None) };
        let (mut loss, mut accuracy) = (0.0, 0.0);
        for end in ends {
            let found = test.evaluate(end).map_err(TargetError::other)?;
            loss += found.loss / ends.len() as f64;
            accuracy += found.accuracy / ends.len() as f64;
        }
        Ok(Some((loss, accuracy)))
    }
}

impl Test {
    /// How well the network does whose sampled tensors are at `w`.
    fn evaluate(&mut self, w: &Params) -> anyhow::Result<Evaluation> {
        let TrainedNetwork { network, w: trained, buffers } = &mut self.trained;
        let all = trained.try_clone()?;
        for (place, view) in w.views().iter().enumerate() {
            let index = self.sampled.as_ref().map_or(place, |sampled| sampled[place]);
            tch::no_grad(|| all.view(index).shallow_clone().f_copy_(view))?;
        }
        Ok(train::evaluate(network, &all, buffers, &self.samples, None, &self.objective, w.device())?)
    }
}

fn trained(config: &EstimateConfig, key: Key, observers: &mut Observers) -> anyhow::Result<Source> {
    let files = config.files();
    anyhow::ensure!(
        !files::is_several(files),
        "{files}: llc profile takes one file; run it once for each, and `llc-analysis figures profile` shows them side by side",
    );
    let loader = Loader::open(config)?;
    let Loaded { trained, scores, notes } = loader.load(Path::new(files), observers)?;
    let posterior = loader.posterior(&trained, config.sampler(), key)?;
    let (n, num_parameters, network) = (loader.num_samples(), trained.num_parameters(), trained.name().to_owned());
    let sampled = trained.sampled(config)?;
    let (subject, test) = match (trained, loader.data(), scores, loader.data_name()) {
        (Trained::Network(trained), Data::Images(images), Some(scores), Some(data)) => {
            let checkpoint = files.to_owned();
            let subject = Subject::Checkpoint { checkpoint, network, data, n, num_parameters, scores, notes };
            let (samples, objective) = (images.test.clone(), images.objective.clone());
            (subject, Some(Test { trained, samples, objective, sampled }))
        }
        _ => (Subject::Model { network: files.to_owned(), n, num_parameters, notes }, None),
    };
    let init_loss = posterior.chains.plan.init_loss;
    Ok(Source { init_loss, target: posterior.target, key, subject, toy: None, test })
}

fn deep_linear(config: &DlnConfig, key: Key, context: &Context) -> anyhow::Result<Source> {
    let problem = Problem::new(config, session::device(config.run().device)?, &context.cancel)?;
    let known = Known::new(config, &problem.truth, problem.target.targets())?;
    let subject = Subject::DeepLinear {
        network: config.model().dims().to_vec(),
        truth: config.truth().kind.name().to_owned(),
        n: config.data().num_training_data,
        num_parameters: config.model().num_parameters(),
        known: report::known(&known),
    };
    let init_loss = problem.chains.plan.init_loss;
    Ok(Source { target: Box::new(problem.target), init_loss, key, subject, toy: None, test: None })
}

fn potential(config: &PotentialConfig, key: Key) -> anyhow::Result<Source> {
    let toy = config.toy();
    let law = Law::of(toy);
    let mut target = LawTarget::new(law, GradientNoise::None, config.n_beta(), config.sampler().fixed_gamma())?;
    if config.sampler().kernel.kind().about().gradient == llc::kernel::GradientNeed::None
        && target.as_conditional().is_none()
    {
        let why = "gibbs cannot draw in this potential: some coordinate is not normal given the others; choose another --sampler";
        return Err(TargetError::Unsupported(why).into());
    }
    let subject = Subject::Potential {
        potential: toy.name().to_owned(),
        formula: toy.formula().to_owned(),
        lambda: report::lambda(&toy.learning_coefficient(), true),
    };
    Ok(Source { target: Box::new(target), init_loss: 0.0, key, subject, toy: Some(toy), test: None })
}
