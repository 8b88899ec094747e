//! Evaluates a TorchScript module that returns the loss of each sample: your own model, without Python.
//!
//! The module's parameters become views of the flat buffer that a chain moves, so that nothing is copied. Each chain has a module of its
//! own, read from the same bytes. It runs in eval mode, and libtorch's executor runs its graph as it stands: an executor that rewrites the graph after
//! the first passes would give other roundings after a resume.
//!
//! *Tested by*: a formula in `tests`; the same draws as the Python package's, bit for bit, of the module that was exported (`python/tests/test_module.py`).

mod data;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tch::{CModule, Device, Kind, TchError, Tensor, no_grad};

use super::TargetError;
use super::autograd::{AutogradTarget, Leaf, SampleLosses, Select};
use crate::params::{Layout, ParamSpec, Params};
use crate::rng::Key;
use crate::tensors::Tensors;

pub use data::{DataFileError, ModuleData};

/// Two evaluations at the same parameters may differ by this much, relatively: sums in another order on a GPU.
const ROUNDING: f64 = 1e-5;

/// The mean loss of a module over its data, around its trained parameters.
pub type ModuleTarget = AutogradTarget<ModuleLosses>;

/// A TorchScript module with its trained parameters.
#[derive(Debug, Clone)]
pub struct TrainedModule {
    name: String,
    bytes: Arc<[u8]>,
    device: Device,
    /// Those that can be sampled, in the module's order; tied weights are one parameter.
    specs: Vec<ParamSpec>,
    kind: Kind,
}

impl TrainedModule {
    /// The module of the file `path`, on `device`.
    ///
    /// # Errors
    /// [`ModuleError`] for a file that is not of a module, or whose parameters can't be sampled together.
    pub fn read(path: &Path, device: Device) -> Result<TrainedModule, ModuleError> {
        let read = |error| ModuleError::Read { path: path.to_owned(), error };
        let bytes: Arc<[u8]> = std::fs::read(path).map_err(read)?.into();
        let module = Handles::load(&bytes, device)
            .map_err(|error| ModuleError::NotAModule { path: path.to_owned(), reason: first_line(&error) })?;
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut specs = Vec::new();
        let mut kinds: Vec<Kind> = Vec::new();
        for (name, tensor, ..) in module.trainable() {
            if no_grad(|| tensor.f_isfinite()?.f_all()?.f_int64_value(&[]))? == 0 {
                return Err(ModuleError::NotFinite { name: name.to_owned() });
            }
            kinds.push(tensor.kind());
            let shape = tensor.size();
            specs.push(ParamSpec { name: name.to_owned(), shape });
        }
        kinds.dedup();
        match kinds[..] {
            [] => Err(ModuleError::NothingToSample { name }),
            [kind @ (Kind::Float | Kind::Double)] => Ok(TrainedModule { name, bytes, device, specs, kind }),
            _ => Err(ModuleError::Kinds { name, kinds: format!("{kinds:?}") }),
        }
    }

    /// The name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters that can be sampled: those that require a gradient.
    pub fn specs(&self) -> &[ParamSpec] {
        &self.specs
    }

    /// Number of entries of all of them.
    pub fn num_parameters(&self) -> usize {
        self.specs.iter().map(|spec| spec.shape.iter().product::<i64>() as usize).sum()
    }

    /// `Float` or `Double`: what its parameters are.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// A module with its parameters, which may be moved onto other memory.
#[derive(Debug)]
struct Handles {
    module: CModule,
    /// The module's own parameters, with the index of the first that is the same tensor.
    all: Vec<(String, Tensor, usize)>,
}

impl Handles {
    fn load(bytes: &[u8], device: Device) -> Result<Handles, TchError> {
        let mut module = CModule::load_data_on_device(&mut &*bytes, device)?;
        module.f_set_eval()?;
        let mut all: Vec<(String, Tensor, usize)> = Vec::new();
        for (name, tensor) in module.named_parameters()? {
            let shares = |other: &Tensor| other.data_ptr() == tensor.data_ptr() && other.size() == tensor.size();
            let first = all.iter().position(|(_, other, _)| shares(other)).unwrap_or(all.len());
            // One tensor under two names has one gradient.
            let is_known = match all.get_mut(first) {
                Some((_, other, _)) => is_one(other, &tensor)?,
                None => false,
            };
            if !is_known {
                all.push((name, tensor, first));
            }
        }
        Ok(Handles { module, all })
    }

    /// The parameters that require a gradient, tied ones once.
    fn trainable(&self) -> impl Iterator<Item = (&str, &Tensor, usize)> {
        let firsts = self.all.iter().enumerate().filter(|(index, (_, _, first))| index == first);
        firsts
            .filter(|(_, (_, tensor, _))| tensor.requires_grad())
            .map(|(index, (name, tensor, _))| (name.as_str(), tensor, index))
    }
}

/// Whether two handles on the same memory are handles of one tensor: what is done to one is then seen by the other.
fn is_one(a: &mut Tensor, b: &Tensor) -> Result<bool, TchError> {
    let (own, other) = (a.f_detach()?, a.f_detach()?.f_empty_like()?);
    a.f_set_data(&other)?;
    let is_one = b.data_ptr() == other.data_ptr();
    a.f_set_data(&own)?;
    Ok(is_one)
}

/// The losses that a module gives.
#[derive(Debug)]
pub struct ModuleLosses {
    handles: Handles,
    trained: TrainedModule,
    data: ModuleData,
    /// The indices among the trainable parameters of those that are sampled.
    sampled: Arc<[usize]>,
    /// For each of the module's own parameters the place of the sampled tensor that it is; `None` for those that stay.
    places: Vec<Option<usize>>,
}

impl ModuleLosses {
    fn new(trained: &TrainedModule, data: ModuleData, sampled: Arc<[usize]>) -> Result<ModuleLosses, TchError> {
        let handles = Handles::load(&trained.bytes, trained.device)?;
        let firsts: Vec<usize> = handles.trainable().map(|(_, _, first)| first).collect();
        let place = |first: usize| sampled.iter().position(|&index| firsts[index] == first);
        let places: Vec<Option<usize>> = handles.all.iter().map(|(_, _, first)| place(*first)).collect();
        for ((_, tensor, _), place) in handles.all.iter().zip(&places) {
            let _ = tensor.shallow_clone().f_requires_grad_(place.is_some())?;
        }
        Ok(ModuleLosses { handles, trained: trained.clone(), data, sampled, places })
    }
}

impl ModuleTarget {
    /// The loss of `trained` on `data`, with the local posterior at nβ and γ around the parameters `sampled`; `key` chooses the samples that
    /// probes look at.
    ///
    /// # Errors
    /// [`TargetError`] for nβ or γ out of range, and a [`ModuleError`] for a module whose forward does not return one finite
    /// loss per sample, or whose loss does not depend on its parameters.
    pub fn of_module(
        trained: &TrainedModule,
        data: &ModuleData,
        sampled: Option<Vec<usize>>,
        density: (f64, f64),
        key: Key,
    ) -> Result<ModuleTarget, TargetError> {
        let sampled: Arc<[usize]> = sampled.unwrap_or_else(|| (0..trained.specs.len()).collect()).into();
        let mut losses = ModuleLosses::new(trained, data.shallow_clone(), Arc::clone(&sampled))?;
        let specs = sampled.iter().map(|&index| trained.specs[index].clone()).collect();
        let w_star = Params::zeros_on(&Arc::new(Layout::new(specs)), trained.kind, trained.device)?;
        for ((_, tensor, _), place) in losses.handles.all.iter().zip(&losses.places) {
            if let Some(place) = place {
                no_grad(|| w_star.view(*place).shallow_clone().f_copy_(tensor))?;
            }
        }
        losses.check(&w_star)?;
        let target = AutogradTarget::around(w_star, losses, density, key)?;
        if !target.init_loss().is_finite() {
            return Err(TargetError::other(ModuleError::Loss { loss: target.init_loss() }));
        }
        Ok(target)
    }
}

impl ModuleLosses {
    /// Refuses a module whose loss is not a function of its parameters: it depends on none, or two evaluations differ.
    fn check(&mut self, w_star: &Params) -> Result<(), TargetError> {
        let first = Select::Range(0..self.num_samples().min(64));
        let leaves = self.leaves(w_star.views())?;
        let once = self.losses(&leaves, &first)?;
        if !once.requires_grad() {
            return Err(TargetError::other(ModuleError::Constant));
        }
        let again = no_grad(|| self.losses(&leaves, &first))?;
        let largest = |tensor: &Tensor| tensor.f_abs()?.f_max()?.f_double_value(&[]);
        let apart = no_grad(|| largest(&again.f_sub(&once)?))?;
        if apart > ROUNDING * (no_grad(|| largest(&once))? + ROUNDING) {
            return Err(TargetError::other(ModuleError::Random { apart }));
        }
        Ok(())
    }
}

impl SampleLosses for ModuleLosses {
    fn num_samples(&self) -> u64 {
        self.data.len() as u64
    }

    fn leaves(&mut self, w: &[Tensor]) -> Result<Vec<Leaf>, TchError> {
        let mut leaves = Vec::with_capacity(w.len());
        for ((_, tensor, _), place) in self.handles.all.iter_mut().zip(&self.places) {
            let Some(place) = *place else { continue };
            if tensor.data_ptr() != w[place].data_ptr() {
                tensor.f_set_data(&w[place])?;
            }
            leaves.push(Leaf { place, tensor: tensor.shallow_clone() });
        }
        Ok(leaves)
    }

    fn losses(&mut self, _: &[Leaf], select: &Select) -> Result<Tensor, TargetError> {
        let inputs = self.data.inputs().iter().map(|(_, all)| select.rows(all));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        // Each thread has a switch of its own.
        tch::jit::f_set_graph_executor_optimize(false)?;
        let losses = self.handles.module.forward_ts(&inputs).map_err(|error| {
            let names = self.data.inputs().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            TargetError::other(ModuleError::Forward { names, reason: error.to_string() })
        })?;
        if losses.size() != [select.len() as i64] {
            let error = ModuleError::Shape { shape: losses.size(), batch: select.len() };
            return Err(TargetError::other(error));
        }
        Ok(losses)
    }

    fn is_at_minimum(&self) -> bool {
        self.data.is_at_minimum()
    }

    fn fork(&self) -> Result<ModuleLosses, TargetError> {
        Ok(ModuleLosses::new(&self.trained, self.data.shallow_clone(), Arc::clone(&self.sampled))?)
    }
}

/// Says why a module can't be sampled around.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// A file that can't be read.
    #[error("cannot read the module {}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    /// A file of something else.
    #[error(
        "{} is not a TorchScript module (write it by llc.export_module or torch.jit.save; a state dict goes to --checkpoint): {reason}",
        path.display()
    )]
    NotAModule { path: PathBuf, reason: String },
    /// A module without trainable parameters.
    #[error("{name}: none of its parameters requires a gradient, so that there is nothing to sample")]
    NothingToSample { name: String },
    /// Parameters of half precision, or of several.
    #[error("{name}: its parameters have the types {kinds}; convert all to float32 or float64 before exporting")]
    Kinds { name: String, kinds: String },
    /// A parameter that is not finite.
    #[error("the module's parameter {name} has an entry that is not finite, so the loss around it is undefined")]
    NotFinite { name: String },
    /// An exception in forward.
    #[error("the module's forward failed on the inputs ({names}) of the data file: {reason}")]
    Forward { names: String, reason: String },
    /// Something other than a loss for each sample.
    #[error(
        "the module returned the shape {shape:?} for {batch} samples: its forward must return the loss of each sample, shape [{batch}]; \
         a loss with reduction=\"none\" does"
    )]
    Shape { shape: Vec<i64>, batch: u64 },
    /// A loss without a gradient.
    #[error(
        "the module's loss does not depend on its sampled parameters by autograd: is it computed under no_grad, or detached?"
    )]
    Constant,
    /// A loss that is not a function of the parameters.
    #[error(
        "two evaluations of the module at the same parameters and samples differ by {apart:.2e}: something in it is random (dropout that was traced \
         in train mode, noise); call model.eval() before you export it"
    )]
    Random { apart: f64 },
    /// A loss that is not finite at w*.
    #[error("the module's loss is {loss} at w*, but λ̂ needs a finite loss there")]
    Loss { loss: f64 },
    /// What libtorch reports.
    #[error(transparent)]
    Torch(#[from] TchError),
}

/// The first line of what libtorch says: the rest is its own stack.
fn first_line(error: &TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
