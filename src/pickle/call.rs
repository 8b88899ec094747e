//! Says what data a call of a known name stands for. Nothing is called.

use std::borrow::Cow;

use super::global::Global;
use super::numpy::{self, ArrayNode};
use super::torch::TensorNode;
use super::value::{Id, Node, Pickle};

/// What a call gives: its own value, or one that is there already.
pub(super) enum Outcome<'a> {
    New(Node<'a>),
    Same(Id),
}

/// What `global(*arguments)` stands for. `budget` is how many bytes it may make that the file does not hold.
pub(super) fn call<'a>(
    pickle: &Pickle<'a>,
    global: Global,
    arguments: &[Id],
    budget: &mut usize,
) -> Result<Outcome<'a>, &'static str> {
    let new = match (global, arguments) {
        (Global::Dict, []) | (Global::DefaultDict, [] | [_]) => Node::Dict(Vec::new()),
        (Global::Dict, &[content]) => match pickle.node(content) {
            Node::Dict(_) => return Ok(Outcome::Same(content)),
            _ => Node::Dict(pairs(pickle, content, budget).ok_or("its argument is not a list of pairs")?),
        },
        (Global::Namespace, []) => Node::Namespace(None),
        (Global::Sequence, []) => Node::List(Vec::new()),
        (Global::Sequence, &[content]) => {
            pickle.sequence(content).ok_or("its argument is not a list")?;
            return Ok(Outcome::Same(content));
        }
        (Global::Bytes, []) => Node::Bytes(Cow::Borrowed(&[])),
        (Global::Bytes, &[content]) if matches!(pickle.node(content), Node::Bytes(_)) => {
            return Ok(Outcome::Same(content));
        }
        (Global::Bytes | Global::Encode, &[text, codec]) => Node::Bytes(encode(pickle, text, codec, budget)?),
        (Global::RebuildTensor, arguments) => Node::Tensor(Box::new(TensorNode::new(pickle, arguments)?)),
        (Global::Parameter, &[tensor, ..]) if matches!(pickle.node(tensor), Node::Tensor(_)) => {
            return Ok(Outcome::Same(tensor));
        }
        (Global::Device, &[name, ..]) if pickle.value(name).as_str().is_some() => return Ok(Outcome::Same(name)),
        (Global::Reconstruct, [_class, _shape, _code]) => Node::Array(Box::default()),
        (Global::FromBuffer, arguments) => Node::Array(Box::new(ArrayNode::from_buffer(pickle, arguments)?)),
        (Global::JaxArray, &[_reconstruct, _arguments, state, _weak_type]) => {
            Node::Array(Box::new(ArrayNode::from_state(pickle, state)?))
        }
        (Global::NumpyDtype, &[code, ..]) => {
            Node::NumpyDtype(numpy::dtype(pickle.value(code).as_str().ok_or("a dtype without a name")?)?)
        }
        (Global::Scalar, &[dtype, bytes]) => match (pickle.node(dtype), pickle.value(bytes).as_bytes()) {
            (&Node::NumpyDtype(dtype), Some(bytes)) => numpy::scalar(dtype, bytes)?,
            _ => return Err("expected a dtype and bytes"),
        },
        (Global::StorageClass(_) | Global::Name(_), _) => return Err("files of numbers never call this name"),
        _ => return Err("its arguments differ from those that PyTorch and NumPy write"),
    };
    Ok(Outcome::New(new))
}

/// What `object` is after its state has come; `None` where it stays what it is.
pub(super) fn build<'a>(pickle: &Pickle<'a>, object: Id, state: Id) -> Result<Option<Node<'a>>, &'static str> {
    match pickle.node(object) {
        Node::Array(_) => Ok(Some(Node::Array(Box::new(ArrayNode::from_state(pickle, state)?)))),
        Node::NumpyDtype(dtype) => numpy::check_byte_order(pickle, *dtype, state).map(|()| None),
        Node::Namespace(_) if matches!(pickle.node(state), Node::Dict(_)) => Ok(Some(Node::Namespace(Some(state)))),
        // An OrderedDict's attributes (a state dict's `_metadata`) and a parameter's flags: no numbers among them.
        Node::Dict(_) | Node::Tensor(_) => Ok(None),
        _ => Err("a state for a value without state"),
    }
}

/// A list of pairs, the old way to write an OrderedDict.
fn pairs(pickle: &Pickle, list: Id, budget: &mut usize) -> Option<Vec<(Id, Id)>> {
    let list = pickle.sequence(list)?;
    *budget = budget.checked_sub(size_of_val(list))?;
    let pair = |&item: &Id| match pickle.sequence(item) {
        Some(&[key, value]) => Some((key, value)),
        _ => None,
    };
    list.iter().map(pair).collect()
}

/// Protocol 2's way to write bytes: text whose characters are their values.
fn encode<'a>(pickle: &Pickle, text: Id, codec: Id, budget: &mut usize) -> Result<Cow<'a, [u8]>, &'static str> {
    let text = pickle.value(text).as_str().ok_or("its argument is not text")?;
    match pickle.value(codec).as_str() {
        Some("latin1" | "latin-1") => {}
        _ => return Err("only latin1 is supported"),
    }
    *budget = budget.checked_sub(text.len()).ok_or("it repeats text too often")?;
    let bytes = text.chars().map(|character| u8::try_from(u32::from(character)));
    Ok(Cow::Owned(bytes.collect::<Result<_, _>>().map_err(|_| "a character beyond latin1")?))
}
