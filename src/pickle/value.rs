//! Holds what a pickle says: values in one table, which refer to one another by their place.
//!
//! A table rather than a tree: pickles share values and may hold cycles, and freeing a deep tree would recurse.

use std::borrow::Cow;
use std::fmt;

use super::global::Global;
use super::numpy::{Array, ArrayNode};
use super::torch::{Storage, TensorNode, TensorView};
use crate::dtype::Dtype;

/// The place of a value in the table.
pub(super) type Id = u32;

/// One value.
#[derive(Debug, Clone)]
pub(super) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits: two's complement, little-endian.
    Large(Cow<'a, [u8]>),
    Float(f64),
    Text(Cow<'a, str>),
    /// Python 3's bytes and bytearray; Python 2's str.
    Bytes(Cow<'a, [u8]>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// An object of named values: its dict, once the file has given it.
    Namespace(Option<Id>),
    /// A name, not called.
    Global(Global),
    NumpyDtype(Dtype),
    Array(Box<ArrayNode>),
    Storage(Box<Storage>),
    Tensor(Box<TensorNode>),
}

/// All values of one pickle; they borrow the file's bytes.
#[derive(Debug)]
pub struct Pickle<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) root: Id,
}

impl<'a> Pickle<'a> {
    /// The value that the pickle stands for.
    pub fn root(&self) -> Value<'_> {
        self.value(self.root)
    }

    /// The storages that its tensors may lie in.
    pub fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.nodes.iter().filter_map(|node| if let Node::Storage(storage) = node { Some(&**storage) } else { None })
    }

    pub(super) fn value(&self, id: Id) -> Value<'_> {
        Value { pickle: self, id }
    }

    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        // The machine hands out ids of nodes in the table only, and takes none away.
        &self.nodes[id as usize]
    }

    /// The elements of a list or tuple.
    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::List(items) | Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The elements of a list or tuple of sizes or places: none negative.
    pub(super) fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        self.sequence(id)?.iter().map(|&item| self.size(item)).collect()
    }

    /// An integer that is not negative.
    pub(super) fn size(&self, id: Id) -> Option<usize> {
        self.value(id).as_i64().and_then(|number| usize::try_from(number).ok())
    }
}

/// One value of a pickle; cheap to copy. A value may be reached on many ways, and may contain itself.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    pickle: &'a Pickle<'a>,
    id: Id,
}

impl<'a> Value<'a> {
    fn node(&self) -> &'a Node<'a> {
        self.pickle.node(self.id)
    }

    /// Whether it is None.
    pub fn is_none(&self) -> bool {
        matches!(self.node(), Node::None)
    }

    /// A bool.
    pub fn as_bool(&self) -> Option<bool> {
        if let Node::Bool(value) = self.node() { Some(*value) } else { None }
    }

    /// An integer of at most 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        if let Node::Int(value) = self.node() { Some(*value) } else { None }
    }

    /// An integer beyond 64 bits: two's complement, little-endian.
    pub fn as_large(&self) -> Option<&'a [u8]> {
        if let Node::Large(bytes) = self.node() { Some(bytes) } else { None }
    }

    /// A float.
    pub fn as_f64(&self) -> Option<f64> {
        if let Node::Float(value) = self.node() { Some(*value) } else { None }
    }

    /// A str; Python 2's too, where it is UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        match self.node() {
            Node::Text(text) => Some(text),
            Node::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Bytes, or Python 2's str.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        if let Node::Bytes(bytes) = self.node() { Some(bytes) } else { None }
    }

    /// The elements of a list, tuple or set, in the file's order.
    pub fn items(&self) -> Option<impl ExactSizeIterator<Item = Value<'a>> + use<'a>> {
        let pickle = self.pickle;
        Some(pickle.sequence(self.id)?.iter().map(move |&id| pickle.value(id)))
    }

    /// The keys and values of a dict of any kind, in the file's order.
    pub fn entries(&self) -> Option<impl ExactSizeIterator<Item = (Value<'a>, Value<'a>)> + use<'a>> {
        let pickle = self.pickle;
        let node = match self.node() {
            Node::Namespace(Some(attributes)) => pickle.node(*attributes),
            node => node,
        };
        let Node::Dict(entries) = node else { return None };
        Some(entries.iter().map(move |&(key, value)| (pickle.value(key), pickle.value(value))))
    }

    /// The value of the dict's key `key`, be it str, bytes or Python 2's str.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        // The last one counts where a key comes twice, as in Python.
        self.entries()?.filter(|(name, _)| name.as_str() == Some(key)).last().map(|(_, value)| value)
    }

    /// A NumPy array.
    pub fn as_array(&self) -> Option<Array<'a>> {
        let Node::Array(array) = self.node() else { return None };
        array.view(self.pickle)
    }

    /// A tensor, whose numbers lie outside the pickle.
    pub fn as_tensor(&self) -> Option<TensorView<'a>> {
        let Node::Tensor(tensor) = self.node() else { return None };
        tensor.view(self.pickle)
    }

    /// What it is, in a word or two, for messages.
    pub fn kind(&self) -> &'static str {
        match self.node() {
            Node::None => "None",
            Node::Bool(_) => "a bool",
            Node::Int(_) | Node::Large(_) => "an integer",
            Node::Float(_) => "a float",
            Node::Text(_) => "a str",
            Node::Bytes(_) => "bytes",
            Node::List(_) => "a list",
            Node::Tuple(_) => "a tuple",
            Node::Dict(_) => "a dict",
            Node::Namespace(_) => "a namespace",
            Node::Global(_) => "a name",
            Node::NumpyDtype(_) => "a dtype",
            Node::Array(_) => "an array",
            Node::Storage(_) => "a storage",
            Node::Tensor(_) => "a tensor",
        }
    }
}

impl fmt::Debug for Value<'_> {
    /// Its kind only: its parts may contain itself.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Value({}, #{})", self.kind(), self.id)
    }
}
