//! Describes a setting once, for files, flags and help; reading its value is the configuration's business.

use std::fmt;

/// One setting: where it stands in a file, its flag, and the kind of value it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// Dotted path in TOML and in `--set`, such as `sampler.epsilon`.
    pub path: &'static str,
    /// The flag without its dashes; empty if there is none.
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

/// An enum whose variants are the words of a [`Kind::Choice`].
///
/// ```
/// use llc_core::setting::{Choice, choice};
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Shape {
///     Line,
///     Arc,
/// }
/// // A variant without a word does not compile.
/// choice!(Shape: Line = "line", Arc = "arc");
///
/// assert_eq!(Shape::NAMES, ["line", "arc"]);
/// assert_eq!(Shape::from_name("arc"), Some(Shape::Arc));
/// assert_eq!(Shape::Line.name(), "line");
/// ```
pub trait Choice: Copy {
    /// The words in files and flags, in the order of `--help`.
    const NAMES: &'static [&'static str];

    /// The word of this variant.
    fn name(self) -> &'static str;

    /// The variant of that word.
    fn from_name(name: &str) -> Option<Self>;
}

/// Implements [`Choice`] for an enum: `choice!(Enum: Variant = "word", …)`.
#[macro_export]
macro_rules! choice {
    ($Enum:ident: $($Variant:ident = $word:literal),+ $(,)?) => {
        impl $crate::setting::Choice for $Enum {
            const NAMES: &'static [&'static str] = &[$($word),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $word,)+
                }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($word => Some(Self::$Variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub use choice;

impl Setting {
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
}

impl fmt::Display for Setting {
    /// The flag, with the path in brackets; the path alone where there is no flag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.flag, self.path) {
            ("", path) => f.write_str(path),
            (flag, path) if flag == path => write!(f, "--{flag}"),
            (flag, path) => write!(f, "--{flag} ({path})"),
        }
    }
}
