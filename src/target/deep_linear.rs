//! Evaluates the squared error of a deep linear network, its gradient by hand, and draws its layers exactly.
//!
//! L(w) = ‖X(W₁⋯W_L − P*)‖²/(n·out), with P* the true product: targets are noise-free. On the full data X enters only
//! through XᵀX/n = RᵀR, so that L(w) = ‖R·W₁⋯W_L − R·P*‖²/out costs as much as a minibatch of d_in rows. How loss and gradient are
//! computed stands in `passes`.
//!
//! **Exact draw of a layer.** Given the others U is quadratic in W_l. With A = R·W₁⋯W_(l−1) = U_A·S·V_Aᵀ,
//! B = W_(l+1)⋯W_L = V_B·T·U_Bᵀ, c = 2nβ/out and Y = R·P*, the coordinates Z = V_Aᵀ·W_l·V_B are independent normal with
//! precision c·sᵢ²tⱼ² + γ and mean (c·sᵢtⱼ(U_Aᵀ·Y·U_B)ᵢⱼ + γ(V_Aᵀ·W*_l·V_B)ᵢⱼ)/precision; orthogonal to V_A and V_B the law is
//! N(W*_l, 1/γ). The decompositions are thin: a full draw F ~ N(W*_l, 1/γ) gives every direction, and its part inside the
//! block is then replaced, W_l = F + V_A(Z − V_Aᵀ·F·V_B)V_Bᵀ. Singular values keep the precision that Gram matrices lose.
//!
//! *Tested by*: gradients against finite differences and the R factor against explicit data, below; the exact draws against a dense
//! solver (tests/conditional_draws.rs).

use std::sync::atomic::AtomicBool;

use tch::{Device, Kind, Tensor};

use super::passes::{MinibatchPass, Pass};
use super::{Batch, ConditionalDraw, LocalPosterior, Target, TargetError, deep_linear_curvature, gauge};
use crate::data::gram;
use crate::data::synthetic::SyntheticInputs;
use crate::model::deep_linear::product;
use crate::params::Params;
use crate::rng::Key;
use crate::tensors::{self, Tensors, sum_of_squares};

/// A deep linear network's loss on a synthetic set, around its true parameter.
#[derive(Debug)]
pub struct DeepLinear {
    widths: Vec<i64>,
    local: LocalPosterior,
    inputs: SyntheticInputs,
    /// R with RᵀR = XᵀX/n, shape `[H₀, H₀]`.
    factor: Tensor,
    /// R·P*, shape `[H₀, H_L]`.
    targets: Tensor,
    /// P*, shape `[H₀, H_L]`.
    product_star: Tensor,
    full: Pass,
    minibatch: Option<MinibatchPass>,
    sweep: Sweep,
}

/// What one sweep of exact draws has computed so far.
#[derive(Debug, Default)]
struct Sweep {
    /// (U_A, S, V_A) of A = R, which no draw changes.
    first: Option<(Tensor, Tensor, Tensor)>,
    /// A = R·W₁⋯W_(l−1) before block l is drawn.
    left: Option<Tensor>,
    /// B = W_(l+1)⋯W_L per block; `None` for the last, where it is the identity.
    rights: Vec<Option<Tensor>>,
}

impl DeepLinear {
    /// The loss of the network whose true parameter is `local`'s centre, on `inputs`; computes in the centre's precision and
    /// on its device.
    ///
    /// # Errors
    /// [`TargetError::Cancelled`] if `cancel` was raised while the data were read; whatever libtorch reports.
    pub fn new(inputs: SyntheticInputs, local: LocalPosterior, cancel: &AtomicBool) -> Result<DeepLinear, TargetError> {
        let product_star = product(&local.w_star().to(Kind::Double, Device::Cpu)?)?;
        DeepLinear::towards(inputs, local, product_star, cancel)
    }

    /// The loss towards the true product P* = `product_star`, shape `[H₀, H_L]`, f64 on the CPU, which the centre need not have.
    ///
    /// # Errors
    /// As [`DeepLinear::new`].
    pub fn towards(
        inputs: SyntheticInputs,
        local: LocalPosterior,
        product_star: Tensor,
        cancel: &AtomicBool,
    ) -> Result<DeepLinear, TargetError> {
        let gram = gram(&inputs, cancel)?.ok_or(TargetError::Cancelled)?;
        // R = Λ^½·Vᵀ: also where XᵀX is singular (n < d_in), unlike Cholesky's.
        let (values, vectors) = gram.f_linalg_eigh("L")?;
        let factor = vectors.f_mul(&values.f_clamp_min(0.0)?.f_sqrt()?)?.f_tr()?.f_contiguous()?;
        let kind_device = (local.w_star().kind(), local.w_star().device());
        let targets = factor.f_mm(&product_star)?;
        let to = |x: &Tensor| x.f_to_kind(kind_device.0)?.f_to_device(kind_device.1);
        DeepLinear::assemble(inputs, local, to(&factor)?, to(&targets)?, to(&product_star)?)
    }

    fn assemble(
        inputs: SyntheticInputs,
        local: LocalPosterior,
        factor: Tensor,
        targets: Tensor,
        product_star: Tensor,
    ) -> Result<DeepLinear, TargetError> {
        let layers = local.w_star().views();
        let mut widths: Vec<i64> = vec![layers[0].size()[0]];
        widths.extend(layers.iter().map(|layer| layer.size()[1]));
        let full = Pass::new(factor.shallow_clone(), &widths)?;
        Ok(DeepLinear {
            widths,
            local,
            inputs,
            factor,
            targets,
            product_star,
            full,
            minibatch: None,
            sweep: Sweep::default(),
        })
    }

    /// The same data and true product, with the local posterior around another point: a trained parameter, say.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn around(&self, w_star: Params) -> Result<DeepLinear, TargetError> {
        self.sharing(LocalPosterior::new(self.local.n_beta(), self.local.gamma(), w_star)?)
    }

    /// The same inputs with the network's own outputs at `w_star` for targets, and the local posterior around it, in its precision and on
    /// its device: the loss is 0 there.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn realised_at(&self, w_star: Params) -> Result<DeepLinear, TargetError> {
        let (kind, device) = (w_star.kind(), w_star.device());
        let product_star = product(&w_star.to(Kind::Double, Device::Cpu)?)?;
        let factor = self.factor.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?;
        let targets = factor.f_mm(&product_star)?;
        let to = |x: &Tensor| x.f_to_kind(kind)?.f_to_device(device);
        let local = LocalPosterior::new(self.local.n_beta(), self.local.gamma(), w_star)?;
        DeepLinear::assemble(self.inputs.clone(), local, to(&factor)?, to(&targets)?, to(&product_star)?)
    }

    /// The same data and true product under another local posterior, with buffers of its own.
    fn sharing(&self, local: LocalPosterior) -> Result<DeepLinear, TargetError> {
        DeepLinear::assemble(
            self.inputs.clone(),
            local,
            self.factor.shallow_clone(),
            self.targets.shallow_clone(),
            self.product_star.shallow_clone(),
        )
    }

    /// R with RᵀR = XᵀX/n, shape `[H₀, H₀]`.
    pub fn factor(&self) -> &Tensor {
        &self.factor
    }

    /// Y = R·P*, shape `[H₀, H_L]`.
    pub fn targets(&self) -> &Tensor {
        &self.targets
    }

    fn evaluate(&mut self, w: &Params, batch: Batch, grad: Option<&mut Params>) -> Result<f64, TargetError> {
        match batch {
            Batch::Full | Batch::Probe => {
                self.full.expected().shallow_clone().f_copy_(&self.targets)?;
                self.full.evaluate(1, w, grad)
            }
            Batch::Minibatch { indices, .. } => {
                let mut minibatch = match self.minibatch.take() {
                    Some(minibatch) if minibatch.len() == indices.len() => minibatch,
                    _ => MinibatchPass::new(indices.len(), &self.widths, &self.product_star)?,
                };
                let loss = minibatch.evaluate(&self.inputs, indices, w, grad);
                self.minibatch = Some(minibatch);
                loss
            }
        }
    }
}

impl Target for DeepLinear {
    fn local(&self) -> &LocalPosterior {
        &self.local
    }

    fn loss_and_grad(&mut self, w: &Params, batch: Batch, grad: &mut Params) -> Result<f64, TargetError> {
        self.evaluate(w, batch, Some(grad))
    }

    fn loss(&mut self, w: &Params, batch: Batch) -> Result<f64, TargetError> {
        self.evaluate(w, batch, None)
    }

    fn hessian_vector(&mut self, w: &Params, v: &Params, out: &mut Params) -> Result<(), TargetError> {
        Ok(deep_linear_curvature::hessian_vector(&self.factor, &self.targets, w, v, out)?)
    }

    /// libtorch keeps a number of threads for each calling thread.
    fn use_threads(&mut self, num_threads: usize) {
        tch::set_num_threads(num_threads as i32);
    }

    fn num_samples(&self) -> Option<u64> {
        Some(self.inputs.len())
    }

    fn with_density(&self, n_beta: f64, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        Ok(Box::new(self.sharing(self.local.with_density(n_beta, gamma)?)?))
    }

    fn as_conditional(&mut self) -> Option<&mut dyn ConditionalDraw> {
        (self.factor.kind() == Kind::Double && self.local.gamma() > 0.0).then_some(self as &mut dyn ConditionalDraw)
    }
}

impl ConditionalDraw for DeepLinear {
    fn num_blocks(&self) -> usize {
        self.widths.len() - 1
    }

    fn move_along_fibre(&mut self, key: Key, w: &mut Params) {
        gauge::move_along_fibre(key, self.local.gamma(), self.local.w_star(), w);
    }

    fn begin_sweep(&mut self, w: &Params) -> Result<(), TargetError> {
        let mut right: Option<Tensor> = None;
        self.sweep.rights.clear();
        for layer in w.views().iter().rev() {
            self.sweep.rights.push(right.as_ref().map(Tensor::shallow_clone));
            right = Some(match right {
                None => layer.copy(),
                Some(right) => layer.f_mm(&right)?,
            });
        }
        self.sweep.rights.reverse();
        if self.sweep.first.is_none() {
            self.sweep.first = Some(decompose(&self.factor, 0)?);
        }
        self.sweep.left = Some(self.factor.shallow_clone());
        Ok(())
    }

    fn draw_block(&mut self, key: Key, block: usize, w: &mut Params) -> Result<(), TargetError> {
        let (Some(left), Some(first)) = (&self.sweep.left, &self.sweep.first) else {
            return Err(TargetError::Unsupported("a block can only be drawn inside a sweep"));
        };
        let later;
        let (u_a, s, v_a) = if block == 0 {
            first
        } else {
            later = decompose(left, block)?;
            &later
        };
        let w_star = self.local.w_star().view(block);
        let drawn = match &self.sweep.rights[block] {
            Some(right) => {
                let (v_b, t, u_b) = decompose(right, block)?;
                let coupling = u_a.f_tr()?.f_mm(&self.targets)?.f_mm(&u_b)?;
                let centre = v_a.f_tr()?.f_mm(w_star)?.f_mm(&v_b)?;
                let z = self.draw_coordinates(key, s, &t, &coupling, &centre)?;
                if z.size() == w_star.size() {
                    v_a.f_mm(&z)?.f_mm(&v_b.f_tr()?)?
                } else {
                    let flat = self.draw_flat(key, w_star)?;
                    let inside = v_a.f_tr()?.f_mm(&flat)?.f_mm(&v_b)?;
                    flat.f_add(&v_a.f_mm(&(z - inside))?.f_mm(&v_b.f_tr()?)?)?
                }
            }
            None => {
                let coupling = u_a.f_tr()?.f_mm(&self.targets)?;
                let centre = v_a.f_tr()?.f_mm(w_star)?;
                let t = Tensor::f_ones([w_star.size()[1]], (Kind::Double, w_star.device()))?;
                let z = self.draw_coordinates(key, s, &t, &coupling, &centre)?;
                if z.size() == w_star.size() {
                    v_a.f_mm(&z)?
                } else {
                    let flat = self.draw_flat(key, w_star)?;
                    let inside = v_a.f_tr()?.f_mm(&flat)?;
                    flat.f_add(&v_a.f_mm(&(z - inside))?)?
                }
            }
        };
        let left = left.f_mm(&drawn)?;
        w.view(block).shallow_clone().f_copy_(&drawn)?;
        self.sweep.left = Some(left);
        Ok(())
    }

    fn loss_after_sweep(&mut self) -> Result<f64, TargetError> {
        let Some(left) = &self.sweep.left else {
            return Err(TargetError::Unsupported("a sweep's loss is only known after the sweep"));
        };
        Ok(sum_of_squares(&left.f_sub(&self.targets)?)? / self.targets.size()[1] as f64)
    }
}

impl DeepLinear {
    /// Goes past block `block` of a sweep without drawing it: as [`ConditionalDraw::draw_block`], but `w` stays.
    ///
    /// # Errors
    /// [`TargetError::Unsupported`] outside a sweep.
    pub fn skip_block(&mut self, block: usize, w: &Params) -> Result<(), TargetError> {
        let Some(left) = &self.sweep.left else {
            return Err(TargetError::Unsupported("a block can only be skipped inside a sweep"));
        };
        self.sweep.left = Some(left.f_mm(w.view(block))?);
        Ok(())
    }

    /// Z: normal with precision p = c·s²tᵀ² + γ and mean (c·s·tᵀ ⊙ coupling + γ·centre)/p.
    fn draw_coordinates(
        &self,
        key: Key,
        s: &Tensor,
        t: &Tensor,
        coupling: &Tensor,
        centre: &Tensor,
    ) -> Result<Tensor, TargetError> {
        let c = 2.0 * self.local.n_beta() / self.targets.size()[1] as f64;
        let gamma = self.local.gamma();
        let st = s.f_unsqueeze(1)?.f_mul(&t.f_unsqueeze(0)?)?;
        let precision = st.f_square()? * c + gamma;
        let mean = (st * coupling * c + centre * gamma).f_div(&precision)?;
        let noise = tensors::fill_standard_normal(key.part(INSIDE), centre)?;
        Ok(mean.f_add(&noise.f_div(&precision.f_sqrt()?)?)?)
    }

    /// F ~ N(W*_l, 1/γ) in every direction.
    fn draw_flat(&self, key: Key, w_star: &Tensor) -> Result<Tensor, TargetError> {
        let noise = tensors::fill_standard_normal(key.part(OUTSIDE), w_star)?;
        Ok(w_star.f_add(&(noise / self.local.gamma().sqrt()))?)
    }
}

// Parts of a block's stream.
const INSIDE: u64 = 0;
const OUTSIDE: u64 = 1;

/// Thin singular value decomposition x = U·diag(S)·Vᵀ.
fn decompose(x: &Tensor, block: usize) -> Result<(Tensor, Tensor, Tensor), TargetError> {
    x.f_svd(true, true).map_err(|_| TargetError::Decomposition { layer: block + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::dln::{InputDist, Truth};
    use crate::model::deep_linear::draw_truth;

    fn target(widths: &[usize], n: u64) -> DeepLinear {
        let truth = draw_truth(&Truth::Random, Key::new(3), widths).unwrap();
        let inputs = SyntheticInputs::new(Key::new(5), InputDist::Uniform, widths[0], n);
        let local = LocalPosterior::new(10.0, 1.0, truth.w_star).unwrap();
        DeepLinear::new(inputs, local, &AtomicBool::new(false)).unwrap()
    }

    fn moved(target: &DeepLinear, seed: u64) -> Params {
        let mut w = target.local().w_star().try_clone().unwrap();
        let mut z = vec![0.0; w.len()];
        crate::rng::fill_normal(Key::new(seed), 0, &mut z);
        w.as_mut_slice::<f64>().unwrap().iter_mut().zip(z).for_each(|(w, z)| *w += 0.3 * z);
        w
    }

    #[test]
    fn gradients_equal_finite_differences_on_full_data_and_minibatches() {
        let mut target = target(&[4, 6, 3, 5], 50);
        let w = moved(&target, 9);
        let indices: Vec<u64> = vec![3, 14, 15, 9, 2];
        for batch in [Batch::Full, Batch::Minibatch { key: Key::new(0), indices: &indices }] {
            let mut grad = w.zeros_like().unwrap();
            target.loss_and_grad(&w, batch, &mut grad).unwrap();
            let grad = grad.as_slice::<f64>().unwrap().to_vec();
            for i in (0..w.len()).step_by(7) {
                let h = 1e-5;
                let mut at = |shift: f64| {
                    let mut w = w.try_clone().unwrap();
                    w.as_mut_slice::<f64>().unwrap()[i] += shift;
                    target.loss(&w, batch).unwrap()
                };
                let difference = (at(h) - at(-h)) / (2.0 * h);
                assert!((difference - grad[i]).abs() < 1e-7 * (1.0 + grad[i].abs()), "element {i}");
            }
        }
    }

    #[test]
    fn the_factor_gives_the_loss_on_all_samples_also_with_fewer_samples_than_inputs() {
        for n in [3, 40] {
            let mut target = target(&[6, 5, 4], n);
            let w = moved(&target, 1);
            let all: Vec<u64> = (0..n).collect();
            let exact = target.loss(&w, Batch::Full).unwrap();
            let explicit = target.loss(&w, Batch::Minibatch { key: Key::new(0), indices: &all }).unwrap();
            assert!((exact - explicit).abs() < 1e-10 * explicit, "{exact} against {explicit}");
            let w_star = target.local.w_star().try_clone().unwrap();
            assert!(target.loss(&w_star, Batch::Full).unwrap() < 1e-20);
        }
    }

    #[test]
    fn a_network_s_own_outputs_make_it_a_zero_of_the_loss_on_the_same_inputs() {
        let mut teacher = target(&[4, 6, 5], 100);
        let w = moved(&teacher, 3);
        assert!(teacher.loss(&w, Batch::Full).unwrap() > 1.0);
        let mut own = teacher.realised_at(w.try_clone().unwrap()).unwrap();
        assert!(own.loss(&w, Batch::Full).unwrap() < 1e-20);
        // Seen from the teacher's parameters it is as far off as the teacher is from it.
        let w_star = teacher.local().w_star().try_clone().unwrap();
        let (there, back) = (teacher.loss(&w, Batch::Full).unwrap(), own.loss(&w_star, Batch::Full).unwrap());
        assert!((there - back).abs() < 1e-10 * there, "{there} against {back}");
    }

    #[test]
    fn single_precision_agrees_with_double() {
        let mut double = target(&[4, 6, 5], 100);
        let single_star = double.local().w_star().to(Kind::Float, Device::Cpu).unwrap();
        let local = LocalPosterior::new(10.0, 1.0, single_star).unwrap();
        let mut single = DeepLinear::new(double.inputs.clone(), local, &AtomicBool::new(false)).unwrap();
        let w = moved(&double, 2);
        let w_single = w.to(Kind::Float, Device::Cpu).unwrap();
        let (a, b) = (double.loss(&w, Batch::Full).unwrap(), single.loss(&w_single, Batch::Full).unwrap());
        assert!((a - b).abs() < 1e-5 * a, "{a} against {b}");
    }

    #[test]
    fn minibatch_gradients_in_single_precision_are_good_near_the_truth_too() {
        // Four inputs, fifty samples: by XᵀX; sixty inputs: by the samples.
        for (widths, rows) in [([4, 6, 5], 50), ([60, 6, 5], 20)] {
            let single_star = target(&widths, 100).local().w_star().to(Kind::Float, Device::Cpu).unwrap();
            // The truth is what f32 holds of it, so that both precisions have the same minimum.
            let around = |w_star: Params| {
                let local = LocalPosterior::new(10.0, 1.0, w_star).unwrap();
                let inputs = SyntheticInputs::new(Key::new(5), InputDist::Uniform, widths[0], 100);
                DeepLinear::new(inputs, local, &AtomicBool::new(false)).unwrap()
            };
            let mut double = around(single_star.to(Kind::Double, Device::Cpu).unwrap());
            let mut single = around(single_star);
            let mut z = vec![0.0; double.local().w_star().len()];
            crate::rng::fill_normal(Key::new(6), 0, &mut z);
            let mut w = double.local().w_star().try_clone().unwrap();
            // As far as SGLD's draws are, 1/√(nβ·h) in the stiff directions and more in others.
            w.as_mut_slice::<f64>().unwrap().iter_mut().zip(z).for_each(|(w, z)| *w += 1e-3 * z);
            let w_single = w.to(Kind::Float, Device::Cpu).unwrap();
            let w = w_single.to(Kind::Double, Device::Cpu).unwrap();
            let indices: Vec<u64> = (0..rows).collect();
            let batch = Batch::Minibatch { key: Key::new(0), indices: &indices };
            let (mut grad, mut grad_single) = (w.zeros_like().unwrap(), w_single.zeros_like().unwrap());
            let loss = double.loss_and_grad(&w, batch, &mut grad).unwrap();
            let loss_single = single.loss_and_grad(&w_single, batch, &mut grad_single).unwrap();
            // The residual is a thousandth of the outputs, whose rounding is 6e-8 of them.
            assert!((loss_single / loss - 1.0).abs() < 1e-3, "{loss_single} against {loss}");
            let off = grad_single.to(Kind::Double, Device::Cpu).unwrap();
            let off = crate::update::squared_distance(&off, &grad).unwrap();
            assert!(off < 1e-6 * crate::update::dot(&grad, &grad).unwrap(), "{off}");
        }
    }

    #[test]
    fn a_sweep_reports_the_loss_of_the_point_that_it_drew() {
        let mut target = target(&[4, 7, 3], 50);
        let mut w = moved(&target, 4);
        target.begin_sweep(&w).unwrap();
        for block in 0..target.num_blocks() {
            target.draw_block(Key::new(8).part(block as u64), block, &mut w).unwrap();
        }
        let reported = target.loss_after_sweep().unwrap();
        let loss = target.loss(&w, Batch::Full).unwrap();
        assert!((reported - loss).abs() < 1e-10 * loss);
    }
}
