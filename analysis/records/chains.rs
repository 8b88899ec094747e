//! Reads the draws of a run's chains, whole from `draws.zarr`, or thinned from its metrics where that is gone.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use llc::record::read::Run;
use llc::record::zarr;
use llc::report::read::Said;

use super::details::Details;
use super::series::Series;

/// The draws around one point of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chains {
    /// The losses of each chain, warm-up first; a chain that ended early is shorter.
    pub loss: Vec<Vec<f64>>,
    /// The acceptance of each chain, NaN at draws without; empty where there was none at all.
    pub acceptance: Vec<Vec<f64>>,
    /// Leading draws that are warm-up.
    pub num_warmup: usize,
    /// From one draw to the next of those read: 1 where all are here.
    pub stride: usize,
    pub n_beta: f64,
    /// L_n at the point.
    pub init_loss: f64,
}

impl Chains {
    /// The kept losses of each chain.
    pub fn kept(&self) -> impl Iterator<Item = &[f64]> {
        let num_warmup = self.num_warmup.div_ceil(self.stride.max(1));
        self.loss.iter().map(move |loss| loss.get(num_warmup..).unwrap_or_default())
    }

    /// λ̂ of each chain so far, a point a kept draw: nβ·(mean of L over the kept draws so far − L_n(w*)).
    pub fn running_llc(&self) -> Vec<Vec<[f64; 2]>> {
        let first = self.num_warmup.next_multiple_of(self.stride.max(1));
        let running = |losses: &[f64]| {
            let mut sum = 0.0;
            let points = losses.iter().enumerate().map(|(i, loss)| {
                sum += loss - self.init_loss;
                [(first + i * self.stride) as f64, self.n_beta * sum / (i + 1) as f64]
            });
            points.collect()
        };
        self.kept().map(running).collect()
    }
}

/// The draws of `run`, which `details` has, around w*, or around the last point of a curve; `None` where it has none.
///
/// # Errors
///
/// Where there are draws that can't be read.
pub fn chains(run: &Run, details: &Details) -> Result<Option<Chains>> {
    let said = Said::of(run.report.as_ref());
    let last = said.points.last();
    let (Some(n_beta), Some(init_loss)) = (said.n_beta, last.unwrap_or(&said).init_loss) else { return Ok(None) };
    // The first point of a curve over training has no name of its own; all points on a path between minima have one.
    let step = last.and_then(|point| point.step).map(|step| format!("step{step:07}"));
    let index = last.and_then(|point| point.index).map(|index| format!("curve{index:04}"));
    let named = step.or(index);
    let folder = named.as_ref().map(|name| details.path(run, &format!("draws-{name}.zarr"))).transpose()?;
    let folder = match folder.filter(|folder| folder.is_dir()) {
        Some(folder) => folder,
        None => details.path(run, "draws.zarr")?,
    };
    let is_named = |name: &String| said.points.len() > 1 || !name.starts_with("step");
    let prefix = named.filter(is_named).map(|name| format!("{name}.")).unwrap_or_default();
    let draws = if folder.is_dir() { stored(&folder)? } else { thinned(run, &details.metrics(run), &prefix) };
    Ok(draws.map(|draws| Chains { n_beta, init_loss, ..draws }))
}

/// All draws of a `draws.zarr`.
fn stored(folder: &Path) -> Result<Option<Chains>> {
    let read = |array: &str| -> Result<Option<(usize, Vec<f64>)>> {
        let path = folder.join(array);
        if !path.is_dir() {
            return Ok(None);
        }
        let (shape, numbers) = zarr::read_floats(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Some((shape.last().copied().unwrap_or(0), numbers)))
    };
    let warmup = read("warmup_posterior/loss")?;
    let num_warmup = warmup.as_ref().map_or(0, |(num_draws, _)| *num_draws);
    let loss = joined(warmup, read("posterior/loss")?);
    if loss.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let acceptance = joined(read("warmup_sample_stats/acceptance")?, read("sample_stats/acceptance")?);
    let has_some = acceptance.iter().flatten().any(|acceptance| acceptance.is_finite());
    // Draws that a shorter chain lacks are NaN at its end; a loss that diverged is the last one it has.
    let loss = loss.into_iter().map(|mut loss| {
        let num_draws = loss.iter().rposition(|loss| !loss.is_nan()).map_or(0, |last| last + 1);
        loss.truncate(num_draws);
        loss
    });
    let acceptance = if has_some { acceptance } else { Vec::new() };
    Ok(Some(Chains { loss: loss.collect(), acceptance, num_warmup, stride: 1, ..Chains::default() }))
}

/// The chains of two arrays `[num_chains, num_draws]`, end to end.
fn joined(first: Option<(usize, Vec<f64>)>, second: Option<(usize, Vec<f64>)>) -> Vec<Vec<f64>> {
    let rows = |array: Option<(usize, Vec<f64>)>| -> Vec<Vec<f64>> {
        let Some((num_draws, numbers)) = array.filter(|(num_draws, _)| *num_draws > 0) else { return Vec::new() };
        numbers.chunks(num_draws).map(<[f64]>::to_vec).collect()
    };
    let (mut first, second) = (rows(first), rows(second));
    first.resize(first.len().max(second.len()), Vec::new());
    for (chain, more) in first.iter_mut().zip(second) {
        chain.extend(more);
    }
    first
}

/// What the metrics have of the draws.
fn thinned(run: &Run, metrics: &BTreeMap<String, Series>, prefix: &str) -> Option<Chains> {
    let mut draws = Chains { stride: 1, ..Chains::default() };
    while let Some(loss) = metrics.get(&format!("{prefix}loss_{}", draws.loss.len())) {
        if let [first, second, ..] = loss.steps[..] {
            draws.stride = ((second - first) as usize).max(1);
        }
        draws.loss.push(loss.values.clone());
    }
    let stride = draws.stride;
    let acceptance = |(chain, loss): (usize, &Vec<f64>)| {
        let mut rates = vec![f64::NAN; loss.len()];
        // Draws without one have no point.
        for [draw, rate] in metrics.get(&format!("{prefix}acceptance_{chain}")).into_iter().flat_map(Series::points) {
            if let Some(place) = rates.get_mut(draw as usize / stride) {
                *place = rate;
            }
        }
        rates
    };
    let acceptance: Vec<Vec<f64>> = draws.loss.iter().enumerate().map(acceptance).collect();
    if acceptance.iter().flatten().any(|rate| rate.is_finite()) {
        draws.acceptance = acceptance;
    }
    draws.num_warmup = Said::of(run.report.as_ref()).num_warmup.unwrap_or(0) as usize;
    (!draws.loss.is_empty()).then_some(draws)
}
