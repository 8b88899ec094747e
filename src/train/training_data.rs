//! Loads the samples of a training as its configuration says: crop, corruption, then the first N.

use tch::TchError;

use crate::config::network::DataConfig;
use crate::data::{Corrupted, DataError, Pictures, Split, find_dir, load};
use crate::samples::Samples;

/// What a network is trained and tested on.
#[derive(Debug, Clone)]
pub struct TrainingData {
    /// The training samples, corrupted if that was asked for.
    pub train: Samples,
    /// The test samples, likewise.
    pub test: Samples,
    /// The labels that the training samples had before.
    pub clean_train_labels: Vec<u8>,
    /// The labels that the test samples had before.
    pub clean_test_labels: Vec<u8>,
}

/// Why there are no samples.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingDataError {
    /// A file, or what it holds.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Images that don't fit what is to be made of them.
    #[error("{}", .0.to_string().lines().next().unwrap_or_default())]
    Samples(TchError),
}

impl From<TchError> for TrainingDataError {
    fn from(error: TchError) -> Self {
        Self::Samples(error)
    }
}

impl TrainingData {
    /// Loads it from the folder that `config` names, or from where data are looked for.
    ///
    /// # Errors
    /// [`TrainingDataError`]: a missing or damaged file, or settings that don't fit the images.
    pub fn load(config: &DataConfig) -> Result<TrainingData, TrainingDataError> {
        let dir = find_dir(config.name, config.dir.as_deref())?;
        let read = |split| -> Result<Pictures, DataError> {
            let pictures = load(config.name, &dir, split)?;
            config.crop.map_or(Ok(pictures.clone()), |size| pictures.cropped(size))
        };
        TrainingData::of(config, &read(Split::Train)?, &read(Split::Test)?)
    }

    /// The same of images that are loaded and cropped already.
    ///
    /// # Errors
    /// As [`TrainingData::load`].
    pub fn of(config: &DataConfig, train: &Pictures, test: &Pictures) -> Result<TrainingData, TrainingDataError> {
        let preprocessing = config.preprocessing();
        let mut corrupted = config.corruption().apply(train, test, &preprocessing.normalise)?;
        let sizes = [(config.train_size, train.len()), (config.test_size, test.len())];
        let [num_train, num_test] = sizes.map(|(size, n)| size.unwrap_or(n).min(n));
        truncate(&mut corrupted, num_train, num_test);
        let [train_samples, test_samples] = corrupted.samples(&preprocessing)?;
        Ok(TrainingData {
            train: train_samples.with_origin(config.clone()),
            test: test_samples,
            clean_train_labels: train.labels[..num_train].to_vec(),
            clean_test_labels: test.labels[..num_test].to_vec(),
        })
    }

    /// Share of the training labels that are not what they were: about 0.9·p of ten classes at level p, since a label drawn again may
    /// be the same.
    pub fn share_of_changed_labels(&self) -> f64 {
        let pairs = self.train.labels().iter().zip(&self.clean_train_labels);
        pairs.filter(|(now, before)| now != before).count() as f64 / self.clean_train_labels.len().max(1) as f64
    }
}

/// Keeps the first samples of each set.
fn truncate(corrupted: &mut Corrupted, num_train: usize, num_test: usize) {
    let keep = |pictures: &mut Pictures, n: usize| {
        let len = pictures.picture_len();
        pictures.labels.truncate(n);
        pictures.pixels.truncate(n * len);
        n * len
    };
    let kept = [keep(&mut corrupted.train, num_train), keep(&mut corrupted.test, num_test)];
    for (noise, kept) in corrupted.noise.iter_mut().flatten().zip(kept) {
        noise.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::network::{DataDefaults, data};
    use crate::config::{RawConfig, Setting};
    use crate::data::DatasetName;
    use crate::data::labels::RandomLabels;

    fn load_with(settings: &[(&str, &str)]) -> TrainingData {
        let defaults = DataDefaults { name: DatasetName::Cifar10, is_normalised: true };
        let keys: &'static [Setting] = data::keys(&defaults).leak();
        let mut raw = RawConfig::new(keys);
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        raw.layer_text(settings.iter().copied().chain([("data.dir", dir)])).unwrap();
        TrainingData::load(&data::check(&raw, &defaults).unwrap()).unwrap()
    }

    #[test]
    fn fewer_samples_are_the_first_ones_of_the_same_corruption() {
        let settings =
            [("data.label_corruption", "0.5"), ("data.label_corruption_kind", "random-joint"), ("data.crop", "28")];
        let whole = load_with(&settings);
        let few = load_with(&[&settings[..], &[("data.train_size", "50"), ("data.test_size", "7")]].concat());
        assert_eq!((few.train.len(), few.test.len()), (50, 7));
        assert_eq!(few.train.labels(), &whole.train.labels()[..50]);
        assert_eq!(few.test.labels(), &whole.test.labels()[..7]);
        let mut labels = [&whole.clean_train_labels[..], &whole.clean_test_labels].concat();
        RandomLabels::draw(labels.len(), 10, 0.5, 42).apply(&mut labels);
        assert_eq!(whole.train.labels(), &labels[..whole.train.len()], "one stream, of seed 42");
        let x = |data: &TrainingData| data.train.range(0..50, tch::Kind::Float, tch::Device::Cpu).unwrap().0;
        assert_eq!(x(&few), x(&whole));
        assert_eq!(x(&few).size(), [50, 3, 28, 28]);
    }

    #[test]
    fn test_labels_stay_clean_on_request_and_noise_is_cut_with_its_pictures() {
        let clean = load_with(&[("data.label_corruption", "1"), ("data.corrupt_test", "off")]);
        assert_eq!(clean.test.labels(), clean.clean_test_labels);
        assert!(clean.share_of_changed_labels() > 0.8, "{}", clean.share_of_changed_labels());
        let noise = load_with(&[("data.pixel_corruption", "gaussian"), ("data.train_size", "20")]);
        let (x, _) = noise.train.range(0..20, tch::Kind::Float, tch::Device::Cpu).unwrap();
        assert!(x.min().double_value(&[]) >= 0.0 && x.max().double_value(&[]) <= 1.0, "left in [0, 1]");
    }
}
