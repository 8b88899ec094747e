//! Holds labelled images as the bytes that files hold, so that 60,000 of CIFAR-10 take 184 MB and no libtorch.

use super::DataError;

/// Images of one size, with a label each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictures {
    /// Channels, rows, columns [C, H, W].
    pub shape: [usize; 3],
    /// Shape `[n, C, H, W]`: plane by plane, row by row.
    pub pixels: Vec<u8>,
    /// Shape `[n]`: each an index into `classes`.
    pub labels: Vec<u8>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

impl Pictures {
    /// Number of images n.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of one image, C·H·W.
    pub fn picture_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The bytes of image `index`, shape `[C, H, W]`.
    pub fn picture(&self, index: usize) -> &[u8] {
        let len = self.picture_len();
        &self.pixels[index * len..(index + 1) * len]
    }

    /// Number of images of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
        counts
    }

    /// The images `indices`, in that order.
    pub fn subset(&self, indices: &[usize]) -> Pictures {
        Pictures {
            shape: self.shape,
            pixels: indices.iter().flat_map(|&index| self.picture(index)).copied().collect(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            classes: self.classes.clone(),
        }
    }

    /// The images of the classes `names` alone, labelled by their place in `names`.
    ///
    /// # Errors
    ///
    /// [`DataError::UnknownClass`].
    pub fn of_classes(&self, names: &[&str]) -> Result<Pictures, DataError> {
        let mut new_label = vec![None; self.classes.len()];
        for (new, name) in names.iter().enumerate() {
            let old = self.classes.iter().position(|class| class == name);
            let old = old
                .ok_or_else(|| DataError::UnknownClass { class: (*name).to_owned(), classes: self.classes.clone() })?;
            new_label[old] = Some(new as u8);
        }
        let of = |index: &usize| new_label[usize::from(self.labels[*index])];
        let indices: Vec<usize> = (0..self.len()).filter(|index| of(index).is_some()).collect();
        let labels = indices.iter().filter_map(of).collect();
        let classes = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(Pictures { labels, classes, ..self.subset(&indices) })
    }

    /// The middle `size` rows and columns of each image; the whole where it has no more than that.
    ///
    /// # Errors
    ///
    /// [`DataError::Crop`] if the margins would differ.
    ///
    /// ```
    /// # use llc::data::Pictures;
    /// let pixels = (0..16).collect();
    /// let one = Pictures { shape: [1, 4, 4], pixels, labels: vec![0], classes: vec!["a".into()] };
    /// assert_eq!(one.cropped(2)?.pixels, [5, 6, 9, 10]);
    /// assert_eq!(one.cropped(6)?, one);
    /// assert!(one.cropped(3).is_err());
    /// # Ok::<(), llc::data::DataError>(())
    /// ```
    pub fn cropped(&self, size: usize) -> Result<Pictures, DataError> {
        let [channels, height, width] = self.shape;
        let (rows, columns) = (size.min(height), size.min(width));
        if (height - rows) % 2 == 1 || (width - columns) % 2 == 1 {
            return Err(DataError::Crop { size, height, width });
        }
        let (top, left) = ((height - rows) / 2, (width - columns) / 2);
        let mut pixels = Vec::with_capacity(self.len() * channels * rows * columns);
        for plane in self.pixels.chunks_exact((height * width).max(1)) {
            for row in plane.chunks_exact(width).skip(top).take(rows) {
                pixels.extend_from_slice(&row[left..left + columns]);
            }
        }
        Ok(Pictures {
            shape: [channels, rows, columns],
            pixels,
            labels: self.labels.clone(),
            classes: self.classes.clone(),
        })
    }

    /// The images of `self`, then those of `other`, which must be of the same size and classes.
    pub(super) fn followed_by(&self, other: &Pictures) -> Pictures {
        debug_assert_eq!((self.shape, &self.classes), (other.shape, &other.classes));
        Pictures {
            shape: self.shape,
            pixels: [self.pixels.as_slice(), &other.pixels].concat(),
            labels: [self.labels.as_slice(), &other.labels].concat(),
            classes: self.classes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn five() -> Pictures {
        let classes = ["cat", "dog", "owl"].map(String::from).to_vec();
        Pictures { shape: [1, 1, 2], pixels: (0..10).collect(), labels: vec![2, 0, 1, 2, 0], classes }
    }

    #[test]
    fn chosen_classes_are_numbered_in_the_order_of_the_choice() {
        let two = five().of_classes(&["owl", "cat"]).unwrap();
        assert_eq!((two.labels.as_slice(), two.pixels.as_slice()), (&[0, 1, 0, 1][..], &[0, 1, 2, 3, 6, 7, 8, 9][..]));
        assert_eq!(two.class_counts(), [2, 2]);
        let error = five().of_classes(&["cow"]).unwrap_err().to_string();
        assert_eq!(error, "no class is called `cow`: the classes are cat, dog, owl");
    }

    #[test]
    fn a_crop_takes_the_same_middle_of_each_plane() {
        let pixels: Vec<u8> = (0..2 * 2 * 4 * 6).collect();
        let pictures = Pictures { shape: [2, 4, 6], pixels, labels: vec![0, 0], classes: vec!["a".into()] };
        let cropped = pictures.cropped(4).unwrap();
        assert_eq!(cropped.shape, [2, 4, 4]);
        assert_eq!(cropped.picture(1)[16..20], [73, 74, 75, 76]);
        assert!(matches!(pictures.cropped(3), Err(DataError::Crop { size: 3, height: 4, width: 6 })));
    }
}
