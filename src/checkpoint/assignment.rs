//! Finds a network's tensors among a checkpoint's, by name where the names fit and else by order and shape.
//!
//! Wrappers put words before all names (`module.`, `state_dict.model.`, `backbone.`): the words that let most names fit are taken off.
//! `_orig_mod.`, torch.compile's mark, is taken off wherever it is. Counters of batches may be missing or too many.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{Checkpoint, CheckpointError, NamedTensor, TRAINING};
use crate::model::{BufferSpec, ModelSpec, Network, TensorSpec, shape};

/// Names in a message, of each kind of trouble.
const MAX_NAMES: usize = 5;

/// Where most files keep their parameters, the first that fits.
const USUAL: [&str; 7] = ["", "model.", "state_dict.", "model_state_dict.", "net.", "module.", "params."];

/// Which tensor of a checkpoint is which of a network's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// For each of [`Network::params`], the place in [`Checkpoint::tensors`].
    pub params: Vec<usize>,
    /// For each of [`Network::buffers`]; `None` for a counter that the file does not have.
    pub buffers: Vec<Option<usize>>,
    /// Whether the names are others and only order, last word and shape fit: worth a warning.
    pub is_by_order: bool,
}

/// What keeps a checkpoint from being a network's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Tensors of the network that the file does not have.
    pub missing: Vec<String>,
    /// Tensors of the file that the network does not have.
    pub unexpected: Vec<String>,
    /// Tensors of another shape: the name, the shape in the file, and the network's.
    pub reshaped: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let reshaped = |(name, found, expected): &(String, Vec<usize>, Vec<usize>)| {
            format!("{name} is {} but should be {}", shown(found), shown(expected))
        };
        let parts = [
            list("missing", &self.missing),
            list("unexpected", &self.unexpected),
            list("of another shape", &self.reshaped.iter().map(reshaped).collect::<Vec<_>>()),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

/// A shape as people write it; `scalar` where there is no axis.
fn shown(sides: &[usize]) -> String {
    if sides.is_empty() { "a scalar".into() } else { shape(sides) }
}

fn list(what: &str, names: &[String]) -> Option<String> {
    // The file's names might hold what a terminal obeys.
    let shown = names.iter().take(MAX_NAMES).map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ");
    let rest = if names.len() > MAX_NAMES { ", …" } else { "" };
    (!names.is_empty()).then(|| format!("{} {what} ({shown}{rest})", names.len()))
}

/// Which tensor of `checkpoint` is which of `network`'s.
///
/// # Errors
///
/// [`CheckpointError::OtherNetwork`] where the header names another network or other options; [`CheckpointError::Mismatch`] where tensors
/// are missing, unexpected or of another shape.
pub fn assign(checkpoint: &Checkpoint, network: &Network) -> Result<Assignment, CheckpointError> {
    if let Some(spec) = &checkpoint.header.model {
        check_spec(spec, network)?;
    }
    let names: Vec<String> = checkpoint.tensors.iter().map(|tensor| tensor.name.replace("_orig_mod.", "")).collect();
    let prefix = prefix(&names, network);
    // The tensors under the prefix by what follows it.
    let inner: HashMap<&str, usize> =
        names.iter().enumerate().filter_map(|(index, name)| Some((name.strip_prefix(&*prefix)?, index))).collect();

    let (assignment, mut mismatch) = by_name(checkpoint, network, &inner);
    mismatch.unexpected = names
        .iter()
        .filter_map(|name| name.strip_prefix(&*prefix))
        .filter(|name| !is_known(network, name) && !is_count(name) && !name.starts_with(TRAINING))
        .map(str::to_owned)
        .collect();
    if mismatch == Mismatch::default() {
        return Ok(assignment);
    }
    // Another framework of names for the same tensors: all differ, none is too many.
    let differ_in_name_only = mismatch.reshaped.is_empty() && mismatch.missing.len() == mismatch.unexpected.len();
    if let Some(assignment) = by_order(checkpoint, network, &names, &prefix).filter(|_| differ_in_name_only) {
        return Ok(assignment);
    }
    Err(CheckpointError::Mismatch { network: network.name().to_owned(), mismatch })
}

fn check_spec(spec: &ModelSpec, network: &Network) -> Result<(), CheckpointError> {
    let built = spec.build().map_err(|error| CheckpointError::Model { error })?;
    let is_same = built.name() == network.name()
        && built.input_shape() == network.input_shape()
        && built.layers() == network.layers();
    if is_same {
        return Ok(());
    }
    // Cannot fail: the options are plain data.
    let found = serde_json::to_string(spec).unwrap_or_else(|_| spec.name.clone());
    Err(CheckpointError::OtherNetwork {
        found,
        expected: network.name().to_owned(),
        num_found: built.num_parameters(),
        num_expected: network.num_parameters(),
    })
}

/// What stands before the network's names in the file.
fn prefix(names: &[String], network: &Network) -> String {
    let params: HashSet<&str> = network.params().iter().map(|spec| spec.name.as_str()).collect();
    let mut votes: HashMap<&str, usize> = HashMap::new();
    for name in names {
        // Every way to split the name in two after a dot.
        let cuts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
        for cut in cuts.filter(|&cut| params.contains(&name[cut..])) {
            *votes.entry(&name[..cut]).or_default() += 1;
        }
    }
    let most = votes.values().copied().max().unwrap_or(0);
    let is_elected = |prefix: &str| match most {
        // No name fits: where the parameters usually are.
        0 => prefix.is_empty() || names.iter().any(|name| name.starts_with(prefix)),
        most => votes.get(prefix) == Some(&most),
    };
    let usual = if most == 0 { USUAL[1..].iter().chain(&USUAL[..1]) } else { USUAL.iter().chain(&[]) };
    let elected = usual.copied().find(|prefix| is_elected(prefix));
    // Of equals that are not usual, the one that comes first in the file.
    let first =
        || names.iter().find_map(|name| votes.keys().find(|prefix| is_elected(prefix) && name.starts_with(**prefix)));
    elected.or_else(|| first().copied()).unwrap_or_default().to_owned()
}

fn by_name(checkpoint: &Checkpoint, network: &Network, inner: &HashMap<&str, usize>) -> (Assignment, Mismatch) {
    let mut mismatch = Mismatch::default();
    let mut find = |name: &str, shape: &[usize]| {
        let index = inner.get(name).copied();
        match index.map(|index| &checkpoint.tensors[index].shape) {
            None => mismatch.missing.push(name.to_owned()),
            Some(found) if found != shape => mismatch.reshaped.push((name.to_owned(), found.clone(), shape.to_vec())),
            Some(_) => {}
        }
        index
    };
    let params = network.params().iter().filter_map(|spec| find(&spec.name, &spec.shape)).collect();
    let buffer = |spec: &BufferSpec| {
        let is_left_out = spec.is_count && !inner.contains_key(spec.name.as_str());
        if is_left_out { None } else { find(&spec.name, &spec.shape) }
    };
    let buffers = network.buffers().iter().map(buffer).collect();
    (Assignment { params, buffers, is_by_order: false }, mismatch)
}

/// The tensors in the file's order, if their last words and shapes are those of the network's in its order.
fn by_order(checkpoint: &Checkpoint, network: &Network, names: &[String], prefix: &str) -> Option<Assignment> {
    let inside: Vec<usize> = (0..names.len()).filter(|&index| names[index].starts_with(prefix)).collect();
    // Files of sorted names have lost the order: `10` comes before `2`.
    if names.is_sorted() && !names.is_sorted_by_key(|name| numbers_in(name)) {
        return None;
    }
    let fits = |index: usize, name: &str, shape: &[usize]| {
        last_word(&names[index]) == last_word(name) && checkpoint.tensors[index].shape == shape
    };
    let is_running = |index: &usize| last_word(&names[*index]).starts_with("running_");
    let (running, rest): (Vec<usize>, Vec<usize>) = inside.into_iter().partition(is_running);
    let params: Vec<usize> = rest.into_iter().filter(|&index| !is_count(&names[index])).collect();
    let param = |(spec, &index): (&TensorSpec, &usize)| fits(index, &spec.name, &spec.shape);
    let mut running = running.into_iter();
    let mut buffers = Vec::new();
    for spec in network.buffers() {
        let buffer = if spec.is_count { None } else { Some(running.next()?) };
        if buffer.is_some_and(|index| !fits(index, &spec.name, &spec.shape)) {
            return None;
        }
        buffers.push(buffer);
    }
    let is_complete = running.next().is_none() && params.len() == network.params().len();
    (is_complete && network.params().iter().zip(&params).all(param)).then_some(Assignment {
        params,
        buffers,
        is_by_order: true,
    })
}

fn is_known(network: &Network, name: &str) -> bool {
    network.params().iter().any(|spec| spec.name == name) || network.buffers().iter().any(|spec| spec.name == name)
}

fn is_count(name: &str) -> bool {
    last_word(name) == "num_batches_tracked"
}

fn last_word(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The whole numbers in a name, in order.
fn numbers_in(name: &str) -> Vec<u64> {
    name.split(|character: char| !character.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

impl Checkpoint {
    /// The state of training, by the names that [`Checkpoint::from_parts`] was given.
    pub fn extras(&self) -> impl Iterator<Item = (&str, &NamedTensor)> {
        self.tensors.iter().filter_map(|tensor| Some((tensor.name.strip_prefix(TRAINING)?, tensor)))
    }
}
