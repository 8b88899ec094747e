//! Writes JSON as Python's `json.dump(sort_keys=True, indent=2)` does, and reads what Python writes.
//!
//! The layout is Sacred's: sorted keys, two spaces, ASCII only (`\u03bb`), no newline at the end. Python writes
//! non-finite numbers as bare `NaN`, `Infinity` and `-Infinity`, which strict JSON has no word for; [`number`] does
//! the same and [`parse`] reads them as `null`. They occur in `metrics.json` alone: a `serde_json::Value` holds none.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter, Serializer};

/// Formats `value` as Python would.
///
/// ```
/// let value = serde_json::json!({"z": [], "λ": [1, "é"]});
/// let text = llc::record::json::to_string(&value);
/// assert_eq!(text, "{\n  \"z\": [],\n  \"\\u03bb\": [\n    1,\n    \"\\u00e9\"\n  ]\n}");
/// ```
pub fn to_string(value: &Value) -> String {
    let mut bytes = Vec::new();
    // Neither can fail: a Vec takes every byte, a Value has string keys, and the formatter writes ASCII.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, PythonFormatter::new()));
    String::from_utf8(bytes).unwrap_or_default()
}

/// Formats a number as Python reads it, non-finite ones included.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// Reads JSON, taking Python's bare `NaN`, `Infinity` and `-Infinity` as `null`.
///
/// # Errors
///
/// If `text` is not JSON even so.
///
/// ```
/// let value = llc::record::json::parse(r#"{"a": [NaN, -Infinity, 1.5], "b": "NaN"}"#)?;
/// assert_eq!(value, serde_json::json!({"a": [null, null, 1.5], "b": "NaN"}));
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn parse(text: &str) -> serde_json::Result<Value> {
    parse_as(text)
}

/// The same into any type: fields that it leaves out are never stored, which matters for large files.
///
/// # Errors
///
/// As [`parse`], or if the text is not a `T`.
pub fn parse_as<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    parse_with(text, |_| "null".to_owned())
}

/// Reads JSON, taking Python's bare `NaN`, `Infinity` and `-Infinity` as strings of these letters.
///
/// # Errors
///
/// If `text` is not JSON even so.
///
/// ```
/// let value = llc::record::json::parse_words("[NaN, -Infinity, 1.5]")?;
/// assert_eq!(value, serde_json::json!(["NaN", "-Infinity", 1.5]));
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn parse_words(text: &str) -> serde_json::Result<Value> {
    parse_with(text, |word| format!("\"{word}\""))
}

fn parse_with<T: DeserializeOwned>(text: &str, substitute: fn(&str) -> String) -> serde_json::Result<T> {
    if text.contains("NaN") || text.contains("Infinity") {
        serde_json::from_str(&without_non_finite(text, substitute))
    } else {
        serde_json::from_str(text)
    }
}

fn without_non_finite(text: &str, substitute: fn(&str) -> String) -> String {
    let mut strict = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| !in_string && rest.starts_with(word));
        if let Some(word) = word {
            strict.push_str(&substitute(word));
            rest = &rest[word.len()..];
            continue;
        }
        let mut length = first.len_utf8();
        match first {
            '"' => in_string = !in_string,
            // An escaped character belongs to its backslash, or `\"` would end the string.
            '\\' => length += rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => {}
        }
        strict.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    strict
}

/// Formats like `json.dump(indent=2)`, with every character outside of ASCII escaped.
struct PythonFormatter(PrettyFormatter<'static>);

impl PythonFormatter {
    fn new() -> Self {
        Self(PrettyFormatter::with_indent(b"  "))
    }
}

impl Formatter for PythonFormatter {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }
    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }
    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }
    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }
    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut escaped = String::with_capacity(fragment.len());
        for character in fragment.chars() {
            if (' '..='~').contains(&character) {
                escaped.push(character);
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a String can't fail.
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
        writer.write_all(escaped.as_bytes())
    }
    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        let text = match escape {
            CharEscape::Quote => "\\\"".to_owned(),
            CharEscape::ReverseSolidus => "\\\\".to_owned(),
            CharEscape::Solidus => "/".to_owned(),
            CharEscape::Backspace => "\\b".to_owned(),
            CharEscape::FormFeed => "\\f".to_owned(),
            CharEscape::LineFeed => "\\n".to_owned(),
            CharEscape::CarriageReturn => "\\r".to_owned(),
            CharEscape::Tab => "\\t".to_owned(),
            CharEscape::AsciiControl(byte) => format!("\\u{byte:04x}"),
        };
        writer.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_python_writes() {
        // python3 -c 'import json; print(json.dumps({"b": "\"\\/\b\f\n\r\t\x01\x7fλ😀", "a": {}, "c": [True, None, -1.5]},
        //     sort_keys=True, indent=2))'
        let value = serde_json::json!({
            "b": "\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}λ😀", "a": {}, "c": [true, null, -1.5],
        });
        let python = "{\n  \"a\": {},\n  \"b\": \"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f\\u03bb\\ud83d\\ude00\",\n  \
                      \"c\": [\n    true,\n    null,\n    -1.5\n  ]\n}";
        assert_eq!(to_string(&value), python);
        assert_eq!(parse(python).unwrap(), value);
    }

    #[test]
    fn non_finite_words_inside_strings_are_kept() {
        let text = r#"{"a\"NaN": "\\", "λ": -Infinity, "c": "Infinity and NaN \" NaN", "d": NaN}"#;
        let read = parse(text).unwrap();
        assert_eq!(read["a\"NaN"], "\\");
        assert_eq!(read["c"], "Infinity and NaN \" NaN");
        assert!(read["λ"].is_null() && read["d"].is_null());
    }

    #[test]
    fn numbers_survive_writing_and_reading() {
        for value in [0.1, -1e-300, 1.0, 123_456_789.123, f64::MAX] {
            assert_eq!(number(value).parse::<f64>().unwrap(), value);
        }
        assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(number), ["NaN", "Infinity", "-Infinity"]);
    }
}
