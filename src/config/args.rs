//! Defines the command line of an experiment; the flags of its settings are generated from its keys.

use std::env;
use std::ffi::OsString;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::{Checked, ConfigError, Configuration, Kind, RawConfig, Setting, again, available_threads};
use crate::mongo;
use crate::mongo::address::{self, Address, AddressText};

/// The parsed command line of the experiment configured by `C`.
#[derive(Debug, Clone)]
pub struct ExperimentArgs<C> {
    /// The flags that are not settings of the experiment.
    pub run: RunArgs,
    preset: Option<String>,
    flags: Vec<(&'static Setting, String)>,
    experiment: PhantomData<C>,
}

/// The flags that every experiment shares: where settings come from, and where results go.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Read settings from a file
    #[arg(long, help_heading = "Where settings come from", value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Use the settings of an earlier run, given by its number in -F, its name (or the start of it) or its folder
    #[arg(long, help_heading = "Where settings come from", value_name = "RUN")]
    pub again: Option<String>,
    /// Set one key, as in a file; may be repeated
    #[arg(long = "set", help_heading = "Where settings come from", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Print the configuration as a file that --config takes, and stop
    #[arg(long, help_heading = "Where settings come from")]
    pub print_config: bool,
    /// Folder of the records; may be repeated for copies
    #[arg(short = 'F', long, help_heading = "Results", value_name = "DIR", default_value = "runs")]
    pub file_storage: Vec<PathBuf>,
    /// Name of the run in its record [default: the experiment]
    #[arg(short = 'n', long, help_heading = "Results", value_name = "NAME")]
    pub name: Option<String>,
    /// Comment for the record
    #[arg(long, help_heading = "Results", value_name = "TEXT")]
    pub comment: Option<String>,
    /// Further destinations of results, and intervals.
    #[command(flatten)]
    pub record: RecordArgs,
}

/// The flags of a new or resumed run.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    /// Databases that also get the run, as Sacred writes their addresses
    #[arg(
        short = 'm',
        long,
        help_heading = "Results",
        value_name = "ADDRESS",
        help = "Deliver the run to this MongoDB too, [HOST:PORT:]DB[.COLLECTION]; may be repeated. LLC_MONGO_USER and \
                LLC_MONGO_PASSWORD give the user"
    )]
    pub mongo: Vec<AddressText>,
    /// The same by a URL, mongodb://HOST/DB; may be repeated [default: $LLC_MONGO_URL]
    #[arg(long, help_heading = "Results", value_name = "URL")]
    pub mongo_url: Vec<AddressText>,
    /// Least time between two checkpoints for resuming a killed run; they take at most a hundredth of its time
    #[arg(long, help_heading = "Results", value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    pub journal_every: f64,
    /// Time between two heartbeats of the record
    #[arg(short = 'b', long, help_heading = "Results", value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    pub beat_interval: f64,
    /// Print the report as one JSON object on the last line of standard output
    #[arg(long, help_heading = "Results")]
    pub json: bool,
    /// Show no progress and no table
    #[arg(long, help_heading = "Results")]
    pub quiet: bool,
}

impl RecordArgs {
    /// Where the run is delivered besides its folder, by flags and environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Mongo`] for a malformed address, and [`ConfigError::NoMongo`] in a program built without MongoDB.
    pub fn addresses(&self) -> Result<Vec<Address>, ConfigError> {
        let addresses = address::addresses(&self.mongo, &self.mongo_url, |name| env::var(name).ok())?;
        if addresses.is_empty() || mongo::IS_BUILT_IN { Ok(addresses) } else { Err(ConfigError::NoMongo) }
    }
}

impl<C: Configuration> ExperimentArgs<C> {
    /// The subcommand, with its flags and help.
    pub fn command() -> Command {
        let mut command = Command::new(C::COMMAND_LINE.name);
        for key in C::keys().iter().filter(|key| !key.flag.is_empty()) {
            command = command.arg(flag(key, C::COMMAND_LINE.headings));
        }
        let presets = C::COMMAND_LINE.presets;
        if !presets.is_empty() {
            command = command.arg(
                Arg::new(PRESET)
                    .long(PRESET)
                    .help(C::COMMAND_LINE.presets_help)
                    .help_heading("Where settings come from")
                    .value_name(C::COMMAND_LINE.presets_value)
                    .hide_possible_values(true)
                    .value_parser(PossibleValuesParser::new(presets)),
            );
        }
        // Last, for augment_args would put the doc comment of `RunArgs` instead of it.
        RunArgs::augment_args(command).about(C::COMMAND_LINE.about).after_help(C::COMMAND_LINE.examples)
    }

    /// Reads what clap matched for [`ExperimentArgs::command`].
    ///
    /// # Errors
    ///
    /// Those of clap, for matches of another command.
    pub fn from_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |key: &'static Setting| {
            // A list may come in several words: `--layer-widths [20, 20, 10]` without quotes.
            let words = matches.get_many::<String>(key.path)?;
            Some((key, words.map(String::as_str).collect::<Vec<_>>().join(" ")))
        };
        let keys = C::keys().iter().filter(|key| !key.flag.is_empty());
        let has_presets = !C::COMMAND_LINE.presets.is_empty();
        Ok(Self {
            run: RunArgs::from_arg_matches(matches)?,
            preset: if has_presets { matches.get_one::<String>(PRESET).cloned() } else { None },
            flags: keys.filter_map(value).collect(),
            experiment: PhantomData,
        })
    }

    /// Reads the words that follow the subcommand.
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

    /// Combines preset, the record of `--again`, file, `--set` and flags. A layer that changes a choice (the sampler, the
    /// truth) removes the settings of the former choice that lower layers gave.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a file that cannot be read, an unknown key, or a value of the wrong kind.
    pub fn raw(&self) -> Result<RawConfig, ConfigError> {
        let mut raw = RawConfig::new(C::keys());
        let resume = C::keys().iter().find(|key| key.flag == RESUME).map_or("", |key| key.path);
        if let Some(again) = &self.run.again {
            raw.layer_record(&again::folder(again, &self.run.file_storage, C::COMMAND_LINE.name)?, resume)?;
        }
        if let Some((key, folder)) = self.flags.iter().find(|(key, _)| key.flag == RESUME) {
            raw.layer_record(Path::new(folder), key.path)?;
        }
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
        if let Some(preset) = &self.preset {
            C::fill_preset(preset, &mut raw);
        }
        C::fill_from_files(&mut raw)?;
        Ok(raw)
    }

    /// The checked configuration, with warnings and its differences from the defaults.
    ///
    /// # Errors
    ///
    /// As [`ExperimentArgs::raw`], and [`ConfigError`] for settings that are not legal.
    pub fn resolve(&self) -> Result<Checked<C>, ConfigError> {
        C::check(&self.raw()?, available_threads())
    }
}

/// Reads a time that a clock can wait for.
///
/// # Errors
///
/// A sentence, for text that is not a number from 0 to a year.
pub fn seconds(text: &str) -> Result<f64, String> {
    const YEAR_S: f64 = 3.2e7;
    match text.parse() {
        Ok(seconds) if (0.0..=YEAR_S).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds, such as 60".to_owned()),
    }
}

const PRESET: &str = "preset";
/// The flag that names a run to continue, if an experiment has one: all other settings override that run's.
const RESUME: &str = "resume";

fn flag(key: &'static Setting, headings: &'static [(&'static str, &'static str)]) -> Arg {
    let heading = headings.iter().find(|(section, _)| key.path.starts_with(section)).map(|(_, heading)| *heading);
    let arg = Arg::new(key.path)
        .long(key.flag)
        .value_name(key.value_name)
        .help(key.help)
        .help_heading(heading)
        // So that `--epsilon -1` meets the sentence about ε, not one about an unknown flag.
        .allow_negative_numbers(true);
    match key.kind {
        Kind::WholeList | Kind::RealList => arg.action(ArgAction::Set).num_args(1..),
        // The flag alone, or `--train=off`: a word that follows is not a value of it.
        Kind::Switch => arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("on"),
        _ => arg.action(ArgAction::Set),
    }
}
