//! `llc data show`: images in a grid, as they are and corrupted, and what became of the labels.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use llc::data::{Corruption, LabelCorruption, Normalise, Pictures, PixelCorruption, Statistics, grid};

use super::SourceArgs;
use crate::cli::{self, Outcome};

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Write the grid to this PNG file
    #[arg(long, value_name = "FILE")]
    grid: Option<PathBuf>,
    /// Part of the dataset
    #[arg(long, default_value = "train", value_parser = PossibleValuesParser::new(["train", "test"]))]
    split: String,
    /// Side of the central square that each image is cropped to
    #[arg(long, value_name = "SIZE")]
    crop: Option<usize>,
    /// Number of images in the grid, the first ones of the dataset
    #[arg(long, value_name = "COUNT", default_value_t = 40)]
    count: usize,
    /// Number of images in a row
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    columns: u16,
    /// Side of a pixel in the grid
    #[arg(long, value_name = "PIXELS", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    scale: u8,
    /// Also show each image with corrupted pixels, below it: of one kind, or of all kinds
    #[arg(long, value_name = "KIND", default_value = "none", value_parser = PossibleValuesParser::new(KINDS.map(|(name, _)| name)))]
    pixels: String,
    /// Probability that a label is redrawn
    #[arg(long, value_name = "LEVEL", conflicts_with = "permute_labels")]
    label_corruption: Option<f64>,
    /// Permute the labels
    #[arg(long)]
    permute_labels: bool,
    /// Seed of the corruption
    #[arg(long, default_value_t = 42)]
    seed: u32,
}

/// The choices of `--pixels`, and what each shows below the images themselves.
const KINDS: [(&str, &[PixelCorruption]); 5] = [
    ("none", &[]),
    ("shuffled", &[PixelCorruption::Shuffled]),
    ("random", &[PixelCorruption::Random]),
    ("gaussian", &[PixelCorruption::Gaussian]),
    ("all", &[PixelCorruption::Shuffled, PixelCorruption::Random, PixelCorruption::Gaussian]),
];

/// Writes the grid and prints its labels.
pub fn show(args: &ShowArgs) -> anyhow::Result<Outcome> {
    let all = args.source.load(&args.split)?.cropped(args.crop.unwrap_or(usize::MAX))?;
    let labels = match (args.label_corruption, args.permute_labels) {
        (Some(level), _) => LabelCorruption::Random { level },
        (None, true) => LabelCorruption::Permuted,
        (None, false) => LabelCorruption::None,
    };
    if args.grid.is_none() && labels == LabelCorruption::None {
        bail!("nothing to show: give --grid FILE, or --label-corruption LEVEL");
    }
    let corruption = Corruption { labels, seed: args.seed, ..Corruption::default() };
    let none = all.subset(&[]);
    let new_labels = corruption.apply(&all, &none, &Normalise::Scale)?.train.labels;
    // Images are corrupted one after the other: the first ones come out the same without the rest.
    let first = all.subset(&(0..args.count.min(all.len())).collect::<Vec<_>>());
    let mut text = String::new();
    if let Some(path) = &args.grid {
        let kinds = KINDS.iter().find(|(name, _)| *name == args.pixels).map_or(&[][..], |(_, kinds)| kinds);
        let mut variants = vec![first.clone()];
        for kind in kinds {
            variants.push(corrupted(&first, *kind, &all, args.seed)?);
        }
        let columns = usize::from(args.columns);
        let image = grid(&variants, columns, usize::from(args.scale));
        image.save(path).with_context(|| format!("{}: cannot be written", path.display()))?;
        let [_, height, width] = first.shape;
        text += &format!(
            "{}: {} images of {height}×{width}, {} lines for each\n",
            path.display(),
            first.len(),
            variants.len()
        );
        let names: Vec<String> = (0..first.len()).map(|index| label(&all, &new_labels, index)).collect();
        for (line, names) in names.chunks(columns).enumerate() {
            text += &format!("{:>4}: {}\n", line * columns, names.join(" "));
        }
    }
    if labels != LabelCorruption::None {
        text += &confusion(&all, &new_labels, args.label_corruption);
    }
    cli::print(&text)?;
    Ok(Outcome::Done)
}

/// The images with corrupted pixels; noise has the dataset's own mean and deviation in each channel.
fn corrupted(first: &Pictures, pixels: PixelCorruption, all: &Pictures, seed: u32) -> anyhow::Result<Pictures> {
    let Statistics { mean, deviation, .. } = Statistics::of(all);
    let [mean, deviation] =
        [mean, deviation].map(|numbers| numbers.iter().map(|x| (*x as f32).max(f32::MIN_POSITIVE)).collect());
    let corruption = Corruption { pixels, seed, ..Corruption::default() };
    let corrupted = corruption.apply(first, &first.subset(&[]), &Normalise::Channels { mean, deviation })?;
    Ok(match corrupted.noise {
        None => corrupted.train,
        Some([noise, _]) => {
            let pixels = noise.iter().map(|x| (x * 255.0).round() as u8).collect();
            Pictures { pixels, ..corrupted.train }
        }
    })
}

/// An image's class, and the one that it was given.
fn label(pictures: &Pictures, new_labels: &[u8], index: usize) -> String {
    let [old, new] = [pictures.labels[index], new_labels[index]].map(|label| &pictures.classes[usize::from(label)]);
    if old == new { old.clone() } else { format!("{old}→{new}") }
}

/// How many labels are not what they were, beside what the level lets expect.
fn confusion(pictures: &Pictures, new_labels: &[u8], level: Option<f64>) -> String {
    let n = pictures.len();
    let changed = pictures.labels.iter().zip(new_labels).filter(|(old, new)| old != new).count();
    let share = changed as f64 / n.max(1) as f64;
    let mut text = format!("labels: {changed} of {n} changed, {share:.4}");
    if let Some(level) = level {
        let num_classes = pictures.classes.len() as f64;
        text += &format!("; expected at level {level}: {:.4}", level * (1.0 - 1.0 / num_classes));
    }
    text + "\n"
}
