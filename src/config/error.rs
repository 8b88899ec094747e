//! Says what is wrong with a configuration, in one sentence that names the key and what to do.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Setting;
use super::network::trained_on::Deviations;
use crate::kernel::{GradientNeed, SamplerKind};
use crate::mongo::address::AddressError;
use crate::words::did_you_mean;

/// Why a configuration was refused. Programs print it after `error: `, with its source if there is one, and exit with 2;
/// nothing has been written by then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key that no setting has, in a file or in `--set`.
    #[error("unknown key `{key}`{}", did_you_mean(nearest.as_deref()))]
    UnknownKey {
        /// The key as given.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A value where a file has a table.
    #[error("`{section}` is a table: write its settings below [{section}]")]
    NotATable {
        /// The table's name.
        section: String,
    },
    /// A `--set` without `=`.
    #[error("--set {text}: write it as key=value, for example --set sampler.gamma=10")]
    NotAnAssignment {
        /// What stood there.
        text: String,
    },
    /// A value of the wrong kind, such as text where a number belongs.
    #[error("{key}: `{found}` is not {expected}")]
    WrongKind {
        /// The key.
        key: &'static Setting,
        /// The value as given.
        found: String,
        /// What belongs there, with its article.
        expected: &'static str,
    },
    /// A list with nothing between two commas, or before the first or after the last.
    #[error("{key}: `{found}` has an empty item: write the list as 20,20,10")]
    EmptyItem {
        /// The key.
        key: &'static Setting,
        /// The list as given.
        found: String,
    },
    /// A word that is none of a setting's choices.
    #[error("{key}: `{found}` is not one of {}{}", choices.join(", "), did_you_mean(*nearest))]
    UnknownChoice {
        /// The key.
        key: &'static Setting,
        /// The word as given.
        found: String,
        /// All choices.
        choices: &'static [&'static str],
        /// The choice that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A whole number below the least that makes sense.
    #[error("{key} is {found}: give {minimum} or more")]
    TooSmall {
        /// The key.
        key: &'static Setting,
        /// The value as given.
        found: u64,
        /// The least legal value.
        minimum: u64,
    },
    /// A whole number above the most that makes sense.
    #[error("{key} is {found}: give {maximum} or less")]
    TooLarge {
        /// The key.
        key: &'static Setting,
        /// The value as given.
        found: u64,
        /// The largest legal value.
        maximum: u64,
    },
    /// An inverse temperature that overflows when n multiplies it.
    #[error("{key} is {found}: n times this value is not finite; give a smaller number")]
    NBetaOverflows {
        /// The key.
        key: &'static Setting,
        /// The value as given.
        found: f64,
    },
    /// A number that is not finite and above zero.
    #[error("{key} is {found}: give a finite number above 0")]
    NotPositive {
        /// The key.
        key: &'static Setting,
        /// The value as given.
        found: f64,
    },
    /// A number that is negative, infinite or NaN.
    #[error("{key} is {found}: give a finite number, 0 or more")]
    Negative {
        /// The key.
        key: &'static Setting,
        /// The value as given.
        found: f64,
    },
    /// A number that is infinite or NaN.
    #[error("{key} is {found}: give a finite number")]
    NotFinite {
        /// The key.
        key: &'static Setting,
        /// The value as given.
        found: f64,
    },
    /// A number outside the interval that its setting allows.
    #[error("{key} is {found}: give a number in {interval}")]
    OutsideInterval {
        /// The key.
        key: &'static Setting,
        /// The value as given.
        found: f64,
        /// The interval, as mathematics writes it.
        interval: &'static str,
    },
    /// An empty list of widths.
    #[error("{key} is empty: give the width of every layer, the output last, for example 20,20,10")]
    NoLayers {
        /// The key.
        key: &'static Setting,
    },
    /// A layer of width 0.
    #[error("{key}: layer {layer} has width 0: give every layer a width of 1 or more")]
    ZeroWidth {
        /// The key.
        key: &'static Setting,
        /// The layer, counted from 1.
        layer: usize,
    },
    /// More parameters than can be addressed.
    #[error("{key}: the network has more than {limit:.0e} parameters: make it narrower or shallower")]
    TooManyParameters {
        /// The key.
        key: &'static Setting,
        /// The most parameters allowed.
        limit: f64,
    },
    /// A rank that no product of the layers can have.
    #[error("{key} is {rank}: it cannot exceed the smallest width, {smallest_width} (the input counts as one)")]
    RankTooLarge {
        /// The key.
        key: &'static Setting,
        /// The rank as given.
        rank: usize,
        /// The smallest width, the input dimension included.
        smallest_width: usize,
    },
    /// A setting that the chosen kind of truth doesn't use.
    #[error("{key} is used by --truth {used_by} only, and the truth is {truth}: leave it out or change --truth")]
    NotForThisTruth {
        /// The key.
        key: &'static Setting,
        /// The chosen truth.
        truth: &'static str,
        /// The truths that use it.
        used_by: &'static str,
    },
    /// A setting that the chosen sampler doesn't use.
    #[error(
        "{key} is used by --sampler {used_by} only, and the sampler is {sampler}: leave it out or change --sampler"
    )]
    NotForThisSampler {
        /// The key.
        key: &'static Setting,
        /// The chosen sampler.
        sampler: &'static str,
        /// The samplers that use it.
        used_by: String,
    },
    /// A setting of something that was not asked for.
    #[error("{key} has no effect without {switch}: add --{}, or leave it out", switch.flag)]
    NeedsSwitch {
        /// The key.
        key: &'static Setting,
        /// The key of the switch.
        switch: &'static Setting,
    },
    /// A momentum for Adam.
    #[error("{key} is used by --optimizer sgd only: adam has its own moments; leave it out or change --optimizer")]
    AdamHasNoMomentum {
        /// The key.
        key: &'static Setting,
    },
    /// More samples in a minibatch than there are.
    #[error("{key} is {batch_size}: it cannot exceed the number of samples, --num-training-data {num_training_data}")]
    BatchTooLarge {
        /// The key.
        key: &'static Setting,
        /// The minibatch's size.
        batch_size: usize,
        /// The number of samples n.
        num_training_data: usize,
    },
    /// Minibatch gradients for a sampler with an acceptance step.
    #[error(
        "{key} is minibatch: {sampler} accepts or rejects by the exact energy difference, which needs all samples; \
         use --gradient exact, or --sampler {}",
        minibatch_samplers()
    )]
    NeedsExactGradient {
        /// The key.
        key: &'static Setting,
        /// The chosen sampler.
        sampler: &'static str,
    },
    /// Minibatch gradients for a sampler that takes none.
    #[error(
        "{key} is minibatch: {sampler} draws each layer from its exact conditional; leave it out, or use --sampler {}",
        minibatch_samplers()
    )]
    HasNoGradient {
        /// The key.
        key: &'static Setting,
        /// The chosen sampler.
        sampler: &'static str,
    },
    /// A value that the chosen sampler cannot work with.
    #[error("{key} is {found}: {reason}")]
    Unfit {
        /// The key.
        key: &'static Setting,
        /// The value as given.
        found: &'static str,
        /// Why the sampler can't, and what to do.
        reason: &'static str,
    },
    /// A minibatch loss trace where no minibatches are drawn.
    #[error(
        "{key} is {found}: only {} with --gradient minibatch draws minibatches; use --loss-trace full",
        minibatch_samplers()
    )]
    NoMinibatchToTrace {
        /// The key.
        key: &'static Setting,
        /// The loss trace as given.
        found: &'static str,
    },
    /// A preconditioner that doesn't match the network.
    #[error("{key} has {found} entries: give one for each of the {layers} layers")]
    PreconditionerLength {
        /// The key.
        key: &'static Setting,
        /// The number of entries.
        found: usize,
        /// The number of layers.
        layers: usize,
    },
    /// Two ways to set the same inverse temperature.
    #[error("{beta} and {n_beta} are both given: n_beta is n·beta, so give one of them")]
    BetaAndNBeta {
        /// The key of β.
        beta: &'static Setting,
        /// The key of nβ.
        n_beta: &'static Setting,
    },
    /// Two ways to set the same quantity.
    #[error("{first} and {second} are both given, but set the same quantity: give one of them")]
    Alternatives {
        /// The key of one way.
        first: &'static Setting,
        /// The key of the other.
        second: &'static Setting,
    },
    /// A setting that what was chosen elsewhere doesn't use.
    #[error("{key} is used by --{} {used_by} only, and it is {chosen}: leave it out or change --{}", choice.flag, choice.flag)]
    NotForThisChoice {
        /// The key.
        key: &'static Setting,
        /// The key of the choice.
        choice: &'static Setting,
        /// What was chosen.
        chosen: String,
        /// The choices that use it.
        used_by: &'static str,
    },
    /// A value that can't be, for a reason that only another part of the crate knows, such as a network's own.
    #[error("{key}: {reason}")]
    Refused {
        /// The key.
        key: &'static Setting,
        /// Why, and what to do.
        reason: String,
    },
    /// A setting without which there is nothing to do.
    #[error("{key} is missing: {what}")]
    Missing {
        /// The key.
        key: &'static Setting,
        /// What to give, with an example.
        what: &'static str,
    },
    /// Too few draws after warm-up to say anything.
    #[error("{key} is {num_steps}: it keeps {kept} draws of the {needed} needed; give {enough} or more")]
    TooFewDraws {
        /// The key.
        key: &'static Setting,
        /// The number of steps.
        num_steps: usize,
        /// The draws left after thinning and warm-up.
        kept: usize,
        /// The least number of draws to keep.
        needed: usize,
        /// A number of steps that keeps enough.
        enough: usize,
    },
    /// More draws than memory could hold.
    #[error("{key} is {num_steps}: that is {draws:.0e} draws over all chains; record fewer of them, with --thin")]
    TooManyDraws {
        /// The key.
        key: &'static Setting,
        /// The number of steps.
        num_steps: usize,
        /// The draws of all chains.
        draws: f64,
    },
    /// More threads for one chain than there are for all.
    #[error("{key} is {found}: it cannot exceed --threads, which is {threads}; raise --threads or lower it")]
    ThreadsPerChain {
        /// The key.
        key: &'static Setting,
        /// The threads requested for one chain.
        found: usize,
        /// The threads for all chains.
        threads: usize,
    },
    /// A device that doesn't exist.
    #[error("{key}: `{found}` is not a device: give cpu, cuda or cuda:N")]
    UnknownDevice {
        /// The key.
        key: &'static Setting,
        /// The device as given.
        found: String,
    },
    /// A configuration file that cannot be read.
    #[error("--config {}: cannot read the file", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A configuration file that is not TOML.
    #[error("--config {}: line {line}: {message}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// Settings that are not those of the training that a checkpoint is of.
    #[error(
        "the checkpoint {} contradicts these settings: {deviations}; leave them out, or allow the difference by name: \
         --override-checkpoint {}",
        path.display(),
        deviations.0.iter().map(|deviation| deviation.key.flag).collect::<Vec<_>>().join(",")
    )]
    ContradictsCheckpoint {
        /// The file.
        path: PathBuf,
        /// What differs.
        deviations: Deviations,
    },
    /// A run that is not there.
    #[error(
        "--again {given}: no run in {} has this number or name, and it is not the folder of a run; `llc-analysis runs \
         list` lists them",
        folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoRun {
        /// What was given.
        given: String,
        /// Where it was looked for.
        folders: Vec<PathBuf>,
    },
    /// The start of several runs' names.
    #[error("--again {given}: {} and {} others have names that start like this: give the number in brackets, or more \
             of the name", names[0], names.len() - 1)]
    SeveralRuns {
        /// What was given.
        given: String,
        /// Their names, two or more.
        names: Vec<String>,
    },
    /// A run of another subcommand.
    #[error("--again {given} is a run of `llc {found}`, and `llc {wanted}` can't use its settings")]
    OtherExperiment {
        /// What was given.
        given: String,
        /// What that is a run of.
        found: String,
        /// The allowed values.
        wanted: String,
    },
    /// A malformed address of a MongoDB.
    #[error(transparent)]
    Mongo(#[from] AddressError),
    /// An address of a MongoDB in a program that was built without it.
    #[error(
        "--mongo: this program was built without MongoDB; build it with the feature `mongo`, or leave the address out"
    )]
    NoMongo,
    /// A folder for records that cannot be written.
    #[error("--file-storage {}: cannot write there, choose another folder with -F", path.display())]
    Storage {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The samplers that draw minibatches.
pub(super) fn minibatch_samplers() -> String {
    SamplerKind::those(|about| about.gradient == GradientNeed::Minibatch)
}
