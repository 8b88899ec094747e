//! Names a setting once, for files, flags and `--help`, and reads its values.

use std::fmt;

use super::ConfigError;
use crate::words::nearest;

/// One setting: where it stands in a file, its flag, and the kind of value it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Key {
    /// Dotted path in TOML and in `--set`, such as `sampler.epsilon`.
    pub path: &'static str,
    /// The flag without its dashes; empty where there is none.
    pub flag: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What `--help` shows for the value.
    pub value_name: &'static str,
    /// What `--help` says.
    pub help: &'static str,
    /// Paths of the choices that it is made for: a layer that changes one of them takes it back.
    pub chosen_for: &'static [&'static str],
}

/// The kind of value that a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number from 0 to 2⁶³ − 1; `1e5` counts.
    Whole,
    /// A number. NaN and infinities pass here and are refused, by name, in the check.
    Real,
    /// A number or the word `auto`.
    RealOrAuto,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// `on` or `off`, in files also `true` or `false`; the flag alone means `on`.
    Switch,
    /// Any text.
    Text,
    /// Whole numbers: `20,20,10` or `[20, 20, 10]`.
    WholeList,
    /// Numbers: `1,0.5` or `[1, 0.5]`.
    RealList,
}

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

impl Key {
    /// A setting that is made for no choice in particular.
    pub const fn new(
        path: &'static str,
        flag: &'static str,
        kind: Kind,
        value_name: &'static str,
        help: &'static str,
    ) -> Self {
        Self { path, flag, kind, value_name, help, chosen_for: &[] }
    }

    /// The same, made for what is chosen at `choices`.
    pub const fn chosen_for(self, choices: &'static [&'static str]) -> Self {
        Self { chosen_for: choices, ..self }
    }

    /// Reads a value from text, as flags and `--set` give it.
    ///
    /// # Errors
    ///
    /// [`ConfigError::WrongKind`], [`ConfigError::EmptyItem`] or [`ConfigError::UnknownChoice`].
    pub fn parse(&'static self, text: &str) -> Result<Value, ConfigError> {
        let text = text.trim();
        let wrong = |expected| self.wrong(text.to_owned(), expected);
        match self.kind {
            Kind::Whole => parse_whole(text).map(Value::Whole).map_err(wrong),
            Kind::RealOrAuto if text == "auto" => Ok(Value::Text(text.to_owned())),
            Kind::Real | Kind::RealOrAuto => parse_real(text).map(Value::Real).map_err(wrong),
            Kind::WholeList => self.parse_list(text, parse_whole).map(Value::WholeList),
            Kind::RealList => self.parse_list(text, parse_real).map(Value::RealList),
            Kind::Choice(_) | Kind::Switch | Kind::Text => self.text(unquote(text)),
        }
    }

    /// Reads a value from a TOML file. Text never counts as a number there.
    ///
    /// # Errors
    ///
    /// [`ConfigError::WrongKind`] or [`ConfigError::UnknownChoice`].
    pub fn convert(&'static self, value: &toml::Value) -> Result<Value, ConfigError> {
        use toml::Value as Toml;
        let wrong = |found: &Toml, expected| self.wrong(found.to_string(), expected);
        match (self.kind, value) {
            (Kind::Switch, Toml::Boolean(is_on)) => self.text(if *is_on { ON } else { OFF }),
            (Kind::Choice(_) | Kind::Switch | Kind::Text, Toml::String(text)) => self.text(text),
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

    fn text(&'static self, text: &str) -> Result<Value, ConfigError> {
        let choices: &'static [&'static str] = match (self.kind, text) {
            (Kind::Choice(choices), _) => choices,
            (Kind::Switch, "true") => return Ok(Value::Text(ON.to_owned())),
            (Kind::Switch, "false") => return Ok(Value::Text(OFF.to_owned())),
            (Kind::Switch, _) => &[ON, OFF],
            _ => return Ok(Value::Text(text.to_owned())),
        };
        if !choices.contains(&text) {
            return Err(ConfigError::UnknownChoice {
                key: self,
                found: text.to_owned(),
                choices,
                nearest: nearest(text, choices.iter().copied()),
            });
        }
        Ok(Value::Text(text.to_owned()))
    }

    fn parse_list<T>(
        &'static self,
        text: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, ConfigError> {
        let inner = match (text.strip_prefix('['), text.strip_suffix(']')) {
            (Some(_), Some(_)) => &text[1..text.len() - 1],
            (None, None) => text,
            _ => return Err(self.wrong(text.to_owned(), LIST)),
        };
        let has_empty_item = inner.contains(',') && inner.split(',').any(|item| item.trim().is_empty());
        if has_empty_item {
            return Err(ConfigError::EmptyItem { key: self, found: text.to_owned() });
        }
        inner
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|item| !item.is_empty())
            .map(|item| parse(item).map_err(|expected| self.wrong(item.to_owned(), expected)))
            .collect()
    }

    fn wrong(&'static self, found: String, expected: &'static str) -> ConfigError {
        ConfigError::WrongKind { key: self, found, expected }
    }
}

impl fmt::Display for Key {
    /// The flag, with the path in brackets; the path alone where there is no flag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.flag, self.path) {
            ("", path) => f.write_str(path),
            (flag, path) if flag == path => write!(f, "--{flag}"),
            (flag, path) => write!(f, "--{flag} ({path})"),
        }
    }
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

/// Whole numbers written as `1e5`. Past 2⁵³ an f64 no longer tells neighbours apart, so there digits are asked for.
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

    static STEPS: Key = Key::new("sampler.num_steps", "num-steps", Kind::Whole, "", "");
    static WIDTHS: Key = Key::new("model.layer_widths", "layer-widths", Kind::WholeList, "", "");

    fn sentence(key: &'static Key, text: &str) -> String {
        key.parse(text).unwrap_err().to_string()
    }

    #[test]
    fn whole_numbers_may_be_written_with_an_exponent_or_underscores() {
        for text in ["100000", "1e5", "1E5", "100_000", "1e+5", "100000.0"] {
            assert_eq!(STEPS.parse(text).unwrap(), Value::Whole(100_000), "{text}");
        }
        assert_eq!(STEPS.parse("9223372036854775807").unwrap(), Value::Whole(i64::MAX as u64));
    }

    #[test]
    fn what_is_no_whole_number_is_told_why() {
        let start = "--num-steps (sampler.num_steps): ";
        assert_eq!(sentence(&STEPS, "abc"), format!("{start}`abc` is not a number"));
        assert_eq!(sentence(&STEPS, "1.5"), format!("{start}`1.5` is not a whole number"));
        assert_eq!(sentence(&STEPS, "nan"), format!("{start}`nan` is not a whole number"));
        assert_eq!(sentence(&STEPS, "-3"), format!("{start}`-3` is not a whole number from 0 up"));
        assert_eq!(sentence(&STEPS, "1e30"), format!("{start}`1e30` is not a whole number below 2^63"));
        let text = STEPS.convert(&toml::Value::String("1000".to_owned())).unwrap_err().to_string();
        assert_eq!(text, format!("{start}`\"1000\"` is not a number"));
    }

    #[test]
    fn layer_widths_are_read_with_and_without_brackets() {
        for text in ["259,286,885", "[259, 286, 885]", "[259,286,885]", " 259 286 885 ", "259 , 286 885"] {
            assert_eq!(WIDTHS.parse(text).unwrap(), Value::WholeList(vec![259, 286, 885]), "{text}");
        }
        assert_eq!(WIDTHS.parse("[]").unwrap(), Value::WholeList(vec![]));
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
                sentence(&WIDTHS, text).ends_with(&format!(
                    "`{text}` has nothing between two commas, or beside one: \
                write it as 20,20,10"
                )),
                "{text}"
            );
        }
    }
}
