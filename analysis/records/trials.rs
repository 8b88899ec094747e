//! Reads the chains of experiments that compare small networks (`llc rescaling`, `llc mala-vs-sgld`), over all runs of a group.

use std::collections::BTreeMap;

use llc::diagnostics::mean_interval_of_independent;
use llc::record::read::Run;
use llc::report::trials::Trial;

use super::group::Group;

/// The chains of one series at one place of the horizontal axis.
pub struct Place<S> {
    /// What distinguishes it from others at the same place.
    pub series: S,
    /// Where it is.
    pub x: f64,
    /// What the report says of each chain, by seed. The latest run has the last word on a seed.
    trials: BTreeMap<u64, Trial>,
}

/// What is taken of a chain.
pub type Quantity = fn(&Trial) -> Option<f64>;

/// Mean over seeds of what did not diverge.
pub struct Mean {
    pub count: usize,
    pub mean: f64,
    /// Student's interval; `None` of a single seed.
    pub interval: Option<[f64; 2]>,
}

/// One point of a run: its series, its place, and its chains.
pub type Point<S> = (S, f64, Vec<Trial>);

/// What the runs of `group` say of their points, as `read` finds them: by series, then by place. Places that lack seeds which others have
/// are left out: an interrupted run's.
pub fn places<S: Ord>(group: &Group, read: impl Fn(&Run) -> Vec<Point<S>>) -> Vec<Place<S>> {
    let mut places: Vec<Place<S>> = Vec::new();
    for (series, x, trials) in group.runs.iter().flat_map(|run| read(run)) {
        let trials = trials.into_iter().map(|trial| (trial.seed, trial));
        match places.iter_mut().find(|place| place.series == series && place.x == x) {
            Some(place) => place.trials.extend(trials),
            None => places.push(Place { series, x, trials: trials.collect() }),
        }
    }
    let most = places.iter().map(Place::num_seeds).max();
    places.retain(|place| place.num_seeds() > 0 && Some(place.num_seeds()) == most);
    places.sort_by(|a, b| a.series.cmp(&b.series).then(a.x.total_cmp(&b.x)));
    places
}

impl<S> Place<S> {
    pub fn num_seeds(&self) -> usize {
        self.trials.len()
    }

    pub fn num_diverged(&self) -> usize {
        self.trials.values().filter(|trial| trial.has_diverged).count()
    }

    /// The mean of `quantity` with its interval at `level`; `None` where no chain has one.
    pub fn mean(&self, quantity: Quantity, level: f64) -> Option<Mean> {
        let sound = self.trials.values().filter(|trial| !trial.has_diverged);
        let values: Vec<f64> = sound.filter_map(quantity).filter(|value| value.is_finite()).collect();
        let count = values.len();
        let interval = (count > 1).then(|| mean_interval_of_independent(&values, level));
        (count > 0).then(|| Mean { count, mean: values.iter().sum::<f64>() / count as f64, interval })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A run in the folder `id`, which no file is read of here.
    fn run(folder: &std::path::Path, id: u64) -> Run {
        let dir = folder.join(id.to_string());
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("config.json"), "{}").unwrap();
        std::fs::write(dir.join("run.json"), json!({"status": "COMPLETED", "command": "rescaling"}).to_string())
            .unwrap();
        Run::open(&dir).unwrap()
    }

    /// Chains of `seeds` with λ̂ `llcs`; NaN has diverged.
    fn trials(seeds: &[u64], llcs: &[f64]) -> Vec<Trial> {
        let trial = |(seed, llc): (&u64, &f64)| {
            let has_diverged = llc.is_nan();
            let trend = json!({"difference": null, "mcse": null, "z": null});
            let trial = json!({
                "seed": seed, "llc": llc, "has_diverged": has_diverged, "llc_mcse": null, "ci90": null, "variance_ratio": null,
                "virial": null, "trend": trend, "radius": null, "ess_bulk": null, "num_steps": 1, "sampling_s": 1.0,
            });
            serde_json::from_value(trial).unwrap()
        };
        seeds.iter().zip(llcs).map(trial).collect()
    }

    #[test]
    fn seeds_of_all_runs_count_once_and_without_what_diverged() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (run(folder.path(), 1), run(folder.path(), 2));
        let group = Group { name: String::new(), number: None, runs: vec![&first, &second] };
        // Two points a run; the second has seed 0 again, and another one.
        let places = places(&group, |run| {
            let trials = match run.id {
                1 => trials(&[0, 1], &[1.0, f64::NAN]),
                _ => trials(&[0, 2], &[3.0, 5.0]),
            };
            vec![((), 1.0, trials.clone()), ((), 2.0, trials[..1].to_vec())]
        });
        let [place] = places.as_slice() else { panic!("{} places", places.len()) };
        assert_eq!((place.x, place.num_seeds(), place.num_diverged()), (1.0, 3, 1));
        let mean = place.mean(|trial| Some(trial.llc), 0.9).unwrap();
        assert_eq!((mean.count, mean.mean), (2, 4.0));
        // Student's quantile at one degree of freedom is tan(0.45π), the deviation of the mean 1.
        let half_width = (0.45 * std::f64::consts::PI).tan();
        assert!((mean.interval.unwrap()[1] - 4.0 - half_width).abs() < 1e-6);
        assert!(place.mean(|trial| trial.acceptance, 0.9).is_none());
    }
}
