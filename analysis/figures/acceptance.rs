//! Counts runs by their mean acceptance.

use llc::report::read::Said;

use super::figure::{Figure, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Mark, Panel, Table, cell};
use crate::statistics::quantiles::{histogram, quantile};

pub const FIGURE: Figure = Figure {
    name: "acceptance-histogram",
    summary: "histogram of the mean acceptance of runs",
    shows_single_runs: false,
    draw: |input| {
        let rate = |run: &llc::record::read::Run| Said::of(run.report.as_ref()).diagnostics.acceptance;
        let rates: Vec<f64> = input.runs.iter().filter_map(rate).collect();
        if rates.is_empty() {
            return Err(NoData("none of the runs has an acceptance".to_owned()));
        }
        let bars = histogram(&rates, 0.0, 1.0, 20);
        let mut table = Table::new(["from", "to", "count"]);
        bars.iter().for_each(|bar| table.push(bar.map(cell)));
        Ok(Drawing {
            title: "Mean acceptance of the runs".to_owned(),
            caption: format!(
                "{}, median {:.2}. For SGLD it is the acceptance that the same batch would give; SGLD has no accept \
                 step.",
                counted(rates.len(), "run"),
                quantile(&rates, 0.5)
            ),
            keys: Vec::new(),
            panels: vec![Panel::new(
                Axis::linear("mean acceptance probability").between(0.0, 1.0),
                Axis::whole("runs").including(0.0),
                vec![Mark::Bars { bars, paint: Paint::Series(0), base: 0.0 }],
            )],
            columns: 1,
            panel_size: [440.0, 270.0],
            table,
        })
    },
};
