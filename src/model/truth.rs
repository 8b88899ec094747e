//! Names the ways in which the true parameter of a deep linear network is drawn.

use llc_core::setting::{Choice, choice};
use serde::Serialize;

/// How the true parameter is made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Truth {
    /// Truncated normal entries of standard deviation 1/√fan-in.
    Random,
    /// All entries 0.
    Zero,
    /// Random, then some layers lose their smallest singular values.
    RandRank {
        /// Probability that a layer does, in [0, 1].
        prop_rank_reduce: f64,
    },
    /// Layers with normal singular values, some layers with a random rank.
    RandRankSv {
        /// Probability that a layer's rank is reduced, in [0, 1].
        prop_rank_reduce: f64,
        /// Mean of the singular values.
        sv_mean: f64,
        /// Standard deviation of the singular values, 0 or more.
        sv_std: f64,
    },
    /// W_l = U_{l−1}·diag(σ_l)·U_lᵀ: every layer has the same rank exactly, so that Aoyagi's λ is the local one.
    Aligned {
        /// That rank, at most the smallest width.
        rank: usize,
    },
}

/// The ways of [`Truth`] by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "those of `Truth`")]
pub enum TruthKind {
    Random,
    Zero,
    RandRank,
    RandRankSv,
    Aligned,
}

choice!(
    TruthKind: Random = "random", Zero = "zero", RandRank = "rand-rank", RandRankSv = "rand-rank-sv", Aligned = "aligned"
);

impl Truth {
    /// The name in files and flags.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Which way it is.
    pub fn kind(&self) -> TruthKind {
        match self {
            Self::Random => TruthKind::Random,
            Self::Zero => TruthKind::Zero,
            Self::RandRank { .. } => TruthKind::RandRank,
            Self::RandRankSv { .. } => TruthKind::RandRankSv,
            Self::Aligned { .. } => TruthKind::Aligned,
        }
    }
}
