//! Reads numbers and texts as opcodes write them out: decimal, quoted, escaped, or in two's complement.

use std::borrow::Cow;

use super::value::Node;

/// The start of `bytes`, as text for a message.
pub(super) fn shortened(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).escape_debug().to_string();
    if bytes.len() > 80 { format!("{start}…") } else { start }
}

/// ASCII or UTF-8 as it stands.
pub(super) fn text_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Two's complement, little-endian.
pub(super) fn integer(bytes: &[u8]) -> Node<'_> {
    if bytes.len() > 8 {
        return Node::Large(Cow::Borrowed(bytes));
    }
    let is_negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let start = if is_negative { -1 } else { 0 };
    Node::Int(bytes.iter().rev().fold(start, |number, &byte| number << 8 | i64::from(byte)))
}

/// Python 2's `repr` of a str.
pub(super) fn unquote(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inner = match line.trim_ascii() {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return None,
    };
    if !inner.contains(&b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut bytes = Vec::new();
    let mut rest = inner.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            _ => match rest.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => hexadecimal(&[rest.next()?, rest.next()?])? as u8,
                byte @ (b'\\' | b'\'' | b'"') => byte,
                _ => return None,
            },
        });
    }
    Some(Cow::Owned(bytes))
}

/// Protocol 0's text: latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn unescape(line: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut rest = line;
    while let Some((&byte, tail)) = rest.split_first() {
        let width = match (byte, tail.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                rest = tail;
                continue;
            }
        };
        text.push(char::from_u32(hexadecimal(tail.get(1..=width)?)?)?);
        rest = &tail[1 + width..];
    }
    Some(text)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    // from_str_radix would take a sign.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(text_of(digits)?, 16).ok()
}
