//! Evaluates a network at any number of points: loss and accuracy on training and test data, which lie on the device once.
//!
//! At every point the statistics of batch norms are gathered anew (`statistics`); a network without norms is a pass over both sets and
//! nothing else. The standard error of the test loss is that of a mean over test samples; on the training data the loss is what it is.
//!
//! *Tested by* the shared evaluation of a training, and statistics of one batch, below.

use std::ops::Range;
use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor};

use super::Scores;
use super::statistics::gather;
use crate::model::{Buffers, Network};
use crate::params::Params;
use crate::samples::Samples;
use crate::tensors::Tensors;
use crate::train::{Objective, TrainError, check_fit, sums};

/// Inputs of more bytes than this are read anew in every pass.
const MOST_HELD_BYTES: usize = 4 << 30;

/// A network with the data that its points are evaluated on.
#[derive(Debug)]
pub struct Landscape {
    network: Arc<Network>,
    objective: Objective,
    train: Held,
    test: Held,
    batch_size: u64,
    /// Those of a training's start: only a pattern where there are norms.
    buffers: Buffers,
}

impl Landscape {
    /// `network` on `train` and `test`, on `device`; `batch_size` samples at a time give the statistics of norms.
    ///
    /// # Errors
    /// [`TrainError::Data`] where the samples don't fit the network; whatever libtorch reports.
    pub fn new(
        network: Arc<Network>,
        [train, test]: [&Samples; 2],
        objective: Objective,
        batch_size: u64,
        device: Device,
    ) -> Result<Landscape, TrainError> {
        check_fit(&network, train)?;
        check_fit(&network, test)?;
        let buffers = network.initial_buffers()?.to(objective.kind(), device)?;
        let held = |samples: &Samples| Held::new(samples, objective.kind(), device);
        Ok(Landscape { train: held(train)?, test: held(test)?, network, objective, batch_size, buffers })
    }

    /// How losses are computed.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// The running statistics at `w`; none if there are no norms.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn statistics(&self, w: &Params) -> Result<Buffers, TrainError> {
        if self.buffers.specs().is_empty() {
            return Ok(self.buffers.try_clone()?);
        }
        let read = |range| self.train.read(range);
        let of = (self.network.as_ref(), w.views());
        Ok(gather(of, &self.buffers, (self.train.len(), &read), self.batch_size, &self.objective)?)
    }

    /// The scores at `w`, with statistics gathered there.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn scores(&self, w: &Params) -> Result<Scores, TrainError> {
        let mut buffers = self.statistics(w)?;
        self.scores_with(w, &mut buffers)
    }

    /// The scores at `w` with the statistics `buffers`, which are only read.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn scores_with(&self, w: &Params, buffers: &mut Buffers) -> Result<Scores, TrainError> {
        let mut of = |held: &Held| {
            let read = |range| held.read(range);
            sums(&self.network, w.views(), buffers, (held.len(), &read), None, &self.objective)
        };
        let (train, test) = (of(&self.train)?, of(&self.test)?);
        let (num_train, num_test) = (self.train.len() as f64, self.test.len() as f64);
        let test_loss = test.loss / num_test;
        let variance = (test.loss_square / num_test - test_loss * test_loss).max(0.0);
        Ok(Scores {
            train_loss: train.loss / num_train,
            train_accuracy: train.num_correct / num_train,
            test_loss,
            test_loss_error: (variance / num_test).sqrt(),
            test_accuracy: test.num_correct / num_test,
        })
    }

    /// The outputs of the first `n` training samples at `w` with the statistics `buffers`.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn outputs(&self, w: &Params, buffers: &mut Buffers, n: u64) -> Result<Tensor, TrainError> {
        let (x, _) = self.train.read(0..n.min(self.train.len()))?;
        let mode = crate::model::Mode::Frozen;
        Ok(tch::no_grad(|| self.objective.outputs(&self.network, w.views(), buffers, &x, mode))?)
    }
}

/// Samples, ready on the device where they fit.
#[derive(Debug)]
struct Held {
    samples: Samples,
    ready: Option<(Tensor, Tensor)>,
    kind: Kind,
    device: Device,
}

impl Held {
    fn new(samples: &Samples, kind: Kind, device: Device) -> Result<Held, TchError> {
        let num_bytes = samples.len() * samples.input_shape().iter().product::<usize>() * kind.elt_size_in_bytes();
        let ready = match num_bytes <= MOST_HELD_BYTES {
            true => Some(samples.range(0..samples.len() as u64, kind, device)?),
            false => None,
        };
        Ok(Held { samples: samples.clone(), ready, kind, device })
    }

    fn len(&self) -> u64 {
        self.samples.len() as u64
    }

    fn read(&self, range: Range<u64>) -> Result<(Tensor, Tensor), TchError> {
        let Some((x, labels)) = &self.ready else { return self.samples.range(range, self.kind, self.device) };
        let (first, len) = (range.start as i64, (range.end - range.start) as i64);
        Ok((x.f_narrow(0, first, len)?, labels.f_narrow(0, first, len)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DatasetName, Normalise, Preprocessing, Split, load, test_fixture};
    use crate::model::{ModelOptions, ModelSpec};
    use crate::rng::Key;
    use crate::train::evaluate;

    fn samples(split: Split) -> Samples {
        let pictures = load(DatasetName::Cifar10, &test_fixture("cifar10"), split).unwrap();
        Samples::new(&pictures, &Preprocessing { crop: Some(16), normalise: Normalise::cifar10() }).unwrap()
    }

    fn network(name: &str, options: ModelOptions) -> Arc<Network> {
        let options = ModelOptions { input_shape: Some([3, 16, 16]), ..options };
        Arc::new(ModelSpec { name: name.into(), options }.build().unwrap())
    }

    fn landscape(network: &Arc<Network>, batch_size: u64) -> Landscape {
        let (train, test) = (samples(Split::Train), samples(Split::Test));
        let objective = Objective { precision: crate::kernel::Precision::F64, ..Objective::cross_entropy() };
        Landscape::new(network.clone(), [&train, &test], objective, batch_size, Device::Cpu).unwrap()
    }

    #[test]
    fn without_norms_the_scores_are_those_of_a_training_s_evaluation() {
        let network = network("mlp", ModelOptions { widths: Some(vec![9]), ..ModelOptions::default() });
        let landscape = landscape(&network, 64);
        let w = network.init(Key::new(1)).unwrap().to(Kind::Double, Device::Cpu).unwrap();
        let scores = landscape.scores(&w).unwrap();
        for (split, loss, accuracy) in [
            (Split::Train, scores.train_loss, scores.train_accuracy),
            (Split::Test, scores.test_loss, scores.test_accuracy),
        ] {
            let mut buffers = network.initial_buffers().unwrap();
            let objective = landscape.objective.clone();
            let expected =
                evaluate(&network, &w, &mut buffers, &samples(split), None, &objective, Device::Cpu).unwrap();
            assert!((loss - expected.loss).abs() < 1e-12 && accuracy == expected.accuracy, "{scores:?}");
        }
        assert!(scores.test_loss_error > 0.0 && scores.test_loss_error < 0.2, "{scores:?}");
    }

    /// Of equal batches, the mean of means is the mean of all; in the first norm, before which no other norm stands, exactly.
    #[test]
    fn statistics_are_means_over_all_training_samples_whatever_they_were_before() {
        let network = network("resnet18", ModelOptions { width_factor: Some(2), ..ModelOptions::default() });
        let w = network.init(Key::new(2)).unwrap().to(Kind::Double, Device::Cpu).unwrap();
        let (parts, whole) = (landscape(&network, 50), landscape(&network, 200));
        let [of_parts, of_whole] = [&parts, &whole].map(|landscape| landscape.statistics(&w).unwrap());
        let first = |buffers: &Buffers, end: &str| {
            let (_, tensor) = buffers.tensors().find(|(name, _)| name.ends_with(end)).unwrap();
            Vec::<f64>::try_from(tensor).unwrap()
        };
        let difference = |end: &str| {
            let pairs = first(&of_parts, end).into_iter().zip(first(&of_whole, end));
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        assert!(difference("running_mean") < 1e-12);
        // Means of variances leave out the variance of means.
        assert!(difference("running_var") > 0.0 && difference("running_var") < 0.2);
        // In one batch of everything, the frozen network is the network in training.
        let mut gathered = of_whole.try_clone().unwrap();
        let frozen = whole.outputs(&w, &mut gathered, 200).unwrap();
        let (x, _) = whole.train.read(0..200).unwrap();
        let mut scratch = of_whole.try_clone().unwrap();
        let mode = crate::model::Mode::Statistics { momentum: 1.0 };
        let trained = tch::no_grad(|| network.forward(w.views(), &mut scratch, &x, mode)).unwrap();
        assert!((frozen - trained).abs().max().double_value(&[]) < 1e-6);
    }
}
