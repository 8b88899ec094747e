//! Computes per-sample losses of a network's outputs: cross-entropy in nats, or squared error averaged over outputs.
//!
//! Cross-entropy: −Σ_k p_k·ln softmax(f(x))_k, with p the label's one-hot vector or probabilities of their own. Squared error:
//! Σ_k (f(x)_k − p_k)²/K, without ½ (PyTorch's `mse_loss` of one sample).
//!
//! *Tested by*: the closed forms of two classes, and hard against soft labels, below.

use tch::{Kind, Reduction, TchError, Tensor};

use crate::config::network::Loss;

/// The loss of each sample, shape `[n]`, in f32 at least.
///
/// `outputs` has shape `[n, K]`; `answers` are labels `[n]` of kind `Int64`, or probabilities `[n, K]`.
///
/// # Errors
/// Whatever libtorch reports, for shapes that don't fit or a label that is no class.
pub fn per_sample(loss: Loss, outputs: &Tensor, answers: &Tensor) -> Result<Tensor, TchError> {
    let outputs = match outputs.kind() {
        Kind::Double | Kind::Float => outputs.shallow_clone(),
        _ => outputs.f_to_kind(Kind::Float)?,
    };
    let has_labels = answers.kind() == Kind::Int64;
    match loss {
        Loss::CrossEntropy if has_labels => {
            outputs.f_cross_entropy_loss::<Tensor>(answers, None, Reduction::None, NO_LABEL, 0.0)
        }
        Loss::CrossEntropy => {
            let log_softmax = outputs.f_log_softmax(1, outputs.kind())?;
            let answers = answers.f_to_kind(outputs.kind())?;
            answers.f_mul(&log_softmax)?.f_sum_dim_intlist([1i64].as_slice(), false, outputs.kind())?.f_neg()
        }
        Loss::SquaredError => {
            let answers = match has_labels {
                true => answers.f_one_hot(outputs.size2()?.1)?,
                false => answers.shallow_clone(),
            };
            let difference = outputs.f_sub(&answers.f_to_kind(outputs.kind())?)?;
            difference.f_square()?.f_mean_dim([1i64].as_slice(), false, outputs.kind())
        }
    }
}

/// A label that is left out: none is, for labels are from 0.
const NO_LABEL: i64 = -100;

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double)).unwrap()
    }

    #[test]
    fn two_classes_have_their_closed_forms() {
        let (a, b) = (0.3f64, -1.2f64);
        let outputs = Tensor::from_slice(&[a, b, a, b]).view([2, 2]);
        let labels = Tensor::from_slice(&[0i64, 1]);
        let entropy = values(&per_sample(Loss::CrossEntropy, &outputs, &labels).unwrap());
        let expected = [(1.0 + (b - a).exp()).ln(), (1.0 + (a - b).exp()).ln()];
        assert!(entropy.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-14), "{entropy:?} {expected:?}");
        let squares = values(&per_sample(Loss::SquaredError, &outputs, &labels).unwrap());
        let expected = [((a - 1.0).powi(2) + b * b) / 2.0, (a * a + (b - 1.0).powi(2)) / 2.0];
        assert!(squares.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-14), "{squares:?} {expected:?}");
    }

    #[test]
    fn certain_probabilities_are_labels_and_its_own_outputs_give_the_entropy() {
        let outputs = Tensor::from_slice(&[0.1f64, 0.2, -0.7, 2.0, -1.0, 0.5]).view([2, 3]);
        let labels = Tensor::from_slice(&[2i64, 0]);
        for loss in [Loss::CrossEntropy, Loss::SquaredError] {
            let hard = values(&per_sample(loss, &outputs, &labels).unwrap());
            let soft = values(&per_sample(loss, &outputs, &labels.one_hot(3).to_kind(Kind::Double)).unwrap());
            assert!(hard.iter().zip(&soft).all(|(x, y)| (x - y).abs() < 1e-14), "{hard:?} {soft:?}");
        }
        let own = outputs.softmax(1, Kind::Double);
        let entropy = values(&-(own.copy() * own.log()).sum_dim_intlist([1i64].as_slice(), false, Kind::Double));
        let loss = values(&per_sample(Loss::CrossEntropy, &outputs, &own).unwrap());
        assert!(loss.iter().zip(&entropy).all(|(x, y)| (x - y).abs() < 1e-14), "{loss:?} {entropy:?}");
    }
}
