//! Draws how the chains of a run agree: λ̂ as it settles, chain by chain, and the ranks of each chain's draws among all.
//!
//! Where chains agree, every chain has its fair share of each rank: the bars are level. A chain that sits at lower losses has its
//! bars on the left.
//!
//! *Reference* for rank plots: Vehtari et al. 2021, <https://arxiv.org/abs/1903.08008>, section 3.

use llc::record::read::Run;
use llc::report::read::Said;

use super::figure::{Figure, Input, NoData, thinned};
use super::traces::label;
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Mark, Panel, Table, cell};
use crate::records::chains::Chains;
use crate::records::estimate::Estimate;

pub const RUNNING: Figure = Figure {
    name: "running-llc",
    summary: "λ̂ of each chain over its kept draws so far, for up to six runs",
    shows_single_runs: true,
    draw: draw_running,
};

pub const RANKS: Figure = Figure {
    name: "rank-plots",
    summary: "ranks of each chain's losses among those of all chains, for up to four runs",
    shows_single_runs: true,
    draw: draw_ranks,
};

const MAX_POINTS: usize = 400;
/// Bins of ranks: as many as have ten draws each where chains agree, up to twenty.
const BINS: [usize; 2] = [4, 20];
const DRAWS_PER_BIN: usize = 10;

fn draw_running(input: &Input) -> Result<Drawing, NoData> {
    let runs = input.some(6, |run| input.chains(run).filter(is_finite));
    if runs.is_empty() {
        return Err(NoData("none of the runs has draws".to_owned()));
    }
    let mut table = Table::new(["run_dir", "chain", "draw", "llc"]);
    let mut panels = Vec::new();
    for (run, chains) in &runs {
        for (i, points) in chains.running_llc().into_iter().enumerate() {
            for [draw, llc] in thinned(points.into_iter(), MAX_POINTS) {
                table.push([run.path.display().to_string(), i.to_string(), cell(draw), cell(llc)]);
            }
        }
        panels.push(running_panel(run, chains).titled(label(run)));
    }
    Ok(Drawing {
        title: "λ̂ of each chain as it settles".to_owned(),
        caption: "Mean over the kept draws so far; one colour for each chain. Dashed: λ̂ of all chains; band: its 90 \
                  % interval."
            .to_owned(),
        keys: Vec::new(),
        columns: panels.len().min(3),
        panel_size: if panels.len() == 1 { [460.0, 280.0] } else { [240.0, 170.0] },
        panels,
        table,
    })
}

/// λ̂ of every chain of a run so far, with the run's own estimate.
pub fn running_panel(run: &Run, chains: &Chains) -> Panel {
    let running = chains.running_llc();
    let ends = running.iter().flatten().map(|[draw, _]| *draw);
    let (first, last) = ends.fold((f64::INFINITY, 0.0_f64), |(first, last), draw| (first.min(draw), last.max(draw)));
    let mut marks = Vec::new();
    if let Some(estimate) = final_estimate(run) {
        if let Some([low, high]) = estimate.interval {
            marks.push(Mark::Band { points: vec![[first, low, high], [last, low, high]], paint: Paint::Muted });
        }
        marks.push(Mark::AtY { y: estimate.llc, label: String::new() });
    }
    for (i, points) in running.into_iter().enumerate() {
        let points = thinned(points.into_iter(), MAX_POINTS);
        // The mean of the first few draws would set the scale.
        let settled = points.get(points.len() / 20..).unwrap_or_default().to_vec();
        marks.push(Mark::line(settled, Paint::Series(i)));
    }
    Panel::new(Axis::linear("draw"), Axis::linear("λ̂ so far"), marks)
}

/// Whether every chain has kept draws, and none diverged.
pub fn is_finite(chains: &Chains) -> bool {
    chains.kept().all(|kept| !kept.is_empty() && kept.iter().all(|loss| loss.is_finite()))
}

/// λ̂ of a run, or of the last point of a curve.
fn final_estimate(run: &Run) -> Option<Estimate> {
    Estimate::read(Said::of(run.report.as_ref()).final_point())
}

fn draw_ranks(input: &Input) -> Result<Drawing, NoData> {
    let with_several = |run: &Run| input.chains(run).filter(|chains| chains.loss.len() > 1 && has_kept(chains));
    let runs = input.some(4, with_several);
    if runs.is_empty() {
        return Err(NoData("none of the runs has draws of several chains".to_owned()));
    }
    let mut table = Table::new(["run_dir", "chain", "rank_from", "rank_to", "count"]);
    let mut panels = Vec::new();
    for (run, chains) in &runs {
        for (i, bins) in rank_bins(chains).into_iter().enumerate() {
            for [from, to, count] in bins {
                table.push([run.path.display().to_string(), i.to_string(), cell(from), cell(to), cell(count)]);
            }
        }
        let name = format!("run {}", run.id);
        panels.extend(
            rank_panels(chains).into_iter().map(|panel| Panel { title: format!("{name}, {}", panel.title), ..panel }),
        );
    }
    let columns = runs.iter().map(|(_, chains)| chains.loss.len()).max().unwrap_or(1).min(4);
    Ok(Drawing {
        title: "Ranks of the chains' losses".to_owned(),
        caption: "Kept draws of all chains ranked together. If chains agree, the bars of each are level, at the \
                  dashed line."
            .to_owned(),
        keys: Vec::new(),
        columns,
        panel_size: [150.0, 90.0],
        panels,
        table,
    })
}

fn num_bins(chains: &Chains) -> usize {
    chains.kept().map(|kept| kept.len() / DRAWS_PER_BIN).min().unwrap_or(0).min(BINS[1])
}

fn has_kept(chains: &Chains) -> bool {
    num_bins(chains) >= BINS[0]
}

/// A panel of rank bars for each chain; none where a chain has too few kept draws.
pub fn rank_panels(chains: &Chains) -> Vec<Panel> {
    if !has_kept(chains) {
        return Vec::new();
    }
    let bins = rank_bins(chains);
    let highest = bins.iter().flatten().map(|[_, _, count]| *count).fold(0.0, f64::max);
    let panel = |(i, bars): (usize, Vec<[f64; 3]>)| {
        let level = bars.iter().map(|[_, _, count]| count).sum::<f64>() / bars.len() as f64;
        let marks =
            vec![Mark::Bars { bars, paint: Paint::Series(i), base: 0.0 }, Mark::AtY { y: level, label: String::new() }];
        Panel::new(Axis::linear("rank"), Axis::whole("draws").between(0.0, 1.05 * highest), marks)
            .titled(format!("chain {i}"))
    };
    bins.into_iter().enumerate().map(panel).collect()
}

/// For each chain how many of its kept draws are among the lowest share of all, the next, and so on: first and last rank, count. Equal
/// losses are ranked in the order of the draws, chain by chain.
fn rank_bins(chains: &Chains) -> Vec<Vec<[f64; 3]>> {
    let kept: Vec<&[f64]> = chains.kept().collect();
    let mut all: Vec<(f64, usize)> =
        kept.iter().enumerate().flat_map(|(chain, losses)| losses.iter().map(move |&loss| (loss, chain))).collect();
    // Stable, so that the order of equal ones is the same everywhere.
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let num_bins = num_bins(chains);
    let width = all.len() as f64 / num_bins as f64;
    let edge = |bin: usize| bin as f64 * width;
    let empty: Vec<[f64; 3]> = (0..num_bins).map(|bin| [edge(bin), edge(bin + 1), 0.0]).collect();
    let mut bins = vec![empty; kept.len()];
    for (rank, (_, chain)) in all.into_iter().enumerate() {
        bins[chain][((rank as f64 / width) as usize).min(num_bins - 1)][2] += 1.0;
    }
    bins
}
