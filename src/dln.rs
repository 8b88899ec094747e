//! Builds what `llc dln` samples from its configuration: target, sampler and chains; [`train`] makes the second point,
//! [`known`] says what the estimate at the first should come to, and [`saddle`] builds what `llc saddle` follows.

pub mod known;
pub mod saddle;
pub mod train;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tch::Device;

use crate::config::DlnConfig;
use crate::config::{Precision, Switch};
use crate::data::synthetic::SyntheticInputs;
use crate::kernel::Sampler;
use crate::model::deep_linear::{TrueParameter, draw_truth};
use crate::rng::{Key, Role};
use crate::run::Chains;
use crate::target::{Batch, DeepLinear, LocalPosterior, Target, TargetError};
use crate::tensors::Tensors;

/// A deep linear network ready to be sampled.
pub struct Problem {
    /// The loss around w*.
    pub target: DeepLinear,
    /// Whatever draws.
    pub sampler: Box<dyn Sampler>,
    /// How many chains, and how long.
    pub chains: Chains,
    /// w* in f64 with its ranks.
    pub truth: TrueParameter,
    /// Seconds that the data took.
    pub data_s: f64,
}

impl Problem {
    /// Draws the truth and the data that `config` describes, for computing on `device`.
    ///
    /// # Errors
    /// [`TargetError::Cancelled`] if `cancel` was raised while the data were read; whatever libtorch reports.
    pub fn new(config: &DlnConfig, device: Device, cancel: &AtomicBool) -> Result<Problem, TargetError> {
        let widths = config.model().dims();
        let sampler = config.sampler();
        tch::set_num_threads(config.run().threads as i32);
        let truth_key = Key::new(config.truth_seed()).role(Role::Truth);
        let truth = draw_truth(&config.truth().kind, truth_key, &widths)?;
        let kind = match config.run().precision {
            Precision::F64 => tch::Kind::Double,
            Precision::F32 | Precision::Bf16 => tch::Kind::Float,
        };
        let local = LocalPosterior::new(config.n_beta(), sampler.fixed_gamma(), truth.w_star.to(kind, device)?)?;
        let key = Key::new(config.seed());
        let n = config.data().num_training_data as u64;
        let began = Instant::now();
        let inputs = SyntheticInputs::new(key.role(Role::Data), config.data().input_dist, widths[0], n);
        let mut target = DeepLinear::new(inputs, local, cancel)?;
        let data_s = began.elapsed().as_secs_f64();
        let w_star = target.local().w_star().try_clone()?;
        let init_loss = target.loss(&w_star, Batch::Full)?;
        let mut chains = sampler.chains(config.run(), key, init_loss);
        chains.plan.tensor_distances = config.measure().distance == Switch::On;
        Ok(Problem { target, sampler: sampler.kernel.sampler(), chains, truth, data_s })
    }
}
