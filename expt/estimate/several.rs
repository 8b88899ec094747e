//! Estimates several checkpoints as the points of one record, at one nβ, γ and sampler: the curve of a training that is over.
//!
//! Points are in the order of the training's steps where every checkpoint says its step, else as the files were named. A file that is
//! byte for byte another one (`latest.safetensors` and the last epoch's) is left out.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use llc::checkpoint::{Checkpoint, CheckpointError, Header};
use llc::config::{EstimateConfig, Gamma, SamplerConfig, files};
use llc::observe::{Event, Observers, Status};
use llc::report;
use llc::report::network::{Curve, Point};
use llc::rng::Key;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cli::{self, Context, Outcome};
use crate::session;
use crate::trained::{Data, Loaded, Loader, Trained};
use crate::trajectory::{Place, Trajectory};
use llc::points::Points;
use llc::report::table;

/// One of the files, with what its header says of when it was written.
#[derive(Debug)]
struct File {
    path: PathBuf,
    step: Option<u64>,
    epoch: Option<f64>,
}

/// Estimates each file that the configuration of `loader` names.
pub fn estimate(loader: &Loader, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    let config = loader.config();
    let is_of_modules = matches!(loader.data(), Data::Inputs(_));
    let files = ordered(distinct(files::named(config.files())?, is_of_modules, observers)?);
    let first = files.first().context("--checkpoint or --module names no file")?;
    let loaded = loader.load(&first.path, observers)?;
    let sampler = at_one_scale(loader, &files, observers)?;
    let subject = Subject::of(&loaded.trained, config)?;
    let journal = session::journal(context, observers, config);
    let trajectory = Trajectory {
        context,
        sampler: &sampler,
        run: config.run(),
        num_samples: loader.num_samples(),
        journal: journal.stage("estimates"),
    };
    observers.emit(&Event::Started(&trajectory.run_info(EstimateConfig::EXPERIMENT, config, subject.d)?));
    session::ensure_recorded(observers)?;
    let mut several = Several { loader, files, subject, trajectory, points: Points::of(&journal)? };
    let followed = several.follow(loaded, observers);
    several.points.finish()?;
    match followed {
        Ok(is_interrupted) => {
            several.end(if is_interrupted { Status::Interrupted } else { Status::Completed }, &[], observers)
        }
        // The points so far are worth keeping.
        Err(error) if session::has_diverged(&error) => {
            cli::print_error(&error);
            several.end(Status::Failed, &session::fail_trace(&error), observers)
        }
        Err(error) => Err(error),
    }
}

/// The sampler at one γ for all files, chosen around the last of them: that of the most trained network, where they are in the order of a
/// training.
fn at_one_scale(loader: &Loader, files: &[File], observers: &mut Observers) -> anyhow::Result<SamplerConfig> {
    let config = loader.config();
    let (Gamma::Auto, Some(last)) = (config.sampler().gamma, files.last()) else {
        return Ok(config.sampler().clone());
    };
    observers.emit(&Event::Stage("choosing the scale of all points around the last network"));
    let Loaded { trained, .. } = loader.load(&last.path, observers)?;
    let posterior = loader.posterior(&trained, config.sampler(), Key::new(config.seed()))?;
    Ok(posterior.at_its_scale(config.sampler()))
}

/// The network that every file must hold.
#[derive(Debug, PartialEq, Eq)]
struct Subject {
    network: String,
    num_parameters: usize,
    /// Parameters that are sampled.
    d: usize,
}

impl Subject {
    /// That of `trained`; modules are the same network whatever their files are called.
    fn of(trained: &Trained, config: &EstimateConfig) -> anyhow::Result<Subject> {
        let network = match trained {
            Trained::Network(trained) => trained.network.name().to_owned(),
            Trained::Module(_) => "a module".to_owned(),
        };
        Ok(Subject { network, num_parameters: trained.num_parameters(), d: trained.num_sampled(config)? })
    }
}

/// The files with what is needed to estimate each.
struct Several<'a> {
    loader: &'a Loader<'a>,
    files: Vec<File>,
    subject: Subject,
    trajectory: Trajectory<'a>,
    points: Points<Point>,
}

impl Several<'_> {
    /// Estimates one file after the other; the first is `loaded` already. Returns whether it was interrupted.
    fn follow(&mut self, loaded: Loaded, observers: &mut Observers) -> anyhow::Result<bool> {
        let known: HashSet<&str> = self.points.all().iter().filter_map(|point| point.checkpoint.as_deref()).collect();
        let is_left = |index: &usize| self.files[*index].path.to_str().is_none_or(|path| !known.contains(path));
        let left: Vec<usize> = (0..self.files.len()).filter(is_left).collect();
        let mut first = Some(loaded);
        for (count, &index) in left.iter().enumerate() {
            if self.trajectory.context.cancel.load(Ordering::Relaxed) {
                return Ok(true);
            }
            let of_first = if index == 0 { first.take() } else { None };
            let loaded = of_first.map_or_else(|| self.loader.load(&self.files[index].path, observers), Ok)?;
            let num_points = (count == 0).then_some(left.len());
            let Some(point) = self.point(index, loaded, num_points, observers)? else { return Ok(true) };
            self.points.push(point)?;
        }
        Ok(false)
    }

    /// The report of the file `index`, which was loaded; `None` where that was interrupted.
    fn point(
        &self,
        index: usize,
        loaded: Loaded,
        num_points: Option<usize>,
        observers: &mut Observers,
    ) -> anyhow::Result<Option<Point>> {
        let file = &self.files[index];
        let Loaded { trained, scores, notes } = loaded;
        let found = Subject::of(&trained, self.loader.config())?;
        anyhow::ensure!(
            found == self.subject,
            "{} holds {} with {} parameters, but {} holds {} with {}: run each network separately",
            file.path.display(),
            found.network,
            found.num_parameters,
            self.files[0].path.display(),
            self.subject.network,
            self.subject.num_parameters
        );
        let step = file.step.unwrap_or(index as u64);
        let place = Place {
            draws: name(&self.files, index),
            name: name(&self.files, index),
            label: label(&self.files, index),
            step,
            scores,
            epoch: file.epoch,
            train_s: None,
            file: Some((index, file.path.display().to_string())),
        };
        // As a curve has them: its estimate at this step is repeated.
        let key = Key::new(self.loader.config().seed()).part(step);
        let posterior = self.loader.posterior(&trained, self.trajectory.sampler, key)?;
        self.trajectory.estimate(&place, (posterior, &notes), num_points, observers)
    }

    fn end(self, status: Status, fail_trace: &[String], observers: &mut Observers) -> anyhow::Result<Outcome> {
        let (config, sampler) = (self.loader.config(), self.trajectory.sampler);
        let n = self.loader.num_samples();
        observers.emit(&Event::Artifact { name: "curve.csv", content: &table::checkpoints_csv(self.points.all())? });
        let has_diverged = self.points.all().iter().any(|point| point.estimate.judgement.has_diverged());
        let found = Curve {
            network: self.subject.network,
            num_parameters: self.subject.num_parameters,
            data: self.loader.data_name(),
            n,
            n_beta: sampler.n_beta(n),
            gamma: sampler.fixed_gamma(),
            chains: sampler.into(),
            points: self.points.into_all(),
            subject: report::network::Subject::Checkpoints { checkpoint: config.files().to_owned(), d: self.subject.d },
        };
        let report = session::report(EstimateConfig::EXPERIMENT, config.seed(), found, status, observers);
        let shown = table::render_curve(&report);
        session::end(self.trajectory.context, observers, (&report, &shown), fail_trace)?;
        Ok(session::outcome(status, has_diverged))
    }
}

/// The files without those that are identical to an earlier one, which is named.
fn distinct(paths: Vec<PathBuf>, is_of_modules: bool, observers: &mut Observers) -> anyhow::Result<Vec<File>> {
    let mut known = HashSet::new();
    let mut files = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if known.insert(Sha256::digest(&bytes)) {
            let format = |error| CheckpointError::Format { path: path.clone(), error };
            // A module has no header.
            let (step, epoch) = match is_of_modules {
                true => (None, None),
                false => when(&Checkpoint::read_bytes(&bytes).map_err(format)?.header),
            };
            files.push(File { path, step, epoch });
        } else {
            observers.emit(&Event::Line(&format!("{} is identical to another file and is skipped", path.display())));
        }
    }
    Ok(files)
}

/// In the order of their steps, or else of their epochs, where all of them say so.
fn ordered(mut files: Vec<File>) -> Vec<File> {
    if files.iter().all(|file| file.step.is_some()) {
        files.sort_by_key(|file| file.step);
    } else if files.iter().all(|file| file.epoch.is_some()) {
        files.sort_by(|a, b| a.epoch.unwrap_or(0.0).total_cmp(&b.epoch.unwrap_or(0.0)));
    }
    files
}

/// The name of a point's draws: by its step, as a curve has it, where that names it alone, else by its place.
fn name(files: &[File], index: usize) -> String {
    let steps: HashSet<u64> = files.iter().filter_map(|file| file.step).collect();
    match files[index].step {
        Some(step) if steps.len() == files.len() => format!("step{step:07}"),
        _ => format!("point{index:04}"),
    }
}

/// What a point's line calls its file: by its stem, or by the whole path where others have the same stem.
fn label(files: &[File], index: usize) -> String {
    let stems: HashSet<_> = files.iter().map(|file| file.path.file_stem()).collect();
    let path = &files[index].path;
    let named = path.file_stem().filter(|_| stems.len() == files.len()).unwrap_or(path.as_os_str());
    named.to_string_lossy().into_owned()
}

/// The step and the epoch at which a training wrote the checkpoint, as far as its header says: ours, or another program's facts of the
/// usual names.
fn when(header: &Header) -> (Option<u64>, Option<f64>) {
    let usual = |names: &[&str]| names.iter().find_map(|name| header.facts.get(*name));
    let Some(training) = header.facts.get("training") else {
        let step = usual(&["step", "global_step", "iteration"]).and_then(Value::as_u64);
        return (step, usual(&["epoch"]).and_then(Value::as_f64));
    };
    let number = |name: &str| training.get(name).and_then(Value::as_u64);
    let step = number("step");
    let epoch = match (step, number("num_samples"), number("batch_size")) {
        (Some(step), Some(n), Some(batch_size)) if batch_size > 0 && n > 0 => {
            Some(step as f64 / n.div_ceil(batch_size) as f64)
        }
        _ => number("epoch").map(|epoch| epoch as f64),
    };
    (step, epoch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(path: &str, step: Option<u64>, epoch: Option<f64>) -> File {
        File { path: path.into(), step, epoch }
    }

    #[test]
    fn files_are_ordered_and_named_by_their_steps_where_all_have_one() {
        let paths = |files: &[File]| files.iter().map(|file| file.path.display().to_string()).collect::<Vec<_>>();
        let all = ordered(vec![file("b", Some(20), None), file("a", Some(3), None)]);
        assert_eq!(paths(&all), ["a", "b"]);
        assert_eq!([name(&all, 0), name(&all, 1)], ["step0000003", "step0000020"]);
        let some = ordered(vec![file("b", Some(20), None), file("a", None, None)]);
        assert_eq!(paths(&some), ["b", "a"]);
        assert_eq!([name(&some, 0), name(&some, 1)], ["point0000", "point0001"]);
        let equal = ordered(vec![file("b", Some(3), None), file("a", Some(3), None)]);
        assert_eq!([name(&equal, 0), name(&equal, 1)], ["point0000", "point0001"], "two trainings");
    }

    #[test]
    fn a_line_calls_a_file_by_its_stem_or_by_its_path_where_stems_are_alike() {
        let labels = |paths: [&str; 2]| {
            let files = paths.map(|path| file(path, None, None));
            [label(&files, 0), label(&files, 1)]
        };
        assert_eq!(labels(["runs/e_1.pt", "runs/e_2.pt"]), ["e_1", "e_2"]);
        assert_eq!(labels(["e1/loss.pt", "e2/loss.pt"]), ["e1/loss.pt", "e2/loss.pt"]);
    }

    #[test]
    fn a_training_s_step_gives_the_epoch_in_parts() {
        let mut header = Header::default();
        assert_eq!(when(&header), (None, None));
        header
            .facts
            .insert("training".to_owned(), json!({"step": 10, "num_samples": 50, "batch_size": 20, "epoch": 3}));
        assert_eq!(when(&header), (Some(10), Some(10.0 / 3.0)));
        header.facts.clear();
        header.facts.extend([("epoch".to_owned(), json!(7)), ("global_step".to_owned(), json!(70))]);
        assert_eq!(when(&header), (Some(70), Some(7.0)), "as PyTorch Lightning has them");
    }
}
