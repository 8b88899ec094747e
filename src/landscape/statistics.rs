//! Gathers the running statistics of batch norms at a point that no training has been to: plain means over one pass.
//!
//! Between minima, weights are combined, but statistics can't be: those of w(t) are no combination of those of its ends. So they are
//! forgotten, and taken over the training samples in minibatches, with the weight b/(seen + b) of each, the mean of all so far; nothing
//! is dropped out meanwhile.
//!
//! *Reference*: Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>, appendix A.2; Izmailov et al. 2018,
//! <https://arxiv.org/abs/1803.05407>, section 3.2. *Tested by* the statistics of one large batch, in `evaluation`.

use std::ops::Range;

use tch::{TchError, Tensor};

use crate::model::{Buffers, Mode, Network};
use crate::train::Objective;

/// Reads the inputs and the labels of a range of samples.
pub(super) type ReadRange<'a> = dyn Fn(Range<u64>) -> Result<(Tensor, Tensor), TchError> + 'a;

/// The buffers of `network` at `w` after one pass over `n` samples that `read` gives, `batch_size` at a time; `buffers` are only a pattern.
///
/// # Errors
/// Errors of libtorch.
pub(super) fn gather(
    (network, w): (&Network, &[Tensor]),
    buffers: &Buffers,
    (n, read): (u64, &ReadRange),
    batch_size: u64,
    objective: &Objective,
) -> Result<Buffers, TchError> {
    let mut gathered = buffers.try_clone()?;
    tch::no_grad(|| {
        for first in (0..n).step_by(batch_size.max(1) as usize) {
            let end = (first + batch_size).min(n);
            // A last batch of one value has no variance: it is left out, as far as there are others.
            if end - first == 1 && first > 0 {
                break;
            }
            let momentum = (end - first) as f64 / end as f64;
            let (x, _) = read(first..end)?;
            let _ = objective.outputs(network, w, &mut gathered, &x, Mode::Statistics { momentum })?;
        }
        Ok(gathered)
    })
}
