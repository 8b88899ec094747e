//! Shows a run's progress on stderr: one bar with λ̂ and R-hat so far and the time left, warnings above it.
//!
//! The bar is hidden if stderr is not a terminal, so that a job's log has no bars; warnings are always shown.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::metrics::RunningLlc;
use super::{DrawBlock, Event, Observer, ObserverError, PointInfo, RunInfo};

/// R-hat of chains of equal length; NaN if it is not defined.
pub type Rhat = fn(&[&[f64]]) -> f64;

/// Draws per chain for R-hat: the last ones of a thinned chain.
const MAX_TRACE: usize = 2000;
/// Draws that a chain needs before R-hat is shown.
const MIN_TRACE: usize = 20;
/// Time between two computations of R-hat.
const RHAT_EVERY: Duration = Duration::from_secs(1);
/// Time between two texts of the bar.
const TEXT_EVERY: Duration = Duration::from_millis(100);

/// The stage of a bar for training steps.
const TRAINING_STAGE: &str = "training";

// What the bar looks like.
const DRAWS: &str = "{bar:24} {percent:>3} % of {human_len} draws  {msg}  {eta} left";
const EPOCH: &str = "{prefix} {bar:24} {percent:>3} % of {human_len} steps  {msg}  {eta} left";
const SWEEP: &str = "{prefix} {bar:24} {percent:>3} % of {human_len} points  {msg}  {eta} left";
const TRAINING: &str = "{bar:24} {percent:>3} % of {human_len} training steps  {msg}  {eta} left";

/// Draws a progress bar on stderr.
///
/// ```
/// use llc::observe::{Observers, terminal::TerminalObserver};
/// let is_quiet = true;
/// let mut observers = Observers::default();
/// observers.push(Box::new(TerminalObserver::new(is_quiet, |_chains| f64::NAN)));
/// ```
#[derive(Debug)]
pub struct TerminalObserver {
    bar: ProgressBar,
    is_quiet: bool,
    /// The first step of the epoch that the bar shows, if it shows one.
    epoch_start: Option<u64>,
    /// The stage that the bar shows: a sweep's name, or [`TRAINING_STAGE`].
    stage: String,
    info: Option<RunInfo>,
    progress: Option<Progress>,
    rhat: Rhat,
    text_at: Option<Instant>,
}

/// The contents of the bar, separate from the terminal so that they can be tested.
#[derive(Debug)]
struct Progress {
    running: RunningLlc,
    /// Losses of kept draws by chain, every `stride`-th.
    traces: Vec<Vec<f64>>,
    stride: usize,
    num_warmup: usize,
    rhat: f64,
    rhat_at: Option<Instant>,
}

impl TerminalObserver {
    /// Shows only warnings if `is_quiet`, or if stderr is not a terminal. `rhat` computes R-hat from the losses of the chains, at
    /// most once a second.
    pub fn new(is_quiet: bool, rhat: Rhat) -> Self {
        let is_shown = !is_quiet && io::stderr().is_terminal();
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target).with_style(style("{spinner} {msg} {elapsed}"));
        if is_shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, is_quiet, epoch_start: None, stage: String::new(), info: None, progress: None, rhat, text_at: None }
    }

    fn start(&mut self, info: &RunInfo) {
        // A run without draws shows its progress by its stages.
        if info.num_chains * info.num_draws > 0 {
            self.bar.set_length((info.num_chains * info.num_draws) as u64);
            self.bar.set_style(style(DRAWS));
        }
        self.bar.set_message("");
        self.bar.reset();
        self.progress = Some(Progress::new(info));
        self.stage.clear();
        self.info = Some(info.clone());
    }

    /// The bar starts again for the draws around another point.
    fn begin_point(&mut self, point: &PointInfo) {
        if let Some(info) = self.info.take() {
            let n_beta = point.n_beta.unwrap_or(info.n_beta);
            self.start(&RunInfo { init_loss: point.init_loss, n_beta, ..info });
        }
    }

    /// The bar starts again for an epoch.
    fn begin_epoch(&mut self, epoch: u64, num_epochs: u64, first_step: u64, num_steps: u64) {
        self.progress = None;
        self.epoch_start = Some(first_step);
        self.bar.set_length(num_steps);
        self.bar.set_prefix(format!("epoch {}/{num_epochs}", epoch + 1));
        self.bar.set_style(style(EPOCH));
        self.bar.reset();
    }

    fn train(&mut self, first_step: u64, num_steps: u64, loss: &[f64]) {
        if self.stage != TRAINING_STAGE && self.epoch_start.is_none() {
            TRAINING_STAGE.clone_into(&mut self.stage);
            self.progress = None;
            self.bar.set_length(num_steps);
            self.bar.set_style(style(TRAINING));
            self.restart_at(first_step);
        }
        self.bar.set_position((first_step + loss.len() as u64).saturating_sub(self.epoch_start.unwrap_or(0)));
        if let Some(loss) = loss.last() {
            self.bar.set_message(format!("loss {loss:.3e}"));
        }
    }

    /// The bar starts again for the points of a stage, and advances with them.
    fn sweep(&mut self, stage: &str, done: u64, total: u64, loss: f64) {
        if self.stage != stage {
            stage.clone_into(&mut self.stage);
            self.progress = None;
            self.bar.set_length(total);
            self.bar.set_prefix(stage.to_owned());
            self.bar.set_style(style(SWEEP));
            self.restart_at(done.saturating_sub(1));
        }
        self.bar.set_position(done);
        self.bar.set_message(format!("loss {loss:.3e}"));
    }

    /// Starts the clock of the bar at `done`, so that the remaining time is not estimated from the work of another process.
    fn restart_at(&self, done: u64) {
        self.bar.reset();
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    fn push(&mut self, chain: usize, first_draw: usize, block: &DrawBlock) {
        self.bar.inc(block.loss.len() as u64);
        let Some(progress) = &mut self.progress else {
            return;
        };
        progress.push(chain, first_draw, block);
        if !self.bar.is_hidden() && self.text_at.is_none_or(|at| at.elapsed() >= TEXT_EVERY) {
            self.bar.set_message(progress.text(self.rhat));
            self.text_at = Some(Instant::now());
        }
    }

    /// Shows a line on standard output, above the bar.
    fn line(&self, text: &str) {
        if !self.is_quiet {
            // If standard output is closed, nobody can be notified.
            let _ = self.bar.suspend(|| writeln!(io::stdout(), "{}", text.trim_end_matches('\n')));
        }
    }

    fn warn(&self, text: &str) {
        if self.bar.is_hidden() {
            // If stderr is closed, nobody can be notified.
            let _ = writeln!(io::stderr(), "warning: {text}");
        } else {
            self.bar.println(format!("warning: {text}"));
        }
    }
}

impl Observer for TerminalObserver {
    fn on_event(&mut self, event: &Event) -> Result<(), ObserverError> {
        match *event {
            Event::Started(info) => self.start(info),
            Event::Stage(text) => self.bar.set_message(text.to_owned()),
            Event::Draws { chain, first_draw, block } => self.push(chain, first_draw, block),
            Event::Point(point) => self.begin_point(point),
            Event::Training { first_step, num_steps, loss } => self.train(first_step, num_steps, loss),
            Event::Epoch { epoch, num_epochs, first_step, num_steps } => {
                self.begin_epoch(epoch, num_epochs, first_step, num_steps);
            }
            Event::Sweep { stage, done, total, loss } => self.sweep(stage, done, total, loss),
            Event::Line(text) => self.line(text),
            Event::ChainEnded { error: None, .. }
            | Event::Output(_)
            | Event::Saving
            | Event::Artifact { .. }
            | Event::Metrics { .. } => {}
            Event::ChainEnded { chain, num_draws, error: Some(error) } => {
                self.warn(&format!("chain {chain} ended after {num_draws} draws: {error}"));
            }
            Event::Warning(text) => self.warn(text),
            Event::Ended { .. } => self.bar.finish_and_clear(),
        }
        Ok(())
    }
}

impl Drop for TerminalObserver {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress {
    fn new(info: &RunInfo) -> Self {
        let num_kept = info.num_draws.saturating_sub(info.num_warmup);
        Self {
            running: RunningLlc::new(info),
            traces: vec![Vec::new(); info.num_chains],
            stride: num_kept.div_ceil(MAX_TRACE).max(1),
            num_warmup: info.num_warmup,
            rhat: f64::NAN,
            rhat_at: None,
        }
    }

    fn push(&mut self, chain: usize, first_draw: usize, block: &DrawBlock) {
        self.running.push(first_draw, &block.loss);
        if let Some(trace) = self.traces.get_mut(chain) {
            let first_point = first_draw.max(self.num_warmup).next_multiple_of(self.stride) - first_draw;
            trace.extend(block.loss.iter().skip(first_point).step_by(self.stride));
        }
    }

    /// λ̂ and R-hat so far, if they are known.
    fn text(&mut self, rhat: Rhat) -> String {
        let Some(llc) = self.running.llc() else {
            return "warm-up".to_owned();
        };
        if self.rhat_at.is_none_or(|at| at.elapsed() >= RHAT_EVERY) {
            self.rhat = rhat(&self.comparable());
            self.rhat_at = Some(Instant::now());
        }
        let llc = format!("λ̂ {llc:.4}");
        if self.rhat.is_finite() { format!("{llc}  R-hat {:.3}", self.rhat) } else { llc }
    }

    /// The last draws of every chain that has draws, the same number from each: if chains run in turn, later ones have none yet.
    fn comparable(&self) -> Vec<&[f64]> {
        let started: Vec<&Vec<f64>> = self.traces.iter().filter(|trace| trace.len() >= MIN_TRACE).collect();
        let length = started.iter().map(|trace| trace.len()).min().unwrap_or(0);
        started.into_iter().map(|trace| &trace[trace.len() - length..]).collect()
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are this file's own, and a test draws them; a plain bar stands in for one that is wrong.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(num_draws: usize, num_warmup: usize) -> RunInfo {
        RunInfo { num_chains: 3, num_draws, num_warmup, n_beta: 10.0, init_loss: 1.0, ..RunInfo::default() }
    }

    fn constant(loss: f64, len: usize) -> DrawBlock {
        DrawBlock { loss: vec![loss; len], ..DrawBlock::default() }
    }

    #[test]
    fn the_text_has_what_is_known() {
        let mut progress = Progress::new(&info(100, 10));
        progress.push(0, 0, &constant(9.0, 10));
        assert_eq!(progress.text(|_| f64::NAN), "warm-up");
        progress.push(0, 10, &constant(1.25, 10));
        assert_eq!(progress.text(|chains| chains.len() as f64 / 0.0 * 0.0), "λ̂ 2.5000");
        progress.rhat_at = None;
        progress.push(0, 20, &constant(1.25, 10));
        assert_eq!(progress.text(|chains| 1.0 + chains.len() as f64 / 100.0), "λ̂ 2.5000  R-hat 1.010");
    }

    #[test]
    fn rhat_sees_equally_many_draws_of_each_chain_that_started() {
        let mut progress = Progress::new(&info(100, 0));
        progress.push(0, 0, &constant(1.0, 50));
        progress.push(1, 0, &constant(2.0, 30));
        progress.push(2, 0, &constant(3.0, 2));
        let chains = progress.comparable();
        assert_eq!(chains.iter().map(|chain| chain.len()).collect::<Vec<_>>(), [30, 30]);
    }

    #[test]
    fn a_long_run_keeps_a_bounded_trace() {
        let mut progress = Progress::new(&info(1_000_000, 1000));
        for first in (0..1_000_000).step_by(777) {
            progress.push(0, first, &constant(1.0, 777.min(1_000_000 - first)));
        }
        assert!((1900..=MAX_TRACE).contains(&progress.traces[0].len()), "{}", progress.traces[0].len());
    }

    #[test]
    fn a_second_passes_between_two_computations_of_rhat() {
        let mut progress = Progress::new(&info(100, 0));
        progress.push(0, 0, &constant(1.5, 50));
        assert!(progress.text(|_| 1.5).ends_with("R-hat 1.500"));
        assert!(progress.text(|_| 2.5).ends_with("R-hat 1.500"), "the last one is shown again");
    }

    #[test]
    fn the_bar_starts_again_for_a_training_and_for_another_point() {
        let mut observer = TerminalObserver::new(true, |_| f64::NAN);
        observer.on_event(&Event::Started(&info(100, 10))).unwrap();
        observer.on_event(&Event::Draws { chain: 0, first_draw: 0, block: &constant(1.5, 40) }).unwrap();
        assert_eq!((observer.bar.position(), observer.bar.length()), (40, Some(300)));
        observer.on_event(&Event::Training { first_step: 0, num_steps: 50, loss: &[2.0, 1.0] }).unwrap();
        observer.on_event(&Event::Training { first_step: 2, num_steps: 50, loss: &[0.5] }).unwrap();
        assert_eq!((observer.bar.position(), observer.bar.length()), (3, Some(50)));
        let point = PointInfo { name: "trained".to_owned(), init_loss: 0.5, n_beta: None };
        observer.on_event(&Event::Point(&point)).unwrap();
        observer.on_event(&Event::Draws { chain: 0, first_draw: 0, block: &constant(1.5, 20) }).unwrap();
        assert_eq!((observer.bar.position(), observer.bar.length()), (20, Some(300)));
        assert_eq!(observer.progress.as_ref().unwrap().running.llc(), Some(10.0), "of the new point's own loss");
        let hotter = PointInfo { n_beta: Some(5.0), ..point };
        observer.on_event(&Event::Point(&hotter)).unwrap();
        observer.on_event(&Event::Draws { chain: 0, first_draw: 0, block: &constant(1.5, 20) }).unwrap();
        assert_eq!(observer.progress.as_ref().unwrap().running.llc(), Some(5.0), "at the new point's own nβ");
    }

    #[test]
    fn the_bar_starts_again_for_every_sweep_and_where_one_that_continues_was() {
        let mut observer = TerminalObserver::new(true, |_| f64::NAN);
        observer.on_event(&Event::Started(&info(100, 10))).unwrap();
        for (stage, done, total) in [("segments", 1, 30), ("segments", 2, 30), ("plane", 601, 900)] {
            observer.on_event(&Event::Sweep { stage, done, total, loss: 0.5 }).unwrap();
            assert_eq!((observer.bar.position(), observer.bar.length()), (done, Some(total)));
        }
        assert_eq!(observer.bar.prefix(), "plane");
    }

    #[test]
    fn every_template_is_valid() {
        for template in ["{spinner} {msg} {elapsed}", DRAWS, EPOCH, SWEEP, TRAINING] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
