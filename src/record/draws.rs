//! Creates `draws.zarr`, the draws around one point of a run in ArviZ's format, and fills it during the run.
//!
//! | group | variables, `[num_chains, num_draws]` |
//! |---|---|
//! | `posterior` | `loss`, `distance` of the kept draws |
//! | `sample_stats` | `acceptance` of the kept draws, and anything else that the sampler records (HMC: `energy`) |
//! | `warmup_posterior`, `warmup_sample_stats` | the same for the warm-up; absent if there is none |
//!
//! The coordinate `draw` counts from the first warm-up draw, so the first kept draw is `num_warmup`; ArviZ's own
//! converters often restart at 0. A variable is divided into chunks of one chain; a full chunk is written once, and only the
//! last one is written again as it grows. Until the end the shape is the planned one and missing draws read
//! as NaN; [`DrawWriter::finish`] sets it to the length of the longest chain, and shorter chains end in NaN.
//!
//! *Tested by* the unit tests below, and against arviz by `tests/readers.rs`.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::draw_buffer::{DrawBuffer, Unwritten};
use super::zarr::{Element, Store};

/// A chunk has at least this many draws (8 kB), so that short runs make one file for each chain.
const MIN_CHUNK: usize = 1024;
/// A chunk has at most this many draws (512 kB), which bounds the repeated writes.
const MAX_CHUNK: usize = 65_536;
/// Between the two a chain has about this many chunks: few files even for long runs.
const CHUNKS_PER_CHAIN: usize = 32;

/// The sizes of a run's draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Chains.
    pub num_chains: usize,
    /// Draws per chain, warm-up included.
    pub num_draws: usize,
    /// Leading draws of these that are warm-up.
    pub num_warmup: usize,
}

/// A range of draws with its own groups: the warm-up, or the kept draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) prefix: &'static str,
    pub(super) first_draw: usize,
    pub(super) num_draws: usize,
    pub(super) chunk: usize,
}

/// The groups of a phase.
const GROUPS: [&str; 2] = ["posterior", "sample_stats"];

/// The variables that every run has.
const VARIABLES: [&str; 3] = ["loss", "distance", "acceptance"];

/// The group of a variable.
fn group_of(variable: &str) -> &'static str {
    match variable {
        "loss" | "distance" => "posterior",
        _ => "sample_stats",
    }
}

impl Phase {
    /// A warm-up without draws has no groups.
    fn is_present(self) -> bool {
        self.num_draws > 0 || self.prefix.is_empty()
    }

    fn path(self, group: &str) -> String {
        format!("{}{group}", self.prefix)
    }
}

impl Extent {
    /// Warm-up and kept draws, in this order.
    pub(super) fn phases(self) -> [Phase; 2] {
        let phase = |prefix, first_draw, end: usize| {
            let num_draws = end.saturating_sub(first_draw);
            let chunk = num_draws.div_ceil(CHUNKS_PER_CHAIN).clamp(MIN_CHUNK, MAX_CHUNK).min(num_draws.max(1));
            Phase { prefix, first_draw, num_draws, chunk }
        };
        let num_warmup = self.num_warmup.min(self.num_draws);
        [phase("warmup_", 0, num_warmup), phase("", num_warmup, self.num_draws)]
    }
}

/// Writes `draws.zarr`.
#[derive(Debug)]
pub struct DrawWriter {
    store: Store,
    phases: [Phase; 2],
    num_chains: usize,
    /// Names of the variables.
    variables: Vec<String>,
}

impl DrawWriter {
    /// Creates the folder `path` with all metadata and coordinates. `attributes` go to the root and to every group.
    ///
    /// # Errors
    ///
    /// Errors of the file system.
    pub fn create(path: PathBuf, extent: Extent, attributes: &Value) -> io::Result<Self> {
        let mut store = Store::new(path, attributes.clone());
        let (phases, num_chains) = (extent.phases(), extent.num_chains);
        for phase in phases.into_iter().filter(|phase| phase.is_present()) {
            for group in GROUPS.map(|group| phase.path(group)) {
                let num_draws = phase.num_draws;
                store.add_group(&group, attributes.clone());
                store.add_array(
                    &format!("{group}/chain"),
                    Element::Integer,
                    &[num_chains],
                    &[num_chains.max(1)],
                    &["chain"],
                );
                store.add_array(
                    &format!("{group}/draw"),
                    Element::Integer,
                    &[num_draws],
                    &[num_draws.max(1)],
                    &["draw"],
                );
            }
        }
        let mut writer = Self { store, phases, num_chains, variables: Vec::new() };
        VARIABLES.iter().for_each(|name| writer.declare(name));
        writer.store.commit()?;

        let integers = |range: Range<usize>| range.map(|i| (i as i64).to_le_bytes()).collect::<Vec<_>>();
        for phase in phases.into_iter().filter(|phase| phase.is_present()) {
            let draws = phase.first_draw..phase.first_draw + phase.num_draws.max(1);
            for group in GROUPS.map(|group| phase.path(group)) {
                writer.store.write_chunk(&format!("{group}/chain"), [0], &integers(0..num_chains.max(1)))?;
                writer.store.write_chunk(&format!("{group}/draw"), [0], &integers(draws.clone()))?;
            }
        }
        Ok(writer)
    }

    /// Adds the variable `name` to the metadata, which are not yet written.
    fn declare(&mut self, name: &str) {
        for phase in self.phases.into_iter().filter(|phase| phase.is_present()) {
            let array = format!("{}/{name}", phase.path(group_of(name)));
            let shape = [self.num_chains, phase.num_draws];
            self.store.add_array(&array, Element::Float, &shape, &[1, phase.chunk], &["chain", "draw"]);
        }
        self.variables.push(name.to_owned());
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.store.root()
    }

    /// Writes the chunks that `unwritten` touches, each in one step.
    ///
    /// # Errors
    ///
    /// Errors of the file system; some chunks may have been written.
    pub fn write(&mut self, unwritten: &[Unwritten]) -> io::Result<()> {
        let statistics = unwritten.iter().flat_map(|unwritten| unwritten.tail.draws.statistics.keys());
        let new: BTreeSet<&String> = statistics.filter(|name| !self.variables.contains(name)).collect();
        if !new.is_empty() {
            new.into_iter().for_each(|name| self.declare(name));
            self.store.commit()?;
        }
        for Unwritten { chain, phase, tail } in unwritten {
            let phase = self.phases[*phase];
            for (name, column) in tail.draws.columns() {
                let array = format!("{}/{name}", phase.path(group_of(name)));
                for (i, draws) in column.chunks(phase.chunk).enumerate() {
                    let mut numbers: Vec<[u8; 8]> = draws.iter().map(|draw| draw.to_le_bytes()).collect();
                    numbers.resize(phase.chunk, f64::NAN.to_le_bytes());
                    self.store.write_chunk(&array, [*chain, tail.start / phase.chunk + i], &numbers)?;
                }
            }
        }
        Ok(())
    }

    /// Sets the shapes to the draws of the longest chain in `buffer`.
    ///
    /// # Errors
    ///
    /// Errors of the file system.
    pub fn finish(&mut self, buffer: &DrawBuffer) -> io::Result<()> {
        for (phase, num_draws) in self.phases.iter().zip(buffer.num_drawn()) {
            // A group left out has no array to resize, which is not an error.
            for group in GROUPS.map(|group| phase.path(group)) {
                self.store.resize(&format!("{group}/draw"), &[num_draws]);
            }
            for name in &self.variables {
                self.store.resize(&format!("{}/{name}", phase.path(group_of(name))), &[self.num_chains, num_draws]);
            }
        }
        self.store.commit()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::super::zarr::read_floats;
    use super::*;
    use crate::draws::DrawBlock;

    /// Draws `range` of a chain whose loss at draw i is 1000·chain + i.
    fn block(chain: usize, range: Range<usize>) -> DrawBlock {
        let loss: Vec<f64> = range.map(|draw| (1000 * chain + draw) as f64).collect();
        DrawBlock {
            distance: loss.iter().map(|x| -x).collect(),
            acceptance: vec![0.5; loss.len()],
            loss,
            ..DrawBlock::default()
        }
    }

    fn flush(buffer: &mut DrawBuffer, writer: &mut DrawWriter) {
        let unwritten = buffer.take_unwritten();
        writer.write(&unwritten).unwrap();
        buffer.forget(&unwritten);
    }

    fn start(folder: &Path, num_draws: usize, num_warmup: usize) -> (DrawBuffer, DrawWriter) {
        let extent = Extent { num_chains: 2, num_draws, num_warmup };
        (DrawBuffer::new(extent), DrawWriter::create(folder.join("draws.zarr"), extent, &json!({})).unwrap())
    }

    #[test]
    fn draws_flushed_at_odd_moments_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let (mut buffer, mut writer) = start(folder.path(), 5000, 1500);
        for first in (0..5000).step_by(70) {
            for chain in 0..2 {
                buffer.push(chain, first, &block(chain, first..(first + 70).min(5000)));
                if first % 3 == 0 {
                    flush(&mut buffer, &mut writer);
                }
            }
        }
        flush(&mut buffer, &mut writer);
        assert!(buffer.num_held() < 4 * MIN_CHUNK, "full chunks are forgotten");
        writer.finish(&buffer).unwrap();

        let read = |array: &str| read_floats(&folder.path().join("draws.zarr").join(array)).unwrap();
        let expected = |range: Range<usize>| [block(0, range.clone()).loss, block(1, range).loss].concat();
        assert_eq!(read("warmup_posterior/loss"), (vec![2, 1500], expected(0..1500)));
        assert_eq!(read("posterior/loss"), (vec![2, 3500], expected(1500..5000)));
        assert_eq!(read("posterior/distance").1[0], -1500.0);
        assert_eq!(read("sample_stats/acceptance").1, [0.5; 7000]);
    }

    #[test]
    fn statistics_of_a_sampler_are_variables_beside_the_acceptance() {
        let folder = tempfile::tempdir().unwrap();
        let (mut buffer, mut writer) = start(folder.path(), 3000, 1000);
        let with_energy = |range: Range<usize>| {
            let energy = range.clone().map(|draw| 0.5 * draw as f64).collect();
            DrawBlock { statistics: [("energy".to_owned(), energy)].into(), ..block(0, range) }
        };
        for first in (0..3000).step_by(300) {
            buffer.push(0, first, &with_energy(first..first + 300));
            flush(&mut buffer, &mut writer);
        }
        writer.finish(&buffer).unwrap();
        let (shape, energy) = read_floats(&folder.path().join("draws.zarr/sample_stats/energy")).unwrap();
        assert_eq!(shape, [2, 2000]);
        assert_eq!(energy[..2000], with_energy(1000..3000).statistics["energy"]);
        assert!(energy[2000..].iter().all(|energy| energy.is_nan()), "the other chain drew nothing");
    }

    #[test]
    fn a_full_chunk_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let (mut buffer, mut writer) = start(folder.path(), 5000, 0);
        buffer.push(0, 0, &block(0, 0..1100));
        flush(&mut buffer, &mut writer);
        let full = folder.path().join("draws.zarr/posterior/loss/0.0");
        fs::remove_file(&full).unwrap();
        buffer.push(0, 1100, &block(0, 1100..1200));
        flush(&mut buffer, &mut writer);
        assert!(!full.exists(), "nobody writes it again");
    }

    #[test]
    fn unequal_chains_end_in_nan_and_a_killed_run_is_readable() {
        let folder = tempfile::tempdir().unwrap();
        let (mut buffer, mut writer) = start(folder.path(), 3000, 100);
        buffer.push(0, 0, &block(0, 0..1400));
        buffer.push(1, 0, &block(1, 0..130));
        flush(&mut buffer, &mut writer);
        let loss = folder.path().join("draws.zarr/posterior/loss");

        let (shape, killed) = read_floats(&loss).unwrap();
        assert_eq!(shape, [2, 2900]);
        assert_eq!(killed[..1300], block(0, 100..1400).loss);
        assert!(killed[1300..2900].iter().all(|draw| draw.is_nan()));

        writer.finish(&buffer).unwrap();
        let (shape, interrupted) = read_floats(&loss).unwrap();
        assert_eq!(shape, [2, 1300]);
        assert_eq!(interrupted[1300..1330], block(1, 100..130).loss);
        assert!(interrupted[1330..].iter().all(|draw| draw.is_nan()));
    }

    #[test]
    fn a_failed_write_is_made_good_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (mut buffer, mut writer) = start(folder.path(), 3000, 0);
        buffer.push(0, 0, &block(0, 0..2000));
        let unwritten = buffer.take_unwritten();
        buffer.put_back(&unwritten);
        flush(&mut buffer, &mut writer);
        assert_eq!(
            read_floats(&folder.path().join("draws.zarr/posterior/loss")).unwrap().1[..2000],
            block(0, 0..2000).loss
        );
    }

    #[test]
    fn strange_blocks_are_taken_as_far_as_they_fit() {
        let folder = tempfile::tempdir().unwrap();
        let (mut buffer, mut writer) = start(folder.path(), 10, 10);
        buffer.push(7, 0, &block(7, 0..3));
        buffer.push(0, 2, &DrawBlock { loss: vec![1.0; 20], ..DrawBlock::default() });
        flush(&mut buffer, &mut writer);
        writer.finish(&buffer).unwrap();
        let read = |array: &str| read_floats(&folder.path().join("draws.zarr").join(array)).unwrap();
        assert_eq!(read("posterior/loss").0, [2, 0]);
        let (shape, loss) = read("warmup_posterior/loss");
        assert_eq!(shape, [2, 10]);
        assert!(loss[0].is_nan() && loss[2] == 1.0 && loss[9] == 1.0);
    }
}
