//! Turns JSON into BSON as Sacred's documents have it, and BSON into JSON for readers.
//!
//! Whole numbers are 32 bits wide where they fit, as pymongo writes them. In keys a leading `$` becomes `@` and a `.`
//! becomes `,`: Sacred does so where the database refuses them, here it is always done, so that `config.a` is never ambiguous.

use mongodb::bson::{Bson, DateTime, Document};
use serde_json::{Map, Number, Value};

use crate::record::time;

/// `value` as a document's field.
pub(super) fn from_json(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(*value),
        Value::Number(number) => from_number(number),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(items) => Bson::Array(items.iter().map(from_json).collect()),
        Value::Object(fields) => Bson::Document(from_object(fields)),
    }
}

/// `fields` as a document.
pub(super) fn from_object(fields: &Map<String, Value>) -> Document {
    fields.iter().map(|(name, value)| (key(name), from_json(value))).collect()
}

/// A whole number, 32 bits wide where it fits.
pub(super) fn whole(number: i64) -> Bson {
    i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32)
}

/// A timestamp of Sacred's as a date, to the millisecond; `null` where `value` is none.
pub(super) fn date(value: &Value) -> Bson {
    value.as_str().and_then(moment).map_or(Bson::Null, Bson::DateTime)
}

/// A timestamp of Sacred's as a date, to the millisecond.
pub(super) fn moment(text: &str) -> Option<DateTime> {
    Some(DateTime::from_millis(time::parse(text)?.as_millisecond()))
}

/// `value` as JSON: dates as Sacred's timestamps, ids as their digits, non-finite numbers as `null`.
pub(super) fn to_json(value: &Bson) -> Value {
    match value {
        Bson::Boolean(value) => Value::from(*value),
        Bson::Int32(number) => Value::from(*number),
        Bson::Int64(number) => Value::from(*number),
        Bson::Double(number) => Value::from(*number),
        Bson::String(text) => Value::from(text.as_str()),
        Bson::Array(items) => items.iter().map(to_json).collect(),
        Bson::Document(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect())
        }
        Bson::DateTime(at) => timestamp(*at).map(time::format).map_or(Value::Null, Value::from),
        Bson::ObjectId(id) => Value::from(id.to_hex()),
        Bson::Null | Bson::Undefined => Value::Null,
        other => Value::from(other.to_string()),
    }
}

/// The moment of `at`; `None` outside of the years that have one.
pub(super) fn timestamp(at: DateTime) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(at.timestamp_millis()).ok()
}

fn from_number(number: &Number) -> Bson {
    match number.as_i64() {
        Some(whole_number) => whole(whole_number),
        // Above i64 there is u64, which BSON lacks; a finite f64 stands for both.
        None => Bson::Double(number.as_f64().unwrap_or(f64::NAN)),
    }
}

fn key(name: &str) -> String {
    let name = name.strip_prefix('$').map_or_else(|| name.to_owned(), |rest| format!("@{rest}"));
    // A key ends with a NUL in BSON, and can't hold one.
    name.replace('.', ",").replace('\0', "\u{2400}")
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_have_the_types_that_pymongo_gives_them() {
        let value = json!({"a": 1, "b": 3_000_000_000_i64, "c": 0.5, "d": [true, null, "x"], "e": -7, "f": u64::MAX});
        let expected = doc! {
            "a": 1_i32, "b": 3_000_000_000_i64, "c": 0.5, "d": [true, Bson::Null, "x"], "e": -7_i32, "f": u64::MAX as f64,
        };
        assert_eq!(from_json(&value), Bson::Document(expected));
    }

    #[test]
    fn keys_are_replaced_as_sacred_replaces_them() {
        // sacred.observers.mongo.force_bson_encodeable({"$a.b": {"c.d$": 1}})
        assert_eq!(from_json(&json!({"$a.b": {"c.d$": 1}})), Bson::Document(doc! {"@a,b": {"c,d$": 1}}));
    }

    #[test]
    fn dates_keep_their_milliseconds() {
        let written = date(&json!("2026-11-21T17:20:43.704198"));
        assert_eq!(written, Bson::DateTime(DateTime::from_millis(1_795_281_643_704)));
        assert_eq!(to_json(&written), json!("2026-11-21T17:20:43.704000"));
        assert_eq!(date(&Value::Null), Bson::Null);
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let value = json!({"a": [1, 2.5, {"b": null}], "c": "λ", "d": false});
        assert_eq!(to_json(&from_json(&value)), value);
        assert_eq!(to_json(&Bson::Double(f64::NAN)), Value::Null);
    }
}
