//! Loads what is sampled around: a trained network from a checkpoint, or a module.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use llc::checkpoint::{Checkpoint, assign, load_into};
use llc::config::estimate::{CheckpointConfig, Source};
use llc::config::network::point::{PointConfig, PointLabels, UnknownTensors};
use llc::config::network::trained_on::Deviations;
use llc::config::network::{Deviation, Loss, TrainedOn, model};
use llc::config::{ConfigError, EstimateConfig, Precision, RunConfig, SamplerConfig};
use llc::data::DatasetName;
use llc::observe::{Event, Observers};
use llc::params::ParamSpec;
use llc::posterior::{Around, Posterior};
use llc::report::Scores;
use llc::rng::Key;
use llc::samples::Samples;
use llc::target::module::{ModuleData, TrainedModule};
use llc::target::network::TrainedNetwork;
use llc::tensors::Tensors;
use llc::train::{self, Evaluation, Objective, TrainingData};
use tch::{Device, Kind};

use crate::session;

/// Loads the files of a run.
#[derive(Debug)]
pub struct Loader<'a> {
    config: &'a EstimateConfig,
    device: Device,
    data: Data<'a>,
}

/// What belongs to the one kind of file or the other.
#[derive(Debug)]
pub enum Data<'a> {
    /// Images, for networks from checkpoints.
    Images(Box<Images<'a>>),
    /// The inputs of modules.
    Inputs(ModuleData),
}

/// What networks are evaluated on.
#[derive(Debug)]
pub struct Images<'a> {
    config: &'a CheckpointConfig,
    /// What the loss is taken on.
    samples: Samples,
    pub test: Samples,
    pub objective: Objective,
    device: Device,
}

/// What was loaded from a file.
#[derive(Debug)]
pub struct Loaded {
    pub trained: Trained,
    /// How well it does on its images.
    pub scores: Option<Scores>,
    /// What the report says of it: settings that were not the training's, a loss that no trained network has.
    pub notes: Vec<String>,
}

/// Whatever is sampled around.
#[derive(Debug)]
pub enum Trained {
    Network(TrainedNetwork),
    Module(TrainedModule),
}

impl Trained {
    /// The network's name, or that of the module's file.
    pub fn name(&self) -> &str {
        match self {
            Trained::Network(trained) => trained.network.name(),
            Trained::Module(module) => module.name(),
        }
    }

    /// All parameters.
    pub fn num_parameters(&self) -> usize {
        match self {
            Trained::Network(trained) => trained.network.num_parameters(),
            Trained::Module(module) => module.num_parameters(),
        }
    }

    /// The indices of the tensors that `config` samples; `None` for all.
    ///
    /// # Errors
    /// A pattern that matches none.
    pub fn sampled(&self, config: &EstimateConfig) -> Result<Option<Vec<usize>>, UnknownTensors> {
        let specs = self.specs();
        config.part().sampled(&specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>())
    }

    /// Entries of the tensors that `config` samples.
    ///
    /// # Errors
    /// As [`Trained::sampled`].
    pub fn num_sampled(&self, config: &EstimateConfig) -> Result<usize, UnknownTensors> {
        let sizes: Vec<usize> = self.specs().iter().map(|spec| spec.shape.iter().product::<i64>() as usize).collect();
        Ok(match self.sampled(config)? {
            Some(sampled) => sampled.iter().map(|&index| sizes[index]).sum(),
            None => sizes.iter().sum(),
        })
    }

    fn specs(&self) -> &[ParamSpec] {
        match self {
            Trained::Network(trained) => trained.w.layout().specs(),
            Trained::Module(module) => module.specs(),
        }
    }
}

impl<'a> Loader<'a> {
    /// Reads the data of `config`.
    ///
    /// # Errors
    /// Data that can't be read, a device that is not there.
    pub fn open(config: &'a EstimateConfig) -> anyhow::Result<Loader<'a>> {
        let device = session::device(config.run().device)?;
        let data = match config.source() {
            Source::Checkpoint(config_of) => {
                let data = TrainingData::load(config_of.data())?;
                let samples = samples(&data, config_of.point())?;
                let objective = objective(config.run().precision, config_of.loss());
                Data::Images(Box::new(Images { config: config_of, samples, test: data.test, objective, device }))
            }
            Source::Module(config_of) => Data::Inputs(ModuleData::read(config_of.data_file(), device)?),
        };
        Ok(Loader { config, device, data })
    }

    /// The settings of the run.
    pub fn config(&self) -> &'a EstimateConfig {
        self.config
    }

    /// What belongs to the kind of file.
    pub fn data(&self) -> &Data<'a> {
        &self.data
    }

    /// Samples that the loss is taken on.
    pub fn num_samples(&self) -> usize {
        match &self.data {
            Data::Images(images) => images.samples.len(),
            Data::Inputs(data) => data.len(),
        }
    }

    /// The dataset, where it has a name.
    pub fn data_name(&self) -> Option<DatasetName> {
        match &self.data {
            Data::Images(images) => Some(images.config.data().name),
            Data::Inputs(_) => None,
        }
    }

    /// What `sampler` draws from around `trained`, with random numbers from `key`.
    ///
    /// # Errors
    /// As [`Around::posterior`] and [`Posterior::of_module`].
    pub fn posterior(&self, trained: &Trained, sampler: &SamplerConfig, key: Key) -> anyhow::Result<Posterior> {
        let run: &RunConfig = self.config.run();
        Ok(match (trained, &self.data) {
            (Trained::Network(trained), Data::Images(images)) => {
                let (point, objective) = (images.config.point(), images.objective.clone());
                Around { point, sampler, run, objective }.posterior(trained, &images.samples, key)?
            }
            (Trained::Module(module), Data::Inputs(data)) => {
                Posterior::of_module((module, data), self.config.part(), sampler, run, key)?
            }
            _ => anyhow::bail!("a network has images, and a module has inputs"),
        })
    }

    /// What is in the file `path`; a network is evaluated.
    ///
    /// # Errors
    /// A file that can't be read or is of another network; settings that contradict it and were not asked for by name.
    pub fn load(&self, path: &Path, observers: &mut Observers) -> anyhow::Result<Loaded> {
        match &self.data {
            Data::Images(images) => images.load(path, observers),
            Data::Inputs(_) => {
                let module = TrainedModule::read(path, self.device)?;
                let precision = self.config.run().precision;
                anyhow::ensure!(
                    (precision == Precision::F64) == (module.kind() == Kind::Double),
                    "{} computes in {}: give --precision {}",
                    path.display(),
                    if module.kind() == Kind::Double { "float64" } else { "float32" },
                    if module.kind() == Kind::Double { "f64" } else { "f32" }
                );
                Ok(Loaded { trained: Trained::Module(module), scores: None, notes: Vec::new() })
            }
        }
    }
}

impl Images<'_> {
    fn load(&self, path: &Path, observers: &mut Observers) -> anyhow::Result<Loaded> {
        let checkpoint = Checkpoint::read(path)?;
        let known = TrainedOn::of(&checkpoint.header);
        let mut notes = known.as_ref().map_or(Ok(Vec::new()), |known| self.overridden(known, path))?;
        let spec = match (self.config.model(), &checkpoint.header.model) {
            (Some(given), _) => model::for_data(given, self.samples.input_shape(), self.samples.num_classes()),
            (None, Some(known)) => known.clone(),
            (None, None) => anyhow::bail!(
                "{} does not record its network: give --model, for example --model resnet18; `llc model list` lists them",
                path.display()
            ),
        };
        let network = Arc::new(spec.build().context("the network cannot be built")?);
        let named = || path.display().to_string();
        if assign(&checkpoint, &network).with_context(named)?.is_by_order {
            observers.emit(&Event::Warning(
                "the checkpoint's tensors have other names than the network's: they were matched by order and shape; compare the losses \
                 below with those of the training",
            ));
        }
        train::check_fit(&network, &self.samples)
            .context("the data do not fit the network; give --data and --crop as in the training")?;
        let (w, buffers) = load_into(&checkpoint, &network).with_context(named)?;
        let (kind, device) = (self.objective.kind(), self.device);
        let w = w.to(kind, device)?;
        let mut trained = TrainedNetwork { buffers: buffers.to(kind, device)?, network, w };
        trained.see_first(&self.samples, self.objective.clone())?;
        let [on_train, on_test] = [&self.samples, &self.test].map(|samples| {
            let TrainedNetwork { network, w, buffers } = &mut trained;
            train::evaluate(network, w, buffers, samples, None, &self.objective, device)
        });
        let (on_train, on_test) = (on_train?, on_test?);
        if known.is_none_or(|known| known.data.is_none()) {
            let Evaluation { loss, accuracy } = on_train;
            let scores = format!("loss {loss:.4}, accuracy {:.2} %", 100.0 * accuracy);
            observers.emit(&Event::Line(&format!("{} on the training data: {scores}", path.display())));
            if is_far_from_trained(on_train, &self.objective.loss, self.samples.num_classes()) {
                notes.push(format!(
                    "on the training data the network has {scores}, far from those of a trained network, and the \
                     checkpoint does not say what it was trained on: compare with the numbers from the training, and \
                     give its --data, --preprocessing, --label-corruption and --loss"
                ));
            }
        }
        for note in &notes {
            observers.emit(&Event::Warning(note));
        }
        let scores = Some(scores(on_train, on_test));
        Ok(Loaded { trained: Trained::Network(trained), scores, notes })
    }

    /// A sentence for each setting that is not the training's and was asked for by name.
    fn overridden(&self, known: &TrainedOn, path: &Path) -> anyhow::Result<Vec<String>> {
        let deviations = known.deviations(Some(self.config.data()), &self.config.loss());
        let overrides = self.config.overrides();
        let (allowed, refused): (Vec<_>, Vec<_>) =
            deviations.into_iter().partition(|deviation| overrides.allow(deviation.key.path));
        if !refused.is_empty() {
            let (path, deviations) = (path.to_owned(), Deviations(refused));
            return Err(ConfigError::ContradictsCheckpoint { path, deviations }.into());
        }
        let note = |deviation: &Deviation| {
            format!(
                "{deviation}: overridden by --override-checkpoint, so this is not the loss that the network was \
                 trained on"
            )
        };
        Ok(allowed.iter().map(note).collect())
    }
}

/// Below so large a share of right answers a network is hardly trained.
const FAR_ACCURACY: f64 = 2.0 / 3.0;

/// Whether a network is further from its data than a trained one usually is: fewer than two thirds right, or a loss above half of what an
/// even guess over the classes loses.
fn is_far_from_trained(on_train: Evaluation, loss: &Loss, num_classes: usize) -> bool {
    let k = num_classes as f64;
    let of_even_guess = match loss {
        Loss::CrossEntropy => k.ln(),
        // Each of K outputs 1/K: ((1 − 1/K)² + (K − 1)/K²)/K.
        Loss::SquaredError => (k - 1.0) / (k * k),
        Loss::Accuracy => 1.0 - 1.0 / k,
        // A function of one's own may lose anything.
        _ => f64::INFINITY,
    };
    on_train.accuracy < FAR_ACCURACY || on_train.loss > 0.5 * of_even_guess
}

/// The samples that the loss around a point is taken on.
pub fn samples(data: &TrainingData, point: &PointConfig) -> anyhow::Result<Samples> {
    let samples = match point.labels {
        PointLabels::Clean => data.train.with_labels(&data.clean_train_labels)?,
        PointLabels::Training => data.train.clone(),
    };
    Ok(samples.first(point.size.unwrap_or(usize::MAX)))
}

/// How losses are computed in the arithmetic of a run.
pub fn objective(precision: Precision, loss: Loss) -> Objective {
    Objective { loss, precision, has_channels_last: false }
}

/// Losses and accuracies as reports have them.
pub fn scores(on_train: Evaluation, on_test: Evaluation) -> Scores {
    Scores {
        train_loss: on_train.loss,
        train_accuracy: on_train.accuracy,
        test_loss: on_test.loss,
        test_accuracy: on_test.accuracy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_guesses_is_far_from_trained_by_every_loss_and_one_that_is_nearly_always_right_is_not() {
        for (loss, guess) in [(Loss::CrossEntropy, 10f64.ln()), (Loss::SquaredError, 0.09), (Loss::Accuracy, 0.9)] {
            let is_far = |loss_value: f64, accuracy: f64| {
                is_far_from_trained(Evaluation { loss: loss_value, accuracy }, &loss, 10)
            };
            assert!(is_far(guess, 0.99), "{loss}: the loss alone says so");
            assert!(is_far(0.01 * guess, 0.5), "{loss}: the accuracy alone says so");
            assert!(!is_far(0.3 * guess, 0.9), "{loss}");
        }
    }
}
