//! Turns what a chain has done so far into a snapshot, and back.
//!
//! A snapshot holds every draw, the sums over them, the step size, the current point and what the sampler's state adds to it. A chain that
//! is over needs no point: its snapshot stands for the whole chain. One that was over in a moment has none, and is drawn again.

use std::collections::BTreeMap;

use serde_json::json;

use super::gradients;
use super::{ChainRun, End};
use crate::distance::TensorDistances;
use crate::draws::DrawBlock;
use crate::kernel::{KernelError, State};
use crate::memory::HostMemory;
use crate::params::Params;
use crate::store::{Array, Slot, Snapshot};

/// What a snapshot held.
#[derive(Debug)]
pub struct Saved {
    /// What was drawn; its end is that of a chain that is over, else [`End::Cancelled`].
    pub run: ChainRun,
    /// Where to continue; `None` for a chain that is over.
    pub point: Option<SavedPoint>,
}

/// A point at which a chain was left.
#[derive(Debug)]
pub struct SavedPoint {
    /// The point.
    pub w: Params,
    /// The whole snapshot, for the sampler's state.
    pub snapshot: Snapshot,
}

// Names of the snapshot's arrays.
const LOSS: &str = "loss";
const DISTANCE: &str = "distance";
const ACCEPTANCE: &str = "acceptance";
const STATISTIC: &str = "statistics.";
const VIRIAL: &str = "virial";
const GRADIENTS: &str = "gradients";
const TENSOR_DISTANCES: &str = "tensor_distances";
const POINT: &str = "w";
const LAST: &str = "last";

/// When a snapshot is written.
pub(super) enum Moment<'a> {
    /// Between two draws, in the state `state`; `is_last` where the chain ends early.
    Between { state: &'a dyn State, is_last: bool },
    /// The chain is over.
    Over,
}

/// Writes what `run` has so far to `slot`.
pub(super) fn keep(slot: &mut dyn Slot, run: &ChainRun, moment: Moment) -> Result<(), KernelError> {
    if !slot.is_kept() {
        return Ok(());
    }
    let written = match moment {
        Moment::Between { state, is_last: false } => slot.write(content(run, Some(state))?),
        // There is no next time.
        Moment::Between { state, is_last: true } => slot.write_now(content(run, Some(state))?),
        Moment::Over if slot.is_hardly_newer() => return Ok(()),
        Moment::Over => slot.write_now(content(run, None)?),
    };
    Ok(written?)
}

fn content(run: &ChainRun, state: Option<&dyn State>) -> Result<Snapshot, KernelError> {
    let (sums, num_summed) = run.tensor_distances.parts();
    let num_rows = run.virial.len();
    let columns = run.virial.first().map_or(0, Vec::len);
    let rows: Vec<f64> = run.gradients.iter().flat_map(gradients::columns).collect();
    let mut snapshot = Snapshot::default();
    let mut push = |name: &str, shape: &[usize], values: &[f64]| {
        snapshot.push(name, shape, HostMemory::F64(values.to_vec()));
    };
    for (name, column) in
        [(LOSS, &run.trace.loss), (DISTANCE, &run.trace.distance), (ACCEPTANCE, &run.trace.acceptance)]
    {
        push(name, &[column.len()], column);
    }
    for (name, column) in &run.trace.statistics {
        push(&format!("{STATISTIC}{name}"), &[column.len()], column);
    }
    push(VIRIAL, &[num_rows, columns], &run.virial.concat());
    push(GRADIENTS, &[run.gradients.len(), gradients::WIDTH], &rows);
    push(TENSOR_DISTANCES, &[sums.len()], sums);
    for (name, params) in [(POINT, state.map(State::w)), (LAST, run.last.as_ref())] {
        if let Some(params) = params {
            snapshot.push(name, &[params.len()], params.to_host()?);
        }
    }
    let facts = [
        ("epsilon", json!(run.epsilon)),
        (NUM_STEPS, json!(run.num_steps)),
        ("num_summed", json!(num_summed)),
        ("sampling_s", json!(run.sampling_s)),
        ("has_diverged", json!(state.is_none() && run.has_diverged())),
    ];
    snapshot.facts.extend(facts.map(|(name, value)| (name.to_owned(), value)));
    if let Some(state) = state {
        state.save(&mut snapshot)?;
    }
    Ok(snapshot)
}

/// Name of the fact that says how many steps a chain has made.
pub(crate) const NUM_STEPS: &str = "num_steps";

/// What `slot` holds of a chain whose points are of the shape, type and place of `like`.
pub(crate) fn read(slot: &dyn Slot, like: &Params) -> Result<Option<Saved>, KernelError> {
    slot.read()?.map(|snapshot| saved(slot, snapshot, like)).transpose()
}

fn saved(slot: &dyn Slot, snapshot: Snapshot, like: &Params) -> Result<Saved, KernelError> {
    let of = |name: &'static str| floats_of(&snapshot, name).ok_or_else(|| slot.incomplete(name));
    let count = |name: &'static str| snapshot.fact(name).as_u64().ok_or_else(|| slot.incomplete(name));
    let (_, loss) = of(LOSS)?;
    let (_, distance) = of(DISTANCE)?;
    let (_, acceptance) = of(ACCEPTANCE)?;
    if distance.len() != loss.len() || acceptance.len() != loss.len() {
        return Err(slot.incomplete(LOSS).into());
    }
    let (shape, virial) = of(VIRIAL)?;
    // Snapshots of version 0.1.0 have none.
    let rows = floats_of(&snapshot, GRADIENTS).map_or_else(Vec::new, |(_, values)| values.to_vec());
    let columns = shape.get(1).copied().unwrap_or_default().max(1);
    let point = params_of(slot, &snapshot, POINT, like)?;
    let end = match &point {
        Some(_) => End::Cancelled,
        None if snapshot.fact("has_diverged") == &json!(true) => End::Failed(KernelError::Diverged),
        None => End::Completed,
    };
    let run = ChainRun {
        trace: DrawBlock {
            loss: loss.to_vec(),
            distance: distance.to_vec(),
            acceptance: acceptance.to_vec(),
            statistics: statistics_of(&snapshot),
        },
        virial: virial.chunks(columns).map(<[f64]>::to_vec).collect(),
        gradients: rows.as_chunks().0.iter().map(gradients::from_columns).collect(),
        tensor_distances: TensorDistances::from_parts(of(TENSOR_DISTANCES)?.1.to_vec(), count("num_summed")?),
        epsilon: snapshot.fact("epsilon").as_f64(),
        last: params_of(slot, &snapshot, LAST, like)?,
        end,
        num_steps: count(NUM_STEPS)?,
        sampling_s: snapshot.fact("sampling_s").as_f64().ok_or_else(|| slot.incomplete("sampling_s"))?,
    };
    Ok(Saved { run, point: point.map(|w| SavedPoint { w, snapshot }) })
}

/// Shape and elements of the array `name` of f64.
fn floats_of<'a>(snapshot: &'a Snapshot, name: &str) -> Option<(&'a [usize], &'a [f64])> {
    let array = snapshot.array(name)?;
    match &array.elements {
        HostMemory::F64(elements) => Some((&array.shape, elements)),
        HostMemory::F32(_) => None,
    }
}

/// The statistics of the draws, by name.
fn statistics_of(snapshot: &Snapshot) -> BTreeMap<String, Vec<f64>> {
    let column = |array: &Array| match (array.name.strip_prefix(STATISTIC), &array.elements) {
        (Some(name), HostMemory::F64(elements)) => Some((name.to_owned(), elements.clone())),
        _ => None,
    };
    snapshot.arrays.iter().filter_map(column).collect()
}

fn params_of(
    slot: &dyn Slot,
    snapshot: &Snapshot,
    name: &'static str,
    like: &Params,
) -> Result<Option<Params>, KernelError> {
    let Some(array) = snapshot.array(name) else { return Ok(None) };
    let mut params = like.zeros_like()?;
    params.copy_from_host(&array.elements)?.ok_or_else(|| slot.incomplete(name))?;
    Ok(Some(params))
}
