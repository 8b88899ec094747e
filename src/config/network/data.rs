//! Configures the images: which, where, how many, how they are corrupted and what a network sees of them.

use llc_core::setting::{Choice, choice};
use std::path::PathBuf;

use serde::Serialize;

use super::text;
use crate::config::{ConfigError, Kind, RawConfig, Setting, Value};
use crate::data::{self, Corruption, DatasetName, Normalise, PixelCorruption, Preprocessing, Stream};

const NAME: &str = "data.name";
const PREPROCESSING: &str = "data.preprocessing";

/// The images, in files the table `data`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DataConfig {
    /// Which.
    pub name: DatasetName,
    /// The folder that they are in, if it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Number of training images used, the first ones; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_size: Option<usize>,
    /// Number of test images used, the first ones; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_size: Option<usize>,
    /// Share of the labels that are drawn again, in [0, 1].
    pub label_corruption: f64,
    /// How they are.
    pub label_corruption_kind: LabelCorruption,
    /// What happens to the pixels.
    pub pixel_corruption: PixelCorruption,
    /// Whether the labels of the test data are corrupted as well.
    pub corrupt_test: bool,
    /// Seed of the corruption, its own stream, below 2³².
    pub corruption_seed: u64,
    /// Side of the square that is cut out of the middle, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<usize>,
    /// What a network sees of the bytes.
    #[serde(flatten)]
    pub preprocessing: PreprocessingConfig,
}

/// How labels are corrupted, at the level p of `label_corruption`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelCorruption {
    /// Each with probability p is drawn again from all classes, training and test data each from the start of the stream.
    Random,
    /// The same in one stream through the training data and then the test data.
    RandomJoint,
    /// All are permuted; p has no say.
    Permuted,
    /// Exactly ⌊n·p⌋ are drawn again.
    Noise,
}

choice!(LabelCorruption: Random = "random", RandomJoint = "random-joint", Permuted = "permuted", Noise = "noise");

/// What a network sees of the bytes b in 0 … 255.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "preprocessing", rename_all = "kebab-case")]
pub enum PreprocessingConfig {
    /// b/255.
    Scale,
    /// (b/255 − mean)/deviation, by channel.
    Channels {
        /// The means, of b/255.
        mean: Vec<f64>,
        /// The deviations, above 0.
        deviation: Vec<f64>,
    },
    /// (b − mean)/deviation, both of the image itself.
    Whitening,
}

impl PreprocessingConfig {
    /// The same as [`crate::data`] has it.
    pub fn normalise(&self) -> Normalise {
        let single = |numbers: &[f64]| numbers.iter().map(|&number| number as f32).collect();
        match self {
            PreprocessingConfig::Scale => Normalise::Scale,
            PreprocessingConfig::Channels { mean, deviation } => {
                Normalise::Channels { mean: single(mean), deviation: single(deviation) }
            }
            PreprocessingConfig::Whitening => Normalise::Whitening,
        }
    }
}

impl DataConfig {
    /// What a network sees of the images, as [`crate::data`] has it.
    pub fn preprocessing(&self) -> Preprocessing {
        Preprocessing { crop: self.crop, normalise: self.preprocessing.normalise() }
    }

    /// What becomes of labels and pixels, as [`crate::data`] has it.
    pub fn corruption(&self) -> Corruption {
        let level = self.label_corruption;
        let labels = match self.label_corruption_kind {
            LabelCorruption::Permuted => data::LabelCorruption::Permuted,
            _ if level == 0.0 => data::LabelCorruption::None,
            LabelCorruption::Noise => data::LabelCorruption::Noise { level },
            LabelCorruption::Random | LabelCorruption::RandomJoint => data::LabelCorruption::Random { level },
        };
        let is_joint = self.label_corruption_kind == LabelCorruption::RandomJoint;
        Corruption {
            labels,
            pixels: self.pixel_corruption,
            // The check has seen to it that it fits.
            seed: u32::try_from(self.corruption_seed).unwrap_or(u32::MAX),
            stream: if is_joint { Stream::Joint } else { Stream::Each },
            has_clean_test: !self.corrupt_test,
        }
    }

    /// The shape of an input and the number of classes, if the dataset's name fixes them.
    pub fn shape(&self) -> Option<([usize; 3], usize)> {
        let [channels, height, width] = picture_shape(self.name)?;
        let side = |length: usize| self.crop.map_or(length, |crop| crop.min(length));
        Some(([channels, side(height), side(width)], self.name.classes().len()))
    }
}

/// The shape of a dataset's images, where all of its name have one.
pub(in crate::config) fn picture_shape(name: DatasetName) -> Option<[usize; 3]> {
    match name {
        DatasetName::Cifar10 => Some([3, 32, 32]),
        DatasetName::Mnist | DatasetName::FashionMnist => Some([1, 28, 28]),
        _ => None,
    }
}

/// Mean and deviation of a dataset's training images, of bytes over 255, as they are usually given.
fn published_statistics(name: DatasetName) -> Option<(Vec<f64>, Vec<f64>)> {
    let levels = |levels: [f64; 3]| levels.map(|level| level / 255.0).to_vec();
    match name {
        // With the wide residual networks, in levels.
        DatasetName::Cifar10 => Some((levels([125.3, 123.0, 113.9]), levels([63.0, 62.1, 66.7]))),
        DatasetName::Mnist => Some((vec![0.1307], vec![0.3081])),
        DatasetName::FashionMnist => Some((vec![0.286], vec![0.353])),
        _ => None,
    }
}

/// What an experiment takes where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataDefaults {
    /// The images.
    pub name: DatasetName,
    /// Whether they are normalised, rather than only scaled to [0, 1].
    pub is_normalised: bool,
}

/// Seed of corruptions where none is given.
const CORRUPTION_SEED: u64 = 42;

/// The settings of the data, in the order of `--help`.
pub fn keys(defaults: &DataDefaults) -> Vec<Setting> {
    let preprocessing = if defaults.is_normalised { "channels" } else { "scale" };
    vec![
        Setting::new(
            NAME,
            "data",
            Kind::Choice(&["cifar10", "mnist", "fashion-mnist", "image-folder"]),
            "cifar10|mnist|fashion-mnist|image-folder",
            text(format!("The dataset [default: {}]", defaults.name)),
        ),
        Setting::new(
            "data.dir",
            "data-dir",
            Kind::Text,
            "DIR",
            "Folder of the dataset [default: $LLC_DATA, else data]",
        ),
        Setting::new(
            "data.train_size",
            "train-size",
            Kind::Whole,
            "N",
            "Use only the first N training images, with the same corruption as in the full set [default: all]",
        ),
        Setting::new(
            "data.test_size",
            "test-size",
            Kind::Whole,
            "N",
            "Use only the first N test images [default: all]",
        ),
        Setting::new(
            "data.label_corruption",
            "label-corruption",
            Kind::Real,
            "SHARE",
            "Share of the labels that are redrawn, in [0, 1] [default: 0]",
        ),
        Setting::new(
            "data.label_corruption_kind",
            "label-corruption-kind",
            Kind::Choice(LabelCorruption::NAMES),
            "KIND",
            "random: each label with this probability, from the same stream in training and test data; random-joint: \
             one stream for training data, test data and pixels; permuted: the labels are permuted; noise: exactly \
             this share of the labels [default: random]",
        ),
        Setting::new(
            "data.pixel_corruption",
            "pixel-corruption",
            Kind::Choice(PixelCorruption::NAMES),
            "KIND",
            "shuffled: one permutation of the pixels for all images; random: one for each image; gaussian: noise \
             instead of pixels [default: none]",
        ),
        Setting::new(
            "data.corrupt_test",
            "corrupt-test",
            Kind::Switch,
            "on|off",
            "Also corrupt the labels of the test data, as published; `--corrupt-test=off` leaves them clean [default: \
             on]",
        ),
        Setting::new(
            "data.corruption_seed",
            "corruption-seed",
            Kind::Whole,
            "SEED",
            text(format!("Seed of the corruption, below 2^32, independent of --seed [default: {CORRUPTION_SEED}]")),
        ),
        Setting::new(
            "data.crop",
            "crop",
            Kind::Whole,
            "SIDE",
            "Crop each image to a central square of this side [default: none]",
        ),
        Setting::new(
            PREPROCESSING,
            "preprocessing",
            Kind::Choice(&["scale", "channels", "whitening"]),
            "scale|channels|whitening",
            text(format!(
                "Inputs of the network: bytes over 255; by channel, minus --mean, over --deviation; or each image \
                 minus its own mean, over its own deviation [default: {preprocessing}]"
            )),
        ),
        Setting::new(
            "data.mean",
            "mean",
            Kind::RealList,
            "MEANS",
            "channels: mean of each channel in [0, 1] [default: the dataset's published mean]",
        )
        .chosen_for(&[NAME, PREPROCESSING]),
        Setting::new(
            "data.deviation",
            "deviation",
            Kind::RealList,
            "DEVIATIONS",
            "channels: standard deviation of each channel in [0, 1] [default: the dataset's published deviation]",
        )
        .chosen_for(&[NAME, PREPROCESSING]),
    ]
}

/// The data that `raw` asks for.
///
/// # Errors
///
/// The [`ConfigError`] of the first setting that is not legal.
pub fn check(raw: &RawConfig, defaults: &DataDefaults) -> Result<DataConfig, ConfigError> {
    let name = raw.word(NAME).and_then(|name| name.parse().ok()).unwrap_or(defaults.name);
    let path = "data.corruption_seed";
    let corruption_seed = raw.whole(path).unwrap_or(CORRUPTION_SEED);
    if corruption_seed > u64::from(u32::MAX) {
        return Err(ConfigError::TooLarge { key: raw.key(path)?, found: corruption_seed, maximum: u32::MAX.into() });
    }
    let unit = |value: f64| (0.0..=1.0).contains(&value);
    let path = "data.crop";
    let crop = raw.count(path, 1)?;
    if let (Some(found), Some([_, height, width])) = (crop, picture_shape(name))
        && found > height.min(width)
    {
        return Err(ConfigError::TooLarge {
            key: raw.key(path)?,
            found: found as u64,
            maximum: height.min(width) as u64,
        });
    }
    Ok(DataConfig {
        name,
        dir: raw.word("data.dir").map(PathBuf::from),
        train_size: raw.count("data.train_size", 1)?,
        test_size: raw.count("data.test_size", 1)?,
        label_corruption: raw.within("data.label_corruption", "[0, 1]", unit)?.unwrap_or(0.0),
        label_corruption_kind: raw.choice("data.label_corruption_kind").unwrap_or(LabelCorruption::Random),
        pixel_corruption: raw.choice("data.pixel_corruption").unwrap_or(PixelCorruption::None),
        corrupt_test: raw.word("data.corrupt_test") != Some("off"),
        corruption_seed,
        crop,
        preprocessing: preprocessing(raw, name, defaults)?,
    })
}

fn preprocessing(
    raw: &RawConfig,
    name: DatasetName,
    defaults: &DataDefaults,
) -> Result<PreprocessingConfig, ConfigError> {
    let chosen = raw.word(PREPROCESSING).unwrap_or(if defaults.is_normalised { "channels" } else { "scale" });
    for path in ["data.mean", "data.deviation"] {
        if chosen != "channels" && raw.get(path).is_some() {
            let (key, choice) = (raw.key(path)?, raw.key(PREPROCESSING)?);
            return Err(ConfigError::NotForThisChoice { key, choice, chosen: chosen.to_owned(), used_by: "channels" });
        }
    }
    Ok(match chosen {
        "whitening" => PreprocessingConfig::Whitening,
        "scale" => PreprocessingConfig::Scale,
        _ => {
            let (mean, deviation) = published_statistics(name).unzip();
            let mean = channels(raw, "data.mean", name, mean)?;
            let deviation = channels(raw, "data.deviation", name, deviation)?;
            if let Some(&found) = deviation.iter().find(|&&deviation| deviation <= 0.0) {
                return Err(ConfigError::NotPositive { key: raw.key("data.deviation")?, found });
            }
            PreprocessingConfig::Channels { mean, deviation }
        }
    })
}

/// One finite number for each channel.
fn channels(
    raw: &RawConfig,
    path: &'static str,
    name: DatasetName,
    published: Option<Vec<f64>>,
) -> Result<Vec<f64>, ConfigError> {
    let key = raw.key(path)?;
    let numbers = match (raw.get(path), published) {
        (Some(Value::RealList(numbers)), _) => numbers.clone(),
        (_, Some(numbers)) => numbers,
        _ => {
            let what = "this dataset has no published value: use the one that `llc data stats DIR` prints, or \
                        --preprocessing scale";
            return Err(ConfigError::Missing { key, what });
        }
    };
    if let Some(&found) = numbers.iter().find(|number| !number.is_finite()) {
        return Err(ConfigError::NotFinite { key, found });
    }
    if let Some([channels, ..]) = picture_shape(name)
        && channels != numbers.len()
    {
        let reason = format!("{} numbers for {channels} channels: give one for each", numbers.len());
        return Err(ConfigError::Refused { key, reason });
    }
    Ok(numbers)
}
