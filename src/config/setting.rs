//! Reads the value of a setting, from text and from TOML.

pub use llc_core::setting::{Kind, Setting};

use super::ConfigError;
use crate::words::nearest;

/// A value whose kind has been checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of [`Kind::Whole`].
    Whole(u64),
    /// Of [`Kind::Real`] or [`Kind::RealOrAuto`].
    Real(f64),
    /// Of [`Kind::Text`], [`Kind::Choice`] or [`Kind::Switch`], and `auto`.
    Text(String),
    /// Of [`Kind::WholeList`].
    WholeList(Vec<u64>),
    /// Of [`Kind::RealList`].
    RealList(Vec<f64>),
}

const NUMBER: &str = "a number";
const WHOLE: &str = "a whole number";
const WHOLE_FROM_0: &str = "a whole number from 0 up";
const WHOLE_IN_RANGE: &str = "a whole number below 2^63";
// The words of a switch.
const ON: &str = "on";
const OFF: &str = "off";

const LIST: &str = "a list such as 20,20,10";

/// Reads a value from text, as flags and `--set` give it.
///
/// # Errors
///
/// [`ConfigError::WrongKind`], [`ConfigError::EmptyItem`] or [`ConfigError::UnknownChoice`].
pub fn parse(setting: &'static Setting, text: &str) -> Result<Value, ConfigError> {
    let text = text.trim();
    let wrong = |expected| wrong_kind(setting, text.to_owned(), expected);
    match setting.kind {
        Kind::Whole => parse_whole(text).map(Value::Whole).map_err(wrong),
        Kind::RealOrAuto if text == "auto" => Ok(Value::Text(text.to_owned())),
        Kind::Real | Kind::RealOrAuto => parse_real(text).map(Value::Real).map_err(wrong),
        Kind::WholeList => parse_list(setting, text, parse_whole).map(Value::WholeList),
        Kind::RealList => parse_list(setting, text, parse_real).map(Value::RealList),
        Kind::Choice(_) | Kind::Switch | Kind::Text => as_text(setting, unquote(text)),
    }
}

/// Reads a value from a TOML file. Text never counts as a number there.
///
/// # Errors
///
/// [`ConfigError::WrongKind`] or [`ConfigError::UnknownChoice`].
pub fn convert(setting: &'static Setting, value: &toml::Value) -> Result<Value, ConfigError> {
    use toml::Value as Toml;
    let wrong = |found: &Toml, expected| wrong_kind(setting, found.to_string(), expected);
    match (setting.kind, value) {
        (Kind::Switch, Toml::Boolean(is_on)) => as_text(setting, if *is_on { ON } else { OFF }),
        (Kind::Choice(_) | Kind::Switch | Kind::Text, Toml::String(text)) => as_text(setting, text),
        (Kind::Choice(_) | Kind::Switch | Kind::Text, other) => Err(wrong(other, "text in quotes")),
        (Kind::RealOrAuto, Toml::String(text)) if text == "auto" => Ok(Value::Text(text.clone())),
        (Kind::Whole, value) => whole(value).map(Value::Whole).map_err(|expected| wrong(value, expected)),
        (Kind::Real | Kind::RealOrAuto, value) => {
            real(value).map(Value::Real).map_err(|expected| wrong(value, expected))
        }
        (Kind::WholeList, Toml::Array(items)) => {
            let item = |item| whole(item).map_err(|expected| wrong(item, expected));
            items.iter().map(item).collect::<Result<_, _>>().map(Value::WholeList)
        }
        (Kind::RealList, Toml::Array(items)) => {
            let item = |item| real(item).map_err(|expected| wrong(item, expected));
            items.iter().map(item).collect::<Result<_, _>>().map(Value::RealList)
        }
        // As `--learning-rate 0.1` is a list of one.
        (Kind::RealList, Toml::Integer(_) | Toml::Float(_)) => {
            real(value).map(|number| Value::RealList(vec![number])).map_err(|expected| wrong(value, expected))
        }
        (Kind::WholeList | Kind::RealList, other) => Err(wrong(other, "a list such as [20, 20, 10]")),
    }
}

fn as_text(setting: &'static Setting, text: &str) -> Result<Value, ConfigError> {
    let choices: &'static [&'static str] = match (setting.kind, text) {
        (Kind::Choice(choices), _) => choices,
        (Kind::Switch, "true") => return Ok(Value::Text(ON.to_owned())),
        (Kind::Switch, "false") => return Ok(Value::Text(OFF.to_owned())),
        (Kind::Switch, _) => &[ON, OFF],
        _ => return Ok(Value::Text(text.to_owned())),
    };
    if !choices.contains(&text) {
        return Err(ConfigError::UnknownChoice {
            key: setting,
            found: text.to_owned(),
            choices,
            nearest: nearest(text, choices.iter().copied()),
        });
    }
    Ok(Value::Text(text.to_owned()))
}

fn parse_list<T>(
    setting: &'static Setting,
    text: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Vec<T>, ConfigError> {
    let inner = match (text.strip_prefix('['), text.strip_suffix(']')) {
        (Some(_), Some(_)) => &text[1..text.len() - 1],
        (None, None) => text,
        _ => return Err(wrong_kind(setting, text.to_owned(), LIST)),
    };
    let has_empty_item = inner.contains(',') && inner.split(',').any(|item| item.trim().is_empty());
    if has_empty_item {
        return Err(ConfigError::EmptyItem { key: setting, found: text.to_owned() });
    }
    inner
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|item| !item.is_empty())
        .map(|item| parse(item).map_err(|expected| wrong_kind(setting, item.to_owned(), expected)))
        .collect()
}

fn wrong_kind(setting: &'static Setting, found: String, expected: &'static str) -> ConfigError {
    ConfigError::WrongKind { key: setting, found, expected }
}

fn unquote(text: &str) -> &str {
    ['"', '\''].iter().find_map(|&quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text)
}

fn parse_real(text: &str) -> Result<f64, &'static str> {
    text.replace('_', "").parse().map_err(|_| NUMBER)
}

fn parse_whole(text: &str) -> Result<u64, &'static str> {
    match text.replace('_', "").parse::<i64>() {
        Ok(value) => u64::try_from(value).map_err(|_| WHOLE_FROM_0),
        Err(_) => whole_from_real(parse_real(text)?),
    }
}

/// Whole numbers written as `1e5`. Above 2⁵³ an f64 can't distinguish neighbours, so digits are required there.
fn whole_from_real(value: f64) -> Result<u64, &'static str> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        _ if !value.is_finite() || value.fract() != 0.0 => Err(WHOLE),
        _ if value < 0.0 => Err(WHOLE_FROM_0),
        _ if value > EXACT => Err(WHOLE_IN_RANGE),
        _ => Ok(value as u64),
    }
}

fn whole(value: &toml::Value) -> Result<u64, &'static str> {
    match value {
        toml::Value::Integer(value) => u64::try_from(*value).map_err(|_| WHOLE_FROM_0),
        toml::Value::Float(value) => whole_from_real(*value),
        _ => Err(NUMBER),
    }
}

fn real(value: &toml::Value) -> Result<f64, &'static str> {
    match value {
        toml::Value::Integer(value) => Ok(*value as f64),
        toml::Value::Float(value) => Ok(*value),
        _ => Err(NUMBER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static STEPS: Setting = Setting::new("sampler.num_steps", "num-steps", Kind::Whole, "", "");
    static WIDTHS: Setting = Setting::new("model.layer_widths", "layer-widths", Kind::WholeList, "", "");

    fn sentence(key: &'static Setting, text: &str) -> String {
        parse(key, text).unwrap_err().to_string()
    }

    #[test]
    fn whole_numbers_may_be_written_with_an_exponent_or_underscores() {
        for text in ["100000", "1e5", "1E5", "100_000", "1e+5", "100000.0"] {
            assert_eq!(parse(&STEPS, text).unwrap(), Value::Whole(100_000), "{text}");
        }
        assert_eq!(parse(&STEPS, "9223372036854775807").unwrap(), Value::Whole(i64::MAX as u64));
    }

    #[test]
    fn what_is_no_whole_number_is_reported_why() {
        let start = "--num-steps (sampler.num_steps): ";
        assert_eq!(sentence(&STEPS, "abc"), format!("{start}`abc` is not a number"));
        assert_eq!(sentence(&STEPS, "1.5"), format!("{start}`1.5` is not a whole number"));
        assert_eq!(sentence(&STEPS, "nan"), format!("{start}`nan` is not a whole number"));
        assert_eq!(sentence(&STEPS, "-3"), format!("{start}`-3` is not a whole number from 0 up"));
        assert_eq!(sentence(&STEPS, "1e30"), format!("{start}`1e30` is not a whole number below 2^63"));
        let text = convert(&STEPS, &toml::Value::String("1000".to_owned())).unwrap_err().to_string();
        assert_eq!(text, format!("{start}`\"1000\"` is not a number"));
    }

    #[test]
    fn layer_widths_are_read_with_and_without_brackets() {
        for text in ["259,286,885", "[259, 286, 885]", "[259,286,885]", " 259 286 885 ", "259 , 286 885"] {
            assert_eq!(parse(&WIDTHS, text).unwrap(), Value::WholeList(vec![259, 286, 885]), "{text}");
        }
        assert_eq!(parse(&WIDTHS, "[]").unwrap(), Value::WholeList(vec![]));
        assert_eq!(
            sentence(&WIDTHS, "[1,2"),
            "--layer-widths (model.layer_widths): `[1,2` is not a list such as 20,20,10"
        );
        assert_eq!(sentence(&WIDTHS, "1,x"), "--layer-widths (model.layer_widths): `x` is not a number");
        assert_eq!(sentence(&WIDTHS, "["), "--layer-widths (model.layer_widths): `[` is not a list such as 20,20,10");
    }

    #[test]
    fn a_comma_with_nothing_beside_it_is_refused() {
        for text in ["5,,5", "5, ,5", "5,5,", ",5", "[5,]", ","] {
            assert!(
                sentence(&WIDTHS, text).ends_with(&format!("`{text}` has an empty item: write the list as 20,20,10")),
                "{text}"
            );
        }
    }
}
