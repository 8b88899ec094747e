//! Keeps parameters in tensors of libtorch, on the CPU or another device, with a view for each named tensor.
//!
//! A network's forward pass uses the views, which share the flat buffer's memory; a sampler's update runs over the flat buffer: as a slice
//! on the CPU ([`llc_core::update`]), by the passes here on another device. Noise there comes from the device's generator, seeded from the
//! key.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use llc_core::memory::{DevicePasses, Host, HostMemory, HostMut, LangevinMove, Memory, MemoryError};
use llc_core::params::{Element, FloatType, Layout, Params};
use llc_core::rng::Key;
use llc_core::slices::sums;
use tch::{Device, Kind, TchError, Tensor};

/// What parameters in tensors offer beside [`Params`]. All of its methods but `zeros_on`:
///
/// # Panics
/// Where the parameters are not in tensors. A target's parameters are all copies of its own w*, which is.
pub trait Tensors: Sized {
    /// Zeros, on `device`, as f32 or f64 (`kind`).
    ///
    /// # Errors
    /// Errors of libtorch.
    fn zeros_on(layout: &Arc<Layout>, kind: Kind, device: Device) -> Result<Self, TchError>;

    /// A copy of another kind or on another device.
    ///
    /// # Errors
    /// Errors of libtorch.
    fn to(&self, kind: Kind, device: Device) -> Result<Self, TchError>;

    /// All elements, shape `[d]`.
    fn flat(&self) -> &Tensor;

    /// All tensors in order; they share memory with [`Tensors::flat`].
    fn views(&self) -> &[Tensor];

    /// Tensor `index`, in its own shape.
    fn view(&self, index: usize) -> &Tensor {
        &self.views()[index]
    }

    /// The matrix of index `index` with rows and columns exchanged, a view of the same memory; a tensor of another order as it is.
    fn transposed(&self, index: usize) -> &Tensor;

    /// f32 or f64.
    fn kind(&self) -> Kind;

    /// Where the buffer lives.
    fn device(&self) -> Device;
}

impl Tensors for Params {
    fn zeros_on(layout: &Arc<Layout>, kind: Kind, device: Device) -> Result<Params, TchError> {
        Ok(Params::new(layout, Box::new(TensorMemory::zeros(layout, kind, device)?)))
    }

    fn to(&self, kind: Kind, device: Device) -> Result<Params, TchError> {
        let copy = Params::zeros_on(self.layout(), kind, device)?;
        copy.flat().shallow_clone().f_copy_(self.flat())?;
        Ok(copy)
    }

    fn flat(&self) -> &Tensor {
        &of(self).flat
    }

    fn views(&self) -> &[Tensor] {
        &of(self).views
    }

    fn transposed(&self, index: usize) -> &Tensor {
        &of(self).transposed[index]
    }

    fn kind(&self) -> Kind {
        of(self).kind
    }

    fn device(&self) -> Device {
        of(self).device
    }
}

fn of(params: &Params) -> &TensorMemory {
    let memory: &dyn Any = params.memory();
    memory.downcast_ref().expect("a target on libtorch needs its parameters in tensors")
}

/// A flat tensor with its views.
///
/// The views share the buffer's memory, and so does every shallow copy of a tensor that was taken from here. Whoever holds a slice of
/// nothing may write through one of these in the meantime; all of this crate's passes take their slices, and give them up, inside
/// one function that calls nothing of libtorch's on the same buffer.
#[derive(Debug)]
struct TensorMemory {
    layout: Arc<Layout>,
    /// Contiguous; never another tensor, of another kind or elsewhere, than it was made as.
    flat: Tensor,
    /// What libtorch says of `flat`: asking it costs more than a pass over a few parameters.
    kind: Kind,
    device: Device,
    views: Vec<Tensor>,
    /// Views of the matrices with rows and columns exchanged; of anything else, the view itself.
    transposed: Vec<Tensor>,
}

impl TensorMemory {
    fn zeros(layout: &Arc<Layout>, kind: Kind, device: Device) -> Result<TensorMemory, TchError> {
        let flat = Tensor::f_zeros([layout.num_parameters() as i64], (kind, device))?;
        let mut views: Vec<Tensor> = Vec::with_capacity(layout.specs().len());
        for (index, spec) in layout.specs().iter().enumerate() {
            let range = layout.range(index);
            views.push(flat.f_narrow(0, range.start as i64, range.len() as i64)?.f_view(spec.shape.as_slice())?);
        }
        let turn = |view: &Tensor| if view.dim() == 2 { view.f_tr() } else { view.f_view_as(view) };
        let transposed = views.iter().map(turn).collect::<Result<_, _>>()?;
        Ok(TensorMemory { layout: layout.clone(), kind, device: flat.device(), flat, views, transposed })
    }

    fn is_addressable(&self) -> bool {
        self.device == Device::Cpu
    }

    /// The elements; the caller has made sure that they are on the CPU and of type `T`.
    fn slice<T>(&self) -> &[T] {
        match self.layout.num_parameters() {
            0 => &[],
            // SAFETY: as in `tensor_slice`; `flat` is what it was made as, and has as many elements as its layout.
            len => unsafe { std::slice::from_raw_parts(self.flat.data_ptr().cast(), len) },
        }
    }

    /// As [`TensorMemory::slice`].
    fn slice_mut<T>(&mut self) -> &mut [T] {
        match self.layout.num_parameters() {
            0 => &mut [],
            // SAFETY: as in `tensor_slice_mut`; `flat` is what it was made as, and has as many elements as its layout.
            len => unsafe { std::slice::from_raw_parts_mut(self.flat.data_ptr().cast(), len) },
        }
    }

    fn part(&self, range: &Range<usize>) -> Result<Tensor, TchError> {
        self.flat.f_narrow(0, range.start as i64, range.len() as i64)
    }

    /// The difference to `other` over `range`, in f64.
    fn difference(&self, range: &Range<usize>, other: &TensorMemory) -> Result<Tensor, TchError> {
        self.part(range)?.f_sub(&other.part(range)?)?.f_to_kind(Kind::Double)
    }
}

impl Memory for TensorMemory {
    fn zeros_like(&self) -> Result<Box<dyn Memory>, MemoryError> {
        Ok(Box::new(TensorMemory::zeros(&self.layout, self.kind, self.device)?))
    }

    fn float_type(&self) -> FloatType {
        if self.kind == Kind::Double { FloatType::F64 } else { FloatType::F32 }
    }

    fn host(&self) -> Option<Host<'_>> {
        self.is_addressable().then(|| match self.float_type() {
            FloatType::F32 => Host::F32(self.slice()),
            FloatType::F64 => Host::F64(self.slice()),
        })
    }

    fn host_mut(&mut self) -> Option<HostMut<'_>> {
        self.is_addressable().then(|| match self.float_type() {
            FloatType::F32 => HostMut::F32(self.slice_mut()),
            FloatType::F64 => HostMut::F64(self.slice_mut()),
        })
    }

    fn device(&self) -> Option<&dyn DevicePasses> {
        Some(self)
    }

    fn device_mut(&mut self) -> Option<&mut dyn DevicePasses> {
        Some(self)
    }
}

/// The tensors of an operand.
fn tensors(memory: &dyn Memory) -> Result<&TensorMemory, MemoryError> {
    let memory: &dyn Any = memory;
    memory.downcast_ref().ok_or_else(|| MemoryError::new("parameters in tensors can't be combined with others"))
}

impl DevicePasses for TensorMemory {
    fn copy_from(&mut self, other: &dyn Memory) -> Result<(), MemoryError> {
        Ok(self.flat.f_copy_(&tensors(other)?.flat)?)
    }

    fn to_host(&self) -> Result<HostMemory, MemoryError> {
        let flat = self.flat.f_to_device(Device::Cpu)?;
        Ok(match self.float_type() {
            FloatType::F32 => HostMemory::F32(Vec::try_from(flat)?),
            FloatType::F64 => HostMemory::F64(Vec::try_from(flat)?),
        })
    }

    fn copy_from_host(&mut self, host: &HostMemory) -> Result<(), MemoryError> {
        let host = match host {
            HostMemory::F32(elements) => Tensor::f_from_slice(elements)?,
            HostMemory::F64(elements) => Tensor::f_from_slice(elements)?,
        };
        Ok(self.flat.f_copy_(&host)?)
    }

    fn fill_normal(&mut self, key: Key) -> Result<(), MemoryError> {
        let noise = device_normal(key, &self.flat)?;
        Ok(self.flat.f_copy_(&noise)?)
    }

    fn scale(&mut self, a: f64) -> Result<(), MemoryError> {
        let _ = self.flat.f_mul_scalar_(a)?;
        Ok(())
    }

    fn add_scaled(&mut self, a: f64, x: &dyn Memory) -> Result<(), MemoryError> {
        let _ = self.flat.f_add_(&tensors(x)?.flat.f_mul_scalar(a)?)?;
        Ok(())
    }

    fn add_potential_gradient(
        &mut self,
        [c_g, c_w]: [f64; 2],
        g: &dyn Memory,
        [w, w_star]: [&dyn Memory; 2],
    ) -> Result<(), MemoryError> {
        let pull = tensors(w)?.flat.f_sub(&tensors(w_star)?.flat)?.f_mul_scalar(c_w)?;
        let _ = self.flat.f_add_(&tensors(g)?.flat.f_mul_scalar(c_g)?.f_add(&pull)?)?;
        Ok(())
    }

    fn langevin(
        &mut self,
        key: Key,
        range: Range<usize>,
        by: LangevinMove,
        g: &dyn Memory,
        w_star: &dyn Memory,
    ) -> Result<(), MemoryError> {
        let (mut w, w_star) = (self.part(&range)?, tensors(w_star)?.part(&range)?);
        let mut increment = tensors(g)?.part(&range)?.f_mul_scalar(by.pull)?;
        let _ = increment.f_add_(&w.f_sub(&w_star)?.f_mul_scalar(by.back)?)?;
        if by.kick != 0.0 {
            let _ = increment.f_add_(&device_normal(key, &w)?.f_mul_scalar(by.kick)?)?;
        }
        let _ = w.f_add_(&increment)?;
        Ok(())
    }

    fn dot(&self, range: Range<usize>, other: &dyn Memory) -> Result<f64, MemoryError> {
        Ok(sum_over(&self.part(&range)?, &tensors(other)?.part(&range)?)?)
    }

    fn squared_distance(&self, range: Range<usize>, other: &dyn Memory) -> Result<f64, MemoryError> {
        Ok(sum_of_squares(&self.difference(&range, tensors(other)?)?)?)
    }

    fn virial_term(
        &self,
        range: Range<usize>,
        [n_beta, gamma]: [f64; 2],
        g: &dyn Memory,
        w_star: &dyn Memory,
    ) -> Result<f64, MemoryError> {
        let difference = self.difference(&range, tensors(w_star)?)?;
        let pull = difference.f_mul_scalar(gamma)?;
        let gradient = tensors(g)?.part(&range)?.f_to_kind(Kind::Double)?.f_mul_scalar(n_beta)?.f_add(&pull)?;
        Ok(sum_over(&difference, &gradient)?)
    }
}

/// The kind of tensors whose elements are `T`.
pub(crate) fn kind_of<T: Element>() -> Kind {
    match T::TYPE {
        FloatType::F32 => Kind::Float,
        FloatType::F64 => Kind::Double,
    }
}

/// The elements of a contiguous CPU tensor of type `T`, in row order; `None` for any other tensor.
pub(crate) fn tensor_slice<T: Element>(tensor: &Tensor) -> Option<&[T]> {
    if tensor.device() != Device::Cpu || tensor.kind() != kind_of::<T>() || !tensor.is_contiguous() {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&[]);
    }
    // SAFETY: not empty, contiguous, on the CPU and of type T, as just checked; it lives as long as the borrowed tensor, and nobody
    // writes through an alias meanwhile (see `TensorMemory`).
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// As [`tensor_slice`], to write.
pub(crate) fn tensor_slice_mut<T: Element>(tensor: &mut Tensor) -> Option<&mut [T]> {
    if tensor.device() != Device::Cpu || tensor.kind() != kind_of::<T>() || !tensor.is_contiguous() {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&mut []);
    }
    // SAFETY: not empty, contiguous, on the CPU and of type T, as just checked; borrowed mutably, and nobody reads or writes through
    // an alias meanwhile (see `TensorMemory`).
    Some(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// Independent standard normal numbers in the shape, precision and place of `like`.
pub(crate) fn fill_standard_normal(key: Key, like: &Tensor) -> Result<Tensor, TchError> {
    if like.device() != Device::Cpu {
        return device_normal(key, like);
    }
    let layout = Arc::new(Layout::vector("noise", like.numel()));
    let mut noise = Params::zeros_on(&layout, like.kind(), Device::Cpu)?;
    llc_core::update::fill_standard_normal(key, &mut noise)?;
    noise.flat().f_view(like.size().as_slice())
}

/// Σ x² over a tensor, in f64.
pub(crate) fn sum_of_squares(x: &Tensor) -> Result<f64, TchError> {
    sum_over(x, x)
}

/// Σ aᵢ·bᵢ over two tensors of the same shape, in f64.
pub(crate) fn sum_over(a: &Tensor, b: &Tensor) -> Result<f64, TchError> {
    if let (Some(a), Some(b)) = (tensor_slice::<f64>(a), tensor_slice::<f64>(b)) {
        return Ok(sums([a, b], |[a, b]| [a * b])[0]);
    }
    if let (Some(a), Some(b)) = (tensor_slice::<f32>(a), tensor_slice::<f32>(b)) {
        return Ok(sums([a, b], |[a, b]| [f64::from(a) * f64::from(b)])[0]);
    }
    let product = a.f_to_kind(Kind::Double)?.f_mul(&b.f_to_kind(Kind::Double)?)?;
    product.f_sum(Kind::Double)?.f_double_value(&[])
}

/// The largest matrix whose eigenvalues are computed: 200 MB, about half a minute on two cores.
pub const MAX_SIDE: usize = 5_000;

/// The eigenvalues of a symmetric matrix, ascending.
pub(crate) fn eigenvalues(matrix: &Tensor) -> Result<Vec<f64>, TchError> {
    Vec::<f64>::try_from(matrix.f_linalg_eigvalsh("L")?)
}

/// Standard normal numbers from the device's own generator, which is seeded from `key` first.
fn device_normal(key: Key, like: &Tensor) -> Result<Tensor, TchError> {
    tch::manual_seed((key.word(0) >> 1) as i64);
    like.f_randn_like()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use llc_core::params::ParamSpec;
    use llc_core::rng::Mt19937;
    use llc_core::target::LocalPosterior;
    use llc_core::update;

    use super::*;

    /// Libtorch has one generator for all threads.
    static GENERATOR: Mutex<()> = Mutex::new(());

    fn layout() -> Arc<Layout> {
        let spec = |name: &str, shape: &[i64]| ParamSpec { name: name.into(), shape: shape.to_vec() };
        Arc::new(Layout::new(vec![spec("a", &[2, 3]), spec("b", &[4])]))
    }

    #[test]
    fn views_share_the_flat_buffer_and_copies_do_not() {
        let mut w = Params::zeros_on(&layout(), Kind::Double, Device::Cpu).unwrap();
        let copy = w.try_clone().unwrap();
        w.as_mut_slice::<f64>().unwrap()[7] = 5.0;
        assert_eq!(w.view(1).double_value(&[1]), 5.0);
        assert_eq!(copy.view(1).double_value(&[1]), 0.0);
        assert!(w.as_slice::<f32>().is_none());
    }

    /// The passes of a device, which run on the CPU too, against those over slices.
    #[test]
    fn passes_of_a_device_are_those_of_the_host() {
        for kind in [Kind::Float, Kind::Double] {
            let filled = |seed| {
                let mut w = Params::zeros_on(&layout(), kind, Device::Cpu).unwrap();
                update::fill_standard_normal(Key::new(seed), &mut w).unwrap();
                w
            };
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{a} against {b}");
            let same = |a: &Params, b: &Params| close(update::squared_distance(a, b).unwrap().sqrt(), 0.0);
            let local = LocalPosterior::new(20.0, 3.0, filled(1)).unwrap();
            let (g, w, w_star) = (filled(2), filled(3), local.w_star());
            let (on_device, all) = (of(&w), 0..w.len());
            close(on_device.dot(all.clone(), g.memory()).unwrap(), update::dot(&w, &g).unwrap());
            let apart = on_device.squared_distance(2..9, w_star.memory()).unwrap();
            close(apart, update::squared_distance_within(2..9, &w, w_star).unwrap());
            let terms = update::virial_terms(&local, &g, &w).unwrap();
            close(on_device.virial_term(6..10, [20.0, 3.0], g.memory(), w_star.memory()).unwrap(), terms[1]);
            let moved = |host: &dyn Fn(&mut Params), device: &dyn Fn(&mut dyn DevicePasses)| {
                let (mut by_host, mut by_device) = (filled(4), filled(4));
                host(&mut by_host);
                device(by_device.memory_mut().device_mut().unwrap());
                same(&by_host, &by_device);
            };
            moved(&|y| update::add_scaled(0.3, &g, y).unwrap(), &|y| y.add_scaled(0.3, g.memory()).unwrap());
            moved(&|y| update::scale(0.3, y).unwrap(), &|y| y.scale(0.3).unwrap());
            moved(&|y| update::divide(0.3, y).unwrap(), &|y| y.scale(1.0 / 0.3).unwrap());
            moved(&|y| y.copy_from(&g).unwrap(), &|y| y.copy_from(g.memory()).unwrap());
            moved(&|y| y.copy_from(&g).unwrap(), &|y| y.copy_from_host(&of(&g).to_host().unwrap()).unwrap());
            moved(&|y| update::add_potential_gradient(0.1, &local, &g, &w, y).unwrap(), &|y| {
                y.add_potential_gradient([2.0, 0.3], g.memory(), [w.memory(), w_star.memory()]).unwrap();
            });
            // Without noise, which is another one on a device.
            let by = LangevinMove { pull: -0.5 * 1e-2 * 20.0, back: -0.5 * 1e-2 * 3.0, kick: 0.0 };
            let host = |y: &mut Params| {
                update::langevin(Key::new(1), &local, 1e-2, &[], 0.0, &g, y).unwrap();
            };
            moved(&host, &|y| y.langevin(Key::new(1), 0..10, by, g.memory(), w_star.memory()).unwrap());
        }
    }

    #[test]
    fn noise_of_a_device_is_standard_normal_and_a_function_of_its_key() {
        let _alone = GENERATOR.lock().unwrap();
        let layout = Arc::new(Layout::vector("w", 100_000));
        let noise = |seed| {
            let mut w = TensorMemory::zeros(&layout, Kind::Float, Device::Cpu).unwrap();
            w.fill_normal(Key::new(seed)).unwrap();
            w.to_host().unwrap()
        };
        assert_eq!(noise(1), noise(1));
        let (HostMemory::F32(z), HostMemory::F32(other)) = (noise(1), noise(2)) else { panic!("of another type") };
        let mean = |of: &dyn Fn(usize) -> f32| (0..z.len()).map(|i| f64::from(of(i))).sum::<f64>() / z.len() as f64;
        // Six standard errors of 100,000 draws.
        assert!(mean(&|i| z[i]).abs() < 0.02 && (mean(&|i| z[i] * z[i]) - 1.0).abs() < 0.03);
        assert!(mean(&|i| z[i] * other[i]).abs() < 0.02);
    }

    #[test]
    fn the_mersenne_twister_draws_what_libtorch_draws() {
        let _alone = GENERATOR.lock().unwrap();
        tch::manual_seed(7);
        let mut generator = Mt19937::new(7);
        for n in [1, 2, 100, 6131] {
            let theirs = Vec::<i64>::try_from(Tensor::randperm(n, (Kind::Int64, Device::Cpu))).unwrap();
            let ours = generator.torch_permutation(n as usize);
            assert!(ours.iter().zip(&theirs).all(|(a, b)| *a == *b as usize), "{n}");
        }
        for bound in [1.0f64 / 28.0, 1.0 / 32f64.sqrt(), 0.3] {
            let mut theirs = Tensor::zeros([1000], (Kind::Float, Device::Cpu));
            let _ = theirs.uniform_(-bound, bound);
            let ours: Vec<f32> = (0..1000).map(|_| generator.torch_uniform(-bound as f32, bound as f32)).collect();
            assert_eq!(Vec::<f32>::try_from(theirs).unwrap(), ours, "{bound}");
        }
        for n in [16, 2352, 1000] {
            let theirs = Vec::<f32>::try_from(Tensor::randn([n], (Kind::Float, Device::Cpu))).unwrap();
            let mut ours = vec![0.0; n as usize];
            generator.torch_normal(&mut ours);
            let apart = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 2e-6, "{n}: {apart}");
        }
    }
}
