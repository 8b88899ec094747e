//! Concatenates two sets of samples.
//!
//! *Tested by*: batches from either side of the seam.

use tch::TchError;

use super::{Inputs, Samples};

impl Samples {
    /// These samples, then those of `other`, which must be alike: two parts of one dataset.
    ///
    /// # Errors
    ///
    /// [`TchError::Shape`] where shapes, numbers of classes or scales differ.
    pub fn followed_by(&self, other: &Samples) -> Result<Samples, TchError> {
        let is_alike =
            (self.shape, self.num_classes, &self.normalise) == (other.shape, other.num_classes, &other.normalise);
        let len = |samples: &Samples| samples.len() * samples.input_len();
        let inputs = match (&self.inputs, &other.inputs) {
            // A set may be the first part of what it shares.
            (Inputs::Bytes(a), Inputs::Bytes(b)) if is_alike => {
                Inputs::Bytes([&a[..len(self)], &b[..len(other)]].concat().into())
            }
            (Inputs::Floats(a), Inputs::Floats(b)) if is_alike => {
                Inputs::Floats([&a[..len(self)], &b[..len(other)]].concat().into())
            }
            _ => return Err(TchError::Shape("samples of two kinds can't be one set".to_owned())),
        };
        Ok(Samples { inputs, labels: [&self.labels[..], &other.labels].concat().into(), origin: None, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::data::{DatasetName, Normalise, Preprocessing, Split, load, test_fixture};

    #[test]
    fn a_batch_across_the_seam_is_made_of_both_sets() {
        let read = |split, normalise| {
            let pictures = load(DatasetName::Cifar10, &test_fixture("cifar10"), split).unwrap();
            Samples::new(&pictures, &Preprocessing { crop: None, normalise }).unwrap()
        };
        let (train, test) =
            (read(Split::Train, Normalise::cifar10()).first(150), read(Split::Test, Normalise::cifar10()));
        let both = train.followed_by(&test).unwrap();
        assert_eq!(both.len(), 250);
        let batch = |samples: &Samples, indices: &[u64]| samples.batch(indices, Kind::Float, Device::Cpu).unwrap();
        let (x, y) = batch(&both, &[149, 150, 249]);
        let ((x0, y0), (x1, y1)) = (batch(&train, &[149]), batch(&test, &[0, 99]));
        assert_eq!((x, y), (Tensor::cat(&[x0, x1], 0), Tensor::cat(&[y0, y1], 0)));
        assert_eq!(both.first(150).labels(), train.labels());
        assert!(train.followed_by(&read(Split::Test, Normalise::Scale)).is_err());
    }
}
