//! Runs a kernel and keeps everything that a law can be checked on.

// Each test file uses its own part of this.
#![allow(dead_code, reason = "every file of tests/ compiles this module for itself")]

use llc::diagnostics::Draws;
use llc::kernel::{Kernel, State};
use llc::params::Params;
use llc::rng::{Key, Role};
use llc::target::{Batch, Target};

/// Standard errors that a right sampler may be off.
pub const MAX_Z: f64 = 6.0;

/// Chains of a law test: R-hat and effective sample sizes need several.
const NUM_CHAINS: usize = 4;

/// Share of the steps that are left out at the start.
const WARMUP: f64 = 0.1;

/// What a kernel did, warm-up left out.
pub struct Traced {
    /// The loss at each draw, exact.
    pub loss: Draws,
    /// wᵢ of each draw, for the first eight elements.
    pub elements: Vec<Draws>,
    /// (w − w*)·∇U of each draw, exact gradient.
    pub virial: Draws,
}

/// A state that is only a point.
pub struct Point(pub Params);

impl State for Point {
    fn w(&self) -> &Params {
        &self.0
    }
}

/// The current point of a state.
pub fn point(state: &impl State) -> Vec<f64> {
    state.w().as_slice::<f64>().unwrap().to_vec()
}

/// Runs four chains of `num_steps / 4` steps each from w*, on noisy gradients where the target has noise. A sampler that breaks
/// ends early, with what it drew.
pub fn sample<K: Kernel>(kernel: &K, target: &mut dyn Target, num_steps: usize) -> Traced {
    let start = target.local().w_star().try_clone().unwrap();
    let num_elements = start.len().min(8);
    let steps = num_steps / NUM_CHAINS;
    let warmup = (WARMUP * steps as f64) as usize;
    let mut loss = vec![Vec::new(); NUM_CHAINS];
    let mut virial = vec![Vec::new(); NUM_CHAINS];
    let mut elements = vec![vec![Vec::new(); NUM_CHAINS]; num_elements];
    let mut grad = start.zeros_like().unwrap();
    for chain in 0..NUM_CHAINS {
        let key = Key::new(20).role(Role::Noise).chain(chain);
        let batch_key = Key::new(20).role(Role::Minibatch).chain(chain);
        let mut state = kernel.init(&start, target, Batch::Full).unwrap();
        for step in 0..steps {
            let batch = match target.num_samples() {
                Some(_) => Batch::Minibatch { key: batch_key.step(step as u64), indices: &[] },
                None => Batch::Full,
            };
            if kernel.step(key.step(step as u64), &mut state, target, batch).is_err() {
                break;
            }
            if step >= warmup {
                let exact = target.loss_and_grad(state.w(), Batch::Full, &mut grad).unwrap();
                loss[chain].push(exact);
                let terms = llc::update::virial_terms(target.local(), &grad, state.w()).unwrap();
                virial[chain].push(terms.iter().sum::<f64>());
                for (i, element) in elements.iter_mut().enumerate() {
                    element[chain].push(state.w().as_slice::<f64>().unwrap()[i]);
                }
            }
        }
    }
    Traced {
        loss: Draws::new(&loss),
        elements: elements.iter().map(|chains| Draws::new(chains)).collect(),
        virial: Draws::new(&virial),
    }
}
