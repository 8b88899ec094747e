//! Says what a figure is: a name, and a function from runs to a drawing.

use std::collections::BTreeMap;

use llc::record::read::Run;

use crate::plot::panel::Drawing;
use crate::records::chains::Chains;
use crate::records::details::Details;
use crate::records::series::Series;

/// The share that every interval claims to cover.
pub const LEVEL: f64 = 0.9;

/// One figure of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// Its name on the command line and of its files.
    pub name: &'static str,
    /// What it shows, in a line of `--list`.
    pub summary: &'static str,
    /// Whether it shows a few runs one by one, which a report does for every run anyway.
    pub shows_single_runs: bool,
    pub draw: fn(&Input) -> Result<Drawing, NoData>,
}

/// What a figure is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub runs: &'a [Run],
    /// Where their metrics, draws and artifacts are.
    pub details: &'a Details,
    pub options: &'a Options,
}

/// What the user may say of all figures.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The field that decides colours and groups, such as `config.sampler.gamma`.
    pub hue: Option<String>,
    /// Points of the window that learning curves are smoothed by.
    pub smooth: Option<usize>,
}

/// What a figure lacks: the runs that it is made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoData(pub String);

impl NoData {
    /// The words where no run is of the kind that a figure shows.
    pub fn of(kind: &str) -> Self {
        Self(format!("none of the runs is {kind}"))
    }
}

impl Input<'_> {
    /// The metrics of `run`; if they can't be read, a warning is printed and there are none.
    pub fn metrics(&self, run: &Run) -> BTreeMap<String, Series> {
        self.details.metrics(run)
    }

    /// The draws of `run`, if it has any; if they can't be read, a warning is printed.
    pub fn chains(&self, run: &Run) -> Option<Chains> {
        self.details.chains(run)
    }

    /// Up to `count` runs for which `read` finds something, evenly spread over all of them, each with what was found. Not all runs are read.
    pub fn some<T>(&self, count: usize, read: impl Fn(&Run) -> Option<T>) -> Vec<(&Run, T)> {
        let mut found = Vec::new();
        // First the evenly spread ones, then whichever come next.
        let num_runs = self.runs.len();
        let stride = num_runs.div_ceil(count).max(1);
        let order = (0..stride).flat_map(|offset| (offset..num_runs).step_by(stride));
        for i in order {
            if found.len() == count {
                break;
            }
            found.extend(read(&self.runs[i]).map(|what| (i, what)));
        }
        found.sort_by_key(|(i, _)| *i);
        found.into_iter().map(|(i, what)| (&self.runs[i], what)).collect()
    }
}

/// Every k-th of `points`, so that at most `most` are left; the last one is always kept.
pub fn thinned(points: impl ExactSizeIterator<Item = [f64; 2]>, most: usize) -> Vec<[f64; 2]> {
    let len = points.len();
    let stride = len.div_ceil(most).max(1);
    points.enumerate().filter(|(i, _)| i % stride == 0 || i + 1 == len).map(|(_, point)| point).collect()
}

/// `n` and the word for it: "1 run", "12 runs".
pub fn counted(n: usize, word: &str) -> String {
    llc::words::counted(n, word)
}
