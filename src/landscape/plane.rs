//! Spans the plane through three points of parameter space: u = w₂ − w₁, v = θ − w₁ − ⟨û, θ − w₁⟩·û, over the whole flat vector.
//!
//! A place (α, β) is w₁ + α·u + β·v: w₁ is at (0, 0), w₂ at (1, 0), θ at (⟨θ − w₁, û⟩/‖u‖, 1). Distances in parameter space are α·‖u‖
//! and β·‖v‖. Orthogonality tensor by tensor would be another plane.
//!
//! *Reference*: Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>, section 1. *Tested by* its basis and its coordinates, below.

use tch::{Kind, TchError, Tensor};

use crate::params::Params;
use crate::tensors::Tensors;

/// A plane through three points.
#[derive(Debug)]
pub struct Plane {
    origin: Params,
    /// u and v, shape `[d]` each, in the parameters' own kind.
    u: Tensor,
    v: Tensor,
    /// ‖u‖ and ‖v‖.
    lengths: [f64; 2],
}

/// The three points lie on a line, within their precision.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "the three points do not span a plane: the third is {height:.3e} off the line through the first two, which are \
     {length:.3e} apart"
)]
pub struct Degenerate {
    /// ‖v‖.
    pub height: f64,
    /// ‖u‖.
    pub length: f64,
}

/// Why there is no plane.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaneError {
    /// The points lie on a line.
    #[error(transparent)]
    Degenerate(#[from] Degenerate),
    /// libtorch.
    #[error("libtorch: {}", .0.to_string().lines().next().unwrap_or_default())]
    Torch(TchError),
    /// Memory for parameters could not be had or worked on.
    #[error(transparent)]
    Memory(#[from] llc_core::memory::MemoryError),
}

impl From<TchError> for PlaneError {
    fn from(error: TchError) -> Self {
        Self::Torch(error)
    }
}

/// The least ‖v‖/‖u‖ that is a direction rather than rounding of f32.
const LEAST_HEIGHT: f64 = 1e-6;

impl Plane {
    /// The plane through `w1`, `w2` and `theta`.
    ///
    /// # Errors
    /// [`PlaneError::Degenerate`] where they lie on a line, or whatever libtorch reports.
    pub fn through(w1: &Params, w2: &Params, theta: &Params) -> Result<Plane, PlaneError> {
        let double = |params: &Params| params.flat().f_to_kind(Kind::Double);
        let origin = double(w1)?;
        let (u, to_theta) = (double(w2)?.f_sub(&origin)?, double(theta)?.f_sub(&origin)?);
        let length = norm(&u)?;
        let along = to_theta.f_dot(&u)?.f_double_value(&[])? / (length * length);
        let v = to_theta.f_sub(&u.f_mul_scalar(along)?)?;
        let height = norm(&v)?;
        // NaN comes of three equal points.
        if height.is_nan() || height <= LEAST_HEIGHT * length {
            return Err(Degenerate { height, length }.into());
        }
        let kind = w1.kind();
        Ok(Plane { origin: w1.try_clone()?, u: u.f_to_kind(kind)?, v: v.f_to_kind(kind)?, lengths: [length, height] })
    }

    /// ‖u‖ and ‖v‖.
    pub fn lengths(&self) -> [f64; 2] {
        self.lengths
    }

    /// Puts w₁ + α·u + β·v into `w`.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn place(&self, [alpha, beta]: [f64; 2], w: &mut Params) -> Result<(), TchError> {
        w.copy_from(&self.origin)?;
        let mut flat = w.flat().shallow_clone();
        let _ = flat.f_add_(&self.u.f_mul_scalar(alpha)?)?;
        let _ = flat.f_add_(&self.v.f_mul_scalar(beta)?)?;
        Ok(())
    }

    /// (α, β) of the plane's point nearest to `w`.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn coordinates(&self, w: &Params) -> Result<[f64; 2], TchError> {
        let double = |tensor: &Tensor| tensor.f_to_kind(Kind::Double);
        let from_origin = double(w.flat())?.f_sub(&double(self.origin.flat())?)?;
        let along = |axis: &Tensor, length: f64| -> Result<f64, TchError> {
            Ok(from_origin.f_dot(&double(axis)?)?.f_double_value(&[])? / (length * length))
        };
        Ok([along(&self.u, self.lengths[0])?, along(&self.v, self.lengths[1])?])
    }
}

fn norm(vector: &Tensor) -> Result<f64, TchError> {
    vector.f_norm()?.f_double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::super::testing::params;
    use super::*;

    #[test]
    fn the_basis_is_orthogonal_over_the_whole_vector_and_its_points_have_their_coordinates() {
        let points = [params(&[1.0, 2.0, -1.0, 0.5]), params(&[2.0, 0.0, 1.0, 0.0]), params(&[-1.0, 1.0, 3.0, 4.0])];
        let [w1, w2, theta] = &points;
        let plane = Plane::through(w1, w2, theta).unwrap();
        assert!(plane.u.dot(&plane.v).double_value(&[]).abs() < 1e-12);
        // By hand: u = (1, −2, 2, −½), θ − w₁ = (−2, −1, 4, 3.5), ⟨·,·⟩ = 6.25, ‖u‖² = 9.25.
        let along = 6.25 / 9.25;
        for (point, expected) in [(w1, [0.0, 0.0]), (w2, [1.0, 0.0]), (theta, [along, 1.0])] {
            let found = plane.coordinates(point).unwrap();
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}, not {expected:?}");
            let mut w = w1.zeros_like().unwrap();
            plane.place(expected, &mut w).unwrap();
            assert!((w.flat() - point.flat()).abs().max().double_value(&[]) < 1e-12);
        }
        assert!((plane.lengths()[0] - 9.25f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn points_on_a_line_span_no_plane() {
        let (w1, w2, theta) = (params(&[0.0, 0.0]), params(&[1.0, 1.0]), params(&[0.5, 0.5]));
        let error = Plane::through(&w1, &w2, &theta).unwrap_err();
        assert!(matches!(error, PlaneError::Degenerate(_)), "{error}");
        assert!(Plane::through(&w1, &w1, &w1).is_err());
    }
}
