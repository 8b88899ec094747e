//! Builds what samples around a trained network from its configuration: target, sampler and chains.

use crate::config::network::point::{LossAround, PointConfig, UnknownTensors};
use crate::config::{Gamma, RunConfig, SamplerConfig};
use crate::kernel::Precision;
use crate::kernel::{KernelError, Sampler};
use crate::rng::{Key, Role};
use crate::run::Chains;
use crate::samples::Samples;
use crate::target::network::{Answers, Evaluation, NetworkTarget, TrainedNetwork};
use crate::target::{Target as _, TargetError};
use crate::train::Objective;

/// A trained network ready to be sampled around.
pub struct Posterior {
    /// The loss around w*.
    pub target: NetworkTarget,
    /// Whatever draws.
    pub sampler: Box<dyn Sampler>,
    /// How many chains, and how long.
    pub chains: Chains,
}

/// How a trained network is sampled around.
#[derive(Debug)]
pub struct Around<'a> {
    /// Labels, targets and tensors.
    pub point: &'a PointConfig,
    /// The sampler, with nβ and γ.
    pub sampler: &'a SamplerConfig,
    /// Threads and chains.
    pub run: &'a RunConfig,
    /// How outputs and losses are computed.
    pub objective: Objective,
}

impl Around<'_> {
    /// The posterior around `trained` on `samples`, with random numbers from `key`.
    ///
    /// # Errors
    /// [`PosteriorError`].
    pub fn posterior(
        &self,
        trained: &TrainedNetwork,
        samples: &Samples,
        key: Key,
    ) -> Result<Posterior, PosteriorError> {
        let n = samples.len();
        let sampler = self.sampler.for_samples(n);
        if let Some(batch_size) = sampler.kernel.batch_size().filter(|&batch_size| batch_size > n) {
            return Err(PosteriorError::BatchTooLarge { batch_size, n });
        }
        let names: Vec<&str> = trained.network.params().iter().map(|spec| spec.name.as_str()).collect();
        let evaluation = Evaluation {
            objective: self.objective.clone(),
            answers: match self.point.loss_around {
                LossAround::OwnFunction => Answers::OwnOutputs,
                LossAround::Labels => Answers::Labels,
            },
            sampled: self.point.sampled(&names)?,
        };
        let density = (self.sampler.n_beta(n), self.sampler.fixed_gamma());
        // Chains have their own number of threads; what is read here has all of them.
        tch::set_num_threads(self.run.threads as i32);
        let mut target = NetworkTarget::new(trained, samples.clone(), evaluation, density, key.role(Role::Probe))?;
        let mut largest_curvature = None;
        if self.sampler.gamma == Gamma::Auto {
            let (gamma, found) = self.sampler.gamma_around(&mut target, key)?;
            (target, largest_curvature) = (target.at_gamma(gamma)?, found);
        }
        let mut chains = sampler.chains(self.run, key, target.init_loss());
        chains.plan.largest_curvature = largest_curvature;
        chains.plan.keep_last = self.objective.precision == Precision::Bf16;
        Ok(Posterior { target, sampler: sampler.kernel.sampler(), chains })
    }
}

impl Around<'_> {
    /// The sampler with a γ of its own: the configured one, or that which the largest curvature around `trained` chooses. For points that are
    /// to compare, of which `trained` is one.
    ///
    /// # Errors
    /// As [`Around::posterior`].
    pub fn at_one_scale(
        &self,
        trained: &TrainedNetwork,
        samples: &Samples,
        key: Key,
    ) -> Result<SamplerConfig, PosteriorError> {
        match self.sampler.gamma {
            Gamma::Fixed(_) => Ok(self.sampler.clone()),
            Gamma::Auto => {
                let posterior = self.posterior(trained, samples, key)?;
                Ok(self.sampler.with_gamma(posterior.target.local().gamma()))
            }
        }
    }
}

/// Says why a trained network can't be sampled around.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PosteriorError {
    /// More samples in a minibatch than there are.
    #[error(
        "--batch-size is {batch_size}, and there are {n} samples: give --batch-size {n} or less, or --gradient exact"
    )]
    BatchTooLarge { batch_size: usize, n: usize },
    /// A pattern that chooses no tensor.
    #[error(transparent)]
    Params(#[from] UnknownTensors),
    /// The loss at w* could not be evaluated.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The largest curvature at w*, which γ is chosen by, could not be found.
    #[error("cannot choose γ by the largest curvature at w*: {0}; give one by --gamma")]
    Curvature(KernelError),
}

impl From<KernelError> for PosteriorError {
    fn from(error: KernelError) -> Self {
        Self::Curvature(error)
    }
}
