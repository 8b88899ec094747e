//! Holds what chains record of their draws, column by column.

use std::collections::BTreeMap;

/// Holds consecutive draws of one chain: structure of arrays, all of one length.
#[derive(Debug, Clone, Default)]
pub struct DrawBlock {
    /// Loss of each draw (what `--loss-trace` asks for).
    pub loss: Vec<f64>,
    /// ‖w − w*‖ of each draw, after its last step (a minibatch's loss is of the point before that step).
    pub distance: Vec<f64>,
    /// Mean Metropolis acceptance since the draw before; NaN where the sampler made none.
    pub acceptance: Vec<f64>,
    /// What else the sampler records, by name ([`crate::kernel::About::statistics`]): of the last step before each draw.
    pub statistics: BTreeMap<String, Vec<f64>>,
}

impl DrawBlock {
    /// Every column with its name.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Vec<f64>)> {
        let own = [("loss", &self.loss), ("distance", &self.distance), ("acceptance", &self.acceptance)];
        own.into_iter().chain(self.statistics.iter().map(|(name, column)| (name.as_str(), column)))
    }

    /// The column `name`, to write; an empty statistic where there was none of that name.
    pub fn column_mut(&mut self, name: &str) -> &mut Vec<f64> {
        match name {
            "loss" => &mut self.loss,
            "distance" => &mut self.distance,
            "acceptance" => &mut self.acceptance,
            _ => self.statistics.entry(name.to_owned()).or_default(),
        }
    }

    /// Appends the draws of `next`. A statistic that these lack is NaN there.
    pub fn append(&mut self, next: &mut DrawBlock) {
        let num_draws = self.loss.len();
        self.loss.append(&mut next.loss);
        self.distance.append(&mut next.distance);
        self.acceptance.append(&mut next.acceptance);
        for (name, column) in &mut next.statistics {
            let all = self.column_mut(name);
            all.resize(num_draws, f64::NAN);
            all.append(column);
        }
    }
}
