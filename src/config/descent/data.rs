//! Configures the samples of a gradient descent: the same number from each of a few classes.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::network::{DataDefaults, PreprocessingConfig, data};
use crate::config::sampler::keys::text;
use crate::config::{ConfigError, Kind, RawConfig, Setting, Value};
use crate::data::{DatasetName, Normalise, Split};

const DATA: DataDefaults = DataDefaults { name: DatasetName::Mnist, is_normalised: false };
const TRAIN_SIZE: usize = 512;
const CROP: usize = 28;
const PREPROCESSING: &str = "whitening";
/// The settings that data of other experiments have too.
const SHARED: [&str; 6] = ["data.name", "data.dir", "data.crop", "data.preprocessing", "data.mean", "data.deviation"];

/// The samples, in files the table `data`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SelectedDataConfig {
    /// Which images.
    pub name: DatasetName,
    /// The folder that they are in, if it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// The part of them that is learnt from.
    pub split: Split,
    /// The classes, in the order of their labels; all if there is none.
    #[serde(serialize_with = "joined", skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Samples in all, the same number from each class.
    pub train_size: usize,
    /// Seed of the choice of samples; `None` takes the first by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection_seed: Option<u32>,
    /// Seed of the permutation of the labels; `None` leaves them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_seed: Option<u32>,
    /// Side of the square that is cut out of the middle; larger ones leave an image as it is.
    pub crop: usize,
    /// What a network sees of the bytes.
    #[serde(flatten)]
    pub preprocessing: PreprocessingConfig,
}

fn joined<S: serde::Serializer>(classes: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&classes.join(","))
}

impl SelectedDataConfig {
    /// What a network sees of the images, as [`crate::data`] has it.
    pub fn normalise(&self) -> Normalise {
        self.preprocessing.normalise()
    }

    /// The shape of an input and the number of classes, if the dataset's name fixes them.
    pub fn shape(&self) -> Option<([usize; 3], usize)> {
        let [channels, height, width] = data::picture_shape(self.name)?;
        Some(([channels, height.min(self.crop), width.min(self.crop)], self.classes.len()))
    }
}

/// The settings of the data, in the order of `--help`.
pub(super) fn keys() -> Vec<Setting> {
    let shared = data::keys(&DATA).into_iter().filter(|key| SHARED.contains(&key.path));
    let mut keys: Vec<Setting> = shared.collect();
    for key in &mut keys {
        match key.path {
            "data.crop" => {
                key.help = text(format!(
                    "Crop each image to a central square of this side; smaller images stay whole (crop_size) \
                     [default: {CROP}]"
                ));
            }
            "data.preprocessing" => {
                key.help = "Inputs of the network: bytes over 255; by channel, minus --mean, over --deviation; or \
                            each image minus its own mean, over its own deviation (whiten_images) [default: \
                            whitening]";
            }
            "data.dir" => key.help = "Folder of the images (data_path) [default: $LLC_DATA, else data]",
            _ => {}
        }
    }
    keys.extend([
        Setting::new(
            "data.split",
            "split",
            Kind::Choice(&["train", "test"]),
            "train|test",
            "Part of the dataset to train on [default: train]",
        ),
        Setting::new(
            "data.classes",
            "classes",
            Kind::Text,
            "NAMES",
            "Only these classes, labelled 0, 1, … in this order (classification_labels): 3,7 [default: 3,7 of mnist, else all]",
        )
        .chosen_for(&["data.name"]),
        Setting::new(
            "data.train_size",
            "train-size",
            Kind::Whole,
            "N",
            text(format!("Total number of samples, the same from each class (dataset_size) [default: {TRAIN_SIZE}, or \
                          the multiple of the classes below]")),
        ),
        Setting::new(
            "data.selection_seed",
            "selection-seed",
            Kind::Whole,
            "SEED",
            "Choose the samples at random, as PyTorch does with this seed (randomize_dataset_seed) [default: the \
             first by name]",
        ),
        Setting::new(
            "data.label_seed",
            "label-seed",
            Kind::Whole,
            "SEED",
            "Permute the labels, as PyTorch does with this seed (randomize_labels_seed) [default: the true labels]",
        ),
    ]);
    keys
}

/// The data that `raw` asks for.
pub(super) fn check(raw: &RawConfig) -> Result<SelectedDataConfig, ConfigError> {
    // The published preprocessing goes under what was set; a crop larger than the images is none here.
    let mut shared = raw.clone();
    shared.fill("data.preprocessing", Value::Text(PREPROCESSING.to_owned()));
    shared.remove("data.crop");
    let data::DataConfig { name, dir, preprocessing, .. } = data::check(&shared, &DATA)?;
    let classes = classes(raw, name)?;
    let path = "data.train_size";
    // By default as many as published, or the multiple of the classes below.
    let train_size = raw.count(path, 1)?.unwrap_or(TRAIN_SIZE - TRAIN_SIZE % classes.len().max(1));
    if !classes.is_empty() && !train_size.is_multiple_of(classes.len()) {
        let n = classes.len();
        let reason = format!("{train_size} samples can't be divided equally among {n} classes: give a multiple of {n}");
        return Err(ConfigError::Refused { key: raw.key(path)?, reason });
    }
    let crop = raw.count("data.crop", 1)?.unwrap_or(CROP);
    if let Some([_, height, width]) = data::picture_shape(name)
        && [height, width].iter().any(|side| side.saturating_sub(crop) % 2 == 1)
    {
        let reason = format!("{crop} out of {height} has no centre: the difference must be even; give {}", crop + 1);
        return Err(ConfigError::Refused { key: raw.key("data.crop")?, reason });
    }
    Ok(SelectedDataConfig {
        name,
        dir,
        split: if raw.word("data.split") == Some("test") { Split::Test } else { Split::Train },
        classes,
        train_size,
        selection_seed: seed(raw, "data.selection_seed")?,
        label_seed: seed(raw, "data.label_seed")?,
        crop,
        preprocessing,
    })
}

/// A seed of PyTorch's generator, which uses 32 bits.
pub(super) fn seed(raw: &RawConfig, path: &str) -> Result<Option<u32>, ConfigError> {
    let too_large = |found| {
        let key = raw.key(path)?;
        Err(ConfigError::TooLarge { key, found, maximum: u32::MAX.into() })
    };
    raw.whole(path).map(|found| u32::try_from(found).or_else(|_| too_large(found))).transpose()
}

/// The classes, at least two.
fn classes(raw: &RawConfig, name: DatasetName) -> Result<Vec<String>, ConfigError> {
    let key = raw.key("data.classes")?;
    let Some(text) = raw.word(key.path) else {
        let chosen: &[&str] = if name == DatasetName::Mnist { &["3", "7"] } else { name.classes() };
        return Ok(chosen.iter().map(|&class| class.to_owned()).collect());
    };
    let refused = |reason: String| Err(ConfigError::Refused { key, reason });
    let classes: Vec<String> = text.trim_matches(['[', ']']).split(',').map(|class| class.trim().to_owned()).collect();
    let known = name.classes();
    let unknown = classes.iter().find(|class| !known.is_empty() && !known.contains(&class.as_str()));
    if let Some(class) = unknown {
        return refused(format!("no class is called `{class}`: the classes of {name} are {}", known.join(", ")));
    }
    if let Some(twice) = (1..classes.len()).find(|&i| classes[..i].contains(&classes[i])) {
        return refused(format!("`{}` is given twice: give each class once", classes[twice]));
    }
    if classes.len() < 2 {
        return refused("one class is not enough to classify: give two or more, such as 3,7".to_owned());
    }
    Ok(classes)
}
