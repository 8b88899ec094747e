//! Runs a pickle's opcodes on a stack of values, as `pickletools` describes them.

use std::borrow::Cow;
use std::collections::HashMap;

use super::PickleError;
use super::call::{self, Outcome};
use super::global::Global;
use super::literal::{integer, shortened, text_of, unescape, unquote};
use super::source::Source;
use super::torch::Storage;
use super::value::{Id, Node, Pickle};

/// Values in one pickle: some 300 MB at most, and far beyond any checkpoint.
const MAX_VALUES: usize = 1 << 23;

/// The stack, the memo and the values so far.
pub(super) struct Machine<'a> {
    source: Source<'a>,
    pickle: Pickle<'a>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// Bytes that calls may still make beyond those of the file.
    budget: usize,
    /// Where the current opcode is.
    at: usize,
}

impl<'a> Machine<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            source: Source::new(bytes),
            pickle: Pickle { nodes: Vec::new(), root: 0 },
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            budget: 4 * bytes.len(),
            at: 0,
        }
    }

    /// The values, and how many bytes were taken.
    pub fn run(mut self) -> Result<(Pickle<'a>, usize), PickleError> {
        loop {
            self.at = self.source.at();
            let opcode = self.source.take(1)?[0];
            if opcode == b'.' {
                self.pickle.root = self.pop()?;
                return Ok((self.pickle, self.source.at()));
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            // Framing, which carries no value.
            0x80 => self.source.take(1).map(drop),
            0x95 => self.source.take(8).map(drop),
            // Plain values.
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'K' => self.push_unsigned::<1>(),
            b'M' => self.push_unsigned::<2>(),
            b'J' => {
                let number = self.source.unsigned::<4>()? as u32 as i32;
                self.push(Node::Int(number.into()))
            }
            0x8a => {
                let bytes = self.source.counted::<1>()?;
                self.push(integer(bytes))
            }
            0x8b => {
                let bytes = self.source.counted::<4>()?;
                self.push(integer(bytes))
            }
            b'I' | b'L' => self.decimal(),
            b'F' => {
                let line = self.source.line()?;
                let number = text_of(line).and_then(|text| text.trim().parse().ok());
                let number = number.ok_or_else(|| self.malformed("a decimal float", line))?;
                self.push(Node::Float(number))
            }
            b'G' => {
                let bits = self.source.unsigned::<8>()?.swap_bytes();
                self.push(Node::Float(f64::from_bits(bits)))
            }
            // Text and bytes.
            b'X' => {
                let bytes = self.source.counted::<4>()?;
                self.push_text(bytes)
            }
            0x8c => {
                let bytes = self.source.counted::<1>()?;
                self.push_text(bytes)
            }
            0x8d => {
                let bytes = self.source.counted::<8>()?;
                self.push_text(bytes)
            }
            b'U' | b'C' => {
                let bytes = self.source.counted::<1>()?;
                self.push(Node::Bytes(Cow::Borrowed(bytes)))
            }
            b'T' | b'B' => {
                let bytes = self.source.counted::<4>()?;
                self.push(Node::Bytes(Cow::Borrowed(bytes)))
            }
            0x8e | 0x96 => {
                let bytes = self.source.counted::<8>()?;
                self.push(Node::Bytes(Cow::Borrowed(bytes)))
            }
            b'S' => {
                let line = self.source.line()?;
                let bytes = unquote(line).ok_or_else(|| self.malformed("a quoted string", line))?;
                self.push(Node::Bytes(bytes))
            }
            b'V' => {
                let line = self.source.line()?;
                let text = unescape(line).ok_or_else(|| self.malformed("text with \\u escapes", line))?;
                self.push(Node::Text(Cow::Owned(text)))
            }
            // Collections.
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b']' | 0x8f => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            b'l' | 0x91 => {
                let items = self.pop_to_mark()?;
                self.push(Node::List(items))
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Tuple(items))
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                let entries = self.pairs(&items)?;
                self.push(Node::Dict(entries))
            }
            0x85..=0x87 => {
                let mut items = Vec::with_capacity(3);
                for _ in 0x84..opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Node::Tuple(items))
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.extend(&items)
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)
            }
            // The stack and the memo.
            b'0' => match self.marks.last() {
                Some(&mark) if mark == self.stack.len() => self.pop_to_mark().map(drop),
                _ => self.pop().map(drop),
            },
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.push_id(top)
            }
            b'p' => {
                let index = self.line_number()?;
                self.memoize(index)
            }
            b'q' => {
                let index = self.source.unsigned::<1>()?;
                self.memoize(index)
            }
            b'r' => {
                let index = self.source.unsigned::<4>()?;
                self.memoize(index)
            }
            0x94 => self.memoize(self.memo.len() as u64),
            b'g' => {
                let index = self.line_number()?;
                self.recall(index)
            }
            b'h' => {
                let index = self.source.unsigned::<1>()?;
                self.recall(index)
            }
            b'j' => {
                let index = self.source.unsigned::<4>()?;
                self.recall(index)
            }
            // Names, and what other programs would call.
            b'c' => {
                let (module, name) = (self.source.line()?, self.source.line()?);
                self.push_global(module, name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let part = |id| match self.pickle.node(id) {
                    Node::Text(Cow::Borrowed(text)) => Ok(text.as_bytes()),
                    _ => Err(self.malformed_value("a name", id)),
                };
                let (module, name) = (part(module)?, part(name)?);
                self.push_global(module, name)
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)
            }
            b'b' => {
                let (state, object) = (self.pop()?, self.top()?);
                self.build(object, state)
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = Storage::from_persistent_id(&self.pickle, id);
                let storage = storage.map_err(|reason| self.bad_call("persistent_load", reason))?;
                self.push(Node::Storage(Box::new(storage)))
            }
            opcode => Err(PickleError::UnknownOpcode { at: self.at, opcode }),
        }
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), PickleError> {
        let id = self.pickle.nodes.len();
        if id >= MAX_VALUES {
            return Err(PickleError::TooLarge { at: self.at, limit: MAX_VALUES, what: "values" });
        }
        self.pickle.nodes.push(node);
        self.push_id(id as Id)
    }

    fn push_id(&mut self, id: Id) -> Result<(), PickleError> {
        self.stack.push(id);
        Ok(())
    }

    /// Takes the top of the stack, but nothing from below the last mark.
    fn pop(&mut self) -> Result<Id, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn top(&self) -> Result<Id, PickleError> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.get(bottom..).and_then(<[Id]>::last);
        top.copied().ok_or_else(|| self.malformed("a value on the stack", b"none"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("a mark on the stack", b"none"))?;
        // Nothing is taken from below a mark, so the stack is as long as the mark or longer.
        Ok(self.stack.split_off(mark))
    }

    fn pairs(&self, items: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.malformed("a value for each key", b"a key alone"));
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn extend(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let list = self.top()?;
        match &mut self.pickle.nodes[list as usize] {
            Node::List(list) => list.extend_from_slice(items),
            _ => return Err(self.malformed_value("a list", list)),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let pairs = self.pairs(items)?;
        let dict = self.top()?;
        match &mut self.pickle.nodes[dict as usize] {
            Node::Dict(entries) => entries.extend(pairs),
            _ => return Err(self.malformed_value("a dict", dict)),
        }
        Ok(())
    }

    fn memoize(&mut self, index: u64) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Result<(), PickleError> {
        let id = self.memo.get(&index).copied();
        let id = id.ok_or_else(|| self.malformed("a value in the memo", index.to_string().as_bytes()))?;
        self.push_id(id)
    }

    fn push_global(&mut self, module: &[u8], name: &[u8]) -> Result<(), PickleError> {
        let (module, name) = (String::from_utf8_lossy(module), String::from_utf8_lossy(name));
        let global = Global::find(&module, &name).ok_or_else(|| {
            let name = shortened(format!("{module}.{name}").as_bytes());
            PickleError::UnknownGlobal { at: self.at, name }
        })?;
        self.push(Node::Global(global))
    }

    fn call(&mut self, callable: Id, arguments: Id) -> Result<(), PickleError> {
        let Node::Global(global) = *self.pickle.node(callable) else {
            return Err(self.malformed_value("a name to call", callable));
        };
        let Node::Tuple(items) = self.pickle.node(arguments) else {
            return Err(self.malformed_value("a tuple of arguments", arguments));
        };
        match call::call(&self.pickle, global, items, &mut self.budget) {
            Ok(Outcome::New(node)) => self.push(node),
            Ok(Outcome::Same(id)) => self.push_id(id),
            Err(reason) => Err(self.bad_call(global.describe(), reason)),
        }
    }

    fn build(&mut self, object: Id, state: Id) -> Result<(), PickleError> {
        let built = call::build(&self.pickle, object, state).map_err(|reason| self.bad_call("__setstate__", reason))?;
        if let Some(node) = built {
            self.pickle.nodes[object as usize] = node;
        }
        Ok(())
    }

    fn push_unsigned<const N: usize>(&mut self) -> Result<(), PickleError> {
        let number = self.source.unsigned::<N>()?;
        // N is 1 or 2.
        self.push(Node::Int(number as i64))
    }

    fn push_text(&mut self, bytes: &'a [u8]) -> Result<(), PickleError> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.malformed("text in UTF-8", bytes))?;
        self.push(Node::Text(Cow::Borrowed(text)))
    }

    /// Protocol 0's integers; `I01` and `I00` are bools.
    fn decimal(&mut self) -> Result<(), PickleError> {
        let line = self.source.line()?;
        let node = match line {
            b"00" => Node::Bool(false),
            b"01" => Node::Bool(true),
            line => {
                let digits = text_of(line).map(|text| text.trim().trim_end_matches('L'));
                Node::Int(digits.and_then(|text| text.parse().ok()).ok_or_else(|| self.malformed("an integer", line))?)
            }
        };
        self.push(node)
    }

    fn line_number(&mut self) -> Result<u64, PickleError> {
        let line = self.source.line()?;
        text_of(line).and_then(|text| text.parse().ok()).ok_or_else(|| self.malformed("a place in the memo", line))
    }

    fn malformed(&self, expected: &'static str, found: &[u8]) -> PickleError {
        PickleError::Malformed { at: self.at, expected, found: shortened(found) }
    }

    fn malformed_value(&self, expected: &'static str, found: Id) -> PickleError {
        self.malformed(expected, self.pickle.value(found).kind().as_bytes())
    }

    fn bad_call(&self, name: &'static str, reason: &'static str) -> PickleError {
        PickleError::Call { at: self.at, name, reason }
    }
}
