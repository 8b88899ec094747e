//! Measures what a step costs against the bare pass: the matrix products of one forward and one backward pass over the batch alone.
//!
//! Who differentiates the loss sample by sample can't be below it. `llc` can where a network has fewer inputs than the batch has samples
//! (src/target/passes.rs), so that a ratio there may be less than 1.
//!
//! `./x bench [small|medium|large|chains|update|observe|whole …] [--rounds N]`, or `cargo bench --bench step -- …`. Every figure is a ratio within one run: the floor and what is
//! compared with it take turns, a round each, so that a neighbour on a shared machine slows both. docs/performance.md says more.

mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use common::{MEASUREMENT_S, report, rounds_and_names, seconds_each, with_threads};
use llc::config::DlnArgs;
use llc::dln::Problem;
use llc::estimate::estimate;
use llc::journal::{Journal, Pace};
use llc::observe::file_tree::FileTreeObserver;
use llc::observe::{Event, Observers, RunInfo, Status, forward};
use llc::params::{Layout, Params};
use llc::rng::Key;
use llc::run::Chains;
use llc::target::{LocalPosterior, Target};
use llc::tensors::Tensors;
use llc::update;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Samples per step, as published.
const BATCH: i64 = 500;

struct Case {
    name: &'static str,
    widths: &'static [i64],
    threads: usize,
}

const CASES: [Case; 3] = [
    Case { name: "small", widths: &[10, 10, 10], threads: 1 },
    Case { name: "medium", widths: &[185, 259, 286, 885, 235, 204, 274, 252], threads: 2 },
    Case { name: "large", widths: &[1500; 11], threads: 2 },
];

fn main() {
    let (rounds, words) = rounds_and_names();
    let is_selected = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    println!("medians of {rounds} rounds");
    println!("{:<34} {:>12} {:>12} {:>9} {:>9}", "", "floor", "measured", "ratio", "of best");
    for case in CASES.iter().filter(|case| is_selected(case.name)) {
        step(case, rounds);
    }
    if is_selected("chains") {
        two_chains(rounds);
    }
    if is_selected("update") {
        fused_update(rounds);
    }
    if is_selected("observe") {
        observed(rounds);
    }
    if is_selected("whole") {
        whole_run(rounds);
    }
}

/// An SGLD step as `llc dln` runs it, with and without its acceptance diagnostic, against the bare pass.
fn step(case: &Case, rounds: usize) {
    let mut bare = BarePass::new(case.widths);
    let bare_s = with_threads(case.threads, || seconds_each(&mut || bare.run()));
    let num_steps = (MEASUREMENT_S / (1.3 * bare_s)).max(40.0) as usize;
    for (what, every) in [("", 0), (", acceptance every 20 steps", 20)] {
        let mut sampled = Sampled::new(case.widths, case.threads, 1, num_steps, every);
        let pairs: Vec<(f64, f64)> = (0..rounds)
            .map(|_| {
                let before = with_threads(case.threads, || seconds_each(&mut || bare.run()));
                let step = 1.0 / sampled.steps_per_s();
                let after = with_threads(case.threads, || seconds_each(&mut || bare.run()));
                (0.5 * (before + after), step)
            })
            .collect();
        report(&format!("{} SGLD step{what}", case.name), &pairs, false, |s| format!("{:.3} ms", 1e3 * s));
    }
}

/// Draws a second of two chains on two cores, against those of one.
fn two_chains(rounds: usize) {
    let widths = CASES[0].widths;
    let num_steps = 20_000;
    let mut one = Sampled::new(widths, 1, 1, num_steps, 20);
    let mut two = Sampled::new(widths, 2, 2, num_steps, 20);
    let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| (one.steps_per_s(), two.steps_per_s())).collect();
    report("two chains, small: draws/s", &pairs, true, |rate| format!("{rate:.0}"));
}

/// Bytes a second of the fused update (16 a parameter) against those of a copy (8 a parameter).
fn fused_update(rounds: usize) {
    let threads = 2;
    let d = 22_500_000;
    let pairs = with_threads(threads, || {
        let layout = std::sync::Arc::new(Layout::vector("w", d));
        let zeros = || Params::zeros_on(&layout, Kind::Float, Device::Cpu).unwrap();
        let local = LocalPosterior::new(1000.0, 1.0, zeros()).unwrap();
        let (g, mut w) = (zeros(), zeros());
        let (from, mut to) = (vec![1f32; d], vec![0f32; d]);
        let piece = d.div_ceil(threads);
        let mut measure = |round: u64| {
            let copy_s = seconds_each(&mut || {
                to.par_chunks_mut(piece).zip(from.par_chunks(piece)).for_each(|(to, from)| to.copy_from_slice(from));
                black_box(&to);
            });
            let update_s = seconds_each(&mut || {
                update::langevin(Key::new(round), &local, 1e-8, &[], 1.0, &g, &mut w).unwrap();
            });
            (8.0 * d as f64 / copy_s, 16.0 * d as f64 / update_s)
        };
        (0..rounds as u64).map(&mut measure).collect::<Vec<_>>()
    });
    report("fused update against copying", &pairs, true, |rate| format!("{:.1} GB/s", 1e-9 * rate));
}

/// A step of the smallest network whose draws are all recorded (the file tree with its heartbeat, checkpoints), against one without
/// observers.
fn observed(rounds: usize) {
    const NUM_STEPS: usize = 400_000;
    let mut sampled = Sampled::new(&[10, 10, 10], 1, 1, NUM_STEPS, 0);
    let pairs: Vec<(f64, f64)> = (0..rounds)
        .map(|_| {
            let alone_s = 1.0 / sampled.steps_per_s();
            let base = tempfile::tempdir().unwrap();
            let mut observers = Observers::default();
            observers.push(Box::new(FileTreeObserver::create(base.path()).unwrap()));
            let (num_chains, num_draws) = (1, NUM_STEPS);
            observers.emit(&Event::Started(&RunInfo { num_chains, num_draws, n_beta: 1.0, ..RunInfo::default() }));
            let journal = Journal::new(&base.path().join("journal"), "", Pace::default());
            let watched_s = 1.0 / sampled.steps_per_s_with(journal, &mut observers);
            observers.emit(&Event::Ended { status: Status::Completed, report: None, fail_trace: &[] });
            (alone_s, watched_s)
        })
        .collect();
    report("a step on record, [10→10,10]", &pairs, false, |s| format!("{:.1} µs", 1e6 * s));
}

/// Seconds of a whole estimate as published (probes, sampling, diagnostics, verdict), against as many bare passes as it has steps.
fn whole_run(rounds: usize) {
    let flags = "--preset 1k --seed 1 --threads 1";
    let args = DlnArgs::try_parse_from(flags.split_whitespace()).unwrap();
    let config = args.resolve().unwrap().config;
    let widths: Vec<i64> = config.model().dims().iter().map(|&width| width as i64).collect();
    let num_steps = (config.sampler().num_steps * config.sampler().num_chains) as f64;
    let mut bare = BarePass::new(&widths);
    let pairs: Vec<(f64, f64)> = (0..rounds)
        .map(|_| {
            let bare_s = with_threads(1, || seconds_each(&mut || bare.run()));
            let began = Instant::now();
            let cancel = AtomicBool::new(false);
            let Problem { mut target, sampler, chains, .. } = Problem::new(&config, Device::Cpu, &cancel).unwrap();
            estimate(&mut target, sampler.as_ref(), &chains, false, &cancel, &mut |_| {}).unwrap();
            (num_steps * bare_s, began.elapsed().as_secs_f64())
        })
        .collect();
    report("whole run, --preset 1k --seed 1", &pairs, false, |s| format!("{s:.2} s"));
}

/// An SGLD run of `llc dln`, repeatable.
struct Sampled {
    problem: Problem,
    start: Params,
}

impl Sampled {
    fn new(widths: &[i64], threads: usize, num_chains: usize, num_steps: usize, mala_every: usize) -> Sampled {
        let list = widths[1..].iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let per_chain = threads / num_chains;
        let flags = format!(
            "--input-dim {} --layer-widths {list} --sampler sgld --epsilon 1e-9 --batch-size {BATCH} --num-chains {num_chains} \
             --num-steps {num_steps} --warmup 0.9 --check-localisation off --mala-every {mala_every} --threads {threads} --threads-per-chain {per_chain}",
            widths[0]
        );
        let args = DlnArgs::try_parse_from(flags.split_whitespace()).unwrap();
        let problem = Problem::new(&args.resolve().unwrap().config, Device::Cpu, &AtomicBool::new(false)).unwrap();
        let start = problem.target.local().w_star().try_clone().unwrap();
        Sampled { problem, start }
    }

    /// Steps a second of all chains, over the time in their loops.
    fn steps_per_s(&mut self) -> f64 {
        self.steps_per_s_with(Journal::default(), &mut Observers::default())
    }

    /// The same with checkpoints in `journal`, and draws that go to `observers`.
    fn steps_per_s_with(&mut self, journal: Journal, observers: &mut Observers) -> f64 {
        let Problem { target, sampler, chains, .. } = &self.problem;
        let chains = Chains { store: Arc::new(journal), ..chains.clone() };
        let runs = chains
            .run(sampler.as_ref(), target, &self.start, &AtomicBool::new(false), &mut forward(observers))
            .unwrap();
        runs.iter().map(|run| run.num_steps as f64 / run.sampling_s).sum()
    }
}

/// The matrix products of a forward and a backward pass, and nothing else.
struct BarePass {
    x: Tensor,
    weights: Vec<Tensor>,
    grads: Vec<Tensor>,
    activations: Vec<Tensor>,
    deltas: Vec<Tensor>,
}

impl BarePass {
    fn new(widths: &[i64]) -> BarePass {
        let random = |rows: i64, columns: i64| Tensor::randn([rows, columns], (Kind::Float, Device::Cpu)) * 0.05;
        let layers: Vec<(i64, i64)> = widths.windows(2).map(|pair| (pair[0], pair[1])).collect();
        BarePass {
            x: random(BATCH, widths[0]),
            weights: layers.iter().map(|&(i, o)| random(i, o)).collect(),
            grads: layers.iter().map(|&(i, o)| random(i, o)).collect(),
            activations: layers.iter().map(|&(_, o)| random(BATCH, o)).collect(),
            deltas: layers.iter().map(|&(_, o)| random(BATCH, o)).collect(),
        }
    }

    fn run(&mut self) {
        let last = self.weights.len() - 1;
        for l in 0..=last {
            let input = if l == 0 { &self.x } else { &self.activations[l - 1] };
            let _ = input.mm_out(&self.activations[l], &self.weights[l]);
        }
        for l in (0..=last).rev() {
            let input = if l == 0 { &self.x } else { &self.activations[l - 1] };
            let _ = input.tr().mm_out(&self.grads[l], &self.deltas[l]);
            if l > 0 {
                let _ = self.deltas[l].mm_out(&self.deltas[l - 1], &self.weights[l].tr());
            }
        }
    }
}
