//! Runs one chain: the only sampling loop of the project.
//!
//! A chain makes `num_draws` draws of `thin` steps each. It records the loss, the distance from w* and the acceptance of each draw, and
//! the virial terms of some. It stops early if it is cancelled or the loss is no longer finite, and keeps the draws so far.
//!
//! *Tested by*: `tests/conformance.rs` (every sampler: same key, same draws; chain 3 of 4 equals chain 3 of 8; thinning keeps every
//! k-th state; a cancelled chain keeps what it drew) and the law tests.

mod gradients;
pub(crate) mod saved;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::distance::TensorDistances;
use crate::draws::DrawBlock;
use crate::kernel::{Epsilon, GradientNeed, Kernel, KernelError, LossTrace, State};
use crate::minibatch::Minibatches;
use crate::params::Params;
use crate::rng::{Key, Role};
use crate::store::Slot;
use crate::summary::GradientRow;
use crate::target::{Batch, Target, TargetError};
use crate::update;
pub(crate) use gradients::GradientLook;
use saved::{Saved, SavedPoint};

/// The length of a chain and what it records; the same for all chains of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Draws, warm-up included.
    pub num_draws: usize,
    /// Leading draws that are warm-up.
    pub num_warmup: usize,
    /// Steps per draw, at least 1.
    pub thin: usize,
    /// Samples per step; `None` for all.
    pub batch_size: Option<usize>,
    /// The loss that a draw records.
    pub loss_trace: LossTrace,
    /// L_n(w*), for the control variate.
    pub init_loss: f64,
    /// Number of kept draws between two records of the virial terms; 0 for none.
    pub virial_every: usize,
    /// Whether the distance of the kept draws is also summed for each tensor.
    pub tensor_distances: bool,
    /// The largest curvature of L at w*, if known, so that a step-size search need not compute it again.
    pub largest_curvature: Option<f64>,
    /// Whether the last draw itself is returned.
    pub keep_last: bool,
}

/// One chain's place in a run.
pub struct Chain<'a> {
    /// Its number, from 0.
    pub index: usize,
    /// The run's root stream.
    pub key: Key,
    /// Its length and what it records.
    pub plan: &'a Plan,
    /// Step size, once it is known.
    pub epsilon: Option<f64>,
    /// Where it saves its state.
    pub slot: Box<dyn Slot>,
    /// The saved state that it resumes from.
    pub saved: Option<Saved>,
    /// Set from outside to end the chain after the current draw.
    pub cancel: &'a AtomicBool,
    /// Receives finished draws: the number of the first, and the block.
    pub emit: &'a mut dyn FnMut(usize, &DrawBlock),
}

impl Chain<'_> {
    /// The stream of this chain for `role`.
    pub fn stream(&self, role: Role) -> Key {
        self.key.role(role).chain(self.index)
    }

    /// The step size, unless one has to be searched for: that of the chain's start or saved state, otherwise the configured one.
    pub fn known_epsilon(&self, configured: Epsilon) -> Option<f64> {
        self.epsilon.or(match configured {
            Epsilon::Fixed(epsilon) => Some(epsilon.get()),
            Epsilon::Auto => None,
        })
    }

    /// Whether the run was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

/// How a chain ended.
#[derive(Debug)]
pub enum End {
    /// All draws were made.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It could not continue.
    Failed(KernelError),
}

/// The result of a chain.
#[derive(Debug)]
pub struct ChainRun {
    /// Every draw, warm-up included.
    pub trace: DrawBlock,
    /// Virial terms (w − w*)·∇U per tensor, one row for each recorded draw after warm-up.
    pub virial: Vec<Vec<f64>>,
    /// Gradient statistics at the same draws.
    pub gradients: Vec<GradientRow>,
    /// Distances of the kept draws per tensor, if the plan asks for them.
    pub tensor_distances: TensorDistances,
    /// Step size, for samplers that have one.
    pub epsilon: Option<f64>,
    /// The last draw of a chain that reached its end, if the plan asks for it.
    pub last: Option<Params>,
    /// How it ended.
    pub end: End,
    /// Number of steps, without a step-size search.
    pub num_steps: u64,
    /// Seconds in the loop, without a step-size search.
    pub sampling_s: f64,
}

impl ChainRun {
    /// A chain without draws that ended as `end` says.
    pub fn empty(end: End) -> ChainRun {
        ChainRun {
            trace: DrawBlock::default(),
            virial: Vec::new(),
            gradients: Vec::new(),
            tensor_distances: TensorDistances::default(),
            epsilon: None,
            last: None,
            end,
            num_steps: 0,
            sampling_s: 0.0,
        }
    }

    /// A chain that could not start.
    pub fn failed(error: KernelError) -> ChainRun {
        ChainRun::empty(End::Failed(error))
    }

    /// Appends `next`, drawn by a chain that started where this one ended. The result has the draws of both in order, and the end and the
    /// last point of `next`.
    pub fn append(&mut self, mut next: ChainRun) {
        self.trace.append(&mut next.trace);
        self.virial.append(&mut next.virial);
        self.gradients.append(&mut next.gradients);
        self.tensor_distances.append(&next.tensor_distances);
        self.epsilon = next.epsilon.or(self.epsilon);
        self.num_steps += next.num_steps;
        self.sampling_s += next.sampling_s;
        self.last = next.last;
        self.end = next.end;
    }

    /// Whether it ended because the loss was no longer finite.
    pub fn has_diverged(&self) -> bool {
        matches!(self.end, End::Failed(KernelError::Diverged | KernelError::Target(TargetError::Decomposition { .. })))
    }
}

/// Longest time between two emitted blocks of draws.
const EMIT_EVERY: Duration = Duration::from_millis(100);

/// Runs `kernel` on `target` from `start` as `chain` says.
pub fn run<K: Kernel>(kernel: &K, mut chain: Chain, start: &Params, target: &mut dyn Target) -> ChainRun {
    let saved = chain.saved.take();
    let (mut out, point) = match saved {
        Some(Saved { run, point }) => (run, point),
        None => (ChainRun::empty(End::Cancelled), None),
    };
    out.epsilon = chain.epsilon;
    let mut block = Emitter::after(out.trace.loss.len());
    let clock = Clock { began: Instant::now(), before_s: out.sampling_s };
    let end = sample(kernel, &mut chain, (start, point), target, &mut out, &mut block, &clock);
    block.finish(&mut chain, &mut out.trace);
    out.sampling_s = clock.seconds();
    out.end = end.unwrap_or_else(End::Failed);
    if (matches!(out.end, End::Completed) || out.has_diverged())
        && let Err(error) = saved::keep(&mut *chain.slot, &out, saved::Moment::Over)
    {
        out.end = End::Failed(error);
    }
    out
}

/// The time in the loop of a chain that may have been resumed.
struct Clock {
    began: Instant,
    before_s: f64,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before_s + self.began.elapsed().as_secs_f64()
    }
}

/// The batches of a chain's steps, in order.
pub(crate) struct Batches {
    minibatches: Option<Minibatches>,
    key: Key,
}

impl Batches {
    /// Batches from the chain's stream for `role`: the samples of another role's batches are drawn independently.
    pub(crate) fn new(chain: &Chain, role: Role, target: &dyn Target, gradient: GradientNeed) -> Batches {
        let key = chain.stream(role);
        let minibatches = match (gradient, chain.plan.batch_size, target.num_samples()) {
            (GradientNeed::Minibatch, Some(size), Some(n)) => Some(Minibatches::new(key, n, size)),
            _ => None,
        };
        Batches { minibatches, key }
    }

    pub(crate) fn at(&mut self, step: u64) -> Batch<'_> {
        match &mut self.minibatches {
            Some(batches) => Batch::Minibatch { key: self.key.step(step), indices: batches.at(step) },
            None => Batch::Full,
        }
    }
}

fn sample<K: Kernel>(
    kernel: &K,
    chain: &mut Chain,
    (start, saved): (&Params, Option<SavedPoint>),
    target: &mut dyn Target,
    out: &mut ChainRun,
    block: &mut Emitter,
    clock: &Clock,
) -> Result<End, KernelError> {
    // A search of the step size that was cut short has found none: nothing is to be drawn, or kept, at what it leaves.
    if chain.is_cancelled() {
        return Ok(End::Cancelled);
    }
    let plan = chain.plan;
    let noise = chain.stream(Role::Noise);
    let mut batches = Batches::new(chain, Role::Minibatch, target, K::GRADIENT);
    let mut probe_batches = Batches::new(chain, Role::Probe, target, K::GRADIENT);
    let start = saved.as_ref().map_or(start, |saved| &saved.w);
    let mut state = kernel.init(start, target, batches.at(out.num_steps))?;
    if let Some(saved) = &saved {
        state.restore(&saved.snapshot).ok_or_else(|| chain.slot.incomplete("the state of the sampler"))?;
    }
    let mut look = GradientLook::new(start)?;
    for draw in out.trace.loss.len()..plan.num_draws {
        let mut acceptance = Mean::default();
        let (mut batch_loss, mut squared_distance) = (f64::NAN, None);
        for _ in 0..plan.thin {
            let batch = batches.at(out.num_steps);
            let info = kernel.step(noise.step(out.num_steps), &mut state, target, batch)?;
            out.num_steps += 1;
            acceptance.add(info.acceptance);
            (batch_loss, squared_distance) = (info.loss, info.squared_distance);
        }
        // A kernel that keeps the exact gradient, or needs none, reports the new point's own loss.
        let loss = match plan.loss_trace {
            // A minibatch kernel on exact gradients reports the loss of the previous point on all samples.
            _ if K::GRADIENT != GradientNeed::Minibatch || plan.batch_size.is_none() => batch_loss,
            LossTrace::Minibatch => batch_loss,
            LossTrace::ControlVariate => {
                let batch = batches.at(out.num_steps - 1);
                let at_centre = match target.loss_at_centre(batch) {
                    Some(loss) => loss,
                    None => {
                        let w_star = target.local().w_star().try_clone()?;
                        target.loss(&w_star, batch)?
                    }
                };
                batch_loss - at_centre + plan.init_loss
            }
            LossTrace::Full => target.loss(state.w(), Batch::Full)?,
        };
        let distance = match squared_distance {
            Some(squared) => squared.sqrt(),
            None => update::squared_distance(state.w(), target.local().w_star())?.sqrt(),
        };
        if !(loss.is_finite() && distance.is_finite()) {
            return Err(KernelError::Diverged);
        }
        block.push(loss, distance, acceptance.value());
        block.push_statistics(K::STATISTICS, state.statistics());
        let kept = draw.checked_sub(plan.num_warmup);
        if kept.is_some() && plan.tensor_distances {
            out.tensor_distances.add(state.w(), target.local().w_star())?;
        }
        if kept.is_some_and(|kept| plan.virial_every > 0 && kept.is_multiple_of(plan.virial_every)) {
            let unseen = (&mut probe_batches, &mut batches, out.num_steps);
            let (terms, row) = look.at(kernel, &state, target, chain, unseen, loss)?;
            out.virial.push(terms);
            out.gradients.push(row);
        }
        block.emit_if_due(chain, &mut out.trace);
        let is_cancelled = chain.is_cancelled() && draw + 1 < plan.num_draws;
        if is_cancelled || chain.slot.is_due() {
            block.finish(chain, &mut out.trace);
            out.sampling_s = clock.seconds();
            saved::keep(&mut *chain.slot, out, saved::Moment::Between { state: &state, is_last: is_cancelled })?;
        }
        if is_cancelled {
            return Ok(End::Cancelled);
        }
    }
    if plan.keep_last {
        out.last = Some(state.w().try_clone()?);
    }
    Ok(End::Completed)
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    /// NaN where nothing was added.
    fn value(&self) -> f64 {
        self.sum / self.count as f64
    }
}

/// Collects draws and emits them in blocks.
struct Emitter {
    block: DrawBlock,
    num_emitted: usize,
    last: Instant,
}

impl Emitter {
    /// An emitter whose first `num_emitted` draws were emitted already.
    fn after(num_emitted: usize) -> Emitter {
        Emitter { block: DrawBlock::default(), num_emitted, last: Instant::now() }
    }

    fn push(&mut self, loss: f64, distance: f64, acceptance: f64) {
        self.block.loss.push(loss);
        self.block.distance.push(distance);
        self.block.acceptance.push(acceptance);
    }

    fn push_statistics(&mut self, names: &[&str], values: &[f64]) {
        for (name, &value) in names.iter().zip(values) {
            self.block.column_mut(name).push(value);
        }
    }

    fn emit_if_due(&mut self, chain: &mut Chain, trace: &mut DrawBlock) {
        if self.last.elapsed() > EMIT_EVERY {
            self.finish(chain, trace);
        }
    }

    fn finish(&mut self, chain: &mut Chain, trace: &mut DrawBlock) {
        self.last = Instant::now();
        if self.block.loss.is_empty() {
            return;
        }
        (chain.emit)(self.num_emitted, &self.block);
        self.num_emitted += self.block.loss.len();
        trace.append(&mut self.block);
    }
}
