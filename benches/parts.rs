//! Measures the parts of a step one by one, on one thread: `cargo bench --bench parts [-- FILTER]`.
//!
//! benches/step.rs measures whole steps against their floor; this shows where they spend their time.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use llc::config::DlnArgs;
use llc::config::dln::InputDist;
use llc::data::minibatch::Minibatches;
use llc::data::synthetic::SyntheticInputs;
use llc::dln::Problem;
use llc::params::{Layout, Params};
use llc::rng::{Key, fill_normal};
use llc::target::{Batch, ConditionalDraw, LocalPosterior, Target};
use llc::tensors::Tensors;
use llc::update;
use tch::{Device, Kind};

fn main() {
    tch::set_num_threads(1);
    divan::main();
}

/// Elements of the passes over buffers: in the first cache, in the last one, in memory.
const LENGTHS: [usize; 3] = [200, 100_000, 20_000_000];

#[divan::bench(args = LENGTHS)]
fn noise_f32(bencher: Bencher, len: usize) {
    let mut z = vec![0f32; len];
    bencher.counter(ItemsCount::new(len)).bench_local(|| fill_normal(black_box(Key::new(1)), 0, &mut z));
}

#[divan::bench(args = LENGTHS)]
fn noise_f64(bencher: Bencher, len: usize) {
    let mut z = vec![0f64; len];
    bencher.counter(ItemsCount::new(len)).bench_local(|| fill_normal(black_box(Key::new(1)), 0, &mut z));
}

#[divan::bench(args = LENGTHS)]
fn langevin_f32(bencher: Bencher, len: usize) {
    let layout = std::sync::Arc::new(Layout::vector("w", len));
    let zeros = || Params::zeros_on(&layout, Kind::Float, Device::Cpu).unwrap();
    let local = LocalPosterior::new(1000.0, 1.0, zeros()).unwrap();
    let (g, mut w) = (zeros(), zeros());
    bencher.counter(BytesCount::new(16 * len)).bench_local(|| {
        update::langevin(black_box(Key::new(1)), &local, 1e-8, &[], 1.0, &g, &mut w).unwrap();
    });
}

#[divan::bench]
fn minibatch_indices(bencher: Bencher) {
    let mut batches = Minibatches::new(Key::new(1), 1_000_000, 500);
    let mut step = 0;
    bencher.counter(ItemsCount::new(500usize)).bench_local(|| {
        step += 1;
        black_box(batches.at(step));
    });
}

#[divan::bench(args = [10, 185, 1500])]
fn minibatch_inputs(bencher: Bencher, dim: usize) {
    let inputs = SyntheticInputs::new(Key::new(1), InputDist::Uniform, dim, 1_000_000);
    let indices = Minibatches::new(Key::new(1), 1_000_000, 500).at(0).to_vec();
    let mut columns = vec![0f32; dim * indices.len()];
    bencher.counter(ItemsCount::new(columns.len())).bench_local(|| inputs.fill_columns(&indices, &mut columns));
}

/// Networks of the parts that need one: widths, the input's first.
const NETWORKS: [&str; 2] = ["10 10,10", "185 259,286,885,235,204,274,252"];

fn problem(network: &str, flags: &str) -> Problem {
    let (input, widths) = network.split_once(' ').unwrap();
    let flags = format!("--input-dim {input} --layer-widths {widths} --num-training-data 1e4 --threads 1 {flags}");
    let args = DlnArgs::try_parse_from(flags.split_whitespace()).unwrap();
    Problem::new(&args.resolve().unwrap().config, Device::Cpu, &std::sync::atomic::AtomicBool::new(false)).unwrap()
}

#[divan::bench(args = NETWORKS)]
fn minibatch_gradient_f32(bencher: Bencher, network: &str) {
    let mut target = problem(network, "--sampler sgld").target;
    let w = target.local().w_star().try_clone().unwrap();
    let mut grad = w.zeros_like().unwrap();
    let indices = Minibatches::new(Key::new(1), 10_000, 500).at(0).to_vec();
    let batch = Batch::Minibatch { key: Key::new(1), indices: &indices };
    bencher.bench_local(|| target.loss_and_grad(&w, batch, &mut grad).unwrap());
}

#[divan::bench(args = NETWORKS)]
fn exact_gradient_f64(bencher: Bencher, network: &str) {
    let mut target = problem(network, "--sampler hmc").target;
    let w = target.local().w_star().try_clone().unwrap();
    let mut grad = w.zeros_like().unwrap();
    bencher.bench_local(|| target.loss_and_grad(&w, Batch::Full, &mut grad).unwrap());
}

#[divan::bench(args = NETWORKS)]
fn gibbs_sweep_f64(bencher: Bencher, network: &str) {
    let mut target = problem(network, "--sampler gibbs").target;
    let mut w = target.local().w_star().try_clone().unwrap();
    let mut step = 0;
    bencher.bench_local(|| {
        step += 1;
        target.begin_sweep(&w).unwrap();
        for block in 0..target.num_blocks() {
            target.draw_block(Key::new(1).step(step).part(block as u64), block, &mut w).unwrap();
        }
    });
}
