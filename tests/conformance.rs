//! Holds every sampler of the registry to the same promises: repeatable, independent of its neighbours, interruptible.
#![cfg(feature = "torch")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use common::Dln;
use llc::chain::{ChainRun, End};
use llc::kernel::SamplerKind;
use llc::run::Progress;

const SMALL: &str =
    "--input-dim 3 --layer-widths 4,2 --truth aligned --rank 1 --num-training-data 1000 --batch-size 50";

/// `SMALL` for `kind`: 60 steps and seed 5, but for what `more` says.
fn flags(kind: SamplerKind, more: &str) -> String {
    let mut flags = format!("{SMALL} --sampler {} --warmup 0.25 {more}", kind.name());
    for (flag, value) in [("--num-steps", "60"), ("--seed", "5")] {
        if !more.contains(flag) {
            flags.push_str(&format!(" {flag} {value}"));
        }
    }
    flags
}

fn same(a: &ChainRun, b: &ChainRun) -> bool {
    let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    bits(&a.trace.loss) == bits(&b.trace.loss)
        && bits(&a.trace.distance) == bits(&b.trace.distance)
        && a.virial == b.virial
        && a.epsilon == b.epsilon
}

#[test]
fn the_same_seed_gives_the_same_draws_bit_for_bit_and_another_seed_others() {
    for kind in SamplerKind::ALL {
        let first = Dln::new(&flags(kind, ""), 0.0).run();
        let again = Dln::new(&flags(kind, ""), 0.0).run();
        assert!(first.iter().zip(&again).all(|(a, b)| same(a, b)), "{}", kind.name());
        let other = Dln::new(&flags(kind, "--seed 6"), 0.0).run();
        assert!(!same(&first[0], &other[0]), "{}", kind.name());
    }
}

#[test]
fn chain_3_of_4_equals_chain_3_of_8_on_any_number_of_threads() {
    for kind in SamplerKind::ALL {
        let four = Dln::new(&flags(kind, "--num-chains 4 --threads 2"), 0.0).run();
        let eight = Dln::new(&flags(kind, "--num-chains 8 --threads 1"), 0.0).run();
        assert!(four.iter().zip(&eight).all(|(a, b)| same(a, b)), "{}", kind.name());
        assert!(!same(&eight[3], &eight[4]), "{}: chains are not copies", kind.name());
    }
}

#[test]
fn thinning_keeps_every_third_state() {
    // At a fixed step size, so that no search depends on the length of the warm-up.
    for kind in SamplerKind::ALL {
        let epsilon = if kind.about().has_epsilon { "--epsilon 1e-5" } else { "" };
        let flags = |more: &str| flags(kind, &format!("{epsilon} --loss-trace full {more}"));
        let all = Dln::new(&flags(""), 0.0).run();
        let thinned = Dln::new(&flags("--thin 3"), 0.0).run();
        for (all, thinned) in all.iter().zip(&thinned) {
            let third: Vec<f64> = all.trace.loss.iter().skip(2).step_by(3).copied().collect();
            assert_eq!(third, thinned.trace.loss, "{}", kind.name());
        }
    }
}

#[test]
fn a_cancelled_run_keeps_the_draws_that_it_made() {
    for kind in SamplerKind::ALL {
        let run = Dln::new(&flags(kind, "--num-steps 50000000 --threads 1 --num-chains 2"), 0.0);
        let cancel = AtomicBool::new(false);
        let mut emitted = 0;
        let runs = run.run_cancelled_by(&cancel, &mut |progress| {
            if let Progress::Draws { chain: 0, block, .. } = progress {
                emitted += block.loss.len();
                cancel.store(true, Ordering::Relaxed);
            }
        });
        assert!(matches!(runs[0].end, End::Cancelled), "{}", kind.name());
        assert!(!runs[0].trace.loss.is_empty());
        assert_eq!(runs[0].trace.loss.len(), emitted, "{}: every draw was handed on", kind.name());
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_the_chain_and_keeps_what_came_before() {
    let runs = Dln::new(&flags(SamplerKind::Sgld, "--epsilon 1e3"), 0.0).run();
    for run in &runs {
        assert!(run.has_diverged());
        assert!(!run.trace.loss.is_empty() && run.trace.loss.iter().all(|loss| loss.is_finite()));
    }
}

#[test]
fn the_three_loss_traces_of_one_chain_agree_on_noise_free_data() {
    let traced = |trace: &str| {
        let more = format!("--epsilon 1e-6 --num-steps 4000 --loss-trace {trace}");
        Dln::new(&flags(SamplerKind::Sgld, &more), 0.0).run()
    };
    let (minibatch, control, full) = (traced("minibatch"), traced("control-variate"), traced("full"));
    for ((minibatch, control), full) in minibatch.iter().zip(&control).zip(&full) {
        // L_B(w*) is the rounding of f32 alone, so that the control variate changes nothing.
        for (a, b) in minibatch.trace.loss.iter().zip(&control.trace.loss) {
            assert!((a - b).abs() < 1e-9 + 1e-6 * a, "{a} against {b}");
        }
        // The batch's loss is an unbiased estimate of the full one: 3,000 draws, each off by a few percent of itself.
        let mean = |losses: &[f64]| losses[1000..].iter().sum::<f64>() / 3000.0;
        let (a, b) = (mean(&minibatch.trace.loss), mean(&full.trace.loss));
        assert!((a / b - 1.0).abs() < 0.05, "{a} against {b}");
    }
}
