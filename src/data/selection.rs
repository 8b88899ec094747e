//! Chooses the same number of samples from each class, by the rule of the published experiments on images in class folders.
//!
//! *Tested by*: the samples that the rule takes from MNIST's test images.

use super::{DataError, Pictures};
use crate::rng::Mt19937;

/// Which order of a class's samples is the order of its file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameOrder {
    /// As they are stored: of class folders.
    Stored,
    /// That of their numbers as text, 10 before 2: where a file would be named after its place in the whole set.
    NumbersAsText,
}

impl Pictures {
    /// `size`/(number of `classes`) samples of each of the `classes`, class by class and labelled by their place among these: the first by
    /// name, or, of a seed, those that `torch.randperm` puts first, seeded anew for each class.
    ///
    /// # Errors
    ///
    /// [`DataError::UnknownClass`], [`DataError::NotBalanced`] if the classes can't share `size`, [`DataError::TooFew`] if one hasn't so
    /// many.
    pub fn balanced(
        &self,
        classes: &[&str],
        size: usize,
        order: NameOrder,
        seed: Option<u32>,
    ) -> Result<Pictures, DataError> {
        self.subset(&self.balanced_indices(classes, size, order, seed)?).of_classes(classes)
    }

    /// The same as indices.
    fn balanced_indices(
        &self,
        classes: &[&str],
        size: usize,
        order: NameOrder,
        seed: Option<u32>,
    ) -> Result<Vec<usize>, DataError> {
        let num_classes = classes.len();
        if num_classes == 0 || !size.is_multiple_of(num_classes) {
            return Err(DataError::NotBalanced { size, num_classes });
        }
        let needed = size / num_classes;
        let mut chosen = Vec::with_capacity(size.min(self.len()));
        for &class in classes {
            let label = self
                .classes
                .iter()
                .position(|known| known == class)
                .ok_or_else(|| DataError::UnknownClass { class: class.to_owned(), classes: self.classes.clone() })?;
            let mut members: Vec<usize> = (0..self.len()).filter(|i| usize::from(self.labels[*i]) == label).collect();
            if members.len() < needed {
                return Err(DataError::TooFew { class: class.to_owned(), found: members.len(), needed });
            }
            if order == NameOrder::NumbersAsText {
                members.sort_by_cached_key(usize::to_string);
            }
            match seed {
                None => chosen.extend_from_slice(&members[..needed]),
                Some(seed) => {
                    let places = Mt19937::new(seed).torch_permutation(members.len());
                    chosen.extend(places[..needed].iter().map(|place| members[*place]));
                }
            }
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DatasetName, idx, test_fixture};

    #[test]
    fn threes_and_sevens_of_mnists_test_pictures_are_those_of_the_published_rule() {
        let path = test_fixture("mnist").join("all-t10k-labels.gz");
        let (_, labels) = idx::read::<1>(DatasetName::Mnist, &path).unwrap();
        let classes = (0..10).map(|digit| digit.to_string()).collect();
        let all = Pictures { shape: [1, 1, 1], pixels: vec![0; 10_000], labels, classes };
        // Indices within the whole set, as the files are named after them.
        let indices = |size, seed| all.balanced_indices(&["3", "7"], size, NameOrder::NumbersAsText, seed).unwrap();
        let chosen = indices(512, Some(0));
        let (threes, sevens) = chosen.split_at(256);
        assert_eq!((&threes[..3], threes.iter().sum()), (&[1612, 4841, 3167][..], 1_331_631));
        assert_eq!((&sevens[..3], sevens.iter().sum()), (&[9141, 960, 282][..], 1_317_893));
        let unseeded = indices(20, None);
        let names: Vec<String> = unseeded[10..].iter().map(usize::to_string).collect();
        assert!(names.is_sorted() && unseeded[10..].iter().all(|index| all.labels[*index] == 7), "{names:?}");
        let labels = all.balanced(&["7", "3"], 4, NameOrder::NumbersAsText, None).unwrap().labels;
        assert_eq!(labels, [0, 0, 1, 1], "by their place in the choice");
    }

    #[test]
    fn a_size_that_the_classes_cannot_share_or_supply_is_an_error() {
        let classes = vec!["a".to_owned(), "b".to_owned()];
        let pictures = Pictures { shape: [1, 1, 1], pixels: vec![0; 5], labels: vec![0, 1, 0, 1, 0], classes };
        let balanced = |size| pictures.balanced_indices(&["a", "b"], size, NameOrder::Stored, None);
        assert_eq!(balanced(4).unwrap(), [0, 2, 1, 3]);
        assert!(balanced(3).unwrap_err().to_string().contains("give a multiple of 2"));
        assert!(balanced(6).unwrap_err().to_string().contains("class `b` has 2 samples, but 3 are needed"));
        let unknown = pictures.balanced(&["a", "c"], 2, NameOrder::Stored, None).unwrap_err();
        assert!(unknown.to_string().contains("no class is called `c`"));
    }
}
