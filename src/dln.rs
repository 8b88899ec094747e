//! Builds what `llc dln` samples from its configuration: target, sampler and chains; [`train`] makes the second point,
//! [`known`] says what the estimate at the first should come to.

pub mod known;
pub mod train;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tch::Device;

use crate::chain::Plan;
use crate::config::DlnConfig;
use crate::config::{Precision, Switch};
use crate::data::synthetic::SyntheticInputs;
use crate::kernel::Sampler;
use crate::model::deep_linear::{TrueParameter, draw_truth};
use crate::rng::{Key, Role};
use crate::run::Chains;
use crate::target::{Batch, DeepLinear, LocalPosterior, Target, TargetError};

/// Every how many kept draws, at least, the virial terms are recorded: a gradient each, a tenth of a step's cost at most.
const VIRIAL_EVERY: usize = 10;

/// Rows of virial terms of a chain, at most about so many: they give the ratio to a few percent of its own spread.
const MAX_VIRIAL_ROWS: usize = 1000;

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
            Precision::F32 => tch::Kind::Float,
            Precision::F64 => tch::Kind::Double,
        };
        let local = LocalPosterior::new(config.n_beta(), sampler.gamma, truth.w_star.to(kind, device)?)?;
        let key = Key::new(config.seed());
        let n = config.data().num_training_data as u64;
        let began = Instant::now();
        let inputs = SyntheticInputs::new(key.role(Role::Data), config.data().input_dist, widths[0], n);
        let mut target = DeepLinear::new(inputs, local, cancel)?;
        let data_s = began.elapsed().as_secs_f64();
        let w_star = target.local().w_star().try_clone()?;
        let init_loss = target.loss(&w_star, Batch::Full)?;
        let plan = Plan {
            num_draws: sampler.num_draws(),
            num_warmup: sampler.num_warmup_draws(),
            thin: sampler.thin,
            batch_size: sampler.kernel.batch_size(),
            loss_trace: sampler.loss_trace,
            init_loss,
            virial_every: VIRIAL_EVERY.max(sampler.num_kept_draws() / MAX_VIRIAL_ROWS),
            tensor_distances: config.measure().distance == Switch::On,
        };
        let chains = Chains {
            key,
            num_chains: sampler.num_chains,
            threads: config.run().threads,
            threads_per_chain: config.run().threads_per_chain,
            plan,
        };
        Ok(Problem { target, sampler: sampler.kernel.sampler(), chains, truth, data_s })
    }
}
