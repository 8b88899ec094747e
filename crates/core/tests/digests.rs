//! Holds every sampler's draws to digests that were stored before the code was last rebuilt: the same seed gives the same draws, bit for
//! bit, in this version as in version 0.1.0.
//!
//! A digest is SHA-256 over the little-endian bytes of the numbers. Only the project's own arithmetic enters (no libtorch, whose products
//! differ between processors). A change that is meant to move draws says so in CHANGELOG.md and replaces the digest.

use std::sync::Arc;

use llc_core::kernel::gibbs::Gibbs;
use llc_core::kernel::hmc::HmcKernel;
use llc_core::kernel::mala::MalaKernel;
use llc_core::kernel::sgld::SgldKernel;
use llc_core::kernel::{Kernel, State};
use llc_core::params::{Element, Layout, ParamSpec, Params};
use llc_core::rng::{Key, Role};
use llc_core::target::law::{GradientNoise, Law, LawTarget};
use llc_core::target::{Batch, LocalPosterior, Target};
use sha2::{Digest, Sha256};

/// Steps of each sampler.
const STEPS: u64 = 300;

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of the points and losses of a chain on a quadratic with noisy gradients.
fn of_chain(kernel: &impl Kernel, noise: GradientNoise) -> String {
    let law = Law::Quadratic { curvatures: vec![0.5, 1.0, 4.0, 0.0, 9.0] };
    let mut target = LawTarget::new(law, noise, 20.0, 1.5).unwrap();
    let start = target.local().w_star().try_clone().unwrap();
    let key = |role| Key::new(7).role(role).chain(2);
    let batch = |step| match noise {
        GradientNoise::None => Batch::Full,
        _ => Batch::Minibatch { key: key(Role::Minibatch).step(step), indices: &[] },
    };
    let mut state = kernel.init(&start, &mut target, batch(0)).unwrap();
    let mut hash = Sha256::new();
    for step in 0..STEPS {
        let info = kernel.step(key(Role::Noise).step(step), &mut state, &mut target, batch(step)).unwrap();
        for number in state.w().as_slice::<f64>().unwrap().iter().chain([&info.loss]) {
            hash.update(number.to_le_bytes());
        }
    }
    hexadecimal(hash)
}

#[test]
fn draws_of_every_sampler_are_those_of_version_0_1_0() {
    let sgld = |epsilon, preconditioner, acceptance_every| SgldKernel {
        epsilon,
        preconditioner,
        acceptance_every,
        noise: 1.0,
    };
    let additive = GradientNoise::Additive { sigma: 0.3 };
    let found = [
        ("gibbs", of_chain(&Gibbs, GradientNoise::None)),
        ("hmc", of_chain(&HmcKernel { epsilon: 4e-3, leapfrog_steps: 7 }, GradientNoise::None)),
        ("mala", of_chain(&MalaKernel { epsilon: 1e-2 }, GradientNoise::None)),
        ("sgld", of_chain(&sgld(5e-3, vec![], 20), additive)),
        ("sgld, preconditioned", of_chain(&sgld(5e-3, vec![0.5], 0), GradientNoise::Multiplicative { sigma: 0.2 })),
    ];
    let stored = [
        ("gibbs", "b394355bf77516cb"),
        ("hmc", "8edb9e4c35d0b4dc"),
        ("mala", "664f92858051178c"),
        ("sgld", "c96ce4ab45f0a663"),
        ("sgld, preconditioned", "2cbe857b743b140d"),
    ];
    assert_eq!(
        found.map(|(sampler, digest)| format!("{sampler}: {digest}")),
        stored.map(|(sampler, digest)| format!("{sampler}: {digest}"))
    );
}

/// The digest of a Langevin move over a buffer of several pieces of work, two tensors of different factors.
fn of_move<T: Element>(bytes: impl Fn(&T) -> Vec<u8>) -> String {
    let spec = |name: &str, len| ParamSpec { name: name.into(), shape: vec![len] };
    let layout = Arc::new(Layout::new(vec![spec("a", 70_001), spec("b", 333)]));
    let filled = |seed| {
        let mut params = Params::zeros(&layout, T::TYPE);
        llc_core::update::fill_standard_normal(Key::new(seed), &mut params).unwrap();
        params
    };
    let local = LocalPosterior::new(40.0, 3.0, filled(2)).unwrap();
    let (gradient, mut w) = (filled(3), filled(4));
    let distance = llc_core::update::langevin(Key::new(9), &local, 1e-3, &[0.25, 4.0], 1.0, &gradient, &mut w).unwrap();
    let mut hash = Sha256::new();
    w.as_slice::<T>().unwrap().iter().for_each(|number| hash.update(bytes(number)));
    hash.update(distance.unwrap().to_le_bytes());
    hexadecimal(hash)
}

#[test]
fn moves_of_large_buffers_are_those_of_version_0_1_0_in_both_precisions() {
    assert_eq!(of_move(|number: &f32| number.to_le_bytes().to_vec()), "3fe66dfa513c0a4e");
    assert_eq!(of_move(|number: &f64| number.to_le_bytes().to_vec()), "5737ce3a1856f3b4");
}
