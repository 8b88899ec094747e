//! Evaluates points on segments, on the curve and in the plane, each series kept in the journal as far as it came.

use llc::checkpoint::{Checkpoint, Header};
use llc::landscape::{self, Landscape, PlaneError, Profile, Scores, Segment};
use llc::observe::{Event, Observers};
use llc::params::Params;
use serde_json::{Map, json};
use tch::TchError;

use super::{Paths, report_scores};

/// Samples on which the curve's ends are compared with the networks that it joins.
const NUM_COMPARED: u64 = 500;
/// The greatest difference of their outputs that is rounding.
const MOST_DIFFERENCE: f64 = 1e-4;
/// How far a place of a grid may be off t = 1 and be that place.
const ROUNDING: f64 = 1e-9;

/// A kind of segment, as the published exercise has four of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Between two minima.
    Minima,
    /// From a training's start to its own end.
    OwnInit,
    /// From one training's start to another's end.
    OtherInit,
    /// Between two starts.
    Inits,
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Minima, Mode::OwnInit, Mode::OtherInit, Mode::Inits];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Minima => "minima",
            Mode::OwnInit => "own-init",
            Mode::OtherInit => "other-init",
            Mode::Inits => "inits",
        }
    }

    /// The two ends' names, that at t = 1 first.
    pub fn ends(self) -> [&'static str; 2] {
        match self {
            Mode::Minima => ["minimum", "minimum"],
            Mode::OwnInit | Mode::OtherInit => ["minimum", "init"],
            Mode::Inits => ["init", "init"],
        }
    }

    /// The pairs of trainings that it joins, given their number: that of t = 1 first.
    fn pairs(self, num_minima: usize) -> Vec<[usize; 2]> {
        let all = (0..num_minima).flat_map(|a| (0..num_minima).map(move |b| [a, b]));
        let is_selected = |&[a, b]: &[usize; 2]| match self {
            Mode::Minima | Mode::Inits => a < b,
            Mode::OwnInit => a == b,
            Mode::OtherInit => b == (a + 1) % num_minima,
        };
        all.filter(is_selected).collect()
    }
}

/// One segment.
pub struct Segments {
    pub mode: Mode,
    /// The trainings at t = 1 and at t = 0.
    pub pair: [usize; 2],
    pub length: f64,
    pub t: Vec<f64>,
    pub scores: Vec<Scores>,
}

/// The curve, point by point.
pub struct Walk {
    pub t: Vec<f64>,
    pub scores: Vec<Scores>,
    /// The distance from each point to the next.
    pub steps: Vec<f64>,
    /// The points up to t = 1.
    pub num_within: usize,
    /// max|Δ| between outputs at the curve's ends and of the networks there.
    pub end_difference: f64,
}

/// The plane through the curve's ends and its middle bend.
pub struct Plane {
    /// The grid's places, in both directions.
    pub grid: Vec<f64>,
    /// Row by row, from below.
    pub scores: Vec<Scores>,
    pub lengths: [f64; 2],
    /// Where start, bends and end lie.
    pub points: Vec<[f64; 2]>,
    /// The curve.
    pub curve: Vec<[f64; 2]>,
    pub num_train: usize,
}

/// What is like `quantity` along `scores`, up to t = 1.
pub fn profile(t: &[f64], scores: &[Scores], steps: &[f64], quantity: fn(&Scores) -> f64) -> Profile {
    let within = t.iter().take_while(|t| **t <= 1.0 + ROUNDING).count();
    let values: Vec<f64> = scores.iter().take(within).map(quantity).collect();
    Profile::new(&values, &steps[..within.saturating_sub(1).min(steps.len())])
}

/// The places of a segment: `count` of them evenly from 0 to `end`, 1 or more, and t = 1 itself, where a profile ends.
fn segment_places(end: f64, count: usize) -> Vec<f64> {
    let mut t = landscape::places(0.0, end, count);
    let index = t.partition_point(|t| *t < 1.0 - ROUNDING);
    match t.get_mut(index) {
        Some(t) if *t <= 1.0 + ROUNDING => *t = 1.0,
        _ => t.insert(index, 1.0),
    }
    t
}

/// A series of points: its name in the journal, what the user reads, and the landscape that they are points of.
struct Series<'a> {
    name: String,
    stage: &'a str,
    landscape: &'a Landscape,
    /// Whether every point is a metric as well.
    is_reported: bool,
}

impl Paths<'_> {
    pub(super) fn walk_segments(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        let points = self.config.points();
        let t = segment_places(points.segment_end, points.segment_points);
        for mode in Mode::ALL {
            for pair in mode.pairs(points.num_minima) {
                let minima = &self.found.minima;
                let point = |end: &str, index: usize| match end {
                    "minimum" => &minima[index].w,
                    _ => &minima[index].init,
                };
                let [at_one, at_zero] = mode.ends();
                let segment = Segment { a: point(at_one, pair[0]), b: point(at_zero, pair[1]) };
                let length = segment.length()?;
                let series = Series {
                    // With the number of its places: what a version with others has kept is none of this.
                    name: format!("segment-{}-{}-{}-of-{}", mode.name(), pair[0], pair[1], t.len()),
                    stage: &format!("segment {} {} to {} {}", at_zero, pair[1], at_one, pair[0]),
                    landscape: &self.landscape,
                    is_reported: false,
                };
                let place = |i: usize, w: &mut Params| segment.place(t[i], w);
                let Some(scores) = self.evaluate(&series, t.len(), &place, observers)? else { return Ok(()) };
                self.found.segments.push(Segments { mode, pair, length, t: t.clone(), scores });
            }
        }
        Ok(())
    }

    pub(super) fn walk_curve(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        let Some(curve) = &self.found.curve else { return Ok(()) };
        let points = self.config.points();
        let num_within = points.curve_points;
        let step = 1.0 / (num_within - 1) as f64;
        let beyond = ((points.segment_end - 1.0) / step + ROUNDING).floor() as usize;
        let within = landscape::places(0.0, 1.0, num_within);
        let t: Vec<f64> = within.into_iter().chain((1..=beyond).map(|i| 1.0 + i as f64 * step)).collect();
        let steps = curve.steps(&t)?;
        let end_difference = self.end_difference()?;
        anyhow::ensure!(
            end_difference < MOST_DIFFERENCE,
            "outputs at the curve's ends differ by {end_difference:.1e} from those of the minima that it joins: this \
             is a bug, not rounding; please report it with the command line"
        );
        let series = Series { name: "curve".to_owned(), stage: "curve", landscape: &self.landscape, is_reported: true };
        let place = |i: usize, w: &mut Params| curve.place(t[i], w);
        let Some(scores) = self.evaluate(&series, t.len(), &place, observers)? else { return Ok(()) };
        self.found.walk = Some(Walk { t, scores, steps, num_within, end_difference });
        Ok(())
    }

    pub(super) fn scan_plane(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        let points = self.config.points();
        let (Some(curve), true) = (&self.found.curve, points.plane_points > 0) else { return Ok(()) };
        let [start, .., end] = curve.points() else { return Ok(()) };
        let plane = match landscape::Plane::through(start, end, curve.middle_bend()) {
            Ok(plane) => plane,
            // All else that was found is worth a report.
            Err(PlaneError::Degenerate(why)) => {
                let note = format!(
                    "no plane: {why}. A longer fit (--fit-epochs) or a larger --fit-learning-rate moves the bend \
                     away; --plane-points 0 turns the plane off"
                );
                observers.emit(&Event::Warning(&note));
                self.found.notes.push(note);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let smaller = match points.plane_size.filter(|size| *size < self.data.train.len()) {
            Some(size) => {
                let sets = [&self.data.train.first(size), &self.data.test];
                let batch_size = super::batch_size(self.config, &self.data);
                let objective = self.landscape.objective().clone();
                Some(Landscape::new(self.network.clone(), sets, objective, batch_size, self.device)?)
            }
            None => None,
        };
        let grid = landscape::places(points.plane_from, points.plane_to, points.plane_points);
        let series = Series {
            name: "plane".to_owned(),
            stage: "plane",
            landscape: smaller.as_ref().unwrap_or(&self.landscape),
            is_reported: false,
        };
        let place = |i: usize, w: &mut Params| plane.place([grid[i % grid.len()], grid[i / grid.len()]], w);
        let Some(scores) = self.evaluate(&series, grid.len() * grid.len(), &place, observers)? else { return Ok(()) };
        let of_points = curve.points().iter().map(|point| plane.coordinates(point)).collect::<Result<_, _>>()?;
        let mut w = start.zeros_like()?;
        let of_curve = landscape::places(0.0, 1.0, points.curve_points).into_iter().map(|t| {
            curve.place(t, &mut w)?;
            plane.coordinates(&w)
        });
        let of_curve = of_curve.collect::<Result<_, TchError>>()?;
        self.found.plane = Some(Plane {
            grid,
            scores,
            lengths: plane.lengths(),
            points: of_points,
            curve: of_curve,
            num_train: points.plane_size.unwrap_or(usize::MAX).min(self.data.train.len()),
        });
        Ok(())
    }

    /// max|Δ| between the outputs at the curve's ends, with the minima's own statistics, and those of the minima.
    fn end_difference(&self) -> anyhow::Result<f64> {
        let (Some(curve), [first, second, ..]) = (&self.found.curve, self.found.minima.as_slice()) else {
            return Ok(f64::NAN);
        };
        let mut largest: f64 = 0.0;
        let mut w = first.w.zeros_like()?;
        for (t, minimum) in [(0.0, second), (1.0, first)] {
            curve.place(t, &mut w)?;
            let outputs = |w: &Params| {
                let mut buffers = minimum.buffers.try_clone()?;
                anyhow::Ok(self.landscape.outputs(w, &mut buffers, NUM_COMPARED)?)
            };
            let difference = outputs(&w)?.f_sub(&outputs(&minimum.w)?)?.f_abs()?.f_max()?;
            largest = largest.max(difference.f_double_value(&[])?);
        }
        Ok(largest)
    }

    /// The scores of `num_points` points that `place` gives; `None` where that was cancelled.
    fn evaluate(
        &self,
        series: &Series,
        num_points: usize,
        place: &dyn Fn(usize, &mut Params) -> Result<(), TchError>,
        observers: &mut Observers,
    ) -> anyhow::Result<Option<Vec<Scores>>> {
        let mut entry = self.journal.entry(&series.name);
        let mut scores: Vec<Scores> = match entry.read()? {
            Some(kept) => {
                let kept = kept.header.facts.get(SCORES).cloned().ok_or_else(|| entry.incomplete(SCORES))?;
                serde_json::from_value(kept)?
            }
            None => Vec::new(),
        };
        let content = |scores: &[Scores]| {
            let facts = Map::from_iter([(SCORES.to_owned(), json!(scores))]);
            Checkpoint { header: Header { model: None, facts }, tensors: Vec::new() }
        };
        let Some(minimum) = self.found.minima.first() else { return Ok(None) };
        let mut w = minimum.w.zeros_like()?;
        while scores.len() < num_points {
            if self.is_cancelled() {
                entry.write_now(content(&scores))?;
                return Ok(None);
            }
            let index = scores.len();
            place(index, &mut w)?;
            let at = series.landscape.scores(&w)?;
            scores.push(at);
            if series.is_reported {
                report_scores(&series.name, index as u64, &at, observers);
            }
            let (done, total) = (scores.len() as u64, num_points as u64);
            observers.emit(&Event::Sweep { stage: series.stage, done, total, loss: at.train_loss });
            if entry.is_due() {
                entry.write(content(&scores))?;
            }
        }
        entry.write_now(content(&scores))?;
        Ok(Some(scores))
    }
}

/// What an entry of the journal holds.
const SCORES: &str = "scores";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_places_of_a_segment_whatever_the_grid() {
        let published = landscape::places(0.0, 1.5, 30);
        let t = segment_places(1.5, 30);
        assert_eq!((t.len(), t[20]), (31, 1.0));
        let others: Vec<f64> = t.iter().copied().filter(|t| *t != 1.0).collect();
        assert_eq!(others, published, "the published places are among them");
        assert_eq!(segment_places(1.5, 4), [0.0, 0.5, 1.0, 1.5]);
        assert_eq!(segment_places(1.0, 2), [0.0, 1.0]);
        assert_eq!(segment_places(1.5, 2), [0.0, 1.0, 1.5]);
        for (end, count) in [(1.1, 12), (1.3, 14), (1.5, 5), (1.0, 61), (2.7, 28), (1e12, 3)] {
            let t = segment_places(end, count);
            assert!(t.is_sorted() && t[0] == 0.0 && t[t.len() - 1] == end, "{t:?}");
            assert_eq!(t.iter().filter(|t| (**t - 1.0).abs() < 1e-6).collect::<Vec<_>>(), [&1.0], "{t:?}");
        }
    }

    #[test]
    fn a_profile_of_any_grid_ends_at_1() {
        let t = segment_places(1.5, 5);
        // A loss that is t itself: the end and the greatest up to there are 1.
        let at = |t: &f64| Scores {
            train_loss: *t,
            train_accuracy: 0.0,
            test_loss: *t,
            test_loss_error: 0.0,
            test_accuracy: 0.0,
        };
        let scores: Vec<Scores> = t.iter().map(at).collect();
        let steps: Vec<f64> = t.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let profile = profile(&t, &scores, &steps, |at| at.train_loss);
        assert_eq!((profile.start, profile.end, profile.max, profile.barrier), (0.0, 1.0, 1.0, 0.0));
        assert!((profile.integral - 0.5).abs() < 1e-15);
    }

    #[test]
    fn two_minima_have_the_segments_of_the_published_exercise() {
        let pairs = |mode: Mode| mode.pairs(2);
        assert_eq!(pairs(Mode::Minima), [[0, 1]]);
        assert_eq!(pairs(Mode::OwnInit), [[0, 0], [1, 1]]);
        assert_eq!(pairs(Mode::OtherInit), [[0, 1], [1, 0]]);
        assert_eq!(pairs(Mode::Inits), [[0, 1]]);
        assert_eq!(Mode::Minima.pairs(4).len(), 6);
    }
}
