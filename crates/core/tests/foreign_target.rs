//! Holds every sampler that works on gradients to the same promises on a target from outside the crate: repeatable, independent of its
//! neighbours, resumable bit for bit, right.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use llc_core::chain::{ChainRun, End};
use llc_core::estimate::estimate;
use llc_core::kernel::hmc::Hmc;
use llc_core::kernel::mala::Mala;
use llc_core::kernel::sgld::Sgld;
use llc_core::kernel::{ExtrapolateStep, Sampler};
use llc_core::params::{FloatType, Layout, Params};
use llc_core::rng::{Key, fill_normal};
use llc_core::run::{Chains, Progress};
use llc_core::store::{Slot, Snapshot, Store, StoreError};
use llc_core::target::{Batch, LocalPosterior, Target, TargetError};

/// Linear regression on n samples with one output: L = mean (x·w − y)², with y of w* and no noise.
struct Regression {
    inputs: Arc<Vec<[f64; DIM]>>,
    local: LocalPosterior,
}

const DIM: usize = 3;
const SAMPLES: usize = 400;
const N_BETA: f64 = 50.0;

impl Regression {
    fn new(inputs: Arc<Vec<[f64; DIM]>>, n_beta: f64, gamma: f64) -> Regression {
        let mut w_star = Params::zeros(&Arc::new(Layout::vector("w", DIM)), FloatType::F64);
        w_star.as_mut_slice().unwrap().copy_from_slice(&[1.0, -2.0, 0.5]);
        Regression { inputs, local: LocalPosterior::new(n_beta, gamma, w_star).unwrap() }
    }

    fn drawn() -> Regression {
        let mut numbers = [0.0; DIM * SAMPLES];
        fill_normal(Key::new(3), 0, &mut numbers);
        Regression::new(Arc::new(numbers.as_chunks().0.to_vec()), N_BETA, 1.0)
    }

    /// λ̂ at this nβ and γ: ½·tr H(H + γ)⁻¹ with H = nβ·2XᵀX/n, by the eigenvalues' own sum, which needs no decomposition:
    /// d − γ·tr (H + γ)⁻¹ over two.
    fn exact(&self) -> f64 {
        let gamma = self.local.gamma();
        let mut a = [[0.0; DIM]; DIM];
        for x in self.inputs.iter() {
            for i in 0..DIM {
                for j in 0..DIM {
                    a[i][j] += 2.0 * self.local.n_beta() * x[i] * x[j] / SAMPLES as f64;
                }
            }
        }
        (0..DIM).for_each(|i| a[i][i] += gamma);
        let minor = |i: usize, j: usize| {
            let at = |k: usize| a[(i + k) % DIM];
            at(1)[(j + 1) % DIM] * at(2)[(j + 2) % DIM] - at(1)[(j + 2) % DIM] * at(2)[(j + 1) % DIM]
        };
        let determinant: f64 = (0..DIM).map(|j| a[0][j] * minor(0, j)).sum();
        let trace: f64 = (0..DIM).map(|i| minor(i, i) / determinant).sum();
        0.5 * (DIM as f64 - gamma * trace)
    }
}

impl Target for Regression {
    fn local(&self) -> &LocalPosterior {
        &self.local
    }

    fn loss_and_grad(&mut self, w: &Params, batch: Batch, grad: &mut Params) -> Result<f64, TargetError> {
        let (Some(w), Some(w_star)) = (w.as_slice::<f64>(), self.local.w_star().as_slice::<f64>()) else {
            return Err(TargetError::other("parameters must be in f64"));
        };
        let indices: Vec<usize> = match batch {
            Batch::Full | Batch::Probe => (0..SAMPLES).collect(),
            Batch::Minibatch { indices, .. } => indices.iter().map(|&index| index as usize).collect(),
        };
        let (mut loss, mut sum) = (0.0, [0.0; DIM]);
        for &index in &indices {
            let x = &self.inputs[index];
            let residual: f64 = (0..DIM).map(|i| x[i] * (w[i] - w_star[i])).sum();
            loss += residual * residual;
            (0..DIM).for_each(|i| sum[i] += 2.0 * residual * x[i]);
        }
        let count = indices.len() as f64;
        grad.as_mut_slice().unwrap().copy_from_slice(&sum.map(|g| g / count));
        Ok(loss / count)
    }

    fn num_samples(&self) -> Option<u64> {
        Some(SAMPLES as u64)
    }

    fn with_density(&self, n_beta: f64, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        Ok(Box::new(Regression::new(self.inputs.clone(), n_beta, gamma)))
    }
}

fn samplers() -> Vec<(&'static str, Box<dyn Sampler>, Option<usize>)> {
    vec![
        ("hmc", Box::new(Hmc::new()), None),
        ("mala", Box::new(Mala::new()), None),
        ("sgld", Box::new(Sgld::new(50)), Some(50)),
    ]
}

fn chains(num_chains: usize, num_draws: usize, batch_size: Option<usize>) -> Chains {
    let mut chains = Chains::new(num_chains, num_draws, 0.0, Key::new(8));
    chains.plan.batch_size = batch_size;
    chains.threads = 2;
    chains
}

fn run(
    chains: &Chains,
    sampler: &dyn Sampler,
    progress: &mut dyn FnMut(Progress),
    cancel: &AtomicBool,
) -> Vec<ChainRun> {
    let target = Regression::drawn();
    chains.run(sampler, &target, target.local().w_star(), cancel, progress).unwrap()
}

fn drawn(chains: &Chains, sampler: &dyn Sampler) -> Vec<ChainRun> {
    run(chains, sampler, &mut |_| {}, &AtomicBool::new(false))
}

fn same(a: &ChainRun, b: &ChainRun) -> bool {
    let bits = |run: &ChainRun| {
        let columns = run.trace.columns().map(|(name, column)| (name.to_owned(), column.clone()));
        columns.map(|(name, column)| (name, column.iter().map(|x| x.to_bits()).collect())).collect::<Vec<(_, Vec<_>)>>()
    };
    bits(a) == bits(b) && a.virial == b.virial && a.epsilon == b.epsilon
}

#[test]
fn lambda_hat_is_the_exact_one_and_trusted_at_its_scale() {
    let exact = Regression::drawn().exact();
    for (name, sampler, batch_size) in samplers() {
        // Steps of SGLD are small, and cost an eighth.
        let num_draws = if batch_size.is_some() { 60_000 } else { 8_000 };
        let mut chains = chains(4, num_draws, batch_size);
        chains.extrapolate_step = ExtrapolateStep::On;
        let mut target = Regression::drawn();
        let done = estimate(&mut target, &*sampler, &chains, false, &AtomicBool::new(false), &mut |_| {}).unwrap();
        // Six standard errors: the two biases of SGLD are taken off.
        let error = (done.llc.mean - exact).abs();
        assert!(error < 6.0 * done.llc.mcse, "{name}: {} ± {} for {exact}", done.llc.mean, done.llc.mcse);
        assert!(done.judgement.findings.is_empty(), "{name}: {:?}", done.judgement.findings);
    }
}

#[test]
fn chain_3_of_4_equals_chain_3_of_8_and_the_same_key_gives_the_same_draws() {
    for (name, sampler, batch_size) in samplers() {
        let four = drawn(&chains(4, 300, batch_size), &*sampler);
        let mut alone = chains(8, 300, batch_size);
        alone.threads = 1;
        let eight = drawn(&alone, &*sampler);
        assert!(four.iter().zip(&eight).all(|(a, b)| same(a, b)), "{name}");
        assert!(!same(&eight[3], &eight[4]), "{name}: chains are not copies");
    }
}

#[test]
fn every_statistic_of_a_sampler_has_a_value_at_every_draw() {
    for (name, sampler, batch_size) in samplers() {
        for run in drawn(&chains(2, 200, batch_size), &*sampler) {
            let names: Vec<_> = run.trace.statistics.keys().map(String::as_str).collect();
            assert_eq!(names, sampler.about().statistics, "{name}");
            let whole = |column: &Vec<f64>| column.len() == 200 && column.iter().all(|value| value.is_finite());
            assert!(run.trace.statistics.values().all(whole), "{name}");
        }
    }
}

/// Keeps the snapshots of all parts in memory, each as often as it can.
#[derive(Debug, Clone, Default)]
struct InMemory {
    stage: String,
    kept: Arc<Mutex<HashMap<String, Snapshot>>>,
}

impl Store for InMemory {
    fn stage(&self, name: &str) -> Arc<dyn Store> {
        Arc::new(InMemory { stage: format!("{}{name}.", self.stage), kept: self.kept.clone() })
    }

    fn slot(&self, name: &str) -> Box<dyn Slot> {
        Box::new(InMemory { stage: format!("{}{name}", self.stage), kept: self.kept.clone() })
    }
}

impl Slot for InMemory {
    fn is_kept(&self) -> bool {
        true
    }

    fn is_due(&self) -> bool {
        true
    }

    fn is_hardly_newer(&self) -> bool {
        false
    }

    fn read(&self) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.kept.lock().unwrap().get(&self.stage).cloned())
    }

    fn write(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        self.kept.lock().unwrap().insert(self.stage.clone(), snapshot);
        Ok(())
    }

    fn write_now(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        self.write(snapshot)
    }

    fn incomplete(&self, what: &'static str) -> StoreError {
        StoreError::new(format!("{}: {what}", self.stage))
    }
}

#[test]
fn a_run_that_was_cancelled_continues_bit_for_bit() {
    for (name, sampler, batch_size) in samplers() {
        let whole = drawn(&chains(2, 3000, batch_size), &*sampler);
        let mut kept = chains(2, 3000, batch_size);
        kept.store = Arc::new(InMemory::default());
        let cancel = AtomicBool::new(false);
        let part = run(&kept, &*sampler, &mut |_| cancel.store(true, Ordering::Relaxed), &cancel);
        let is_cut = part.iter().any(|run| matches!(run.end, End::Cancelled) && run.trace.loss.len() < 3000);
        assert!(is_cut, "{name}: a case that shows nothing");
        let resumed = drawn(&kept, &*sampler);
        assert!(resumed.iter().zip(&whole).all(|(a, b)| same(a, b)), "{name}");
        assert!(resumed.iter().zip(&whole).all(|(a, b)| a.num_steps == b.num_steps), "{name}");
    }
}
