//! Reads estimates out of reports: λ̂ with its interval and verdict, and λ where it is known.

use llc::record::read::Run;
use serde_json::Value;

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

    fn read(report: &Value) -> Self {
        match report["verdict"].as_str() {
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
    /// The estimate in a report, or in the part of one that tells of a point; `None` where there is no finite λ̂.
    pub fn read(report: &Value) -> Option<Self> {
        let llc = report.pointer("/llc/mean")?.as_f64()?;
        let mcse = report.pointer("/llc/mcse").and_then(Value::as_f64).unwrap_or(f64::NAN);
        let end = |i: usize| report.pointer(&format!("/llc/ci90/{i}")).and_then(Value::as_f64);
        let interval = end(0).zip(end(1)).map(|(low, high)| [low, high]);
        Some(Self { llc, mcse, interval, verdict: Verdict::read(report) })
    }
}

/// The part of `report` that tells of the run's estimate: the last point of what follows λ̂ over steps or along a path, else the report itself.
/// A table of many estimates has no one that stands for the run.
pub fn final_point(report: &Value) -> &Value {
    let last = report["points"].as_array().and_then(|points| points.last());
    last.filter(|point| point["step"].is_number() || point["t"].is_number()).unwrap_or(report)
}

/// A run of a network whose λ is known.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    pub run: &'a Run,
    pub report: &'a Value,
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
        // A ladder of scales is not one estimate.
        let report = run.report.as_ref().filter(|report| !report["rungs"].is_array())?;
        Some(Self {
            run,
            report,
            lambda: report["lambda_true"].as_f64()?,
            is_local: report["lambda_true_is_local"].as_bool().unwrap_or(false),
            multiplicity: report["multiplicity"].as_u64()?,
            d: report["d"].as_f64()?,
            num_layers: report["network"].as_array()?.len().saturating_sub(1),
            rank: report["rank_true"].as_u64().unwrap_or(0),
            estimate: Estimate::read(report),
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
    use serde_json::json;

    use super::*;

    #[test]
    fn every_verdict_is_read_by_its_word_and_a_newer_one_is_not_taken_for_another() {
        let read = |word: &str| Verdict::read(&json!({"verdict": word}));
        for verdict in Verdict::ALL.into_iter().filter(|&verdict| verdict != Verdict::Unknown) {
            assert_eq!(read(verdict.word()), verdict);
        }
        assert_eq!(read("trusted_on_sundays"), Verdict::Unknown);
        assert_eq!(Verdict::read(&json!({})), Verdict::NotTrusted, "a report without a verdict");
    }
}
