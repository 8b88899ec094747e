//! Keeps draws in memory until they are on disk, so that a sampler never waits for the disk.

use super::draws::{Extent, Phase};
use crate::draws::DrawBlock;

/// Draws in memory that are not yet on disk: for each chain and phase everything past the last full chunk.
#[derive(Debug)]
pub struct DrawBuffer {
    phases: [Phase; 2],
    /// By chain, then by phase.
    tails: Vec<[Tail; 2]>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// Place within the phase of the first draw held; a multiple of the phase's chunk.
    pub(super) start: usize,
    pub(super) draws: DrawBlock,
    is_dirty: bool,
}

/// Draws of one chain and phase to be written, from [`DrawBuffer::take_unwritten`].
#[derive(Debug)]
pub struct Unwritten {
    pub(super) chain: usize,
    pub(super) phase: usize,
    pub(super) tail: Tail,
}

impl DrawBuffer {
    /// Starts empty.
    pub fn new(extent: Extent) -> Self {
        Self { phases: extent.phases(), tails: vec![Default::default(); extent.num_chains] }
    }

    /// Adds draws `first_draw..` of `chain`. Draws past the planned ones and chains past the last are ignored; a gap
    /// reads as NaN. Costs a copy, no input or output.
    pub fn push(&mut self, chain: usize, first_draw: usize, block: &DrawBlock) {
        let Some(tails) = self.tails.get_mut(chain) else {
            return;
        };
        for (phase, tail) in self.phases.iter().zip(tails) {
            let begin = first_draw.max(phase.first_draw);
            let end = (first_draw + block.loss.len()).min(phase.first_draw + phase.num_draws);
            if begin >= end {
                continue;
            }
            let at = (begin - phase.first_draw).saturating_sub(tail.start);
            let (begin, end) = (begin - first_draw, end - first_draw);
            for (name, from) in block.columns() {
                let to = tail.draws.column_mut(name);
                to.resize(at, f64::NAN);
                to.extend_from_slice(from.get(begin..end.min(from.len())).unwrap_or_default());
                to.resize(at + end - begin, f64::NAN);
            }
            tail.is_dirty = true;
        }
    }

    /// Copies the changes since the last call, for [`DrawWriter::write`](super::draws::DrawWriter::write).
    pub fn take_unwritten(&mut self) -> Vec<Unwritten> {
        let mut unwritten = Vec::new();
        for (chain, tails) in self.tails.iter_mut().enumerate() {
            for (phase, tail) in tails.iter_mut().enumerate().filter(|(_, tail)| tail.is_dirty) {
                unwritten.push(Unwritten { chain, phase, tail: tail.clone() });
                tail.is_dirty = false;
            }
        }
        unwritten
    }

    /// Drops the full chunks among `written`, which will not change on disk.
    pub fn forget(&mut self, written: &[Unwritten]) {
        for Unwritten { chain, phase, tail } in written {
            let chunk = self.phases[*phase].chunk;
            let full = tail.draws.loss.len() / chunk * chunk;
            let held = &mut self.tails[*chain][*phase];
            held.start += full;
            for (name, _) in tail.draws.columns() {
                let column = held.draws.column_mut(name);
                column.drain(..full.min(column.len()));
            }
        }
    }

    /// Takes `unwritten` back after a failed write, to try again at the next.
    pub fn put_back(&mut self, unwritten: &[Unwritten]) {
        for Unwritten { chain, phase, .. } in unwritten {
            self.tails[*chain][*phase].is_dirty = true;
        }
    }

    /// Draws of the longest chain in each phase.
    pub(super) fn num_drawn(&self) -> [usize; 2] {
        let longest = |phase: usize| {
            self.tails.iter().map(|tails| tails[phase].start + tails[phase].draws.loss.len()).max().unwrap_or(0)
        };
        [longest(0), longest(1)]
    }

    /// Draws in memory, over all chains.
    pub fn num_held(&self) -> usize {
        self.tails.iter().flatten().map(|tail| tail.draws.loss.len()).sum()
    }
}
