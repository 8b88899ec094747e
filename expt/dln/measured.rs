//! Measures, at one point, what a run asks for beside the draws: the rank of the Jacobian, the trace of the Hessian, the spectra of both.

use std::sync::atomic::{AtomicBool, Ordering};

use llc::config::DlnConfig;
use llc::config::Switch;
use llc::config::dln::{FunctionalRank, HessianTrace};
use llc::hessian_trace::{self, hessian_trace};
use llc::observe::{Event, Observers};
use llc::params::Params;
use llc::record::npz::{self, Array, Elements};
use llc::rng::{Key, Role};
use llc::spectrum::{MAX_SIDE, hessian_eigenvalues};
use llc::target::{DeepLinear, Target};
use llc::tensors::Tensors;

use crate::cli::{self, Context};

/// The measurements at one point; a field is `None` if it was not requested.
#[derive(Debug, Default)]
pub struct Measured {
    /// The rank of the Jacobian; the inner `None` where it could not be afforded, or the run was interrupted.
    pub functional_rank: Option<Option<usize>>,
    /// The trace of the Hessian; the inner `None` where a signal came before two probes.
    pub hessian_trace: Option<Option<hessian_trace::HessianTrace>>,
    /// What the user should know of these.
    pub notes: Vec<String>,
}

/// Measures at `target`'s centre, the point `name` of the record, what `config` asks for; `key` is the stream of the chains there. An interrupted run is to end soon:
/// nothing more is begun in it. What fails is left out with a note: the estimate that is there must not be lost with it.
pub fn measure(
    config: &DlnConfig,
    name: &str,
    target: &mut DeepLinear,
    key: Key,
    context: &Context,
    observers: &mut Observers,
) -> Measured {
    let mut measured = Measured::default();
    if let FunctionalRank::On { functional_rank_threshold } = config.measure().functional_rank {
        let rank = attempt("the rank of the Jacobian", context, observers, &mut measured.notes, || {
            let w = target.local().w_star().try_clone()?;
            Ok(target.functional_rank(&w, functional_rank_threshold)?)
        });
        if rank == Some(None) {
            measured.notes.push(format!(
                "the rank of the Jacobian was not computed: both its sides, d and input times output width, exceed \
                 {MAX_SIDE}"
            ));
        }
        measured.functional_rank = Some(rank.flatten());
    }
    if let HessianTrace::On { hessian_probes } = config.measure().hessian_trace {
        let trace = attempt("the trace of the Hessian", context, observers, &mut measured.notes, || {
            let w = target.local().w_star().try_clone()?;
            Ok(hessian_trace(target, &w, key.role(Role::Hessian), hessian_probes, &context.cancel)?)
        });
        measured.hessian_trace = Some(trace.flatten());
    }
    if config.measure().spectra == Switch::On {
        let spectra = attempt("the spectra of Jacobian and Hessian", context, observers, &mut measured.notes, || {
            spectra(target, &context.cancel)
        });
        let content = spectra.map(|spectra| {
            measured.notes.extend(spectra.left_out());
            spectra.csv()
        });
        if let Some(content) = content {
            observers.emit(&Event::Artifact { name: &format!("{name}_spectra.csv"), content: content.as_bytes() });
        }
    }
    measured
}

/// The spectra at one point; `None` where a matrix is too large for its eigenvalues.
struct Spectra {
    /// Singular values of J/√n, descending.
    jacobian: Option<Vec<f64>>,
    /// Eigenvalues of ∇²L, descending.
    hessian: Option<Vec<f64>>,
}

/// Computes both spectra at `target`'s centre.
fn spectra(target: &mut DeepLinear, cancel: &AtomicBool) -> anyhow::Result<Spectra> {
    let w = target.local().w_star().try_clone()?;
    let descending = |values: Vec<f64>| values.into_iter().rev().collect();
    Ok(Spectra {
        jacobian: target.jacobian_singular_values(&w)?,
        hessian: hessian_eigenvalues(target, &w, cancel)?.map(descending),
    })
}

impl Spectra {
    /// What is not there, and why.
    fn left_out(&self) -> impl Iterator<Item = String> {
        let jacobian =
            ("the Jacobian", "both its sides, d and input times output width, exceed", self.jacobian.is_none());
        let hessian = ("the Hessian", "d exceeds", self.hessian.is_none());
        [jacobian, hessian]
            .into_iter()
            .filter(|(_, _, is_none)| *is_none)
            .map(|(what, why, _)| format!("the spectrum of {what} was not computed: {why} {MAX_SIDE}"))
    }

    /// One value a row: `matrix` (`jacobian` or `hessian`) and `value`, each in descending order.
    fn csv(&self) -> String {
        let rows = |matrix: &'static str, values: &Option<Vec<f64>>| {
            let values = values.iter().flatten().map(move |value| format!("{matrix},{value:e}\n"));
            values.collect::<String>()
        };
        ["matrix,value\n".to_owned(), rows("jacobian", &self.jacobian), rows("hessian", &self.hessian)].concat()
    }
}

/// Runs `measure`, which computes `what`. `None`, with a note, where the run was interrupted before, and where it fails.
fn attempt<T>(
    what: &str,
    context: &Context,
    observers: &mut Observers,
    notes: &mut Vec<String>,
    measure: impl FnOnce() -> anyhow::Result<T>,
) -> Option<T> {
    if context.cancel.load(Ordering::Relaxed) {
        notes.push(format!("{what} was not computed: the run was interrupted"));
        return None;
    }
    observers.emit(&Event::Stage(&format!("computing {what}")));
    measure().map_err(|error| notes.push(format!("{what} could not be computed: {}", cli::one_line(&error)))).ok()
}

/// Puts `w` on record as the file `name`, where `config` asks for it.
pub fn save(config: &DlnConfig, name: &str, w: &Params, observers: &mut Observers) -> anyhow::Result<()> {
    if config.measure().save_true_param == Switch::Off {
        return Ok(());
    }
    let mut arrays = Vec::new();
    for (spec, view) in w.layout().specs().iter().zip(w.views()) {
        let flat = view.f_flatten(0, -1)?;
        let elements = match w.kind() {
            tch::Kind::Float => Elements::F32(Vec::try_from(flat)?),
            _ => Elements::F64(Vec::try_from(flat)?),
        };
        let shape = spec.shape.iter().map(|&length| length as u64).collect();
        arrays.push(Array { name: &spec.name, shape, elements });
    }
    observers.emit(&Event::Artifact { name, content: &npz::to_bytes(&arrays)? });
    Ok(())
}
