//! Draws each block of parameters from its exact law given the others: the reference without a step size.
//!
//! One step is one sweep w_l ~ p(w_l | w_k, k ≠ l), l = 1 … L. For a deep linear network the laws are Gaussian,
//! and nothing has to be tuned. If a target has moves that don't change its loss, each sweep
//! begins with one, since drawing block by block is slow along narrow orbits.
//!
//! *Reference*: Geman and Geman, IEEE PAMI 6 (1984), <https://doi.org/10.1109/TPAMI.1984.4767596>.
//!
//! *Tested by*: every layer's law against a dense solver, linear regression against its closed form and the mutant that drops the
//! flat directions (tests/conditional_draws.rs), crossed lines against their exact moment (tests/laws.rs), and theory on six deep
//! linear networks (tests/dln_command.rs).

use serde::Serialize;

use super::{
    About, Given, GradientNeed, Info, Kernel, KernelError, Precision, Sampler, Settings, Source, State, finite,
};
use crate::chain::{self, Chain, ChainRun};
use crate::params::Params;
use crate::rng::Key;
use crate::target::{Batch, ConditionalDraw, Target, TargetError};

/// The Gibbs sampler, which has no settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Gibbs;

impl Settings for Gibbs {
    const ABOUT: About = About {
        summary: "draws each layer exactly: it has no step size to tune, and mixes where gradient methods are slow",
        gradient: GradientNeed::None,
        is_exact: true,
        has_epsilon: false,
        target_acceptance: None,
        num_steps: 4_000,
        warmup: 0.25,
        // It must see small singular values.
        precision: Precision::F64,
        statistics: &[],
        // The time goes into singular value decompositions, which one thread does as fast as several.
        is_single_threaded: true,
        keys: &[],
    };

    fn read<S: Source>(given: &Given<S>) -> Result<Self, S::Error> {
        let unfit = |path, found, reason| Err(given.source.unfit(path, found, reason));
        if given.gamma == 0.0 {
            return unfit(
                "sampler.gamma",
                "0",
                "with γ = 0 the flat directions have no density that gibbs could draw from; give a number above 0",
            );
        }
        if given.source.word("run.precision") == Some("f32") {
            return unfit(
                "run.precision",
                "f32",
                "gibbs needs the small singular values that only f64 resolves; leave it out, or use --sampler sgld",
            );
        }
        Ok(Self)
    }
}

/// The current point, which is all that a sweep needs.
#[derive(Debug)]
pub struct GibbsState {
    w: Params,
}

impl State for GibbsState {
    fn w(&self) -> &Params {
        &self.w
    }
}

impl Kernel for Gibbs {
    type State = GibbsState;
    const GRADIENT: GradientNeed = Self::ABOUT.gradient;

    fn init(&self, at: &Params, target: &mut dyn Target, _: Batch) -> Result<GibbsState, KernelError> {
        conditional(target)?;
        Ok(GibbsState { w: at.try_clone()? })
    }

    fn step(&self, key: Key, state: &mut GibbsState, target: &mut dyn Target, _: Batch) -> Result<Info, KernelError> {
        let target = conditional(target)?;
        target.move_along_fibre(key.part(FIBRE), &mut state.w);
        target.begin_sweep(&state.w)?;
        for block in 0..target.num_blocks() {
            target.draw_block(key.part(block as u64), block, &mut state.w)?;
        }
        Ok(Info { loss: finite(target.loss_after_sweep()?)?, acceptance: None, squared_distance: None })
    }
}

impl Sampler for Gibbs {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn passes_per_step(&self) -> f64 {
        1.0
    }

    fn run_chain(&self, chain: Chain, start: &Params, target: &mut dyn Target) -> ChainRun {
        chain::run(self, chain, start, target)
    }
}

/// Part of a step's stream beside those of its blocks.
const FIBRE: u64 = u64::MAX;

fn conditional(target: &mut dyn Target) -> Result<&mut dyn ConditionalDraw, TargetError> {
    target.as_conditional().ok_or(TargetError::Unsupported(
        "Gibbs needs a target with blocks that can be drawn exactly: a deep linear network in f64 with γ > 0",
    ))
}
