//! Measures what an SGLD step on a convolutional network costs against the bare pass: forward and backward on the same batch alone.
//!
//! `./x bench network [--rounds N]`. ResNet18 (k = 64, 32×32) at batch 128 on all threads, in f32, and with bfloat16 and channels last where
//! they may pay; every figure is a ratio within one run, as in `step`. Parameters are random: no number depends on what they are.

mod common;

use std::sync::Arc;

use common::{report, rounds_and_names, seconds_each, with_threads};
use llc::config::network::Loss;
use llc::data::{Pictures, Preprocessing};
use llc::kernel::Kernel as _;
use llc::kernel::Precision;
use llc::kernel::sgld::SgldKernel;
use llc::model::{Mode, ModelOptions, ModelSpec};
use llc::params::Params;
use llc::rng::Key;
use llc::samples::Samples;
use llc::target::Batch;
use llc::target::network::{Answers, Evaluation, NetworkTarget, TrainedNetwork};
use llc::tensors::Tensors;
use llc::train::Objective;
use tch::{Device, Kind, Tensor};

const BATCH: u64 = 128;
const NUM_SAMPLES: usize = 1024;

fn main() {
    let (rounds, _) = rounds_and_names();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("medians of {rounds} rounds, {threads} threads");
    println!("{:<34} {:>12} {:>12} {:>9} {:>9}", "", "floor", "measured", "ratio", "of best");
    for (what, precision, has_channels_last) in [
        ("resnet18 SGLD step", Precision::F32, false),
        ("… channels last", Precision::F32, true),
        ("… bf16", Precision::Bf16, false),
        ("… bf16, channels last", Precision::Bf16, true),
    ] {
        let objective = Objective { loss: Loss::CrossEntropy, precision, has_channels_last };
        let pairs = with_threads(threads, || {
            let mut bare = BarePass::new();
            let mut steps = Steps::new(objective);
            (0..rounds)
                .map(|_| {
                    let before = seconds_each(&mut || bare.run());
                    let step = seconds_each(&mut || steps.run());
                    let after = seconds_each(&mut || bare.run());
                    (0.5 * (before + after), step)
                })
                .collect::<Vec<_>>()
        });
        report(what, &pairs, false, |s| format!("{:.0} ms", 1e3 * s));
    }
}

fn trained() -> TrainedNetwork {
    let options = ModelOptions { width_factor: Some(64), ..ModelOptions::default() };
    let network = Arc::new(ModelSpec { name: "resnet18".to_owned(), options }.build().unwrap());
    let w = network.init(Key::new(1)).unwrap();
    TrainedNetwork { buffers: network.initial_buffers().unwrap(), w, network }
}

fn samples() -> Samples {
    let key = Key::new(2);
    let len = NUM_SAMPLES * 3 * 32 * 32;
    let pixels = (0..len.div_ceil(8)).flat_map(|index| key.word(index as u64).to_le_bytes()).take(len).collect();
    let labels = (0..NUM_SAMPLES).map(|index| (index % 10) as u8).collect();
    let classes = (0..10).map(|class| class.to_string()).collect();
    Samples::new(&Pictures { shape: [3, 32, 32], pixels, labels, classes }, &Preprocessing::default()).unwrap()
}

/// Forward and backward in f32 on one batch that is there already.
struct BarePass {
    trained: TrainedNetwork,
    x: Tensor,
    labels: Tensor,
}

impl BarePass {
    fn new() -> BarePass {
        let mut trained = trained();
        let samples = samples();
        trained.see_first(&samples, Objective::cross_entropy()).unwrap();
        let (x, labels) = samples.range(0..BATCH, Kind::Float, Device::Cpu).unwrap();
        BarePass { trained, x, labels }
    }

    fn run(&mut self) {
        let TrainedNetwork { network, w, buffers } = &mut self.trained;
        let leaves: Vec<Tensor> = w.views().iter().map(|view| view.detach().set_requires_grad(true)).collect();
        let outputs = network.forward(&leaves, buffers, &self.x, Mode::Frozen).unwrap();
        let loss = outputs.cross_entropy_for_logits(&self.labels);
        Tensor::run_backward(&[loss], &leaves, false, false);
    }
}

/// Steps of SGLD as `llc curve` and `llc estimate` make them, each on its own batch.
struct Steps {
    target: NetworkTarget,
    kernel: SgldKernel,
    state: <SgldKernel as llc::kernel::Kernel>::State,
    step: u64,
}

impl Steps {
    fn new(objective: Objective) -> Steps {
        let (mut trained, samples) = (trained(), samples());
        trained.see_first(&samples, objective.clone()).unwrap();
        let evaluation = Evaluation { objective, answers: Answers::Labels, sampled: None };
        let mut target = NetworkTarget::new(&trained, samples, evaluation, (100.0, 1.0), Key::new(3)).unwrap();
        let kernel = SgldKernel { epsilon: 1e-12, preconditioner: Vec::new(), acceptance_every: 0, noise: 1.0 };
        let start: &Params = &trained.w;
        let state = kernel.init(start, &mut target, Batch::Full).unwrap();
        Steps { target, kernel, state, step: 0 }
    }

    fn run(&mut self) {
        let first = self.step * BATCH % NUM_SAMPLES as u64;
        let indices: Vec<u64> = (first..first + BATCH).collect();
        let key = Key::new(4).step(self.step);
        let batch = Batch::Minibatch { key, indices: &indices };
        self.kernel.step(key, &mut self.state, &mut self.target, batch).unwrap();
        self.step += 1;
    }
}
