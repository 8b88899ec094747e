//! `llc data`: downloads datasets, checks them, measures them and shows them.

mod show;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, bail};
use clap::builder::PossibleValuesParser;
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use llc::data::fetch::{self, FetchError, Progress, Stage};
use llc::data::{DataError, DatasetName, Pictures, Split, Statistics};
use llc::words::counted;

use crate::cli::{self, Outcome};

const FETCH_EXAMPLES: &str = "\
Examples:
  llc data fetch cifar10
  llc data fetch mnist --data-dir ~/data
  llc data fetch fashion-mnist --from https://mirror.example.org/fashion-mnist

Repeat the command to continue an interrupted download.";

const CHECK_EXAMPLES: &str = "\
Examples:
  llc data check data/cifar10
  llc data check data/fashion-mnist --dataset fashion-mnist";

const STATS_EXAMPLES: &str = "\
Examples:
  llc data stats data/cifar10
  llc data stats data/cifar10 --crop 28 --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  llc data show data/cifar10 --grid images.png
  llc data show data/cifar10 --grid corrupted.png --crop 28 --pixels all
  llc data show data/cifar10 --label-corruption 0.5 --seed 12345";

#[derive(Debug, Subcommand)]
enum Task {
    /// Download a dataset, check it against its publisher's digests, and unpack it
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch(FetchArgs),
    /// Read every file of a dataset and count its images
    #[command(after_help = CHECK_EXAMPLES)]
    Check(SourceArgs),
    /// Print the mean and standard deviation of each channel
    #[command(after_help = STATS_EXAMPLES)]
    Stats(StatsArgs),
    /// Draw a grid of original and corrupted images, and print their labels before and after
    #[command(after_help = SHOW_EXAMPLES)]
    Show(show::ShowArgs),
}

#[derive(Debug, Args)]
struct FetchArgs {
    /// The dataset
    #[arg(value_parser = PossibleValuesParser::new(["cifar10", "mnist", "fashion-mnist"]))]
    name: String,
    /// Address of a folder with the files under their published names, instead of the original address
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Folder of the datasets [default: $LLC_DATA, else data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SourceArgs {
    /// Folder of the dataset, or its parent
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Name of the dataset [default: guessed from the folder's files]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(DatasetName::ALL.map(DatasetName::as_str)))]
    dataset: Option<String>,
}

#[derive(Debug, Args)]
struct StatsArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Part of the dataset
    #[arg(long, default_value = "train", value_parser = PossibleValuesParser::new(["train", "test"]))]
    split: String,
    /// Side of the central square that each image is cropped to
    #[arg(long, value_name = "SIZE")]
    crop: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The subcommand `data`, with a subcommand for each task.
pub fn command() -> Command {
    let command = Command::new("data").about("Fetch, check, measure and show datasets");
    Task::augment_subcommands(command.subcommand_required(true).arg_required_else_help(true))
}

/// Does what was asked for.
pub fn run(matches: &ArgMatches, cancel: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
    match Task::from_arg_matches(matches)? {
        Task::Fetch(args) => fetch(&args, cancel),
        Task::Check(args) => check(&args),
        Task::Stats(args) => stats(&args),
        Task::Show(args) => show::show(&args),
    }
}

impl SourceArgs {
    /// The dataset in the folder.
    fn name(&self) -> anyhow::Result<DatasetName> {
        if let Some(name) = &self.dataset {
            return name.parse().map_err(anyhow::Error::msg);
        }
        let guess = DatasetName::guess(&self.dir);
        guess.with_context(|| {
            let dir = self.dir.display();
            format!(
                "{dir}: no known dataset: expected CIFAR-10's batches, MNIST's IDX files or a folder for each class; \
                 `llc data fetch cifar10` downloads one"
            )
        })
    }

    fn load(&self, split: &str) -> anyhow::Result<Pictures> {
        let split = if split == "test" { Split::Test } else { Split::Train };
        Ok(llc::data::load(self.name()?, &self.dir, split)?)
    }
}

fn fetch(args: &FetchArgs, cancel: &AtomicBool) -> anyhow::Result<Outcome> {
    let name: DatasetName = args.name.parse().map_err(anyhow::Error::msg)?;
    let Some(published) = name.published() else {
        bail!("{name} is not a published dataset: there is nothing to fetch")
    };
    let from_environment = || env::var_os("LLC_DATA").map(PathBuf::from);
    let data_dir = args.data_dir.clone().or_else(from_environment).unwrap_or_else(|| PathBuf::from("data"));
    let bar = ProgressBar::no_length();
    let template = "{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let fetched = fetch::fetch(&published, args.from.as_deref(), &data_dir, cancel, &mut |progress| {
        show_progress(&bar, progress)
    });
    bar.finish_and_clear();
    match fetched {
        Ok(dir) => {
            let mut text = format!("{}: {}", dir.display(), heading(name, &dir));
            for split in [Split::Train, Split::Test] {
                text += &split_summary(name, &dir, split)?;
            }
            cli::print(&text)?;
            Ok(Outcome::Done)
        }
        Err(FetchError::Cancelled) => {
            cli::print("interrupted: the same command continues from here\n")?;
            Ok(Outcome::Interrupted)
        }
        Err(error) => Err(error.into()),
    }
}

fn show_progress(bar: &ProgressBar, progress: Progress) {
    match progress.stage {
        Stage::Present => bar.println(format!("{} exists already", progress.file)),
        Stage::Downloading => {
            bar.set_prefix(progress.file.to_owned());
            bar.set_length(progress.total_bytes.unwrap_or(progress.num_bytes));
            bar.set_position(progress.num_bytes);
        }
        Stage::Unpacking => bar.set_prefix(format!("unpacking {}", progress.file)),
    }
}

fn check(args: &SourceArgs) -> anyhow::Result<Outcome> {
    let name = args.name()?;
    let [train, test] = [Split::Train, Split::Test].map(|split| split_summary(name, &args.dir, split));
    // A correct split is reported even if the other one is not correct.
    let right: String = [&train, &test].into_iter().flatten().map(String::as_str).collect();
    if !right.is_empty() {
        cli::print(&(heading(name, &args.dir) + &right))?;
    }
    train.and(test)?;
    Ok(Outcome::Done)
}

/// The dataset and how the folder holds it.
fn heading(name: DatasetName, dir: &Path) -> String {
    let layout = name.locate(dir).map_or("nothing", |(_, layout)| layout.as_str());
    format!("{name}, {layout}\n")
}

/// What is in a split, in a line.
fn split_summary(name: DatasetName, dir: &Path, split: Split) -> Result<String, DataError> {
    let pictures = llc::data::load(name, dir, split)?;
    let [channels, height, width] = pictures.shape;
    let counts = pictures.class_counts();
    let fewest = counts.iter().min().copied().unwrap_or_default();
    let most = counts.iter().max().copied().unwrap_or_default();
    let each = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
    let (n, split_name, num_classes) = (pictures.len(), split.as_str(), counts.len());
    let part = match name.published_len(split) {
        Some(published) if published != n => format!(" (a part of the {published} published)"),
        _ => String::new(),
    };
    let (pictures, classes) =
        (counted(n, "image"), if num_classes == 1 { "1 class".to_owned() } else { format!("{num_classes} classes") });
    Ok(format!("{split_name}: {pictures} of {channels}×{height}×{width}, {classes} of {each}{part}\n"))
}

fn stats(args: &StatsArgs) -> anyhow::Result<Outcome> {
    let pictures = args.source.load(&args.split)?;
    let found = Statistics::of(&pictures.cropped(args.crop.unwrap_or(usize::MAX))?);
    let text = if args.json {
        format!("{}\n", serde_json::to_string(&found)?)
    } else {
        let [channels, height, width] = found.shape;
        let mut text =
            format!("{} of {channels}×{height}×{width}, in units of 255 levels\n", counted(found.n, "image"));
        for (channel, (mean, deviation)) in found.mean.iter().zip(&found.deviation).enumerate() {
            text += &format!("channel {channel}: mean {mean:.6}, standard deviation {deviation:.6}\n");
        }
        text
    };
    cli::print(&text)?;
    Ok(Outcome::Done)
}
