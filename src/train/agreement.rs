//! Compares which samples a network classifies rightly in one epoch and in the next.
//!
//! With C_t the set of samples that are right after epoch t: |C_t ∩ C_(t−1)|, |C_t ∪ C_(t−1)| and their ratio, Jaccard's index, 1 where
//! nothing is forgotten or learnt. A training at chance that guesses anew each epoch has p/(2 − p) for accuracy p, 0.053 at 10 %.
//!
//! *Tested by*: sets by hand.

use serde::{Deserialize, Serialize};

/// What two sets of the same samples have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Samples in both.
    pub intersection: usize,
    /// Samples in one at least.
    pub union: usize,
}

impl Agreement {
    /// That of two sets, each a flag a sample; samples that only one knows of are left out.
    ///
    /// ```
    /// use llc::train::Agreement;
    /// let agreement = Agreement::of(&[true, true, false, false], &[true, false, true, false]);
    /// assert_eq!((agreement.intersection, agreement.union), (1, 3));
    /// ```
    pub fn of(before: &[bool], now: &[bool]) -> Agreement {
        let pairs = || before.iter().zip(now);
        Agreement {
            intersection: pairs().filter(|(before, now)| **before && **now).count(),
            union: pairs().filter(|(before, now)| **before || **now).count(),
        }
    }

    /// |∩|/|∪|, in [0, 1]; 1 for two empty sets.
    pub fn jaccard(&self) -> f64 {
        if self.union == 0 { 1.0 } else { self.intersection as f64 / self.union as f64 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn agreements_are_those_of_sets_computed_by_hand() {
        let sets: [&[usize]; 4] = [&[0, 1, 2, 5], &[1, 2, 3], &[], &[0, 1, 2, 3, 4, 5, 6]];
        let flags = |set: &[usize]| (0..7).map(|i| set.contains(&i)).collect::<Vec<bool>>();
        for a in sets {
            for b in sets {
                let [a_set, b_set] = [a, b].map(|set| set.iter().copied().collect::<BTreeSet<usize>>());
                let agreement = Agreement::of(&flags(a), &flags(b));
                assert_eq!(agreement.intersection, a_set.intersection(&b_set).count());
                assert_eq!(agreement.union, a_set.union(&b_set).count());
            }
        }
        assert_eq!(Agreement::of(&flags(sets[0]), &flags(sets[1])).jaccard(), 0.4);
        assert_eq!(Agreement::of(&[false; 3], &[false; 3]).jaccard(), 1.0);
    }
}
