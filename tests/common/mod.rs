//! Runs a kernel and keeps everything that a law can be checked on.

// Each test file uses its own part of this.
#![allow(dead_code, reason = "every file of tests/ compiles this module for itself")]

use llc::diagnostics::Draws;
use llc::dln::Problem;
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
/// A deep linear network as the program would build it from `flags`, with its chains and sampler.
pub struct Dln {
    pub target: llc::target::DeepLinear,
    pub sampler: Box<dyn llc::kernel::Sampler>,
    pub chains: llc::run::Chains,
    pub config: llc::config::DlnConfig,
}

impl Dln {
    /// Parses `flags` as `llc dln` does; w* is moved by `offset`·N(0, 1) per parameter away from the minimum.
    pub fn new(flags: &str, offset: f64) -> Dln {
        let args = llc::config::DlnArgs::try_parse_from(flags.split_whitespace()).unwrap();
        let config = args.resolve().unwrap().config;
        let Problem { mut target, sampler, mut chains, .. } =
            Problem::new(&config, tch::Device::Cpu, &std::sync::atomic::AtomicBool::new(false)).unwrap();
        if offset > 0.0 {
            let mut centre = target.local().w_star().try_clone().unwrap();
            let mut z = vec![0.0; centre.len()];
            llc::rng::fill_normal(chains.key.role(Role::Probe), 0, &mut z);
            centre.as_mut_slice::<f64>().unwrap().iter_mut().zip(z).for_each(|(w, z)| *w += offset * z);
            target = target.around(centre).unwrap();
            let w_star = target.local().w_star().try_clone().unwrap();
            chains.plan.init_loss = target.loss(&w_star, Batch::Full).unwrap();
        }
        Dln { target, sampler, chains, config }
    }

    /// Runs the chains and gives back what each drew.
    pub fn run(&self) -> Vec<llc::chain::ChainRun> {
        self.run_cancelled_by(&std::sync::atomic::AtomicBool::new(false), &mut |_| {})
    }

    /// As [`Dln::run`]; `progress` may raise `cancel`.
    pub fn run_cancelled_by(
        &self,
        cancel: &std::sync::atomic::AtomicBool,
        progress: &mut dyn FnMut(llc::run::Progress),
    ) -> Vec<llc::chain::ChainRun> {
        let start = self.target.local().w_star().try_clone().unwrap();
        self.chains.run(self.sampler.as_ref(), &self.target, &start, cancel, progress).unwrap()
    }

    /// The whole estimate with its verdict.
    pub fn estimate(&mut self) -> llc::estimate::Estimation {
        let check = self.config.sampler().check_localisation == llc::config::Switch::On;
        let cancel = std::sync::atomic::AtomicBool::new(false);
        let target = &mut self.target;
        llc::estimate::estimate(target, self.sampler.as_ref(), &self.chains, check, &cancel, &mut |_| {}).unwrap()
    }
}
