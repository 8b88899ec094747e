//! Makes the minibatches that a network is given out of images that stay bytes: normalised on the fly, moved if asked.
//!
//! A set is plain memory, shared between its copies: chains on several threads read one. On the CPU a byte is looked up in a table of
//! 256 numbers; for a GPU the bytes travel, a quarter of the size, and are scaled there.
//!
//! *Tested by*: the bits of the same operations in libtorch, ranges against batches, precisions and devices against each other.

mod corrupted;
mod joined;

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use tch::{Device, Kind, TchError, Tensor};

use crate::config::network::DataConfig;
use crate::data::{Augmentation, Normalise, Pictures, Preprocessing};
use crate::rng::Key;
use crate::tensors::tensor_slice_mut;

/// So few numbers are filled faster by one thread than shared out.
const ALONE: usize = 1 << 16;

/// The samples of a dataset, ready for a network. A copy shares the memory.
#[derive(Debug, Clone)]
pub struct Samples {
    shape: [usize; 3],
    inputs: Inputs,
    normalise: Normalise,
    labels: Arc<[u8]>,
    num_classes: usize,
    /// The settings that made them, where they are all that these settings say.
    origin: Option<Arc<DataConfig>>,
}

/// An augmentation, the stream that it draws from, and the epoch; `None` leaves images as they are.
type Moved<'a> = Option<(&'a Augmentation, Key, u64)>;

/// What is kept of the inputs, shape `[n, C, H, W]`.
#[derive(Debug, Clone)]
enum Inputs {
    Bytes(Arc<[u8]>),
    /// Scaled already.
    Floats(Arc<[f32]>),
}

impl Samples {
    /// The images, cropped; they are normalised when a batch is made.
    ///
    /// # Errors
    ///
    /// [`TchError::Shape`]: a crop without a centre, means that are not one a channel, or images whose parts disagree in length.
    pub fn new(pictures: &Pictures, preprocessing: &Preprocessing) -> Result<Samples, TchError> {
        let [channels, height, width] = pictures.shape;
        let (len, expected) = (pictures.pixels.len(), pictures.len() * pictures.picture_len());
        if len != expected || pictures.picture_len() == 0 {
            let n = pictures.len();
            return Err(TchError::Shape(format!(
                "{n} images of {channels}×{height}×{width} are {expected} bytes, not {len}"
            )));
        }
        if let Some(label) = pictures.labels.iter().find(|label| usize::from(**label) >= pictures.classes.len()) {
            return Err(TchError::Shape(format!("label {label} of {} classes", pictures.classes.len())));
        }
        if let Some(misfit) = preprocessing.normalise.misfit(channels) {
            return Err(TchError::Shape(misfit));
        }
        let size = preprocessing.crop.unwrap_or(usize::MAX);
        let cropped = pictures.cropped(size).map_err(|error| TchError::Shape(error.to_string()))?;
        Ok(Samples {
            shape: cropped.shape,
            inputs: Inputs::Bytes(cropped.pixels.into()),
            normalise: preprocessing.normalise.clone(),
            labels: cropped.labels.into(),
            num_classes: cropped.classes.len(),
            origin: None,
        })
    }

    /// The same samples with the inputs `inputs`, numbers in [0, 1] of shape `[n, C, H, W]`, scaled once by `normalise`.
    ///
    /// # Errors
    ///
    /// [`TchError::Shape`] if there are more or fewer than that, or `normalise` doesn't fit the channels.
    pub fn with_inputs(&self, mut inputs: Vec<f32>, normalise: &Normalise) -> Result<Samples, TchError> {
        let expected = self.labels.len() * self.input_len();
        if inputs.len() != expected {
            return Err(TchError::Shape(format!("{} inputs instead of {expected}", inputs.len())));
        }
        if let Some(misfit) = normalise.misfit(self.shape[0]) {
            return Err(TchError::Shape(misfit));
        }
        inputs.par_chunks_exact_mut(self.input_len()).for_each(|picture| normalise.apply(picture, self.shape[0]));
        let inputs = Inputs::Floats(inputs.into());
        Ok(Samples { inputs, normalise: Normalise::Scale, origin: None, ..self.clone() })
    }

    /// The same inputs with other labels.
    ///
    /// # Errors
    ///
    /// [`TchError::Shape`] if they are not one a sample, or none of the classes.
    pub fn with_labels(&self, labels: &[u8]) -> Result<Samples, TchError> {
        let is_class = |label: &u8| usize::from(*label) < self.num_classes;
        if labels.len() != self.labels.len() || !labels.iter().all(is_class) {
            let (n, classes) = (self.labels.len(), self.num_classes);
            return Err(TchError::Shape(format!("{} labels for {n} samples of {classes} classes", labels.len())));
        }
        Ok(Samples { labels: labels.into(), origin: None, ..self.clone() })
    }

    /// The same samples, which `origin` describes in full.
    pub fn with_origin(self, origin: DataConfig) -> Samples {
        Samples { origin: Some(Arc::new(origin)), ..self }
    }

    /// The settings that describe these samples in full; `None` if labels or numbers were changed independently of the settings.
    pub fn origin(&self) -> Option<&DataConfig> {
        self.origin.as_deref()
    }

    /// The first `n` samples, or all if there are no more.
    pub fn first(&self, n: usize) -> Samples {
        if n >= self.labels.len() {
            return self.clone();
        }
        let origin = self.origin.as_deref().cloned();
        let origin = origin.map(|origin| Arc::new(DataConfig { train_size: Some(n), ..origin }));
        Samples { labels: self.labels[..n].into(), origin, ..self.clone() }
    }

    /// Number of samples n.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Channels, rows, columns of an input.
    pub fn input_shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// The labels, shape `[n]`.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The samples `indices`: inputs `[b, C, H, W]` of kind `kind`, labels `[b]` of kind `Int64`, both on `device`.
    ///
    /// # Errors
    ///
    /// [`TchError`]: an index of no sample, or what libtorch says.
    pub fn batch(&self, indices: &[u64], kind: Kind, device: Device) -> Result<(Tensor, Tensor), TchError> {
        self.gathered(indices, kind, device, None)
    }

    /// As [`Samples::batch`], each image moved as `augmentation` has it in `epoch` of the stream `key`.
    ///
    /// # Errors
    ///
    /// As [`Samples::batch`].
    pub fn augmented_batch(
        &self,
        indices: &[u64],
        (augmentation, key, epoch): (&Augmentation, Key, u64),
        kind: Kind,
        device: Device,
    ) -> Result<(Tensor, Tensor), TchError> {
        self.gathered(indices, kind, device, Some((augmentation, key, epoch)))
    }

    /// The consecutive samples `range`, for a pass over all; otherwise as [`Samples::batch`].
    ///
    /// # Errors
    ///
    /// As [`Samples::batch`].
    pub fn range(&self, range: Range<u64>, kind: Kind, device: Device) -> Result<(Tensor, Tensor), TchError> {
        self.batch(&range.collect::<Vec<_>>(), kind, device)
    }

    fn input_len(&self) -> usize {
        self.shape.iter().product()
    }

    fn gathered(
        &self,
        indices: &[u64],
        kind: Kind,
        device: Device,
        moved: Moved,
    ) -> Result<(Tensor, Tensor), TchError> {
        if let Some(index) = indices.iter().find(|index| **index >= self.labels.len() as u64) {
            return Err(TchError::Shape(format!("sample {index} of {}", self.labels.len())));
        }
        let labels: Vec<i64> = indices.iter().map(|index| i64::from(self.labels[*index as usize])).collect();
        let [channels, height, width] = self.shape.map(|size| size as i64);
        let shape = [indices.len() as i64, channels, height, width];
        let inputs = match &self.inputs {
            Inputs::Bytes(bytes) if device == Device::Cpu => {
                let tables = self.tables();
                self.fill(shape, indices, bytes, moved, |picture, out| {
                    let own = tables.is_none().then(|| self.normalise.tables(picture, self.shape[0]));
                    // One of the two is there.
                    let Some(tables) = tables.as_ref().or(own.as_ref()) else { return };
                    let plane_len = picture.len() / self.shape[0];
                    let planes = picture.chunks_exact(plane_len).zip(out.chunks_exact_mut(plane_len));
                    for ((plane, out), table) in planes.zip(tables) {
                        plane.iter().zip(out).for_each(|(byte, out)| *out = table[usize::from(*byte)]);
                    }
                })?
            }
            Inputs::Bytes(bytes) => self.scaled_there(shape, indices, bytes, moved, device)?,
            Inputs::Floats(floats) => {
                self.fill(shape, indices, floats, moved, |picture, out| out.copy_from_slice(picture))?
            }
        };
        let labels = Tensor::f_from_slice(&labels)?.f_to_device(device)?;
        Ok((inputs.f_to_device(device)?.f_to_kind(kind)?, labels))
    }

    /// The tables for all images, unless each has its own.
    fn tables(&self) -> Option<Vec<[f32; 256]>> {
        (self.normalise != Normalise::Whitening).then(|| self.normalise.tables(&[], self.shape[0]))
    }

    /// An f32 tensor whose rows `write` makes out of the images, moved or not.
    fn fill<T: Copy + Default + Sync>(
        &self,
        shape: [i64; 4],
        indices: &[u64],
        all: &[T],
        moved: Moved,
        write: impl Fn(&[T], &mut [f32]) + Sync,
    ) -> Result<Tensor, TchError> {
        let len = self.input_len();
        let mut tensor = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?;
        let Some(out) = tensor_slice_mut::<f32>(&mut tensor) else { return Ok(tensor) };
        let one = |(index, out): (&u64, &mut [f32])| {
            let picture = &all[*index as usize * len..][..len];
            match moved {
                None => write(picture, out),
                Some((augmentation, key, epoch)) => {
                    let mut copy = vec![T::default(); len];
                    augmentation.movement(key, epoch, *index).apply(picture, self.shape, &mut copy);
                    write(&copy, out);
                }
            }
        };
        if out.len() <= ALONE || rayon::current_num_threads() == 1 {
            indices.iter().zip(out.chunks_exact_mut(len)).for_each(one);
        } else {
            indices.par_iter().zip(out.par_chunks_exact_mut(len)).for_each(one);
        }
        Ok(tensor)
    }

    /// Sends the bytes to the device and scales them there.
    fn scaled_there(
        &self,
        shape: [i64; 4],
        indices: &[u64],
        bytes: &[u8],
        moved: Moved,
        device: Device,
    ) -> Result<Tensor, TchError> {
        let len = self.input_len();
        let mut gathered = vec![0u8; indices.len() * len];
        for (index, out) in indices.iter().zip(gathered.chunks_exact_mut(len)) {
            let picture = &bytes[*index as usize * len..][..len];
            match moved {
                None => out.copy_from_slice(picture),
                Some((augmentation, key, epoch)) => {
                    augmentation.movement(key, epoch, *index).apply(picture, self.shape, out);
                }
            }
        }
        let x = Tensor::f_from_slice(&gathered)?.f_view(shape)?.f_to_device(device)?.f_to_kind(Kind::Float)?;
        let mut x = x.f_divide_scalar(255.0)?;
        let channel = |numbers: &[f32]| Tensor::f_from_slice(numbers)?.f_view([1, -1, 1, 1])?.f_to_device(device);
        match &self.normalise {
            Normalise::Scale => Ok(x),
            Normalise::Channels { mean, deviation } => {
                x = x.f_sub_(&channel(mean)?)?;
                x.f_divide_(&channel(deviation)?)
            }
            Normalise::Whitening => {
                let all = [1i64, 2, 3].as_slice();
                let spread = x.f_std_dim(all, false, true)?.f_clamp_min(1.0 / (len as f64).sqrt())?;
                let mean = x.f_mean_dim(all, true, Kind::Float)?;
                x = x.f_sub_(&mean)?;
                x.f_divide_(&spread)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DatasetName, Split, load, test_fixture};
    use crate::rng::Role;

    fn cifar10() -> Pictures {
        load(DatasetName::Cifar10, &test_fixture("cifar10"), Split::Train).unwrap()
    }

    fn samples(normalise: Normalise, crop: Option<usize>) -> Samples {
        Samples::new(&cifar10(), &Preprocessing { crop, normalise }).unwrap()
    }

    #[test]
    fn a_batch_has_the_bits_of_torchvisions_transforms() {
        let pictures = cifar10();
        let all = Tensor::from_slice(&pictures.pixels).view([200, 3, 32, 32]);
        let x = all.index_select(0, &Tensor::from_slice(&[7i64, 3, 199])).to_kind(Kind::Float).divide_scalar(255.0);
        let Normalise::Channels { mean, deviation } = Normalise::cifar10_centre() else { unreachable!() };
        let [mean, deviation] = [mean, deviation].map(|numbers| Tensor::from_slice(&numbers).view([1, 3, 1, 1]));
        let expected = (x.narrow(2, 2, 28).narrow(3, 2, 28) - mean) / deviation;
        let samples = samples(Normalise::cifar10_centre(), Some(28));
        let (found, labels) = samples.batch(&[7, 3, 199], Kind::Float, Device::Cpu).unwrap();
        assert_eq!(found, expected);
        assert_eq!((samples.input_shape(), samples.num_classes(), samples.len()), ([3, 28, 28], 10, 200));
        assert_eq!(Vec::<i64>::try_from(labels).unwrap(), [7, 3, 9]);
        assert_eq!(found.double_value(&[1, 2, 5, 6]), {
            let byte = pictures.picture(3)[2 * 1024 + 7 * 32 + 8];
            f64::from((f32::from(byte) / 255.0 - 0.439_889) / 0.255_997)
        });
    }

    #[test]
    fn what_a_gpu_would_do_agrees_with_the_tables() {
        let indices: Vec<u64> = (0..50).collect();
        let shape = [50, 3, 32, 32];
        for normalise in [Normalise::Scale, Normalise::cifar10(), Normalise::Whitening] {
            let samples = samples(normalise, None);
            let (tables, _) = samples.batch(&indices, Kind::Float, Device::Cpu).unwrap();
            let Inputs::Bytes(bytes) = &samples.inputs else { unreachable!() };
            let there = samples.scaled_there(shape, &indices, bytes, None, Device::Cpu).unwrap();
            assert!((tables - there).abs().max().double_value(&[]) < 1e-5, "{:?}", samples.normalise);
        }
    }

    #[test]
    fn a_range_is_the_batch_of_its_indices_on_any_number_of_threads_and_in_any_precision() {
        let samples = samples(Normalise::Whitening, None);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (x, y) = samples.range(20..120, Kind::Float, Device::Cpu).unwrap();
        let indices: Vec<u64> = (20..120).collect();
        let (alone, labels) = pool.install(|| samples.batch(&indices, Kind::Float, Device::Cpu)).unwrap();
        assert_eq!((&x, &y), (&alone, &labels));
        let (double, _) = samples.range(20..120, Kind::Double, Device::Cpu).unwrap();
        assert_eq!(double.kind(), Kind::Double);
        assert_eq!(double, x.to_kind(Kind::Double), "both precisions see the same numbers");
        // Whitened: mean 0, deviation 1 in each image.
        let norms = x.square().mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float);
        assert!((norms - 1.0).abs().max().double_value(&[]) < 1e-4);
    }

    #[test]
    fn augmentation_depends_on_epoch_and_index_alone_and_leaves_margins_black() {
        let samples = samples(Normalise::Scale, None);
        let key = Key::new(2).role(Role::Training);
        let augmentation = Augmentation::CIFAR10;
        let batch = |indices: &[u64], epoch| {
            samples.augmented_batch(indices, (&augmentation, key, epoch), Kind::Float, Device::Cpu).unwrap().0
        };
        let three = batch(&[5, 6, 7], 1);
        assert_eq!(batch(&[7, 5], 1), three.index_select(0, &Tensor::from_slice(&[2i64, 0])));
        assert_ne!(batch(&[5, 6, 7], 2), three);
        let still = Augmentation { padding: 0, has_flip: false };
        let (plain, _) = samples.batch(&[5, 6, 7], Kind::Float, Device::Cpu).unwrap();
        let unmoved = samples.augmented_batch(&[5, 6, 7], (&still, key, 1), Kind::Float, Device::Cpu).unwrap().0;
        assert_eq!(unmoved, plain);
        let movement = augmentation.movement(key, 1, 5);
        let by_hand = plain.get(0).constant_pad_nd([4, 4, 4, 4]);
        let window = by_hand.narrow(1, (4 + movement.down) as i64, 32).narrow(2, (4 + movement.right) as i64, 32);
        let expected = if movement.is_flipped { window.flip([2]) } else { window };
        assert_eq!(three.get(0), expected);
    }

    #[test]
    fn other_labels_and_other_inputs_replace_and_are_counted() {
        let samples = samples(Normalise::cifar10(), None);
        let relabelled = samples.with_labels(&[3; 200]).unwrap();
        assert_eq!(relabelled.labels(), [3; 200]);
        assert_eq!(samples.labels()[..3], [0, 1, 2]);
        assert!(samples.with_labels(&[3; 199]).is_err() && samples.with_labels(&[10; 200]).is_err());
        let given = samples.with_inputs((0..200 * 3072).map(|i| i as f32).collect(), &Normalise::Scale).unwrap();
        let (x, _) = given.batch(&[1], Kind::Float, Device::Cpu).unwrap();
        assert_eq!(
            x.double_value(&[0, 1, 0, 3]),
            f64::from(3072 + 1024 + 3),
            "a scale to [0, 1] leaves them as they are"
        );
        let floats = cifar10().pixels.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        let scaled = samples.with_inputs(floats, &Normalise::cifar10()).unwrap();
        let both = [&scaled, &samples].map(|samples| samples.range(0..200, Kind::Float, Device::Cpu).unwrap());
        assert_eq!(both[0], both[1], "as if they were bytes");
        assert!(samples.with_inputs(vec![0.0; 3], &Normalise::Scale).is_err());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let pictures = cifar10();
        let new = |normalise, crop| Samples::new(&pictures, &Preprocessing { crop, normalise });
        assert!(new(Normalise::Scale, Some(27)).unwrap_err().to_string().contains("no centre"));
        let grey = Normalise::Channels { mean: vec![0.1], deviation: vec![0.3] };
        assert!(new(grey, None).unwrap_err().to_string().contains("1 means"));
        let short = Pictures { pixels: vec![0; 5], ..pictures.clone() };
        assert!(Samples::new(&short, &Preprocessing::default()).is_err());
        let samples = new(Normalise::Scale, None).unwrap();
        assert!(samples.batch(&[200], Kind::Float, Device::Cpu).is_err());
        assert_eq!(samples.batch(&[], Kind::Float, Device::Cpu).unwrap().0.size(), [0, 3, 32, 32]);
    }
}
