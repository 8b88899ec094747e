//! Holds the scale of a curve: the nβ and γ of all of its points, so that what differs between them is the network alone.

use anyhow::Context as _;
use llc::checkpoint::Checkpoint;
use llc::config::{PositiveF64, SamplerConfig, Tempering};
use llc::journal::{Entry, Journal};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// nβ and γ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    pub n_beta: f64,
    pub gamma: f64,
}

impl Scale {
    /// The one that `sampler` has for `n` samples, as far as that is known before the loss is looked at.
    pub fn configured(sampler: &SamplerConfig, n: usize) -> Scale {
        Scale { n_beta: sampler.n_beta(n), gamma: sampler.fixed_gamma() }
    }

    /// `sampler` at this scale.
    pub fn of(self, sampler: &SamplerConfig) -> anyhow::Result<SamplerConfig> {
        let mut scaled = sampler.with_gamma(self.gamma);
        let n_beta = PositiveF64::new(self.n_beta).with_context(|| format!("nβ is {}", self.n_beta))?;
        scaled.tempering = Some(Tempering::NBeta(n_beta));
        Ok(scaled)
    }
}

/// What a run decides once, before its first point, and keeps for the processes that continue it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    #[serde(flatten)]
    pub scale: Scale,
    /// Leading points that are another run's.
    pub num_former: usize,
}

/// What the entry and its only fact are called.
const DECISION: &str = "scale";

/// The place of the decision in `journal`.
pub fn entry(journal: &Journal) -> Entry {
    journal.entry(DECISION)
}

/// What `entry` holds, if it was decided.
pub fn read(entry: &Entry) -> anyhow::Result<Option<Decision>> {
    let Some(kept) = entry.read()? else { return Ok(None) };
    let decision = kept.header.facts.get(DECISION).cloned().unwrap_or_default();
    serde_json::from_value(decision).map(Some).map_err(|_| entry.incomplete(DECISION).into())
}

/// Keeps `decision`.
pub fn write(entry: &mut Entry, decision: Decision) -> anyhow::Result<()> {
    let mut content = Checkpoint::default();
    content.header.facts.insert(DECISION.to_owned(), json!(decision));
    Ok(entry.write_now(content)?)
}

#[cfg(test)]
mod tests {
    use llc::journal::Pace;

    use super::*;

    #[test]
    fn a_decision_is_read_back_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path(), "hash", Pace::default());
        assert_eq!(read(&entry(&journal)).unwrap(), None);
        let decision = Decision { scale: Scale { n_beta: 50_000.0 / 50_000_f64.ln(), gamma: 0.1 }, num_former: 3 };
        write(&mut entry(&journal), decision).unwrap();
        assert_eq!(read(&entry(&journal)).unwrap(), Some(decision));
    }
}
