//! Evaluates the squared error of a ReLU network on synthetic inputs, with the outputs of its true parameter as targets.
//!
//! L(w) = Σ‖f(x; w) − f(x; w*)‖²/(n·out): noise-free, so that L(w*) = 0 exactly, on all samples and on every minibatch. All samples are
//! held in memory, (H₀ + H_L)·n numbers; how loss and gradient are computed stands in `relu_passes`. On the CPU, one thread a chain.
//!
//! *Tested by*: gradients against finite differences and against autograd, below.

use std::sync::Arc;

use super::relu_passes::{Passes, Samples};
use super::{Batch, LocalPosterior, Target, TargetError};
use crate::data::synthetic::SyntheticInputs;
use crate::params::{Element, Params};

/// A ReLU network's loss on a synthetic set, around its true parameter.
#[derive(Debug)]
pub struct ReluNetwork {
    widths: Vec<usize>,
    local: LocalPosterior,
    work: Work,
}

/// Samples and buffers in the precision of the parameters.
#[derive(Debug)]
enum Work {
    F32(Arc<Samples<f32>>, Passes<f32>),
    F64(Arc<Samples<f64>>, Passes<f64>),
}

impl ReluNetwork {
    /// The loss of the network of `widths` whose true parameter is `local`'s centre ([`crate::model::relu::layout`]), on `inputs`, in the
    /// centre's precision.
    ///
    /// # Errors
    /// [`TargetError::Unsupported`] where the centre is not on the CPU.
    pub fn new(inputs: &SyntheticInputs, widths: &[usize], local: LocalPosterior) -> Result<ReluNetwork, TargetError> {
        let w_star = local.w_star();
        let work = if let Some(w) = w_star.as_slice::<f32>() {
            Work::F32(Arc::new(Samples::of_network(inputs, widths, w)), Passes::new(widths))
        } else if let Some(w) = w_star.as_slice::<f64>() {
            Work::F64(Arc::new(Samples::of_network(inputs, widths, w)), Passes::new(widths))
        } else {
            return Err(ON_CPU);
        };
        Ok(ReluNetwork { widths: widths.to_vec(), local, work })
    }

    fn evaluate(&mut self, w: &Params, batch: Batch, grad: Option<&mut Params>) -> Result<f64, TargetError> {
        let indices = match batch {
            Batch::Full | Batch::Probe => None,
            Batch::Minibatch { indices, .. } => Some(indices),
        };
        fn slices<'a, T: Element>(
            w: &'a Params,
            grad: Option<&'a mut Params>,
        ) -> Option<(&'a [T], Option<&'a mut [T]>)> {
            let grad = match grad {
                Some(grad) => Some(grad.as_mut_slice()?),
                None => None,
            };
            Some((w.as_slice()?, grad))
        }
        match &mut self.work {
            Work::F32(samples, passes) => {
                let (w, grad) = slices(w, grad).ok_or(ON_CPU)?;
                Ok(passes.evaluate(samples, indices, w, grad))
            }
            Work::F64(samples, passes) => {
                let (w, grad) = slices(w, grad).ok_or(ON_CPU)?;
                Ok(passes.evaluate(samples, indices, w, grad))
            }
        }
    }
}

const ON_CPU: TargetError =
    TargetError::Unsupported("a ReLU network on synthetic inputs is evaluated in f32 or f64 on the CPU");

impl Target for ReluNetwork {
    fn local(&self) -> &LocalPosterior {
        &self.local
    }

    fn loss_and_grad(&mut self, w: &Params, batch: Batch, grad: &mut Params) -> Result<f64, TargetError> {
        self.evaluate(w, batch, Some(grad))
    }

    fn loss(&mut self, w: &Params, batch: Batch) -> Result<f64, TargetError> {
        self.evaluate(w, batch, None)
    }

    fn loss_at_centre(&self, _: Batch) -> Option<f64> {
        Some(0.0)
    }

    /// libtorch keeps a number of threads for each calling thread.
    fn use_threads(&mut self, num_threads: usize) {
        tch::set_num_threads(num_threads as i32);
    }

    fn num_samples(&self) -> Option<u64> {
        Some(match &self.work {
            Work::F32(samples, _) => samples.len(),
            Work::F64(samples, _) => samples.len(),
        } as u64)
    }

    fn with_density(&self, n_beta: f64, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        let work = match &self.work {
            Work::F32(samples, _) => Work::F32(samples.clone(), Passes::new(&self.widths)),
            Work::F64(samples, _) => Work::F64(samples.clone(), Passes::new(&self.widths)),
        };
        Ok(Box::new(ReluNetwork { widths: self.widths.clone(), local: self.local.with_density(n_beta, gamma)?, work }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tch::{Device, Kind};

    use super::*;
    use crate::config::dln::InputDist;
    use crate::model::{Init, Mode, ModelOptions, ModelSpec, relu};
    use crate::rng::{Key, fill_normal};
    use crate::tensors::Tensors;

    /// Widths that are multiples of the block of units and that are not; samples that fill their last tile and that don't.
    const CASES: [(&[usize], u64); 3] = [(&[3, 7, 2], 100), (&[10, 20, 20, 10], 1000), (&[5, 4], 128)];

    fn target(widths: &[usize], n: u64, kind: Kind) -> ReluNetwork {
        let w_star = relu::draw(Key::new(3), widths, Init::Normal { deviation: 1.0 }).unwrap();
        let local = LocalPosterior::new(10.0, 1.0, w_star.to(kind, Device::Cpu).unwrap()).unwrap();
        ReluNetwork::new(&inputs(widths, n), widths, local).unwrap()
    }

    fn inputs(widths: &[usize], n: u64) -> SyntheticInputs {
        SyntheticInputs::new(Key::new(5), InputDist::Uniform, widths[0], n)
    }

    fn moved(target: &ReluNetwork) -> Params {
        let mut w = target.local().w_star().to(Kind::Double, Device::Cpu).unwrap();
        let mut z = vec![0.0; w.len()];
        fill_normal(Key::new(9), 0, &mut z);
        w.as_mut_slice::<f64>().unwrap().iter_mut().zip(z).for_each(|(w, z)| *w += 0.1 * z);
        w
    }

    /// More samples than a tile holds, the last one of the set among them.
    fn some(n: u64) -> Vec<u64> {
        (0..n).rev().step_by(3).collect()
    }

    #[test]
    fn gradients_equal_finite_differences_on_full_data_and_minibatches() {
        for (widths, n) in CASES {
            let mut target = target(widths, n, Kind::Double);
            let w = moved(&target);
            let some = some(n);
            for batch in [Batch::Full, Batch::Minibatch { key: Key::new(0), indices: &some }] {
                let mut grad = w.zeros_like().unwrap();
                let loss = target.loss_and_grad(&w, batch, &mut grad).unwrap();
                assert_eq!(loss, target.loss(&w, batch).unwrap());
                let grad = grad.as_slice::<f64>().unwrap().to_vec();
                for i in (0..w.len()).step_by(7) {
                    // So short that hardly a sample crosses a kink on the way.
                    let h = 1e-7;
                    let mut at = |shift: f64| {
                        let mut w = w.try_clone().unwrap();
                        w.as_mut_slice::<f64>().unwrap()[i] += shift;
                        target.loss(&w, batch).unwrap()
                    };
                    let difference = (at(h) - at(-h)) / (2.0 * h);
                    assert!((difference - grad[i]).abs() < 1e-5 * (1.0 + grad[i].abs()), "{widths:?}, element {i}");
                }
            }
        }
    }

    #[test]
    fn loss_and_gradient_are_those_of_autograd_on_the_same_network() {
        // The last has no hidden layer, which no perceptron is without.
        for (widths, n) in [CASES[0], CASES[1]] {
            let mut target = target(widths, n, Kind::Double);
            let w = moved(&target);
            let options = ModelOptions {
                input_shape: Some([1, 1, widths[0]]),
                num_classes: Some(widths[widths.len() - 1]),
                widths: Some(widths[1..widths.len() - 1].to_vec()),
                ..ModelOptions::default()
            };
            let network = Arc::new(ModelSpec { name: "mlp".to_owned(), options }.build().unwrap());
            let some = some(n);
            let mut columns = vec![0f64; widths[0] * some.len()];
            inputs(widths, n).fill_columns(&some, &mut columns);
            let x = tch::Tensor::from_slice(&columns).view([widths[0] as i64, some.len() as i64]).tr().contiguous();
            let x = x.view([some.len() as i64, 1, 1, widths[0] as i64]);
            let mut buffers = network.initial_buffers().unwrap();
            let mut forward = |w: &[tch::Tensor]| network.forward(w, &mut buffers, &x, Mode::Frozen).unwrap();
            let y = forward(target.local().w_star().views());
            let leaves: Vec<tch::Tensor> = w.views().iter().map(|w| w.copy().set_requires_grad(true)).collect();
            let loss = (forward(&leaves) - y).square().mean(Kind::Double);
            loss.backward();
            let expected: Vec<f64> =
                leaves.iter().flat_map(|leaf| Vec::<f64>::try_from(leaf.grad().flatten(0, -1)).unwrap()).collect();
            let batch = Batch::Minibatch { key: Key::new(0), indices: &some };
            let mut grad = w.zeros_like().unwrap();
            let found = target.loss_and_grad(&w, batch, &mut grad).unwrap();
            assert!((found / loss.double_value(&[]) - 1.0).abs() < 1e-12, "{widths:?}");
            let size = expected.iter().map(|g| g * g).sum::<f64>().sqrt();
            for (found, expected) in grad.as_slice::<f64>().unwrap().iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-12 * size, "{widths:?}: {found} against {expected}");
            }
        }
    }

    #[test]
    fn the_full_data_are_the_minibatch_of_all_samples_and_w_star_has_no_loss_on_any() {
        for kind in [Kind::Float, Kind::Double] {
            for (widths, n) in CASES {
                let mut target = target(widths, n, kind);
                let w = moved(&target).to(kind, Device::Cpu).unwrap();
                let all: Vec<u64> = (0..n).collect();
                let on_all = target.loss(&w, Batch::Minibatch { key: Key::new(0), indices: &all }).unwrap();
                assert_eq!(on_all, target.loss(&w, Batch::Full).unwrap());
                let w_star = target.local().w_star().try_clone().unwrap();
                let some = some(n);
                for batch in [Batch::Full, Batch::Minibatch { key: Key::new(0), indices: &some }] {
                    assert_eq!(target.loss(&w_star, batch).unwrap(), 0.0);
                }
            }
        }
    }

    #[test]
    fn single_precision_agrees_with_double() {
        let (widths, n) = CASES[1];
        let (mut double, mut single) = (target(widths, n, Kind::Double), target(widths, n, Kind::Float));
        let w = moved(&double);
        let w_single = w.to(Kind::Float, Device::Cpu).unwrap();
        let (mut exact, mut rounded) = (w.zeros_like().unwrap(), w_single.zeros_like().unwrap());
        let a = double.loss_and_grad(&w, Batch::Full, &mut exact).unwrap();
        let b = single.loss_and_grad(&w_single, Batch::Full, &mut rounded).unwrap();
        assert!((a / b - 1.0).abs() < 1e-5, "{a} against {b}");
        let rounded = rounded.to(Kind::Double, Device::Cpu).unwrap();
        let off = crate::update::squared_distance(&exact, &rounded).unwrap();
        assert!(off < 1e-10 * crate::update::dot(&exact, &exact).unwrap(), "{off}");
    }
}
