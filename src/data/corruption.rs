//! Corrupts a dataset before a network sees it: labels, pixels, or both; training samples, and test samples as well or not.
//!
//! Two published conventions differ in how test samples are drawn for: one stream over the training samples and then the test samples
//! ([`Stream::Joint`]), or the stream of the same seed for each ([`Stream::Each`]). The maintainer of one of them calls a clean test
//! set the other valid reading: [`Corruption::has_clean_test`].
//!
//! *Tested by*: both conventions against the draws themselves, labels left alone where they are to be clean.

use llc_core::setting::choice;
use serde::{Deserialize, Serialize};

use super::labels::{RandomLabels, noisy_labels, permuted_labels};
use super::pixels::{gaussian_pixels, randomise_pixels, shuffle_pixels};
use super::{DataError, Normalise, Pictures};

/// What becomes of the labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LabelCorruption {
    /// Nothing.
    #[default]
    None,
    /// Each is drawn anew with this probability, [`RandomLabels`].
    Random {
        /// The probability.
        level: f64,
    },
    /// They change places, [`permuted_labels`].
    Permuted,
    /// This share is drawn anew, [`noisy_labels`].
    Noise {
        /// The share.
        level: f64,
    },
}

/// What becomes of the pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PixelCorruption {
    /// Nothing.
    #[default]
    None,
    /// One permutation of places for all images.
    Shuffled,
    /// A permutation for each.
    Random,
    /// Noise of each channel's mean and deviation instead of each image.
    Gaussian,
}

choice!(PixelCorruption: None = "none", Shuffled = "shuffled", Random = "random", Gaussian = "gaussian");

/// For which samples a seed's stream is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Anew for training samples and for test samples.
    #[default]
    Each,
    /// Once, for training samples and then test samples.
    Joint,
}

/// How a dataset is corrupted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Corruption {
    /// What becomes of the labels.
    pub labels: LabelCorruption,
    /// What becomes of the pixels, of test samples too.
    pub pixels: PixelCorruption,
    /// Of the draws.
    pub seed: u32,
    /// For which samples they are made.
    pub stream: Stream,
    /// Whether the labels of test samples stay as they are.
    pub has_clean_test: bool,
}

/// A corrupted dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Corrupted {
    /// The training samples.
    pub train: Pictures,
    /// The test samples.
    pub test: Pictures,
    /// In place of both sets' pixels, shape `[n, C, H, W]`, where these became noise.
    pub noise: Option<[Vec<f32>; 2]>,
}

impl Corruption {
    /// Spoils both sets, which are cropped already: pixels move within what a network will see.
    ///
    /// `normalise` has the mean and deviation of noise.
    ///
    /// # Errors
    ///
    /// [`DataError::Unfit`]: sets of different shapes or classes, a level outside [0, 1], or noise without means and deviations.
    pub fn apply(&self, train: &Pictures, test: &Pictures, normalise: &Normalise) -> Result<Corrupted, DataError> {
        self.check(train, test, normalise)?;
        let ((train, train_noise), (mut test, test_noise), clean) = match self.stream {
            Stream::Each => {
                (self.corrupted(train.clone(), normalise), self.corrupted(test.clone(), normalise), &test.labels)
            }
            Stream::Joint => {
                let (mut first, mut first_noise) = self.corrupted(train.followed_by(test), normalise);
                let at = train.pixels.len();
                let rest = Pictures {
                    pixels: first.pixels.split_off(at),
                    labels: first.labels.split_off(train.len()),
                    shape: test.shape,
                    classes: test.classes.clone(),
                };
                let rest_noise = first_noise.as_mut().map(|noise| noise.split_off(at));
                ((first, first_noise), (rest, rest_noise), &test.labels)
            }
        };
        if self.has_clean_test {
            test.labels.copy_from_slice(clean);
        }
        Ok(Corrupted { train, test, noise: train_noise.zip(test_noise).map(|(train, test)| [train, test]) })
    }

    /// One stream's worth: the images, and numbers instead of their pixels where these become noise.
    fn corrupted(&self, mut pictures: Pictures, normalise: &Normalise) -> (Pictures, Option<Vec<f32>>) {
        let mut noise = None;
        match (self.pixels, normalise) {
            (PixelCorruption::Shuffled, _) => shuffle_pixels(&mut pictures, self.seed),
            (PixelCorruption::Random, _) => randomise_pixels(&mut pictures, self.seed),
            (PixelCorruption::Gaussian, Normalise::Channels { mean, deviation }) => {
                noise = Some(gaussian_pixels(pictures.len(), pictures.shape, mean, deviation, self.seed));
            }
            // `check` has seen to it that noise has means and deviations.
            (PixelCorruption::None | PixelCorruption::Gaussian, _) => {}
        }
        pictures.labels = match self.labels {
            LabelCorruption::None => pictures.labels,
            LabelCorruption::Random { level } => {
                let (n, num_classes) = (pictures.len(), pictures.classes.len());
                RandomLabels::draw(n, num_classes, level, self.seed).apply(&mut pictures.labels);
                pictures.labels
            }
            LabelCorruption::Permuted => permuted_labels(&pictures.labels, self.seed),
            LabelCorruption::Noise { level } => noisy_labels(&pictures.labels, level, self.seed),
        };
        (pictures, noise)
    }

    fn check(&self, train: &Pictures, test: &Pictures, normalise: &Normalise) -> Result<(), DataError> {
        let unfit = |reason: String| Err(DataError::Unfit { reason });
        if (train.shape, &train.classes) != (test.shape, &test.classes) {
            return unfit(format!(
                "training images of {:?} in {} classes, test images of {:?} in {}: give two splits of one dataset",
                train.shape,
                train.classes.len(),
                test.shape,
                test.classes.len()
            ));
        }
        if let LabelCorruption::Random { level } | LabelCorruption::Noise { level } = self.labels
            && !(0.0..=1.0).contains(&level)
        {
            return unfit(format!("a corruption level of {level}: give a number in [0, 1]"));
        }
        if self.pixels == PixelCorruption::Gaussian {
            let is_channels = matches!(normalise, Normalise::Channels { .. });
            if let Some(reason) = normalise.misfit(train.shape[0]).or((!is_channels).then(|| {
                "gaussian pixels need the mean and deviation of each channel: use --preprocessing channels".to_owned()
            })) {
                return unfit(reason);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DatasetName, Split, load, test_fixture};

    fn sets() -> [Pictures; 2] {
        [Split::Train, Split::Test]
            .map(|split| load(DatasetName::Cifar10, &test_fixture("cifar10"), split).unwrap().cropped(28).unwrap())
    }

    #[test]
    fn one_stream_runs_on_from_training_to_test_samples_and_two_begin_alike() {
        let [train, test] = sets();
        let labels = LabelCorruption::Random { level: 1.0 };
        let corruption = Corruption { labels, pixels: PixelCorruption::Random, seed: 42, ..Corruption::default() };
        let normalise = Normalise::Scale;
        let joint = Corruption { stream: Stream::Joint, ..corruption }.apply(&train, &test, &normalise).unwrap();
        let drawn = RandomLabels::draw(300, 10, 1.0, 42).labels;
        assert_eq!((joint.train.labels.as_slice(), joint.test.labels.as_slice()), (&drawn[..200], &drawn[200..]));
        let mut all = train.followed_by(&test);
        randomise_pixels(&mut all, 42);
        assert_eq!(joint.test.picture(99), all.picture(299));
        let each = corruption.apply(&train, &test, &normalise).unwrap();
        assert_eq!(each.test.labels, RandomLabels::draw(100, 10, 1.0, 42).labels);
        assert_ne!(each.test.labels, joint.test.labels);
        let clean = Corruption { has_clean_test: true, ..corruption }.apply(&train, &test, &normalise).unwrap();
        assert_eq!((clean.test.labels, clean.train.labels), (test.labels.clone(), each.train.labels));
        assert_eq!(Corruption::default().apply(&train, &test, &normalise).unwrap().test, test);
    }

    #[test]
    fn noise_runs_on_from_training_to_test_samples() {
        let [train, test] = sets();
        let corruption =
            Corruption { pixels: PixelCorruption::Gaussian, seed: 42, stream: Stream::Joint, ..Corruption::default() };
        let normalise = Normalise::cifar10_centre();
        let [for_train, for_test] = corruption.apply(&train, &test, &normalise).unwrap().noise.unwrap();
        let Normalise::Channels { mean, deviation } = &normalise else { unreachable!() };
        let all = gaussian_pixels(300, [3, 28, 28], mean, deviation, 42);
        assert_eq!((for_train.as_slice(), for_test.as_slice()), all.split_at(200 * 3 * 784));
    }

    #[test]
    fn a_level_above_1_noise_without_moments_and_sets_of_two_kinds_are_refused() {
        let [train, test] = sets();
        let apply =
            |corruption: Corruption, test| corruption.apply(&train, test, &Normalise::Scale).unwrap_err().to_string();
        let labels = LabelCorruption::Random { level: 1.5 };
        assert!(apply(Corruption { labels, ..Corruption::default() }, &test).contains("level of 1.5"));
        let noise = Corruption { pixels: PixelCorruption::Gaussian, ..Corruption::default() };
        assert!(apply(noise, &test).contains("use --preprocessing channels"));
        assert!(apply(Corruption::default(), &test.cropped(26).unwrap()).contains("two splits of one dataset"));
    }

    #[cfg(feature = "torch")]
    #[test]
    fn noise_reaches_the_network_unscaled_and_pixels_scaled() {
        use crate::data::Preprocessing;
        use tch::{Device, Kind};

        let [train, test] = sets();
        let preprocessing = Preprocessing { crop: Some(28), normalise: Normalise::cifar10_centre() };
        let spoil = |pixels| {
            let corruption = Corruption { pixels, seed: 42, ..Corruption::default() };
            let corrupted = corruption.apply(&train, &test, &preprocessing.normalise).unwrap();
            let [train, _] = corrupted.samples(&preprocessing).unwrap();
            let (x, _) = train.range(0..200, Kind::Float, Device::Cpu).unwrap();
            [x.min().double_value(&[]), x.max().double_value(&[])]
        };
        let [min, max] = spoil(PixelCorruption::Gaussian);
        assert_eq!([min, max], [0.0, 1.0]);
        let [min, max] = spoil(PixelCorruption::Shuffled);
        assert!(min < -1.5 && max > 1.5);
    }
}
