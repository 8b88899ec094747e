//! A target of one's own, sampled by every sampler that works on gradients: λ of the loss w₁⁴ + w₂² is 1/4 + 1/2.
//!
//! `cargo run --release -p llc-core --example custom_target`

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use llc_core::estimate::estimate;
use llc_core::kernel::hmc::Hmc;
use llc_core::kernel::mala::Mala;
use llc_core::kernel::sgld::Sgld;
use llc_core::kernel::{LossTrace, Sampler};
use llc_core::params::{FloatType, Layout, Params};
use llc_core::rng::Key;
use llc_core::run::Chains;
use llc_core::target::{Batch, LocalPosterior, Target, TargetError};

struct Quartic(LocalPosterior);

impl Quartic {
    fn new(n_beta: f64, gamma: f64) -> Result<Quartic, TargetError> {
        let w_star = Params::zeros(&Arc::new(Layout::vector("w", 2)), FloatType::F64);
        Ok(Quartic(LocalPosterior::new(n_beta, gamma, w_star)?))
    }
}

impl Target for Quartic {
    fn local(&self) -> &LocalPosterior {
        &self.0
    }

    fn loss_and_grad(&mut self, w: &Params, _: Batch, grad: &mut Params) -> Result<f64, TargetError> {
        let Some(&[a, b]) = w.as_slice::<f64>() else { return Err(TargetError::other("w is not two numbers in f64")) };
        if let Some(grad) = grad.as_mut_slice::<f64>() {
            grad.copy_from_slice(&[4.0 * a.powi(3), 2.0 * b]);
        }
        Ok(a.powi(4) + b * b)
    }

    fn num_samples(&self) -> Option<u64> {
        None
    }

    fn with_density(&self, n_beta: f64, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        Ok(Box::new(Quartic::new(n_beta, gamma)?))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut target = Quartic::new(1000.0, 1e-3)?;
    let mut chains = Chains::new(4, 20_000, 0.0, Key::new(1));
    chains.plan.loss_trace = LossTrace::Full;
    let samplers: [(&str, &dyn Sampler); 3] = [("hmc", &Hmc::new()), ("mala", &Mala::new()), ("sgld", &Sgld::new(1))];
    for (name, sampler) in samplers {
        let done = estimate(&mut target, sampler, &chains, false, &AtomicBool::new(false), &mut |_| {})?;
        println!(
            "{name:>5}: λ̂ = {:.3} ± {:.3} (0.75), {}",
            done.llc.mean,
            done.llc.mcse,
            done.judgement.verdict.as_str()
        );
        for finding in &done.judgement.findings {
            println!("       {finding:?}");
        }
    }
    Ok(())
}
