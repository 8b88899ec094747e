//! Defines the command line of `llc dln`; the flags of its settings come out of [`dln::keys`].

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::dln::{self, CheckedDln, DlnConfig, Preset};
use super::{ConfigError, Key, Kind, RawConfig, available_threads};

const EXAMPLES: &str = "\
Examples:
  llc dln --input-dim 10 --layer-widths 20,20,10 --seed 1
      Estimates with gibbs, four chains, and says whether to trust it.
  llc dln --layer-widths 20,20,10 --truth aligned --rank 5 --sampler hmc
      The same by hmc, around a truth whose known value is the local one.
  llc dln --preset 10k --seed 7 --print-config > run.toml
  llc dln --layer-widths 20,20,10 --train --train-steps 5000 --estimator wbic-slope
      A second estimate where training from a random start ends, and a second estimator.
  llc dln --config run.toml --sampler sgld --epsilon 1e-7 --set sampler.thin=10
      Files, --set and flags lie over each other, flags on top.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
const HEADINGS: [(&str, &str); 7] = [
    ("model.", "The network: f(x) = x W_1 ... W_L, without biases"),
    ("data.", "The data"),
    ("truth.", "The truth w*"),
    ("sampler.", "The sampler"),
    ("train.", "A trained point beside w*"),
    ("measure.", "What else is measured, at w* and at the trained point"),
    ("", "The run"),
];

/// What the command line of `llc dln` says.
#[derive(Debug, Clone)]
pub struct DlnArgs {
    /// What is no setting of the experiment.
    pub run: RunArgs,
    flags: Vec<(&'static Key, String)>,
}

/// The flags that every experiment shares: where settings come from, and where results go.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// A network drawn by --seed from a published group of about that many parameters, with its SGLD settings, under everything else
    #[arg(
        long,
        help_heading = "Where settings come from",
        value_name = "1k|10k|100k|1m|10m|100m",
        hide_possible_values = true
    )]
    pub preset: Option<Preset>,
    /// Read settings from a file
    #[arg(long, help_heading = "Where settings come from", value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Set one key, as in a file; may be repeated
    #[arg(long = "set", help_heading = "Where settings come from", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Print the configuration as a file that --config takes, and stop
    #[arg(long, help_heading = "Where settings come from")]
    pub print_config: bool,
    /// Folder of the records
    #[arg(short = 'F', long, help_heading = "Results", value_name = "DIR", default_value = "runs")]
    pub file_storage: PathBuf,
    /// Name of the run in its record [default: dln]
    #[arg(short = 'n', long, help_heading = "Results", value_name = "NAME")]
    pub name: Option<String>,
    /// A remark for the record
    #[arg(long, help_heading = "Results", value_name = "TEXT")]
    pub comment: Option<String>,
    /// Print the report as one JSON object, the last line of standard output
    #[arg(long, help_heading = "Results")]
    pub json: bool,
    /// Show no progress and no table
    #[arg(long, help_heading = "Results")]
    pub quiet: bool,
}

impl DlnArgs {
    /// The subcommand, with its flags and help.
    pub fn command() -> Command {
        let command = Command::new("dln");
        let command = dln::keys().iter().filter(|key| !key.flag.is_empty()).map(flag).fold(command, Command::arg);
        // Last, for augment_args would put the doc comment of `RunArgs` in place of it.
        RunArgs::augment_args(command)
            .about("Estimate the learning coefficient of a deep linear network whose true value is known")
            .after_help(EXAMPLES)
    }

    /// Reads what clap matched for [`DlnArgs::command`].
    ///
    /// # Errors
    ///
    /// Those of clap, for matches of another command.
    pub fn from_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |key: &'static Key| {
            // A list may come in several words: `--layer-widths [20, 20, 10]` without quotes.
            let words = matches.get_many::<String>(key.path)?;
            Some((key, words.map(String::as_str).collect::<Vec<_>>().join(" ")))
        };
        let keys = dln::keys().iter().filter(|key| !key.flag.is_empty());
        Ok(Self { run: RunArgs::from_arg_matches(matches)?, flags: keys.filter_map(value).collect() })
    }

    /// Reads the words that follow `llc dln`.
    ///
    /// # Errors
    ///
    /// Those of clap: an unknown flag, or a flag without its value.
    pub fn try_parse_from<T>(words: impl IntoIterator<Item = T>) -> Result<Self, clap::Error>
    where
        T: Into<OsString> + Clone,
    {
        Self::from_matches(&Self::command().no_binary_name(true).try_get_matches_from(words)?)
    }

    /// Lays preset, file, `--set` and flags over each other. A layer that changes the sampler or the truth takes back what
    /// the layers below it said of the former one's own settings.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a file that cannot be read, an unknown key, or a value of the wrong kind.
    pub fn raw(&self) -> Result<RawConfig, ConfigError> {
        let mut raw = RawConfig::new(dln::keys());
        if let Some(path) = &self.run.config {
            raw.layer_file(path)?;
        }
        let assignment = |text: &'_ String| match text.split_once('=') {
            Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
            None => Err(ConfigError::NotAnAssignment { text: text.clone() }),
        };
        let settings = self.run.settings.iter().map(assignment).collect::<Result<Vec<_>, _>>()?;
        let settings = settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        // One layer, so that `--set sampler.epsilon=1e-7 --sampler sgld` means what it says; flags come last and win.
        raw.layer_text(settings.chain(self.flags.iter().map(|(key, value)| (key.path, value.as_str()))))?;
        if let Some(preset) = self.run.preset {
            preset.fill(&mut raw);
        }
        Ok(raw)
    }

    /// The checked configuration, with warnings and what it changes of the defaults.
    ///
    /// # Errors
    ///
    /// As [`DlnArgs::raw`], and [`ConfigError`] for what is not legal.
    pub fn resolve(&self) -> Result<CheckedDln, ConfigError> {
        DlnConfig::check(&self.raw()?, available_threads())
    }
}

fn flag(key: &'static Key) -> Arg {
    let heading = HEADINGS.iter().find(|(section, _)| key.path.starts_with(section)).map(|(_, heading)| *heading);
    let arg = Arg::new(key.path)
        .long(key.flag)
        .value_name(key.value_name)
        .help(key.help)
        .help_heading(heading)
        // So that `--epsilon -1` meets the sentence about ε, not one about an unknown flag.
        .allow_negative_numbers(true);
    match key.kind {
        Kind::WholeList | Kind::RealList => arg.action(ArgAction::Set).num_args(1..),
        // The flag alone, or `--train=off`: a word that follows is no value of it.
        Kind::Switch => arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("on"),
        _ => arg.action(ArgAction::Set),
    }
}
