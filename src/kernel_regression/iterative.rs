//! Solves (K + ridge·I)·α = Y by conjugate gradients in f64, in as much memory as it is granted.
//!
//! | what fits | product with K | preconditioner |
//! |---|---|---|
//! | 4 n² bytes | blocks kept in f64 | [`Nystrom`] |
//! | n² bytes | blocks made again in f64 | an inner iteration on [`Nystrom`] and [`SixteenBits`], itself preconditioned by the former |
//! | less | blocks made again in f64 | [`Nystrom`] |
//!
//! In the middle case an exact product costs minutes at n = 60,000, one in 16 bits seconds: the inner iteration does most of the work, and
//! the outer one, which is exact, takes a handful of steps to the same solution as in the other cases.
//!
//! *Tested by*: the direct solver, in all three cases, with a stop in between.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tch::{Kind, TchError, Tensor};

use super::conjugate_gradient::Step;
use super::memory::Storage;
use super::{ConjugateGradient, KernelMatrix, KernelRegressionError, Nystrom, SixteenBits};
use crate::rng::Key;

/// The smallest ‖r‖ to which an inner iteration goes, against where it began. At n = 60,000 an outer iteration won a factor of 71, 7 and 2 with
/// it: what the rounding to 16 bits spoils is more than the digits beyond.
const TIGHTEST_INNER_TOLERANCE: f64 = 1e-2;
/// The largest: an outer iteration costs as much as 30 inner steps or more (57 s against 2 s at n = 60,000) and is to be worth it.
const LOOSEST_INNER_TOLERANCE: f64 = 0.1;
/// Between the two it is this share of what is missing on the outer residual: three tenths, since not all of it arrives there.
const SHARE_OF_MISSING: f64 = 0.3;
/// Steps after which an inner iteration is good enough: the most that were needed at n = 60,000 are 478.
pub const MAX_INNER_STEPS: u64 = 500;

/// What stands for K⁻¹ in an iteration.
#[derive(Debug)]
pub struct Preconditioner {
    nystrom: Nystrom,
    sixteen_bits: Option<SixteenBits>,
    ridge: f64,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// An iteration of the solver ended.
    Iteration { iteration: u64, residual: f64, num_inner_steps: u64, seconds: f64 },
    /// A step of an inner iteration ended.
    InnerStep { step: u64, residual: f64 },
}

impl Preconditioner {
    /// That of `matrix`, from `rank` samples that `key` chooses, with the kernel in 16 bits where `storage` says so.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn new(
        matrix: &KernelMatrix,
        storage: Storage,
        rank: usize,
        key: Key,
        cancel: &AtomicBool,
    ) -> Result<Preconditioner, KernelRegressionError> {
        let inputs = matrix.inputs();
        let nystrom = Nystrom::new(inputs, rank, key, cancel)?;
        let sixteen_bits = match storage {
            Storage::SixteenBits => Some(SixteenBits::new(inputs, &nystrom, matrix.ridge(), cancel)?),
            Storage::Double | Storage::Recomputed => None,
        };
        Ok(Preconditioner { nystrom, sixteen_bits, ridge: matrix.ridge() })
    }

    /// Seconds that a step of an inner iteration takes for right-hand sides like `y`; `None` where there is no inner iteration.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn seconds_per_inner_step(
        &self,
        y: &Tensor,
        cancel: &AtomicBool,
    ) -> Result<Option<f64>, KernelRegressionError> {
        let Some(sixteen_bits) = &self.sixteen_bits else { return Ok(None) };
        let mut inner = ConjugateGradient::start(&y.f_to_kind(Kind::Float)?)?;
        // The first finds caches cold.
        self.inner_step(&mut inner, sixteen_bits, cancel)?;
        let began = Instant::now();
        self.inner_step(&mut inner, sixteen_bits, cancel)?;
        // A GPU is waited for.
        let _ = inner.relative_residual()?;
        Ok(Some(began.elapsed().as_secs_f64()))
    }

    /// Makes a step of an inner iteration.
    fn inner_step(
        &self,
        inner: &mut ConjugateGradient,
        sixteen_bits: &SixteenBits,
        cancel: &AtomicBool,
    ) -> Result<Step, KernelRegressionError> {
        inner.step(
            |r| Ok(self.nystrom.precondition(r, sixteen_bits.diagonal())?),
            |p| Ok(sixteen_bits.times(p, cancel)?.f_add(&self.nystrom.times(p)?)?),
        )
    }

    /// What to take for K⁻¹·R, and the inner steps that it took to `tolerance`.
    fn apply(
        &self,
        r: &Tensor,
        tolerance: f64,
        cancel: &AtomicBool,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<(Tensor, u64), KernelRegressionError> {
        let Some(sixteen_bits) = &self.sixteen_bits else { return Ok((self.nystrom.precondition(r, self.ridge)?, 0)) };
        let scale = r.f_square()?.f_sum_dim_intlist(0, true, None::<Kind>)?.f_sqrt()?.f_clamp_min(1e-300)?;
        let mut inner = ConjugateGradient::start(&r.f_div(&scale)?.f_to_kind(Kind::Float)?)?;
        while inner.num_steps < MAX_INNER_STEPS {
            let step = self.inner_step(&mut inner, sixteen_bits, cancel)?;
            let residual = inner.relative_residual()?;
            on_progress(Progress::InnerStep { step: inner.num_steps, residual });
            if residual < tolerance || step == Step::NotPositive {
                break;
            }
        }
        Ok((inner.solution.f_to_kind(Kind::Double)?.f_mul(&scale)?, inner.num_steps))
    }
}

/// Makes one iteration of `cg` with `matrix` on the way to a relative residual of `tolerance`; what it says of the matrix is an error here.
///
/// # Errors
/// [`KernelRegressionError`]; cancelled, `cg` is as it was.
pub fn iterate(
    cg: &mut ConjugateGradient,
    matrix: &KernelMatrix,
    preconditioner: &Preconditioner,
    tolerance: f64,
    cancel: &AtomicBool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<(), KernelRegressionError> {
    let began = Instant::now();
    let mut num_inner_steps = 0;
    let missing = tolerance / cg.relative_residual()?;
    let inner_tolerance = (SHARE_OF_MISSING * missing).clamp(TIGHTEST_INNER_TOLERANCE, LOOSEST_INNER_TOLERANCE);
    let precondition = |r: &Tensor| {
        let (z, num_steps) = preconditioner.apply(r, inner_tolerance, cancel, on_progress)?;
        num_inner_steps = num_steps;
        Ok(z)
    };
    let step = cg.step(precondition, |p| matrix.times(p, cancel))?;
    let residual = cg.relative_residual()?;
    if step == Step::NotPositive || !residual.is_finite() {
        return Err(KernelRegressionError::singular(matrix.len(), matrix.ridge()));
    }
    on_progress(Progress::Iteration {
        iteration: cg.num_steps,
        residual,
        num_inner_steps,
        seconds: began.elapsed().as_secs_f64(),
    });
    Ok(())
}

/// The tensors of `cg` by name, for a file.
pub fn named(cg: &ConjugateGradient) -> [(&'static str, &Tensor); 5] {
    [
        ("solution", &cg.solution),
        ("residual", &cg.residual),
        ("direction", &cg.direction),
        ("image", &cg.image),
        ("scale", &cg.scale),
    ]
}

/// An iteration for the targets `y` that continues from tensors that [`named`] gave; `None` if one is missing or of another shape.
///
/// # Errors
/// Errors of libtorch.
pub fn restored(
    y: &Tensor,
    num_steps: u64,
    mut tensor: impl FnMut(&str) -> Result<Option<Tensor>, TchError>,
) -> Result<Option<ConjugateGradient>, TchError> {
    let mut cg = ConjugateGradient { num_steps, ..ConjugateGradient::start(y)? };
    for (name, place) in [
        ("solution", &mut cg.solution),
        ("residual", &mut cg.residual),
        ("direction", &mut cg.direction),
        ("image", &mut cg.image),
        ("scale", &mut cg.scale),
    ] {
        match tensor(name)? {
            Some(read) if read.size() == place.size() => place.f_copy_(&read)?,
            _ => return Ok(None),
        }
    }
    Ok(Some(cg))
}

#[cfg(test)]
mod tests {
    use super::super::gaussian::testing::points;
    use super::super::{Inputs, direct};
    use super::*;
    use crate::rng::Role;

    #[test]
    fn every_way_to_keep_the_kernel_ends_in_the_direct_solution_also_after_a_stop() {
        let n = 1400;
        let cancel = AtomicBool::new(false);
        let inputs = || Inputs::new(&points(n, 10, 12), 0.05).unwrap();
        let y = points(n, 3, 13);
        let ridge = 0.1;
        let exact = direct::solve(&inputs(), ridge, &y, &cancel).unwrap();
        for storage in [Storage::Double, Storage::SixteenBits, Storage::Recomputed] {
            let mut matrix = KernelMatrix::new(inputs(), ridge);
            if storage == Storage::Double {
                matrix.keep(&cancel).unwrap();
            }
            let key = Key::new(3).role(Role::Probe);
            let preconditioner = Preconditioner::new(&matrix, storage, 200, key, &cancel).unwrap();
            let mut cg = ConjugateGradient::start(&y).unwrap();
            let mut residuals = Vec::new();
            while cg.relative_residual().unwrap() > 1e-11 {
                let mut on_progress = |progress| {
                    if let Progress::Iteration { residual, .. } = progress {
                        residuals.push(residual);
                    }
                };
                iterate(&mut cg, &matrix, &preconditioner, 1e-11, &cancel, &mut on_progress).unwrap();
                assert!(residuals.len() < 300, "{storage:?}: {residuals:?}");
                let copies: Vec<(&str, Tensor)> =
                    named(&cg).map(|(name, tensor)| (name, tensor.detach_copy())).into_iter().collect();
                let find =
                    |name: &str| Ok(copies.iter().find(|(known, _)| *known == name).map(|(_, t)| t.detach_copy()));
                cg = restored(&y, cg.num_steps, find).unwrap().unwrap();
            }
            if storage == Storage::SixteenBits {
                assert!(residuals.len() < 15, "16 bits do most of the work: {residuals:?}");
            }
            let off = (&cg.solution - &exact).abs().max().double_value(&[]);
            assert!(off < 1e-7 * exact.abs().max().double_value(&[]), "{storage:?}: {off}");
        }
    }
}
