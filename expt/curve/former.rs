//! Reads the points stored in a checkpoint: those of its run.

use std::fs;
use std::path::Path;

use llc::checkpoint::Checkpoint;
use llc::config::Choice as _;
use llc::config::network::point::LossAround;
use llc::record::json;
use llc::report::network::Point;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Scale;
use crate::checkpoints;

/// What a checkpoint's header calls the points.
const POINTS: &str = "points";
/// What it calls that around which, and at which scale, they were estimated.
const ESTIMATED: &str = "estimated";
/// Whether they are those of another run.
const IS_ANOTHER: &str = "points_of_another_run";

/// What all points of a curve share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimated {
    pub loss_around: String,
    #[serde(flatten)]
    pub scale: Scale,
}

impl Estimated {
    pub fn new(loss_around: LossAround, scale: Scale) -> Estimated {
        Estimated { loss_around: loss_around.name().to_owned(), scale }
    }
}

/// The points of the run that a checkpoint is of.
#[derive(Debug)]
pub struct Former {
    /// At least one.
    pub points: Vec<Point>,
    pub estimated: Estimated,
    /// Whether they are of another run than the one that continues.
    pub is_another: bool,
}

impl Former {
    /// Those in `checkpoint`, which was read in the run's folder `run_dir`, if there are any. Versions of `llc` that estimated while they
    /// trained did not record what points share: the loss is as in that run's configuration, and what is not known is as in `ours`.
    pub fn of(checkpoint: &Checkpoint, run_dir: Option<&Path>, ours: Estimated) -> Option<Former> {
        let fact = |name: &str| checkpoint.header.facts.get(name).cloned().unwrap_or_default();
        let points: Vec<Point> =
            serde_json::from_value(fact(POINTS)).ok().filter(|points: &Vec<_>| !points.is_empty())?;
        let estimated = serde_json::from_value(fact(ESTIMATED)).unwrap_or_else(|_| {
            let around = run_dir.and_then(recorded_loss_around);
            around.map_or(ours.clone(), |around| Estimated::new(around, ours.scale))
        });
        Some(Former { points, estimated, is_another: fact(IS_ANOTHER) == json!(true) })
    }

    /// The same, of another run than the one that continues.
    pub fn of_another_run(self) -> Former {
        Former { is_another: true, ..self }
    }

    /// What a checkpoint says of them, so that a later process finds them.
    pub fn facts(&self) -> Map<String, Value> {
        let facts =
            [(POINTS, json!(self.points)), (ESTIMATED, json!(self.estimated)), (IS_ANOTHER, json!(self.is_another))];
        Map::from_iter(facts.map(|(name, fact)| (name.to_owned(), fact)))
    }

    /// Whether there is a point at `step`.
    pub fn has(&self, step: u64) -> bool {
        self.points.iter().any(|point| point.step == step)
    }
}

/// What the run in `run_dir` took the loss around, where its configuration still says so by a switch.
fn recorded_loss_around(run_dir: &Path) -> Option<LossAround> {
    let config = json::parse(&fs::read_to_string(run_dir.join("config.json")).ok()?).ok()?;
    let is_own = config["point"]["force_realisable"].as_bool()?;
    Some(if is_own { LossAround::OwnFunction } else { LossAround::Labels })
}

/// Leaves `points` in the newest checkpoint of the run in `run_dir`, for a run that begins where this one ends.
pub fn leave(run_dir: &Path, points: &[Point], estimated: &Estimated) -> anyhow::Result<()> {
    let path = checkpoints::latest_in(run_dir);
    if let Some(mut checkpoint) = Checkpoint::read_newest(&path)? {
        checkpoint.header.facts.insert(POINTS.to_owned(), json!(points));
        checkpoint.header.facts.insert(ESTIMATED.to_owned(), json!(estimated));
        checkpoint.header.facts.remove(IS_ANOTHER);
        checkpoint.write_keeping(&path)?;
    }
    Ok(())
}
