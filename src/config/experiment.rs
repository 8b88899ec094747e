//! Defines what an experiment's configuration is: how it is requested, checked, printed, and compared with the defaults.

use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{ConfigError, ConfigWarning, RawConfig, Setting, available_threads, updates};

/// The parts of an experiment's `--help` besides its settings.
#[derive(Debug)]
pub struct CommandLine {
    /// The subcommand, and the name of its runs.
    pub name: &'static str,
    /// A description: a sentence without its full stop.
    pub about: &'static str,
    /// Commands to start from, and the exit codes.
    pub examples: &'static str,
    /// Help headings for the sections of a file; the first match is used.
    pub headings: &'static [(&'static str, &'static str)],
    /// The names that `--preset` takes; none if there are no presets.
    pub presets: &'static [&'static str],
    /// The same in one word, for help.
    pub presets_value: &'static str,
    /// What `--preset` does.
    pub presets_help: &'static str,
}

impl CommandLine {
    /// The rest of a command line that has no presets.
    pub const WITHOUT_PRESETS: CommandLine = CommandLine {
        name: "",
        about: "",
        examples: "",
        headings: &[],
        presets: &[],
        presets_value: "",
        presets_help: "",
    };
}

/// A legal configuration of one experiment: code that has one need not check it again.
pub trait Configuration: Sized + Serialize {
    /// Its subcommand.
    const COMMAND_LINE: CommandLine;

    /// Every setting, in the order of `--help`.
    fn keys() -> &'static [Setting];

    /// Makes one of `raw`, with defaults for what it leaves open; `threads` is the default of `run.threads`.
    ///
    /// # Errors
    /// The [`ConfigError`] of the first setting that is not legal.
    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError>;

    /// Lays the preset `name`, one of [`CommandLine::presets`], under what `raw` has.
    fn fill_preset(_name: &str, _raw: &mut RawConfig) {}

    /// Lays what the files that `raw` names say of themselves, such as a checkpoint, under what `raw` has. A file that can't be read says
    /// nothing here: the run reports it.
    ///
    /// # Errors
    /// As [`RawConfig::layer_table`].
    fn fill_from_files(_raw: &mut RawConfig) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Warnings about settings that are legal but probably not intended.
    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning>;

    /// Derived quantities, for the first line of a printed file.
    fn remark(&self) -> String;

    /// Threads of the whole run.
    fn threads(&self) -> usize;

    /// Checks `raw`; `threads` is the default of `run.threads`.
    ///
    /// ```
    /// use llc::config::{Configuration, DlnConfig, RawConfig, dln};
    /// let mut raw = RawConfig::new(dln::keys());
    /// raw.layer_text([("model.layer_widths", "20,20,10"), ("truth.kind", "aligned"), ("truth.rank", "11")])?;
    /// let error = DlnConfig::check(&raw, 2).unwrap_err();
    /// assert!(error.to_string().starts_with("--rank (truth.rank) is 11: it cannot exceed the smallest width, 10"));
    /// # Ok::<(), llc::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Configuration::build`].
    fn check(raw: &RawConfig, threads: usize) -> Result<Checked<Self>, ConfigError> {
        let config = Self::build(raw, threads)?;
        let warnings = config.warnings(raw);
        // An experiment that needs some setting has no base to compare with: all that was set is then an update.
        let base = Self::build(&RawConfig::new(Self::keys()), threads).ok();
        let updates = updates::updates(raw, &config, base.as_ref());
        Ok(Checked { config, warnings, updates })
    }

    /// The configuration of the run in `run_dir`, as its `config.json` has it.
    ///
    /// # Errors
    /// [`ConfigError`] if that can't be read, or is not legal.
    fn of_record(run_dir: &Path) -> Result<Self, ConfigError> {
        let mut raw = RawConfig::new(Self::keys());
        raw.layer_json(&run_dir.join("config.json"))?;
        Self::build(&raw, available_threads())
    }

    /// The SHA-256 of its JSON, in hexadecimal, which identifies the configuration.
    fn hash(&self) -> String {
        // As in `to_toml`: there is nothing to refuse.
        let json = serde_json::to_string(self).expect("a checked configuration is valid JSON");
        Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The configuration as TOML that `--config` reads back to an equal one. A comment has quantities that follow from it.
    fn to_toml(&self) -> String {
        // Every value is a number that TOML holds (seeds stay below 2⁶³), text, or a list or table of these, and every
        // table has text keys: nothing is left that the serialiser refuses.
        let body = toml::to_string(self).expect("a checked configuration is valid TOML");
        format!("# {}\n{body}", self.remark())
    }
}

/// The result of a check.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Checked<C> {
    /// The legal configuration.
    pub config: C,
    /// Settings that are legal but probably not intended, to be shown before the run starts.
    pub warnings: Vec<ConfigWarning>,
    /// The settings that differ from the defaults, nested as in a file: `config_updates` of a record.
    pub updates: serde_json::Value,
}

/// The configuration in a file's `table`.
///
/// # Errors
/// [`ConfigError`] if it is not legal.
pub(super) fn from_table<C: Configuration>(table: &toml::Table, threads: usize) -> Result<C, ConfigError> {
    let mut raw = RawConfig::new(C::keys());
    raw.layer_table(table)?;
    C::build(&raw, threads)
}
