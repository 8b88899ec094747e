//! Counts networks by the multiplicity of their learning coefficient.

use std::collections::BTreeMap;

use super::figure::{Figure, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Mark, Panel, Table};
use crate::records::estimate::known;

pub const FIGURE: Figure = Figure {
    name: "multiplicity",
    summary: "number of networks with multiplicity 1, 2, 3, …",
    shows_single_runs: false,
    draw: |input| {
        let known = known(input.runs);
        if known.is_empty() {
            return Err(NoData::of("of a network whose λ is known"));
        }
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        known.iter().for_each(|known| *counts.entry(known.multiplicity).or_default() += 1);
        let mut table = Table::new(["multiplicity", "count"]);
        counts.iter().for_each(|(m, count)| table.push([m.to_string(), count.to_string()]));
        // Multiplicities are rarely far apart: a place for each in between, unless there would be many.
        let most = counts.keys().copied().max().unwrap_or(1);
        let names: Vec<u64> = if most <= 20 { (1..=most).collect() } else { counts.keys().copied().collect() };
        let bar =
            |(i, m): (usize, &u64)| [i as f64 - 0.4, i as f64 + 0.4, counts.get(m).map_or(0.0, |&count| count as f64)];
        let bars = names.iter().enumerate().map(bar).collect();
        Ok(Drawing {
            title: "Multiplicity of the learning coefficient".to_owned(),
            caption: format!("{}.", counted(known.len(), "network")),
            keys: Vec::new(),
            panels: vec![Panel::new(
                Axis::categories("multiplicity m", names.iter().map(u64::to_string).collect()),
                Axis::whole("networks").including(0.0),
                vec![Mark::Bars { bars, paint: Paint::Series(0), base: 0.0 }],
            )],
            columns: 1,
            panel_size: [400.0, 270.0],
            table,
        })
    },
};
