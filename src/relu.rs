//! Builds what the experiments on ReLU networks sample: a true network, its data, and a chain around it.
//!
//! A seed decides the network, the data and the noise. At another n the data of a seed begin with the same samples, and every factor of a
//! rescaling sees the same noise, minibatches and inputs: what differs is what is compared.

use tch::{Device, Kind};

use crate::config::dln::InputDist;
use crate::config::rescaling::Preconditioner;
use crate::config::{MalaVsSgldConfig, Precision, ReluRun, RescalingConfig, SamplerConfig};
use crate::data::synthetic::SyntheticInputs;
use crate::journal::Journal;
use crate::kernel::SamplerKind;
use crate::model::{Init, relu};
use crate::params::Params;
use crate::rng::{Key, Role};
use crate::target::{LocalPosterior, ReluNetwork, TargetError};
use crate::tensors::Tensors;
use crate::trials::Trial;

/// Biases of the hidden units of a network that is rescaled: N(0, 1).
const RESCALED_BIAS: Init = Init::Normal { deviation: 1.0 };

/// The chain of `llc rescaling` around the network of `widths` and `seed`, rescaled by `factor`.
///
/// # Errors
/// Errors of libtorch.
pub fn rescaled(
    config: &RescalingConfig,
    widths: &[usize],
    factor: f64,
    seed: u64,
    journal: Journal,
) -> Result<Trial, TargetError> {
    let key = Key::new(seed);
    let mut w_star = relu::draw(key.role(Role::Truth), widths, RESCALED_BIAS)?;
    relu::copy_first_unit(&mut w_star, &config.model().copies);
    relu::rescale(&mut w_star, factor);
    let num_tensors = w_star.layout().specs().len();
    let preconditioner = match config.rescaling().preconditioner {
        Preconditioner::Invariant => relu::invariant_preconditioner(num_tensors, factor),
        Preconditioner::None => vec![1.0; num_tensors],
    };
    let sampler = config.sampler(&preconditioner);
    trial(widths, &w_star, config.num_training_data(), sampler, *config.run(), key, journal)
}

/// The chain of `llc mala-vs-sgld` that draws by `kind` around the network of `seed`, on `n` samples.
///
/// # Errors
/// Errors of libtorch.
pub fn compared(
    config: &MalaVsSgldConfig,
    kind: SamplerKind,
    n: usize,
    seed: u64,
    journal: Journal,
) -> Result<Trial, TargetError> {
    let key = Key::new(seed);
    let w_star = relu::draw(key.role(Role::Truth), config.widths(), Init::Zeros)?;
    trial(config.widths(), &w_star, n, config.sampler(kind, n), *config.run(), key, journal)
}

fn trial(
    widths: &[usize],
    w_star: &Params,
    n: usize,
    sampler: SamplerConfig,
    run: ReluRun,
    key: Key,
    journal: Journal,
) -> Result<Trial, TargetError> {
    let kind = if run.precision == Precision::F64 { Kind::Double } else { Kind::Float };
    let local = LocalPosterior::new(sampler.n_beta(n), sampler.fixed_gamma(), w_star.to(kind, Device::Cpu)?)?;
    let inputs = SyntheticInputs::new(key.role(Role::Data), InputDist::Uniform, widths[0], n as u64);
    let target = Box::new(ReluNetwork::new(&inputs, widths, local)?);
    Ok(Trial { target, sampler, run: run.of_a_chain(), key, journal })
}
