//! Turns what a chain has done so far into an entry of the run's journal, and back.
//!
//! An entry holds every draw, the sums over them, the step size and the current point. A chain that is over needs no point: its entry
//! stands for the whole chain. One that was over in a moment has none, and is drawn again.

use serde_json::{Map, Value, json};

use super::gradients;
use super::{ChainRun, End};
use crate::checkpoint::{Checkpoint, Dtype, Header, NamedTensor};
use crate::distance::TensorDistances;
use crate::journal::{Entry, JournalError};
use crate::kernel::KernelError;
use crate::observe::DrawBlock;
use crate::params::Params;

/// What an entry held.
#[derive(Debug)]
pub struct Saved {
    /// What was drawn; its end is that of a chain that is over, else [`End::Cancelled`].
    pub run: ChainRun,
    /// The point to go on from; `None` for a chain that is over.
    pub w: Option<Params>,
}

// Names of the entry's tensors.
const LOSS: &str = "loss";
const DISTANCE: &str = "distance";
const ACCEPTANCE: &str = "acceptance";
const VIRIAL: &str = "virial";
const GRADIENTS: &str = "gradients";
const TENSOR_DISTANCES: &str = "tensor_distances";
const POINT: &str = "w";
const LAST: &str = "last";

/// When an entry is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment<'a> {
    /// Between two draws, at the point `w`; `is_last` where the chain ends early.
    Between { w: &'a Params, is_last: bool },
    /// The chain is over.
    Over,
}

/// Writes what `run` has so far to `entry`.
pub(super) fn keep(entry: &mut Entry, run: &ChainRun, moment: Moment) -> Result<(), KernelError> {
    if !entry.is_kept() {
        return Ok(());
    }
    let written = match moment {
        Moment::Between { w, is_last: false } => entry.write(content(run, Some(w))?),
        // There is no next time.
        Moment::Between { w, is_last: true } => entry.write_now(content(run, Some(w))?),
        Moment::Over if entry.is_hardly_newer() => return Ok(()),
        Moment::Over => entry.write_now(content(run, None)?),
    };
    Ok(written?)
}

fn content(run: &ChainRun, w: Option<&Params>) -> Result<Checkpoint, tch::TchError> {
    let (sums, num_summed) = run.tensor_distances.parts();
    let num_rows = run.virial.len();
    let columns = run.virial.first().map_or(0, Vec::len);
    let rows: Vec<f64> = run.gradients.iter().flat_map(gradients::columns).collect();
    let mut tensors = vec![
        floats(LOSS, &[run.trace.loss.len()], &run.trace.loss),
        floats(DISTANCE, &[run.trace.distance.len()], &run.trace.distance),
        floats(ACCEPTANCE, &[run.trace.acceptance.len()], &run.trace.acceptance),
        floats(VIRIAL, &[num_rows, columns], &run.virial.concat()),
        floats(GRADIENTS, &[run.gradients.len(), gradients::WIDTH], &rows),
        floats(TENSOR_DISTANCES, &[sums.len()], sums),
    ];
    for (name, params) in [(POINT, w), (LAST, run.last.as_ref())] {
        if let Some(params) = params {
            tensors.push(NamedTensor::from_tensor(name, params.flat())?);
        }
    }
    let facts = [
        ("epsilon", json!(run.epsilon)),
        ("num_steps", json!(run.num_steps)),
        ("num_summed", json!(num_summed)),
        ("sampling_s", json!(run.sampling_s)),
        ("has_diverged", json!(w.is_none() && run.has_diverged())),
    ];
    let facts = Map::from_iter(facts.map(|(name, value)| (name.to_owned(), value)));
    Ok(Checkpoint { header: Header { model: None, facts }, tensors })
}

/// What `entry` holds of a chain whose points are of the shape, kind and device of `like`.
pub(crate) fn read(entry: &Entry, like: &Params) -> Result<Option<Saved>, KernelError> {
    let read = entry.read().and_then(|content| content.map(|content| saved(entry, &content, like)).transpose());
    Ok(read?)
}

fn saved(entry: &Entry, content: &Checkpoint, like: &Params) -> Result<Saved, JournalError> {
    let of = |name: &'static str| floats_of(content, name).ok_or_else(|| entry.incomplete(name));
    let fact = |name: &str| content.header.facts.get(name).unwrap_or(&Value::Null);
    let count = |name: &'static str| fact(name).as_u64().ok_or_else(|| entry.incomplete(name));
    let (_, loss) = of(LOSS)?;
    let (_, distance) = of(DISTANCE)?;
    let (_, acceptance) = of(ACCEPTANCE)?;
    if distance.len() != loss.len() || acceptance.len() != loss.len() {
        return Err(entry.incomplete(LOSS));
    }
    let (shape, virial) = of(VIRIAL)?;
    // Entries of versions before this one have none.
    let rows = floats_of(content, GRADIENTS).map_or_else(Vec::new, |(_, values)| values);
    let columns = shape.get(1).copied().unwrap_or_default().max(1);
    let w = params_of(entry, content, POINT, like)?;
    let end = match &w {
        Some(_) => End::Cancelled,
        None if fact("has_diverged") == &json!(true) => End::Failed(KernelError::Diverged),
        None => End::Completed,
    };
    let run = ChainRun {
        trace: DrawBlock { loss, distance, acceptance },
        virial: virial.chunks(columns).map(<[f64]>::to_vec).collect(),
        gradients: rows.as_chunks().0.iter().map(gradients::from_columns).collect(),
        tensor_distances: TensorDistances::from_parts(of(TENSOR_DISTANCES)?.1, count("num_summed")?),
        epsilon: fact("epsilon").as_f64(),
        last: params_of(entry, content, LAST, like)?,
        end,
        num_steps: count("num_steps")?,
        sampling_s: fact("sampling_s").as_f64().ok_or_else(|| entry.incomplete("sampling_s"))?,
    };
    Ok(Saved { run, w })
}

/// A tensor of f64.
fn floats(name: &str, shape: &[usize], values: &[f64]) -> NamedTensor {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    NamedTensor { name: name.to_owned(), shape: shape.to_vec(), dtype: Dtype::F64, bytes }
}

/// Shape and elements of the tensor `name` of f64.
fn floats_of(content: &Checkpoint, name: &str) -> Option<(Vec<usize>, Vec<f64>)> {
    let tensor = content.tensor(name).filter(|tensor| tensor.dtype == Dtype::F64)?;
    let values = tensor.bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
    Some((tensor.shape.clone(), values))
}

fn params_of(
    entry: &Entry,
    content: &Checkpoint,
    name: &'static str,
    like: &Params,
) -> Result<Option<Params>, JournalError> {
    let Some(tensor) = content.tensor(name) else { return Ok(None) };
    let tensor = tensor.to_tensor()?;
    if tensor.size() != [like.len() as i64] || tensor.kind() != like.kind() {
        return Err(entry.incomplete(name));
    }
    let params = like.zeros_like()?;
    params.flat().shallow_clone().f_copy_(&tensor)?;
    Ok(Some(params))
}
