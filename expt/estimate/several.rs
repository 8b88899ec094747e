//! Estimates several checkpoints as the points of one record, at one nβ, γ and sampler: the curve of a training that is over.
//!
//! Points are in the order of the training's steps where every checkpoint says its step, else as the files were named. A file that is
//! byte for byte another one (`latest.safetensors` and the last epoch's) is left out.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use llc::checkpoint::{Checkpoint, CheckpointError, Header};
use llc::config::EstimateConfig;
use llc::observe::{Event, Observers, Status};
use llc::rng::Key;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli::{self, Context, Outcome};
use crate::points::Points;
use crate::trained::{Taken, Taking};
use crate::trajectory::{Place, Trajectory};
use crate::{estimation, session, table};

/// One of the files, with what its header says of when it was written.
#[derive(Debug)]
struct File {
    path: PathBuf,
    step: Option<u64>,
    epoch: Option<f64>,
}

/// Estimates each file that the configuration of `taking` names.
pub fn estimate(taking: &Taking, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    let config = taking.config;
    let files = ordered(distinct(config.checkpoints()?, observers)?);
    let first = files.first().context("--checkpoint names no file")?;
    let journal = session::journal(context, observers, config);
    let trajectory = Trajectory {
        context,
        point: config.point(),
        sampler: config.sampler(),
        run: config.run(),
        samples: taking.samples,
        journal: journal.stage("estimates"),
    };
    let mut of_first = Some(taking.take(&first.path, observers)?);
    let (network, num_parameters, d) = of_first.as_ref().map_or(Ok(Default::default()), |taken| {
        let network = &taken.trained.network;
        let names: Vec<&str> = network.params().iter().map(|spec| spec.name.as_str()).collect();
        let sizes: Vec<usize> = network.params().iter().map(|spec| spec.shape.iter().product()).collect();
        let sampled = config.point().sampled(&names)?.unwrap_or_else(|| (0..sizes.len()).collect());
        let d: usize = sampled.iter().map(|&index| sizes[index]).sum();
        anyhow::Ok((network.name().to_owned(), network.num_parameters(), d))
    })?;
    observers.emit(&Event::Started(&trajectory.run_info(EstimateConfig::EXPERIMENT, config, d)?));
    session::ensure_recorded(observers)?;
    let mut points = Points::of(&journal)?;
    let mut follow = || -> anyhow::Result<bool> {
        let is_known = |points: &Points, file: &File| {
            points.all().iter().any(|point| point["checkpoint"].as_str() == file.path.to_str())
        };
        let num_left = files.iter().filter(|file| !is_known(&points, file)).count();
        let mut num_points = Some(num_left);
        for (index, file) in files.iter().enumerate() {
            let taken = if index == 0 { of_first.take() } else { None };
            if is_known(&points, file) {
                continue;
            }
            if context.cancel.load(Ordering::Relaxed) {
                return Ok(true);
            }
            let taken = taken.map_or_else(|| taking.take(&file.path, observers), Ok)?;
            let Taken { mut trained, on_train, on_test, notes, .. } = taken;
            anyhow::ensure!(
                (trained.network.name(), trained.network.num_parameters()) == (network.as_str(), num_parameters),
                "{} is of {} with {} parameters, and {} of {network} with {num_parameters}: give each network a run of its own",
                file.path.display(),
                trained.network.name(),
                trained.network.num_parameters(),
                first.path.display()
            );
            trained.see_first(taking.samples, taking.objective.clone())?;
            let step = file.step.unwrap_or(index as u64);
            let place = Place {
                name: name(&files, index),
                step,
                on_train,
                on_test,
                facts: json!({
                    "step": step,
                    "epoch": file.epoch,
                    "index": index,
                    "checkpoint": file.path.to_str(),
                }),
            };
            let key = Key::new(config.seed()).part(step);
            let point =
                trajectory.estimate(&place, &trained, taking.objective.clone(), key, num_points.take(), observers)?;
            let Some(point) = point else { return Ok(true) };
            points.push(estimation::with_notes(point, &notes))?;
        }
        Ok(false)
    };
    let followed = follow();
    points.finish()?;
    let (status, fail_trace) = match followed {
        Ok(true) => (Status::Interrupted, Vec::new()),
        Ok(false) => (Status::Completed, Vec::new()),
        // The points so far are worth keeping.
        Err(error) if session::has_diverged(&error) => {
            cli::print_error(&error);
            (Status::Failed, session::fail_trace(&error))
        }
        Err(error) => return Err(error),
    };
    let report = estimation::merged(
        trajectory.report(),
        json!({
            "experiment": EstimateConfig::EXPERIMENT,
            "checkpoint": config.checkpoint(),
            "network": network,
            "num_parameters": num_parameters,
            "d": d,
            "data": config.data().name,
            "points": points.all(),
            "seed": config.seed(),
            "run_dir": observers.run_dir().as_deref().and_then(|dir| dir.to_str()),
            "status": status.as_str(),
        }),
    );
    observers.emit(&Event::Artifact { name: "curve.csv", content: &table::checkpoints_csv(points.all())? });
    session::end(context, observers, status, (&report, &table::render_curve(&report)), &fail_trace)?;
    Ok(session::outcome(status, points.all()))
}

/// The files without those that are the same as one before, which is named.
fn distinct(paths: Vec<PathBuf>, observers: &mut Observers) -> anyhow::Result<Vec<File>> {
    let mut known = HashSet::new();
    let mut files = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read the checkpoint {}", path.display()))?;
        if known.insert(Sha256::digest(&bytes)) {
            let format = |source| CheckpointError::Format { path: path.clone(), source };
            let (step, epoch) = when(&Checkpoint::read_bytes(&bytes).map_err(format)?.header);
            files.push(File { path, step, epoch });
        } else {
            observers.emit(&Event::Line(&format!("{} is the same file as another one: left out", path.display())));
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
