//! Makes samples of sets whose pixels or labels were corrupted.

use tch::TchError;

use super::Samples;
use crate::data::{Corrupted, Normalise, Preprocessing};

impl Corrupted {
    /// Training and test samples as a network is given them. Noise stays in [0, 1], as in the published experiments.
    ///
    /// # Errors
    ///
    /// As [`Samples::new`].
    pub fn samples(self, preprocessing: &Preprocessing) -> Result<[Samples; 2], TchError> {
        let train = Samples::new(&self.train, preprocessing)?;
        let test = Samples::new(&self.test, preprocessing)?;
        match self.noise {
            None => Ok([train, test]),
            Some([for_train, for_test]) => {
                let scale = &Normalise::Scale;
                Ok([train.with_inputs(for_train, scale)?, test.with_inputs(for_test, scale)?])
            }
        }
    }
}
