//! Loads a trained network from a checkpoint, and compares what the checkpoint records of its training with the settings of the estimate.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use llc::checkpoint::{Checkpoint, assign, load_into};
use llc::config::network::trained_on::Deviations;
use llc::config::network::{Deviation, Loss, TrainedOn, model};
use llc::config::{ConfigError, EstimateConfig};
use llc::observe::{Event, Observers};
use llc::samples::Samples;
use llc::target::network::TrainedNetwork;
use llc::tensors::Tensors;
use llc::train::{self, Evaluation, Objective};
use tch::Device;

/// What every checkpoint of a run is taken with.
#[derive(Debug)]
pub struct Taking<'a> {
    pub config: &'a EstimateConfig,
    /// What the loss is taken on.
    pub samples: &'a Samples,
    pub test: &'a Samples,
    pub objective: &'a Objective,
    pub device: Device,
}

/// A network from a checkpoint.
#[derive(Debug)]
pub struct Taken {
    pub trained: TrainedNetwork,
    pub on_train: Evaluation,
    pub on_test: Evaluation,
    /// What the report says of it: settings that were not the training's, a loss that no trained network has.
    pub notes: Vec<String>,
}

impl Taking<'_> {
    /// The network of the file `path`, evaluated.
    ///
    /// # Errors
    /// A file that can't be read or is of another network; settings that contradict it and were not asked for by name.
    pub fn take(&self, path: &Path, observers: &mut Observers) -> anyhow::Result<Taken> {
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
        train::check_fit(&network, self.samples)
            .context("the data do not fit the network; give --data and --crop as in the training")?;
        let (w, buffers) = load_into(&checkpoint, &network).with_context(named)?;
        let (kind, device) = (self.objective.kind(), self.device);
        let w = w.to(kind, device)?;
        let mut trained = TrainedNetwork { buffers: buffers.to(kind, device)?, network, w };
        trained.see_first(self.samples, self.objective.clone())?;
        let [on_train, on_test] = [self.samples, self.test].map(|samples| {
            let TrainedNetwork { network, w, buffers } = &mut trained;
            train::evaluate(network, w, buffers, samples, None, self.objective, device)
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
        Ok(Taken { trained, on_train, on_test, notes })
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
