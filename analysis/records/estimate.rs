//! Reads estimates out of reports: λ̂ with its interval and verdict, and λ if it is known.

use llc::llc::LlcEstimate;
use llc::record::read::Run;
use llc::report::read::{Estimated, Said};
use llc::verdict;

use crate::plot::panel::Shape;

/// Whether an estimate can be trusted, as its run judged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Trusted,
    TrustedAtScale,
    LocalPlateau,
    NotTrusted,
    /// A word that this program does not know, of a newer `llc`.
    Unknown,
}

impl Verdict {
    pub const ALL: [Self; 5] =
        [Self::Trusted, Self::TrustedAtScale, Self::LocalPlateau, Self::NotTrusted, Self::Unknown];

    fn read(said: &Said) -> Self {
        match said.verdict.as_deref() {
            Some("trusted") => Self::Trusted,
            Some("trusted_at_scale") => Self::TrustedAtScale,
            Some("local_plateau") => Self::LocalPlateau,
            Some("not_trusted") | None => Self::NotTrusted,
            Some(_) => Self::Unknown,
        }
    }

    /// The word in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::TrustedAtScale => "trusted_at_scale",
            Self::LocalPlateau => "local_plateau",
            Self::NotTrusted => "not_trusted",
            Self::Unknown => "unknown",
        }
    }

    /// The words in figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::TrustedAtScale => "trusted at scale",
            Self::LocalPlateau => "local plateau",
            Self::NotTrusted => "not trusted",
            Self::Unknown => "another verdict",
        }
    }

    /// How its points look: filled unless it speaks against the estimate.
    pub fn shape(self) -> Shape {
        match self {
            Self::Trusted => Shape::Disc,
            Self::TrustedAtScale => Shape::Diamond,
            Self::LocalPlateau => Shape::Square,
            Self::NotTrusted => Shape::Ring,
            Self::Unknown => Shape::Cross,
        }
    }
}

/// λ̂ at a point of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub llc: f64,
    pub mcse: f64,
    /// The 90 % interval of the sampling error.
    pub interval: Option<[f64; 2]>,
    pub verdict: Verdict,
}

impl Estimate {
    /// What a report says, or the part of one about a point; `None` where there is no finite λ̂.
    pub fn read(said: &Said) -> Option<Self> {
        let Estimated { mean, mcse, ci90 } = said.llc()?;
        Some(Self { llc: mean, mcse: mcse.unwrap_or(f64::NAN), interval: ci90, verdict: Verdict::read(said) })
    }

    /// The same of `llc` with its `verdict`.
    pub fn of(llc: &LlcEstimate, verdict: verdict::Verdict) -> Option<Self> {
        let interval = Some(llc.ci90).filter(|ends| ends.iter().all(|end| end.is_finite()));
        let verdict = match verdict {
            verdict::Verdict::Trusted => Verdict::Trusted,
            verdict::Verdict::TrustedAtScale => Verdict::TrustedAtScale,
            verdict::Verdict::LocalPlateau => Verdict::LocalPlateau,
            verdict::Verdict::NotTrusted => Verdict::NotTrusted,
        };
        llc.mean.is_finite().then_some(Self { llc: llc.mean, mcse: llc.mcse, interval, verdict })
    }
}

/// A run of a network whose λ is known.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    pub run: &'a Run,
    pub said: Said,
    /// λ: exact at the point, or only a lower bound of it.
    pub lambda: f64,
    pub is_local: bool,
    pub multiplicity: u64,
    /// Parameters d.
    pub d: f64,
    pub num_layers: usize,
    pub rank: u64,
    /// None where every chain diverged.
    pub estimate: Option<Estimate>,
}

impl<'a> Known<'a> {
    /// `None` where `run` is of another kind, or has no report yet.
    pub fn read(run: &'a Run) -> Option<Self> {
        let said = Said::of(run.report.as_ref());
        // A ladder of scales is not one estimate.
        if said.rungs.is_some() {
            return None;
        }
        Some(Self {
            run,
            lambda: said.lambda_true?,
            is_local: said.lambda_true_is_local,
            multiplicity: said.multiplicity?,
            d: said.d()?,
            num_layers: said.widths()?.len().saturating_sub(1),
            rank: said.rank_true.unwrap_or(0),
            estimate: Estimate::read(&said),
            said,
        })
    }

    /// (λ̂ − λ)/λ with its interval; `None` without an estimate, or where λ is 0.
    pub fn relative_error(&self) -> Option<(f64, Option<[f64; 2]>)> {
        let relative = |llc: f64| (llc - self.lambda) / self.lambda;
        let estimate = self.estimate.filter(|_| self.lambda > 0.0)?;
        Some((relative(estimate.llc), estimate.interval.map(|ends| ends.map(relative))))
    }
}

/// Every run of a network whose λ is known.
pub fn known(runs: &[Run]) -> Vec<Known<'_>> {
    runs.iter().filter_map(Known::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_read_by_its_word_and_a_newer_one_is_not_taken_for_another() {
        let read = |word: &str| Verdict::read(&Said::of(Some(&serde_json::json!({"verdict": word}))));
        for verdict in Verdict::ALL.into_iter().filter(|&verdict| verdict != Verdict::Unknown) {
            assert_eq!(read(verdict.word()), verdict);
        }
        assert_eq!(read("trusted_on_sundays"), Verdict::Unknown);
        assert_eq!(Verdict::read(&Said::default()), Verdict::NotTrusted, "a report without a verdict");
    }
}
