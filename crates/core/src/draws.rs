//! Holds what chains record of their draws.

/// Holds consecutive draws of one chain: structure of arrays, all of one length.
#[derive(Debug, Clone, Default)]
pub struct DrawBlock {
    /// Loss of each draw (what `--loss-trace` asks for).
    pub loss: Vec<f64>,
    /// ‖w − w*‖ of each draw, after its last step (a minibatch's loss is of the point before that step).
    pub distance: Vec<f64>,
    /// Mean Metropolis acceptance since the draw before; NaN where the sampler made none.
    pub acceptance: Vec<f64>,
}

impl DrawBlock {
    /// Moves the draws of `next` behind these.
    pub fn append(&mut self, next: &mut DrawBlock) {
        self.loss.append(&mut next.loss);
        self.distance.append(&mut next.distance);
        self.acceptance.append(&mut next.acceptance);
    }
}
