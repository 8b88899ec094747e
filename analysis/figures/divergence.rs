//! Counts chains whose loss was no longer finite, and shows after how many draws that was.

use llc::record::read::Run;
use llc::report::read::Said;

use super::figure::{Figure, Input, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Mark, Panel, Table};
use crate::records::chains::Chains;
use crate::statistics::quantiles::histogram;

pub const FIGURE: Figure = Figure {
    name: "divergence",
    summary: "the number of draws after which chains diverged",
    shows_single_runs: false,
    draw,
};

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let has_diverged = |run: &&Run| Said::of(run.report.as_ref()).reasons.iter().any(|reason| reason == "diverged");
    let runs: Vec<&Run> = input.runs.iter().filter(has_diverged).collect();
    if runs.is_empty() {
        return Err(NoData(format!("no chain of {} diverged", counted(input.runs.len(), "run"))));
    }
    let mut table = Table::new(["run_dir", "chain", "num_draws"]);
    let mut ends = Vec::new();
    let mut longest = 1.0_f64;
    for run in &runs {
        let planned = Said::of(run.report.as_ref()).num_draws.map_or(1.0, |num_draws| num_draws as f64);
        longest = longest.max(planned);
        for (chain, num_draws) in input.chains(run).iter().flat_map(|chains| finite(chains).enumerate()) {
            if (num_draws as f64) < planned {
                table.push([run.path.display().to_string(), chain.to_string(), num_draws.to_string()]);
                ends.push(num_draws as f64);
            }
        }
    }
    let bars = histogram(&ends, 0.0, longest, 20);
    Ok(Drawing {
        title: "When chains diverged".to_owned(),
        caption: format!("{} of {} had a chain that diverged.", runs.len(), counted(input.runs.len(), "run")),
        keys: Vec::new(),
        panels: vec![Panel::new(
            Axis::linear("draws before the loss was no longer finite").between(0.0, longest),
            Axis::whole("chains").including(0.0),
            vec![Mark::Bars { bars, paint: Paint::Series(1), base: 0.0 }],
        )],
        columns: 1,
        panel_size: [440.0, 260.0],
        table,
    })
}

/// Leading finite losses of each chain.
fn finite(chains: &Chains) -> impl Iterator<Item = usize> {
    chains.loss.iter().map(|loss| loss.iter().take_while(|loss| loss.is_finite()).count() * chains.stride)
}
