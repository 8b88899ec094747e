//! Builds what samples around a trained network or a module from its configuration: target, sampler and chains.

use crate::config::network::point::{LossAround, Part, PointConfig, UnknownTensors};
use crate::config::{Gamma, RunConfig, SamplerConfig};
use crate::kernel::Precision;
use crate::kernel::{KernelError, Sampler};
use crate::rng::{Key, Role};
use crate::run::Chains;
use crate::samples::Samples;
use crate::target::autograd::{AutogradTarget, SampleLosses};
use crate::target::module::{ModuleData, ModuleTarget, TrainedModule};
use crate::target::network::{Answers, Evaluation, NetworkTarget, TrainedNetwork};
use crate::target::{Target, TargetError};
use crate::train::Objective;

/// A trained network or module ready to be sampled around.
pub struct Posterior {
    /// The loss around w*.
    pub target: Box<dyn Target>,
    /// The sampler.
    pub sampler: Box<dyn Sampler>,
    /// How many chains, and how long.
    pub chains: Chains,
}

impl Posterior {
    /// The posterior of `trained` on `data`, where the tensors of `part` are sampled, with random numbers from `key`.
    ///
    /// # Errors
    /// [`PosteriorError`].
    pub fn of_module(
        (trained, data): (&TrainedModule, &ModuleData),
        part: &Part,
        sampler: &SamplerConfig,
        run: &RunConfig,
        key: Key,
    ) -> Result<Posterior, PosteriorError> {
        let names: Vec<&str> = trained.specs().iter().map(|spec| spec.name.as_str()).collect();
        let density = density(sampler, data.len())?;
        tch::set_num_threads(run.threads as i32);
        let probes = key.role(Role::Probe);
        let target = ModuleTarget::of_module(trained, data, part.sampled(&names)?, density, probes)?;
        Posterior::of(target, sampler.for_samples(data.len()), run, key)
    }

    /// `sampler` at the γ of this posterior: for points that are to compare.
    pub fn at_its_scale(&self, sampler: &SamplerConfig) -> SamplerConfig {
        sampler.with_gamma(self.target.local().gamma())
    }

    /// What `sampler` draws from `target`, at its γ or at that which the largest curvature chooses.
    fn of<L: SampleLosses>(
        mut target: AutogradTarget<L>,
        sampler: SamplerConfig,
        run: &RunConfig,
        key: Key,
    ) -> Result<Posterior, PosteriorError> {
        let mut largest_curvature = None;
        if sampler.gamma == Gamma::Auto {
            let (gamma, found) = sampler.gamma_around(&mut target, key)?;
            (target, largest_curvature) = (target.at_gamma(gamma)?, found);
        }
        let mut chains = sampler.chains(run, key, target.init_loss());
        chains.plan.largest_curvature = largest_curvature;
        Ok(Posterior { target: Box::new(target), sampler: sampler.kernel.sampler(), chains })
    }
}

/// nβ and γ of `sampler` on n samples, of which a minibatch has no more.
fn density(sampler: &SamplerConfig, n: usize) -> Result<(f64, f64), PosteriorError> {
    match sampler.for_samples(n).kernel.batch_size().filter(|&batch_size| batch_size > n) {
        Some(batch_size) => Err(PosteriorError::BatchTooLarge { batch_size, n }),
        None => Ok((sampler.n_beta(n), sampler.fixed_gamma())),
    }
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
        let names: Vec<&str> = trained.network.params().iter().map(|spec| spec.name.as_str()).collect();
        let evaluation = Evaluation {
            objective: self.objective.clone(),
            answers: match self.point.loss_around {
                LossAround::OwnFunction => Answers::OwnOutputs,
                LossAround::Labels => Answers::Labels,
            },
            sampled: self.point.part.sampled(&names)?,
        };
        let density = density(self.sampler, samples.len())?;
        // Chains have their own number of threads; what is read here has all of them.
        tch::set_num_threads(self.run.threads as i32);
        let target = NetworkTarget::new(trained, samples.clone(), evaluation, density, key.role(Role::Probe))?;
        let sampler = self.sampler.for_samples(samples.len());
        let mut posterior = Posterior::of(target, sampler, self.run, key)?;
        posterior.chains.plan.keep_last = self.objective.precision == Precision::Bf16;
        Ok(posterior)
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
