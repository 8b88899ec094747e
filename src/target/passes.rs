//! Computes the loss of a deep linear network and its gradient by hand, into buffers that are used again.
//!
//! With H₀ = X, H_l = H_(l−1)·W_l, E = H_L − X·P* and Δ_L = 2E/(rows·out): ∇_(W_l) L = H_(l−1)ᵀ·Δ_l, Δ_(l−1) = Δ_l·W_lᵀ.
//!
//! **Fewer inputs than samples.** A minibatch enters only through G = XᵀX. With Q = W₁⋯W_L − P* the loss is tr QᵀGQ/(rows·out), and the
//! same recursion holds with H₀ = I and Δ_L = 2GQ/(rows·out): the products have d_in rows instead of the batch's, and those with X
//! itself are gone. Where that is less work, it is what is done; loss and gradient are the minibatch's own either way.
//!
//! *Tested by*: both ways against each other below, gradients against finite differences (`deep_linear`).

use tch::{Device, Kind, Tensor};

use super::TargetError;
use crate::data::synthetic::SyntheticInputs;
use crate::params::Params;
use crate::slices::sum_and_replace;
use crate::tensors::{Tensors, sum_of_squares, sum_over, tensor_slice, tensor_slice_mut};

/// Buffers for a forward and backward pass over a fixed number of rows.
#[derive(Debug)]
pub(super) struct Pass {
    x: Tensor,
    /// H₁ … H_L.
    activations: Vec<Tensor>,
    /// Xᵀ, H₁ᵀ … H_(L−1)ᵀ: views.
    transposed: Vec<Tensor>,
    /// Δ₁ … Δ_L; before a pass the last holds Y.
    deltas: Vec<Tensor>,
}

impl Pass {
    /// A pass over the inputs `x`, shape `[rows, widths[0]]`.
    pub(super) fn new(x: Tensor, widths: &[i64]) -> Result<Pass, tch::TchError> {
        let (activations, deltas) = (buffers(&x, x.size()[0], widths)?, buffers(&x, x.size()[0], widths)?);
        let transposed = std::iter::once(&x).chain(&activations[..activations.len() - 1]).map(Tensor::f_tr);
        let transposed = transposed.collect::<Result<Vec<_>, _>>()?;
        Ok(Pass { x, activations, transposed, deltas })
    }

    /// Where Y belongs before each pass, shape `[rows, out]`.
    pub(super) fn expected(&self) -> &Tensor {
        &self.deltas[self.deltas.len() - 1]
    }

    /// ‖X·W₁⋯W_L − Y‖²/(divisor·out) and, into `grad`, its gradient.
    pub(super) fn evaluate(&mut self, divisor: i64, w: &Params, grad: Option<&mut Params>) -> Result<f64, TargetError> {
        let last = self.activations.len() - 1;
        for l in 0..=last {
            let input = if l == 0 { &self.x } else { &self.activations[l - 1] };
            let _ = input.f_mm_out(&self.activations[l], w.view(l))?;
        }
        let scale = 1.0 / (divisor as f64 * self.activations[last].size()[1] as f64);
        let loss = scale * scaled_residual(2.0 * scale, &self.activations[last], &mut self.deltas[last])?;
        let Some(grad) = grad else { return Ok(loss) };
        for l in (0..=last).rev() {
            let _ = self.transposed[l].f_mm_out(grad.view(l), &self.deltas[l])?;
            if l > 0 {
                let _ = self.deltas[l].f_mm_out(&self.deltas[l - 1], w.transposed(l))?;
            }
        }
        Ok(loss)
    }
}

/// Buffers for passes over minibatches of one size.
#[derive(Debug)]
pub(super) struct MinibatchPass {
    /// Xᵀ, shape `[d_in, batch_size]`: a sample a column, as the inputs are drawn.
    columns: Tensor,
    product_star: Tensor,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Over the samples.
    Rows(Pass),
    /// Over the inputs, by G = XᵀX.
    Gram(GramPass),
}

impl MinibatchPass {
    /// Passes over `batch_size` samples of a network of `widths` towards the product P*, in its precision and on its device.
    pub(super) fn new(
        batch_size: usize,
        widths: &[i64],
        product_star: &Tensor,
    ) -> Result<MinibatchPass, tch::TchError> {
        let columns = Tensor::f_zeros([widths[0], batch_size as i64], like(product_star))?;
        let way = if Way::gram_is_less_work(batch_size, widths) {
            Way::Gram(GramPass::new(&columns, widths)?)
        } else {
            Way::Rows(Pass::new(columns.f_tr()?, widths)?)
        };
        Ok(MinibatchPass { columns, product_star: product_star.shallow_clone(), way })
    }

    /// Samples in a batch.
    pub(super) fn len(&self) -> usize {
        self.columns.size()[1] as usize
    }

    /// The loss on the samples `indices` of `inputs` and, into `grad`, its gradient.
    pub(super) fn evaluate(
        &mut self,
        inputs: &SyntheticInputs,
        indices: &[u64],
        w: &Params,
        grad: Option<&mut Params>,
    ) -> Result<f64, TargetError> {
        if let Some(columns) = tensor_slice_mut::<f32>(&mut self.columns) {
            inputs.fill_columns(indices, columns);
        } else if let Some(columns) = tensor_slice_mut::<f64>(&mut self.columns) {
            inputs.fill_columns(indices, columns);
        } else {
            let mut host = vec![0f32; self.columns.numel()];
            inputs.fill_columns(indices, &mut host);
            self.columns.f_copy_(&Tensor::f_from_slice(&host)?.f_view_as(&self.columns)?)?;
        }
        match &mut self.way {
            Way::Rows(pass) => {
                let _ = pass.x.f_mm_out(pass.expected(), &self.product_star)?;
                pass.evaluate(indices.len() as i64, w, grad)
            }
            Way::Gram(pass) => pass.evaluate(&self.product_star, indices.len(), w, grad),
        }
    }
}

impl Way {
    /// Compares the multiplications of both ways.
    fn gram_is_less_work(batch_size: usize, widths: &[i64]) -> bool {
        let size = |pair: &[i64]| (pair[0] * pair[1]) as f64;
        let (batch, d_in) = (batch_size as f64, widths[0] as f64);
        let first = size(&widths[..2]);
        let others: f64 = widths[1..].windows(2).map(size).sum();
        let answer = d_in * widths[widths.len() - 1] as f64;
        let rows = batch * (2.0 * first + 3.0 * others + answer);
        let gram = batch * d_in * d_in + d_in * (3.0 * others + answer);
        gram < rows
    }
}

/// Buffers for passes by G = XᵀX, with H₀ = I.
#[derive(Debug)]
struct GramPass {
    /// Xᵀ and X: views of the samples.
    x: [Tensor; 2],
    /// XᵀX, shape `[d_in, d_in]`.
    gram: Tensor,
    /// H₂ = W₁W₂ … H_L; H₁ is W₁ itself.
    products: Vec<Tensor>,
    /// H₂ᵀ … H_Lᵀ: views.
    transposed: Vec<Tensor>,
    /// Δ₁ … Δ_L.
    deltas: Vec<Tensor>,
    /// Q, shape `[d_in, out]`.
    residual: Tensor,
}

impl GramPass {
    fn new(columns: &Tensor, widths: &[i64]) -> Result<GramPass, tch::TchError> {
        let d_in = widths[0];
        let products = buffers(columns, d_in, &widths[1..])?;
        Ok(GramPass {
            x: [columns.shallow_clone(), columns.f_tr()?],
            gram: Tensor::f_empty([d_in, d_in], like(columns))?,
            transposed: products.iter().map(Tensor::f_tr).collect::<Result<_, _>>()?,
            products,
            deltas: buffers(columns, d_in, widths)?,
            residual: Tensor::f_empty([d_in, widths[widths.len() - 1]], like(columns))?,
        })
    }

    fn evaluate(
        &mut self,
        product_star: &Tensor,
        rows: usize,
        w: &Params,
        grad: Option<&mut Params>,
    ) -> Result<f64, TargetError> {
        let last = self.deltas.len() - 1;
        let _ = self.x[0].f_mm_out(&self.gram, &self.x[1])?;
        for l in 1..=last {
            let left = if l == 1 { w.view(0) } else { &self.products[l - 2] };
            let _ = left.f_mm_out(&self.products[l - 1], w.view(l))?;
        }
        let product = if last == 0 { w.view(0) } else { &self.products[last - 1] };
        let _ = product.f_sub_out(&self.residual, product_star)?;
        let _ = self.gram.f_mm_out(&self.deltas[last], &self.residual)?;
        let scale = 1.0 / (rows as f64 * product_star.size()[1] as f64);
        let loss = scale * scaled_inner_product(2.0 * scale, &self.residual, &mut self.deltas[last])?;
        let Some(grad) = grad else { return Ok(loss) };
        for l in (1..=last).rev() {
            let left = if l == 1 { w.transposed(0) } else { &self.transposed[l - 2] };
            let _ = left.f_mm_out(grad.view(l), &self.deltas[l])?;
            // Δ₁ is ∇_(W₁) L, for H₀ = I.
            let delta = if l == 1 { grad.view(0) } else { &self.deltas[l - 1] };
            let _ = self.deltas[l].f_mm_out(delta, w.transposed(l))?;
        }
        if last == 0 {
            grad.view(0).shallow_clone().f_copy_(&self.deltas[0])?;
        }
        Ok(loss)
    }
}

/// y ← scale·(h − y); gives back Σ(h − y)², in f64. One pass over two matrices of the same shape.
fn scaled_residual(scale: f64, h: &Tensor, y: &mut Tensor) -> Result<f64, tch::TchError> {
    if let (Some(h), Some(y)) = (tensor_slice::<f32>(h), tensor_slice_mut::<f32>(y)) {
        let scale = scale as f32;
        return Ok(sum_and_replace(h, y, |h, y| (f64::from(h - y).powi(2), scale * (h - y))));
    }
    if let (Some(h), Some(y)) = (tensor_slice::<f64>(h), tensor_slice_mut::<f64>(y)) {
        return Ok(sum_and_replace(h, y, |h, y| ((h - y).powi(2), scale * (h - y))));
    }
    let _ = y.f_sub_(h)?;
    let sum = sum_of_squares(y)?;
    let _ = y.f_mul_scalar_(-scale)?;
    Ok(sum)
}

/// y ← scale·y; gives back Σ h·y of the y before, in f64. One pass over two matrices of the same shape.
fn scaled_inner_product(scale: f64, h: &Tensor, y: &mut Tensor) -> Result<f64, tch::TchError> {
    if let (Some(h), Some(y)) = (tensor_slice::<f32>(h), tensor_slice_mut::<f32>(y)) {
        let scale = scale as f32;
        return Ok(sum_and_replace(h, y, |h, y| (f64::from(h) * f64::from(y), scale * y)));
    }
    if let (Some(h), Some(y)) = (tensor_slice::<f64>(h), tensor_slice_mut::<f64>(y)) {
        return Ok(sum_and_replace(h, y, |h, y| (h * y, scale * y)));
    }
    let sum = sum_over(h, y)?;
    let _ = y.f_mul_scalar_(scale)?;
    Ok(sum)
}

/// Matrices of `rows` rows for all widths but the first.
fn buffers(x: &Tensor, rows: i64, widths: &[i64]) -> Result<Vec<Tensor>, tch::TchError> {
    widths[1..].iter().map(|&width| Tensor::f_empty([rows, width], like(x))).collect()
}

fn like(x: &Tensor) -> (Kind, Device) {
    (x.kind(), x.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::dln::InputDist;
    use crate::model::deep_linear;
    use crate::params::Params;
    use crate::rng::{Key, fill_normal};

    fn drawn(key: Key, widths: &[usize]) -> Params {
        let mut w = Params::zeros_on(&deep_linear::layout(widths), Kind::Double, Device::Cpu).unwrap();
        fill_normal(key, 0, w.as_mut_slice::<f64>().unwrap());
        w
    }

    #[test]
    fn both_ways_give_the_same_loss_and_gradient() {
        for (widths, rows) in [(vec![3, 4, 2], 8), (vec![5, 2], 7), (vec![6, 3, 4, 5], 3)] {
            let product_star = deep_linear::product(&drawn(Key::new(1), &widths)).unwrap();
            let w = drawn(Key::new(2), &widths);
            let inputs = SyntheticInputs::new(Key::new(3), InputDist::Uniform, widths[0], 100);
            let indices: Vec<u64> = (20..20 + rows as u64).collect();
            let signed: Vec<i64> = widths.iter().map(|&width| width as i64).collect();
            let evaluate = |is_gram: bool| {
                let mut pass = MinibatchPass::new(rows, &signed, &product_star).unwrap();
                pass.way = if is_gram {
                    Way::Gram(GramPass::new(&pass.columns, &signed).unwrap())
                } else {
                    Way::Rows(Pass::new(pass.columns.tr(), &signed).unwrap())
                };
                let mut grad = w.zeros_like().unwrap();
                let loss = pass.evaluate(&inputs, &indices, &w, Some(&mut grad)).unwrap();
                let without = pass.evaluate(&inputs, &indices, &w, None).unwrap();
                assert_eq!(loss, without);
                (loss, grad)
            };
            let ((a, grad_a), (b, grad_b)) = (evaluate(true), evaluate(false));
            assert!((a - b).abs() < 1e-12 * a, "{a} against {b}");
            let off = crate::update::squared_distance(&grad_a, &grad_b).unwrap();
            assert!(off < 1e-24 * crate::update::dot(&grad_b, &grad_b).unwrap(), "{off}");
        }
    }
}
