//! Runs `llc descent`: gradient descent on a few classes, its loss, accuracy and gradient followed epoch by epoch.
//!
//! As in the original an epoch's gradient is that before its last step, its loss and accuracy are those of all samples after it. Where a
//! step takes all samples, the next one's pass measures these on its way, so that nothing is computed twice.

mod figures;
mod report;
mod series;

use std::io::{self, Cursor, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use image::ImageFormat;
use llc::checkpoint::Checkpoint;
use llc::config::DescentConfig;
use llc::config::network::model::for_data;
use llc::data::{Pictures, grid};
use llc::model::{ModelSpec, Network};
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::report::training::Epoch;
use llc::rng::Key;
use llc::train::{NetworkTrainer, SelectedData, StepLosses, Stop};
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use crate::checkpoints::{self, Checkpoints};
use crate::cli::{self, Context, Outcome};
use crate::registry::Experiment;
use crate::session;
use series::Series;

/// The network's checkpoints: as it started, and as it ended.
const INITIAL: &str = "initial";
const TRAINED: &str = "trained";
/// What a checkpoint's header calls the series so far.
const SERIES: &str = "descent";
/// Losses of steps that are pending at once.
const STRETCH: usize = 64;
/// Images of each class that the record shows, and the side of a pixel there.
const NUM_SHOWN: usize = 8;
const SCALE: usize = 3;

impl Experiment for DescentConfig {
    /// Descends, records the run, and prints its epochs and its end.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        let mut run_dir = None;
        let outcome = session::record(context, |observers| {
            run_dir = observers.run_dir();
            descend(self, context, observers)
        })?;
        if let (Outcome::Done, true, Some(run_dir)) = (outcome, self.output().plot, &run_dir) {
            figures::draw(self, run_dir);
        }
        // A log has no bell.
        if self.output().beep && !context.is_quiet && io::stderr().is_terminal() {
            eprint!("\x07");
        }
        Ok(outcome)
    }
}

/// A descent under way.
struct Descent<'a> {
    config: &'a DescentConfig,
    context: &'a Context,
    name: String,
    spec: ModelSpec,
    data: SelectedData,
    trainer: NetworkTrainer,
    series: Series,
    run_dir: PathBuf,
    checkpoints: Checkpoints,
    saved_at: Instant,
}

fn descend(config: &DescentConfig, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    tch::set_num_threads(config.run().threads as i32);
    let device = session::device(config.run().device)?;
    observers.emit(&Event::Stage("reading the data"));
    let data = SelectedData::load(config.data())?;
    config.train().loss.check_classes(data.samples.num_classes())?;
    let spec = for_data(config.model(), data.samples.input_shape(), data.samples.num_classes());
    let network = Arc::new(spec.build().context("the network cannot be built")?);
    let (start, buffers) = (network.init_as_torch(config.seed())?, network.initial_buffers()?);
    let key = Key::new(config.seed().into());
    let mut trainer = NetworkTrainer::new(network, data.samples.clone(), config.train(), key, device)?
        .with_start(&start, &buffers)?;
    let mut series = Series::default();
    let own = context.resumed.as_deref().filter(|run_dir| checkpoints::latest_in(run_dir).exists());
    if let Some(run_dir) = own {
        let checkpoint = Checkpoint::read(&checkpoints::latest_in(run_dir))?;
        trainer.resume(&checkpoint)?;
        let known = checkpoint.header.facts.get(SERIES).cloned().context("the checkpoint is of another experiment")?;
        series = serde_json::from_value(known).context("the checkpoint's series can't be read")?;
    }
    let run_dir = observers.run_dir().context("the run has no folder for its networks")?;
    let name = match context.name == DescentConfig::EXPERIMENT {
        true => config.run_name(&identity(&run_dir)),
        false => context.name.clone(),
    };
    observers.emit(&Event::Started(&RunInfo {
        name: name.clone(),
        num_parameters: trainer.w().len(),
        ..session::run_info(DescentConfig::EXPERIMENT, config, context)?
    }));
    session::ensure_recorded(observers)?;
    let checkpoints = Checkpoints::create(&run_dir)?;
    let mut descent =
        Descent { config, context, name, spec, data, trainer, series, run_dir, checkpoints, saved_at: Instant::now() };
    if own.is_none() {
        descent.begin(observers)?;
    }
    match descent.follow(observers) {
        Ok(is_interrupted) => descent.finish(is_interrupted, observers),
        Err(error) if session::has_diverged(&error) => {
            cli::print_error(&error);
            descent.end(Status::Failed, &session::fail_trace(&error), observers)?;
            Ok(Outcome::Diverged)
        }
        Err(error) => Err(error),
    }
}

/// A word that no other run has: 128 bits of a digest of its place, time and process.
fn identity(run_dir: &Path) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let text = format!("{} {} {}", run_dir.display(), now.as_nanos(), std::process::id());
    Sha256::digest(text)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a pass of the training has the outputs of a pass of an evaluation.
fn is_pure(network: &Network) -> bool {
    network.buffers().is_empty() && network.rows().iter().all(|row| !row.kind.contains("dropout"))
}

impl Descent<'_> {
    /// Measures and saves the start, and records an image of the dataset.
    fn begin(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        let start = self.trainer.evaluate_train()?;
        self.series.initial = Some([start.loss, start.accuracy]);
        observers.emit(&Event::Artifact { name: "dataset.png", content: &picture(&self.data.pictures)? });
        if self.config.output().save {
            self.save(Some(INITIAL), observers)?;
        }
        Ok(())
    }

    /// Descends to the end or a signal; returns whether a signal ended it.
    fn follow(&mut self, observers: &mut Observers) -> anyhow::Result<bool> {
        let is_whole = self.trainer.num_steps_per_epoch() == 1 && is_pure(self.trainer.network());
        let mut pending = PendingLosses::new(&self.trainer);
        while !self.trainer.is_finished() {
            let epoch = self.trainer.num_epochs();
            let stop = self.trainer.epoch(&self.context.cancel, &mut |losses| pending.push(losses, observers))?;
            if stop == Stop::Cancelled {
                pending.flush(observers);
                self.save(None, observers)?;
                return Ok(true);
            }
            let running = self.trainer.running();
            if self.series.is_waiting() {
                self.series.complete(running.evaluation());
                self.report_epoch(observers);
            }
            if self.is_measured(epoch) {
                self.series.begin(epoch, running.gradient_norm);
                if !is_whole || self.trainer.is_finished() {
                    self.series.complete(self.trainer.evaluate_train()?);
                    self.report_epoch(observers);
                }
            } else if self.config.output().trace {
                observers.emit(&Event::Line(&format!("Epoch: {epoch}")));
            }
            if self.saved_at.elapsed() > self.context.pace.every {
                pending.flush(observers);
                self.save(None, observers)?;
            }
        }
        pending.flush(observers);
        Ok(false)
    }

    fn is_measured(&self, epoch: u64) -> bool {
        epoch.is_multiple_of(self.config.output().metrics_every as u64) || self.trainer.is_finished()
    }

    /// Records the last complete epoch, and prints a line for some epochs.
    fn report_epoch(&self, observers: &mut Observers) {
        let Some(measured) = self.series.measured().next_back() else { return };
        let Epoch { epoch, loss, accuracy, gradient_norm } = measured;
        let values = [
            ("epoch", epoch as f64),
            ("gradient_norm", gradient_norm),
            ("train.accuracy", accuracy),
            // `train.loss` is that of each minibatch.
            ("train.mean_loss", loss),
        ];
        let step = (epoch + 1) * self.trainer.num_steps_per_epoch();
        observers.emit(&Event::Metrics { step, values: &values });
        // 0 to 9, then 10, 20, … 90, 100, 200 and so on.
        let is_round = epoch == 0 || epoch.is_multiple_of(10u64.pow(epoch.ilog10()));
        let is_last = epoch + 1 == self.trainer.num_epochs_planned();
        if self.config.output().trace || is_round || is_last {
            let line = format!("Epoch: {epoch}\t Loss: {loss}\t Accuracy: {accuracy}\t Gradients: {gradient_norm}");
            observers.emit(&Event::Line(&line));
        }
    }

    /// Writes the checkpoint to resume from, and a copy under `name`.
    fn save(&mut self, name: Option<&str>, observers: &mut Observers) -> anyhow::Result<()> {
        observers.emit(&Event::Saving);
        let facts = Map::from_iter([(SERIES.to_owned(), json!(self.series))]);
        let checkpoint = self.trainer.save(&self.spec, facts)?;
        self.checkpoints.write(&checkpoint, name.map(str::to_owned))?;
        self.saved_at = Instant::now();
        Ok(())
    }

    fn finish(&mut self, is_interrupted: bool, observers: &mut Observers) -> anyhow::Result<Outcome> {
        if is_interrupted {
            self.end(Status::Interrupted, &[], observers)?;
            return Ok(Outcome::Interrupted);
        }
        if self.config.output().save {
            self.save(Some(TRAINED), observers)?;
        } else {
            // The checkpoint to resume from, if it exists.
            let _ = std::fs::remove_file(checkpoints::latest_in(&self.run_dir));
        }
        self.end(Status::Completed, &[], observers)?;
        Ok(Outcome::Done)
    }

    /// Reports the end to the record and the user.
    fn end(&self, status: Status, fail_trace: &[String], observers: &mut Observers) -> anyhow::Result<()> {
        let (experiment, seed) = (DescentConfig::EXPERIMENT, self.config.seed().into());
        let report = session::report(experiment, seed, report::found(self, status), status, observers);
        observers.emit(&Event::Artifact { name: "descent.csv", content: &self.series.csv()? });
        session::end(self.context, observers, (&report, &report::table(&report)), fail_trace)
    }
}

/// The first images of each class, a line for each, as PNG.
fn picture(pictures: &Pictures) -> anyhow::Result<Vec<u8>> {
    // They lie class by class, as many of each.
    let per_class = pictures.len() / pictures.classes.len().max(1);
    let shown = NUM_SHOWN.min(per_class);
    let indices = (0..pictures.classes.len()).flat_map(|class| class * per_class..class * per_class + shown);
    let image = grid(&[pictures.subset(&indices.collect::<Vec<_>>())], shown.max(1), SCALE);
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

/// Losses of steps on their way to the observers, who are pending of several at once.
struct PendingLosses {
    first_step: u64,
    num_steps: u64,
    loss: Vec<f64>,
}

impl PendingLosses {
    fn new(trainer: &NetworkTrainer) -> PendingLosses {
        let (first_step, num_steps) = (trainer.num_steps(), trainer.num_steps_planned());
        PendingLosses { first_step, num_steps, loss: Vec::with_capacity(STRETCH) }
    }

    fn push(&mut self, losses: StepLosses, observers: &mut Observers) {
        self.loss.extend_from_slice(losses.loss);
        if self.loss.len() >= STRETCH || losses.loss.iter().any(|loss| !loss.is_finite()) {
            self.flush(observers);
        }
    }

    fn flush(&mut self, observers: &mut Observers) {
        if !self.loss.is_empty() {
            let PendingLosses { first_step, num_steps, ref loss } = *self;
            observers.emit(&Event::Training { first_step, num_steps, loss });
            self.first_step += self.loss.len() as u64;
            self.loss.clear();
        }
    }
}
