//! Reads the chains of experiments that compare small networks (`llc rescaling`, `llc mala-vs-sgld`), over all runs of a group.

use std::collections::BTreeMap;

use llc::diagnostics::mean_interval_of_independent;
use serde_json::Value;

use super::group::Group;

/// The chains of one series at one place of the horizontal axis.
pub struct Place<'a, S> {
    /// What tells it apart from others at the same place.
    pub series: S,
    /// Where it is.
    pub x: f64,
    /// What the report says of each chain, by seed. The latest run has the last word on a seed.
    trials: BTreeMap<u64, &'a Value>,
}

/// Mean over seeds of what did not diverge.
pub struct Mean {
    pub count: usize,
    pub mean: f64,
    /// Student's interval; `None` of a single seed.
    pub interval: Option<[f64; 2]>,
}

/// What the runs of `group` say of their points: `read` tells series and place from the report and a point of it; `None` for what is of
/// another experiment. By series, then by place. Places that lack seeds which others have are left out: an interrupted run's.
pub fn places<'a, S: Ord + Clone>(
    group: &Group<'a>,
    read: impl Fn(&'a Value, &'a Value) -> Option<(S, f64)>,
) -> Vec<Place<'a, S>> {
    let mut places: Vec<Place<S>> = Vec::new();
    for report in group.runs.iter().filter_map(|run| run.report.as_ref()) {
        for point in report["points"].as_array().into_iter().flatten() {
            let Some((series, x)) = read(report, point) else { continue };
            let trials = point["trials"].as_array().into_iter().flatten();
            let trials = trials.filter_map(|trial| Some((trial["seed"].as_u64()?, trial)));
            match places.iter_mut().find(|place| place.series == series && place.x == x) {
                Some(place) => place.trials.extend(trials),
                None => places.push(Place { series, x, trials: trials.collect() }),
            }
        }
    }
    let most = places.iter().map(Place::num_seeds).max();
    places.retain(|place| place.num_seeds() > 0 && Some(place.num_seeds()) == most);
    places.sort_by(|a, b| a.series.cmp(&b.series).then(a.x.total_cmp(&b.x)));
    places
}

impl<S> Place<'_, S> {
    pub fn num_seeds(&self) -> usize {
        self.trials.len()
    }

    pub fn num_diverged(&self) -> usize {
        self.trials.values().filter(|trial| trial["has_diverged"] == true).count()
    }

    /// The mean of `quantity` with its interval at `level`; `None` where no chain has one.
    pub fn mean(&self, quantity: &str, level: f64) -> Option<Mean> {
        let sound = self.trials.values().filter(|trial| trial["has_diverged"] != true);
        let values: Vec<f64> = sound.filter_map(|trial| trial[quantity].as_f64()).collect();
        let count = values.len();
        let interval = (count > 1).then(|| mean_interval_of_independent(&values, level));
        (count > 0).then(|| Mean { count, mean: values.iter().sum::<f64>() / count as f64, interval })
    }
}

#[cfg(test)]
mod tests {
    use llc::record::read::Run;
    use serde_json::json;

    use super::*;

    /// A run of two points, whose chains of `seeds` have λ̂ `llcs`; null has diverged.
    fn run(folder: &std::path::Path, id: u64, seeds: &[u64], llcs: &[Value]) -> Run {
        let dir = folder.join(id.to_string());
        std::fs::create_dir_all(&dir).unwrap();
        let trial = |(seed, llc): (&u64, &Value)| json!({"seed": seed, "llc": llc, "has_diverged": llc.is_null()});
        let trials: Vec<Value> = seeds.iter().zip(llcs).map(trial).collect();
        let report = json!({"points": [{"x": 1.0, "trials": trials}, {"x": 2.0, "trials": trials[..1]}]});
        std::fs::write(dir.join("report.json"), report.to_string()).unwrap();
        std::fs::write(dir.join("config.json"), "{}").unwrap();
        std::fs::write(dir.join("run.json"), json!({"status": "COMPLETED", "command": "rescaling"}).to_string())
            .unwrap();
        Run::open(&dir).unwrap()
    }

    #[test]
    fn seeds_of_all_runs_count_once_and_without_what_diverged() {
        let folder = tempfile::tempdir().unwrap();
        let first = run(folder.path(), 1, &[0, 1], &[json!(1.0), json!(null)]);
        // Seed 0 again, and another one.
        let second = run(folder.path(), 2, &[0, 2], &[json!(3.0), json!(5.0)]);
        let group = Group { name: String::new(), number: None, runs: vec![&first, &second] };
        let places = places(&group, |_, point| Some(((), point["x"].as_f64()?)));
        let [place] = places.as_slice() else { panic!("{} places", places.len()) };
        assert_eq!((place.x, place.num_seeds(), place.num_diverged()), (1.0, 3, 1));
        let mean = place.mean("llc", 0.9).unwrap();
        assert_eq!((mean.count, mean.mean), (2, 4.0));
        // Student's quantile at one degree of freedom is tan(0.45π), the deviation of the mean 1.
        let half_width = (0.45 * std::f64::consts::PI).tan();
        assert!((mean.interval.unwrap()[1] - 4.0 - half_width).abs() < 1e-6);
        assert!(place.mean("seconds", 0.9).is_none());
    }
}
