//! Records a run by a limited number of points: the running estimate, and the thinned draws of each chain.
//!
//! | metric | step | value |
//! |---|---|---|
//! | `llc` | kept draws so far, over all chains | λ̂ so far: nβ·(mean of L over these draws − L_n(w*)) |
//! | `loss_0`, `distance_0`, `acceptance_0`, … | draw | of that draw; the number is the chain's |
//! | `train.loss` | step of the training | the loss on that step's minibatch, before the step |
//! | any other metric of a run | as given | as given |
//!
//! The draws around a point other than w* have the same metrics with the point's name as prefix: `trained.llc`, `trained.loss_0`.
//!
//! Each has at most about a thousand points for a run of any length. Each chain has its own metrics because a single line
//! through several chains would jump from one to the other.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use serde_json::Value;

use super::{DrawBlock, RunInfo};
use crate::record::{json, time};

/// Approximate limit on the points of one metric.
const MAX_POINTS: usize = 1000;

/// Averages the loss over all kept draws so far: λ̂ = nβ·(mean of L − L_n(w*)).
///
/// Non-finite losses are included: λ̂ is then non-finite too.
#[derive(Debug, Clone)]
pub struct RunningLlc {
    n_beta: f64,
    init_loss: f64,
    num_warmup: usize,
    /// Σ (L − L_n(w*)): the difference is small, so it is summed rather than L.
    sum: f64,
    num_kept: usize,
}

impl RunningLlc {
    /// Starts without draws.
    pub fn new(info: &RunInfo) -> Self {
        let RunInfo { n_beta, init_loss, num_warmup, .. } = *info;
        Self { n_beta, init_loss, num_warmup, sum: 0.0, num_kept: 0 }
    }

    /// Adds the kept draws among `first_draw..` with these losses.
    pub fn push(&mut self, first_draw: usize, loss: &[f64]) {
        let num_skipped = self.num_warmup.saturating_sub(first_draw).min(loss.len());
        self.sum += loss[num_skipped..].iter().map(|loss| loss - self.init_loss).sum::<f64>();
        self.num_kept += loss.len() - num_skipped;
    }

    /// λ̂ so far; `None` before the first kept draw.
    pub fn llc(&self) -> Option<f64> {
        (self.num_kept > 0).then(|| self.n_beta * self.sum / self.num_kept as f64)
    }

    /// Kept draws so far, over all chains.
    pub fn num_kept(&self) -> usize {
        self.num_kept
    }
}

/// The points of every metric of a run.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// The prefix of the names of the current point's metrics.
    prefix: String,
    running: RunningLlc,
    draw_stride: usize,
    kept_stride: usize,
    /// Kept draws at which `llc` gets its next point.
    next_kept: usize,
    series: BTreeMap<String, Series>,
}

/// The points of one metric, in the order of their arrival.
#[derive(Debug, Clone, Default)]
pub struct Series {
    steps: Vec<usize>,
    timestamps: Vec<Timestamp>,
    values: Vec<f64>,
    /// Leading points from an earlier process of the run.
    num_known: usize,
}

/// Reads `metrics.json`. Entries that are not series of equal lengths are left out.
pub fn parse_series(metrics: &Value) -> BTreeMap<String, Series> {
    let list = |series: &Value, name: &str| series[name].as_array().cloned().unwrap_or_default();
    let read = |series: &Value| {
        let steps: Vec<_> = list(series, "steps").iter().filter_map(|step| Some(step.as_u64()? as usize)).collect();
        let timestamps: Vec<_> =
            list(series, "timestamps").iter().filter_map(|at| at.as_str().and_then(time::parse)).collect();
        // JSON has no NaN: what is not a number was not finite.
        let values: Vec<_> = list(series, "values").iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect();
        let num_known = steps.len();
        let is_whole = timestamps.len() == num_known && values.len() == num_known;
        is_whole.then_some(Series { steps, timestamps, values, num_known })
    };
    let all = metrics.as_object().into_iter().flatten();
    all.filter_map(|(name, series)| Some((name.clone(), read(series)?))).collect()
}

impl Metrics {
    /// Starts without points.
    pub fn new(info: &RunInfo) -> Self {
        let num_kept = info.num_chains * info.num_draws.saturating_sub(info.num_warmup);
        Self {
            prefix: String::new(),
            running: RunningLlc::new(info),
            draw_stride: info.num_draws.div_ceil(MAX_POINTS).max(1),
            kept_stride: num_kept.div_ceil(MAX_POINTS).max(1),
            next_kept: 1,
            series: BTreeMap::new(),
        }
    }

    /// Starts with the points from an earlier process of the same run; repeated points are not duplicated.
    pub fn going_on(info: &RunInfo, series: BTreeMap<String, Series>) -> Self {
        Self { series, ..Self::new(info) }
    }

    /// Continues with the point `name`, whose draws `info` describes.
    pub fn begin_point(&mut self, name: &str, info: &RunInfo) {
        self.finish();
        let series = std::mem::take(&mut self.series);
        let prefix = if name.is_empty() { String::new() } else { format!("{name}.") };
        *self = Self { prefix, series, ..Self::new(info) };
    }

    /// Adds losses of the steps `first_step..` of a training of `num_steps`.
    pub fn push_training(&mut self, first_step: u64, num_steps: u64, loss: &[f64]) {
        let stride = num_steps.div_ceil(MAX_POINTS as u64).max(1);
        let first_point = (first_step.next_multiple_of(stride) - first_step) as usize;
        let now = Timestamp::now();
        let series = self.series.entry("train.loss".to_owned()).or_default();
        for (i, &value) in loss.iter().enumerate().skip(first_point).step_by(stride as usize) {
            series.push(first_step as usize + i, now, value);
        }
    }

    /// Adds a point at `step` to each named metric.
    pub fn push_values(&mut self, step: u64, values: &[(&str, f64)]) {
        let now = Timestamp::now();
        for &(name, value) in values {
            self.series.entry(name.to_owned()).or_default().push(step as usize, now, value);
        }
    }

    /// Adds draws `first_draw..` of `chain`.
    pub fn push(&mut self, chain: usize, first_draw: usize, block: &DrawBlock) {
        let now = Timestamp::now();
        let first_point = first_draw.next_multiple_of(self.draw_stride) - first_draw;
        for (name, column) in [("loss", &block.loss), ("distance", &block.distance), ("acceptance", &block.acceptance)]
        {
            // An acceptance of NaN says that the sampler made none, which is not a point.
            let is_point = |value: &f64| name != "acceptance" || !value.is_nan();
            let points = column.iter().enumerate().skip(first_point).step_by(self.draw_stride);
            let mut points = points.filter(|(_, value)| is_point(value)).peekable();
            if points.peek().is_some() {
                let series = self.series.entry(format!("{}{name}_{chain}", self.prefix)).or_default();
                points.for_each(|(i, &value)| series.push(first_draw + i, now, value));
            }
        }
        self.running.push(first_draw, &block.loss);
        if self.running.num_kept() >= self.next_kept {
            self.push_llc(now);
        }
    }

    /// Adds the last point of `llc`, so that it ends in the mean over every draw.
    pub fn finish(&mut self) {
        if self.series.get(&self.llc_name()).and_then(|series| series.steps.last()) != Some(&self.running.num_kept()) {
            self.push_llc(Timestamp::now());
        }
    }

    /// Whether there is nothing to write yet.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The text of `metrics.json`: `{name: {"steps": […], "timestamps": […], "values": […]}}`, as Sacred lays it out.
    pub fn to_json(&self) -> String {
        if self.series.is_empty() {
            return "{}".to_owned();
        }
        let mut text = String::from("{");
        for (i, (name, series)) in self.series.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            // Writing to a String can't fail. A metric's name needs no escapes.
            let _ = write!(text, "{comma}\n  \"{name}\": {{");
            push_list(&mut text, "steps", series.steps.iter().map(usize::to_string));
            text.push(',');
            push_list(&mut text, "timestamps", series.timestamps.iter().map(|&at| format!("\"{}\"", time::format(at))));
            text.push(',');
            push_list(&mut text, "values", series.values.iter().copied().map(json::number));
            text.push_str("\n  }");
        }
        text.push_str("\n}");
        text
    }

    fn llc_name(&self) -> String {
        format!("{}llc", self.prefix)
    }

    fn push_llc(&mut self, now: Timestamp) {
        if let Some(llc) = self.running.llc() {
            let num_kept = self.running.num_kept();
            self.series.entry(self.llc_name()).or_default().push(num_kept, now, llc);
            self.next_kept = num_kept + self.kept_stride;
        }
    }
}

impl Series {
    fn push(&mut self, step: usize, at: Timestamp, value: f64) {
        let known = &self.steps[..self.num_known];
        if known.last().is_some_and(|&last| step <= last) {
            // The same number where the same arithmetic makes it again; elsewhere the newer counts.
            if let Ok(place) = known.binary_search(&step) {
                self.values[place] = value;
            }
            return;
        }
        self.steps.push(step);
        self.timestamps.push(at);
        self.values.push(value);
    }
}

fn push_list(text: &mut String, key: &str, items: impl Iterator<Item = String>) {
    let _ = write!(text, "\n    \"{key}\": [");
    for (i, item) in items.enumerate() {
        text.push_str(if i > 0 { ",\n      " } else { "\n      " });
        text.push_str(&item);
    }
    text.push_str("\n    ]");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(num_chains: usize, num_draws: usize, num_warmup: usize) -> RunInfo {
        RunInfo { num_chains, num_draws, num_warmup, n_beta: 10.0, init_loss: 1.0, ..RunInfo::default() }
    }

    fn block(losses: impl Iterator<Item = f64>) -> DrawBlock {
        let loss: Vec<f64> = losses.collect();
        DrawBlock { distance: loss.clone(), acceptance: vec![f64::NAN; loss.len()], loss, ..DrawBlock::default() }
    }

    #[test]
    fn the_running_llc_is_the_mean_over_kept_draws() {
        let mut running = RunningLlc::new(&info(2, 4, 2));
        running.push(0, &[100.0]);
        assert_eq!(running.llc(), None);
        running.push(1, &[100.0, 1.5, 2.5]);
        running.push(3, &[2.0]);
        assert_eq!(running.num_kept(), 3);
        assert!((running.llc().unwrap() - 10.0).abs() < 1e-12);
    }

    #[test]
    fn a_long_run_has_a_thousand_points_a_metric_at_round_draws() {
        let mut metrics = Metrics::new(&info(2, 100_000, 10_000));
        for first in (0..100_000).step_by(130) {
            for chain in 0..2 {
                let end = (first + 130).min(100_000);
                metrics.push(chain, first, &block((first..end).map(|draw| draw as f64)));
            }
        }
        metrics.finish();
        let names: Vec<&str> = metrics.series.keys().map(String::as_str).collect();
        assert_eq!(names, ["distance_0", "distance_1", "llc", "loss_0", "loss_1"]);
        let loss = &metrics.series["loss_1"];
        assert_eq!(loss.steps, (0..100_000).step_by(100).collect::<Vec<_>>());
        assert!(loss.steps.iter().zip(&loss.values).all(|(&step, &value)| step as f64 == value));
        let llc = &metrics.series["llc"];
        assert!((500..=1001).contains(&llc.steps.len()) && llc.steps.is_sorted_by(|a, b| a < b), "{}", llc.steps.len());
        assert_eq!((llc.steps.last(), llc.values.last().copied()), (Some(&180_000), metrics.running.llc()));
    }

    #[test]
    fn another_point_and_a_training_have_metrics_of_their_own() {
        let mut metrics = Metrics::new(&info(1, 10, 0));
        metrics.push(0, 0, &block([2.0, 2.0].into_iter()));
        for first_step in (0..5000).step_by(7) {
            let loss: Vec<f64> = (first_step..(first_step + 7).min(5000)).map(|step| step as f64).collect();
            metrics.push_training(first_step, 5000, &loss);
        }
        metrics.begin_point("trained", &RunInfo { init_loss: 3.0, ..info(1, 10, 0) });
        metrics.push(0, 0, &block([4.0, 5.0].into_iter()));
        metrics.finish();
        let last = |name: &str| metrics.series[name].values.last().copied();
        assert_eq!((last("llc"), last("trained.llc"), last("trained.loss_0")), (Some(10.0), Some(15.0), Some(5.0)));
        let train = &metrics.series["train.loss"];
        assert_eq!(train.steps, (0..5000).step_by(5).collect::<Vec<_>>());
        assert!(train.steps.iter().zip(&train.values).all(|(&step, &value)| step as f64 == value));
    }

    #[test]
    fn named_numbers_have_a_point_each_at_their_step() {
        let mut metrics = Metrics::new(&info(0, 0, 0));
        metrics.push_values(10, &[("epoch.train.loss", 0.5), ("epoch.test.loss", 0.75)]);
        metrics.push_values(20, &[("epoch.train.loss", 0.25)]);
        metrics.finish();
        let text = json::parse(&metrics.to_json()).unwrap();
        assert_eq!(text["epoch.train.loss"]["steps"], serde_json::json!([10, 20]));
        assert_eq!(text["epoch.train.loss"]["values"], serde_json::json!([0.5, 0.25]));
        assert_eq!(text["epoch.test.loss"]["values"], serde_json::json!([0.75]));
        assert!(text.get("llc").is_none(), "a run without draws has no estimate");
    }

    #[test]
    fn the_text_is_sacreds() {
        let mut metrics = Metrics::new(&info(1, 3, 0));
        assert_eq!(metrics.to_json(), "{}");
        metrics.push(0, 0, &block([1.5, f64::NAN, f64::INFINITY].into_iter()));
        let text = metrics.to_json();
        let expected =
            "{\n  \"distance_0\": {\n    \"steps\": [\n      0,\n      1,\n      2\n    ],\n    \"timestamps\": [";
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.contains("    \"values\": [\n      1.5,\n      NaN,\n      Infinity\n    ]\n  },\n  \"llc\""),
            "{text}"
        );
        assert_eq!(json::parse(&text).unwrap()["loss_0"]["steps"], serde_json::json!([0, 1, 2]));
    }
}
