//! Estimates how long a run will take from the cost of one pass, and reports it at the start.

use llc::estimate;
use llc::kernel::Sampler;
use llc::observe::{Event, Observers};
use llc::record::time::duration;
use llc::run::Chains;
use llc::target::{Batch, Target};

use crate::cli::Context;

/// Runs that are expected to take longer report this at the start.
const LONG_S: f64 = 60.0;

/// Reports how long the run will take, if it is long.
pub fn report(expected_s: f64, context: &Context, observers: &mut Observers) {
    if expected_s > LONG_S {
        let text = format!("expected to take about {}", duration(expected_s));
        observers.emit(&Event::Output(&text));
        if !context.is_quiet {
            eprintln!("{text}");
        }
    }
}

/// Seconds that the chains are expected to take, from the cost of one pass.
pub fn sampling_seconds(
    target: &mut dyn Target,
    sampler: &dyn Sampler,
    chains: &Chains,
    check_localisation: bool,
) -> anyhow::Result<f64> {
    let indices: Vec<u64> = (0..chains.plan.batch_size.unwrap_or(0) as u64).collect();
    let batch = match chains.plan.batch_size {
        Some(_) => Batch::Minibatch { key: chains.key, indices: &indices },
        None => Batch::Full,
    };
    // With the threads that a chain has: others that wait for each other can make a pass many times as long.
    tch::set_num_threads(chains.threads_per_chain as i32);
    let pass_s = estimate::seconds_per_pass(target, sampler.gradient(), batch);
    tch::set_num_threads(chains.threads as i32);
    let side_by_side = (chains.threads / chains.threads_per_chain).clamp(1, chains.num_chains);
    let in_turn = chains.num_chains.div_ceil(side_by_side) as f64;
    let halves = if check_localisation { 1.5 } else { 1.0 };
    Ok(pass_s? * sampler.passes_per_step() * (chains.plan.num_draws * chains.plan.thin) as f64 * in_turn * halves)
}
