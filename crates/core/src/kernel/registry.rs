//! Generates everything that names each sampler from one list: modules, [`SamplerKind`], [`KernelConfig`], and the functions that
//! distinguish them.
//!
//! The list is in src/kernel/mod.rs, and everything else (the choices of `--sampler`, the help, the checks, the tests) uses
//! the items generated here. It is a macro because a function can't declare a module or an enum.

use super::{About, SamplerKind};

macro_rules! samplers {
    ($($module:ident: $Variant:ident($Settings:ident)),+ $(,)?) => {
        $(pub mod $module;)+

        /// The samplers by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum SamplerKind {
            $(#[doc = concat!("That of [`", stringify!($module), "`].")] $Variant,)+
        }

        /// A sampler and the settings that belong to it alone.
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum KernelConfig {
            $(#[doc = concat!("That of [`", stringify!($module), "`].")] $Variant($module::$Settings),)+
        }

        impl SamplerKind {
            /// All of them.
            pub const ALL: [Self; Self::NAMES.len()] = [$(Self::$Variant),+];

            /// Their names in files and flags.
            pub const NAMES: &[&str] = &[$(stringify!($module)),+];

            /// The description of the sampler.
            pub fn about(self) -> &'static About {
                match self {
                    $(Self::$Variant => &<$module::$Settings as Settings>::ABOUT,)+
                }
            }

            /// Reads the sampler's settings.
            ///
            /// # Errors
            /// Those of the source, for values that are not legal.
            pub fn read<S: Source>(self, given: &Given<S>) -> Result<KernelConfig, S::Error> {
                match self {
                    $(Self::$Variant => Settings::read(given).map(KernelConfig::$Variant),)+
                }
            }
        }

        impl KernelConfig {
            /// Which sampler it is.
            pub fn kind(&self) -> SamplerKind {
                match self {
                    $(Self::$Variant(_) => SamplerKind::$Variant,)+
                }
            }

            /// Samples in a minibatch, if the sampler draws minibatches.
            pub fn batch_size(&self) -> Option<usize> {
                match self {
                    $(Self::$Variant(settings) => settings.batch_size(),)+
                }
            }

            /// The sampler at these settings.
            pub fn sampler(&self) -> Box<dyn Sampler> {
                match self {
                    $(Self::$Variant(settings) => Box::new(settings.clone()),)+
                }
            }
        }
    };
}
pub(super) use samplers;

impl SamplerKind {
    /// The name in files and flags.
    pub fn name(self) -> &'static str {
        // Both lists are made of the same one.
        Self::NAMES[self as usize]
    }

    /// The sampler with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The names of the samplers for which `is_such` holds, formatted for a sentence: `hmc, mala or sgld`.
    pub fn those(is_such: impl Fn(&About) -> bool) -> String {
        let those = Self::ALL.into_iter().filter(|kind| is_such(kind.about()));
        either(&those.map(Self::name).collect::<Vec<_>>())
    }
}

fn either(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_a_sentence_has_them() {
        assert_eq!(either(&[]), "");
        assert_eq!(either(&["a"]), "a");
        assert_eq!(either(&["a", "b"]), "a or b");
        assert_eq!(either(&["a", "b", "c"]), "a, b or c");
    }

    #[test]
    fn every_sampler_is_found_by_its_name() {
        for kind in SamplerKind::ALL {
            assert_eq!(SamplerKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(SamplerKind::from_name("no such sampler"), None);
    }
}
