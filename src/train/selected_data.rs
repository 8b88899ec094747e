//! Loads the samples of a gradient descent: the same number from each of a few classes, with true or permuted labels.
//!
//! *Tested by* the samples and labels of the published rule, on the fixtures.

use super::training_data::TrainingDataError;
use crate::config::descent::SelectedDataConfig;
use crate::data::labels::permuted_labels;
use crate::data::{Layout, NameOrder, Pictures, Preprocessing, find_dir, load};
use crate::samples::Samples;

/// What a gradient descent learns.
#[derive(Debug, Clone)]
pub struct SelectedData {
    /// As a network is given them.
    pub samples: Samples,
    /// The same as images, cropped, with the labels that are learnt.
    pub pictures: Pictures,
    /// The labels that they had before.
    pub true_labels: Vec<u8>,
}

impl SelectedData {
    /// Loads them from the folder that `config` names, or from where data are looked for.
    ///
    /// # Errors
    /// [`TrainingDataError`]: a missing or damaged file, a class without enough samples, settings that don't fit the images.
    pub fn load(config: &SelectedDataConfig) -> Result<SelectedData, TrainingDataError> {
        let dir = find_dir(config.name, config.dir.as_deref())?;
        let all = load(config.name, &dir, config.split)?;
        // Files of class folders are in the order of their names already; those of IDX files would be named by their numbers.
        let is_idx = config.name.locate(&dir).is_some_and(|(_, layout)| layout == Layout::Idx);
        let order = if is_idx { NameOrder::NumbersAsText } else { NameOrder::Stored };
        let names = if config.classes.is_empty() { all.classes.clone() } else { config.classes.clone() };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut pictures =
            all.balanced(&names, config.train_size, order, config.selection_seed)?.cropped(config.crop)?;
        let true_labels = pictures.labels.clone();
        if let Some(seed) = config.label_seed {
            pictures.labels = permuted_labels(&pictures.labels, seed);
        }
        let samples = Samples::new(&pictures, &Preprocessing { crop: None, normalise: config.normalise() })?;
        Ok(SelectedData { samples, pictures, true_labels })
    }

    /// Share of the labels that are not the true ones.
    pub fn share_of_changed_labels(&self) -> f64 {
        let pairs = self.pictures.labels.iter().zip(&self.true_labels);
        pairs.filter(|(now, before)| now != before).count() as f64 / self.true_labels.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Configuration, DescentConfig, RawConfig};

    fn load_with(settings: &[(&str, &str)]) -> Result<SelectedData, TrainingDataError> {
        let mut raw = RawConfig::new(DescentConfig::keys());
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        raw.layer_text(settings.iter().copied().chain([("data.dir", dir)])).unwrap();
        SelectedData::load(DescentConfig::build(&raw, 1).unwrap().data())
    }

    #[test]
    fn classes_share_the_samples_and_permuted_labels_keep_their_counts() {
        let settings = [("data.classes", "7,3"), ("data.train_size", "12")];
        let plain = load_with(&settings).unwrap();
        assert_eq!(plain.pictures.labels, [[0; 6], [1; 6]].concat());
        assert_eq!((plain.samples.len(), plain.samples.num_classes(), plain.share_of_changed_labels()), (12, 2, 0.0));
        let permuted = load_with(&[&settings[..], &[("data.label_seed", "1")]].concat()).unwrap();
        assert_eq!((&permuted.true_labels, permuted.pictures.class_counts()), (&plain.true_labels, vec![6, 6]));
        assert!(permuted.share_of_changed_labels() > 0.0);
        assert_eq!(permuted.pictures.pixels, plain.pictures.pixels);
        let chosen = load_with(&[&settings[..], &[("data.selection_seed", "0")]].concat()).unwrap();
        assert_ne!(chosen.pictures.pixels, plain.pictures.pixels);
        let error = load_with(&[("data.classes", "3,7")]).unwrap_err().to_string();
        assert!(error.contains("use fewer samples"), "{error}");
    }
}
