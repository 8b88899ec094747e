//! Tells one run: its verdict and why, its diagnostics, its chains, and how to repeat it.

use std::slice;

use llc::record::read::Run;
use llc::record::time::duration;
use llc::report::read::Said;

use super::html::{command_line, number, text};
use super::inline;
use super::summary::badge;
use crate::figures::chain_panels::{is_finite, rank_panels, running_panel};
use crate::figures::figure::Input;
use crate::figures::registry::FIGURES;
use crate::figures::traces::{acceptance_panel, loss_panel};
use crate::plot::canvas::Glyphs;
use crate::plot::panel::{Drawing, Table};
use crate::plot::scale::readable;
use crate::records::chains::Chains;
use crate::records::estimate::Estimate;

/// What a run's own section shows of the registry: what it did over its training.
const OVER_TRAINING: [&str; 2] = ["llc-over-training", "learning-curves"];

/// A diagnostic: what it is called, and its value.
type Diagnostic = (&'static str, fn(&Said) -> Option<f64>);

const DIAGNOSTICS: [Diagnostic; 8] = [
    ("R-hat of the loss", Said::rhat),
    ("R-hat of the distance", |said| said.diagnostics.rhat_distance),
    ("effective draws, bulk", |said| said.diagnostics.ess_bulk),
    ("effective draws, tail", |said| said.diagnostics.ess_tail),
    ("acceptance", |said| said.diagnostics.acceptance),
    ("virial", |said| said.diagnostics.virial),
    ("variance ratio", |said| said.diagnostics.variance_ratio),
    ("radius", |said| said.diagnostics.radius),
];

/// The section of `run`, which is unfolded where it `is_open`.
pub fn section(run: &Run, input: &Input, anchor: &str, is_open: bool, glyphs: &mut Glyphs) -> String {
    let said = Said::of(run.report.as_ref());
    let point = said.final_point();
    let estimate = Estimate::read(point);
    let estimate_text = estimate.map_or_else(String::new, |estimate| {
        let ends = estimate.interval.map_or_else(String::new, |[low, high]| {
            format!(", 90 % interval {} to {}", number(&readable(low, 4)), number(&readable(high, 4)))
        });
        format!("λ̂ = {}{ends} {}", number(&readable(estimate.llc, 4)), badge(estimate.verdict))
    });
    let at = match (point.step, point.t) {
        (Some(step), _) => format!(" at step {step}"),
        (None, Some(t)) => format!(" at t = {t}"),
        _ => String::new(),
    };
    let open = if is_open { " open" } else { "" };
    let mut section = format!(
        "<details class=\"run\" id=\"{anchor}\"{open}><summary>Run {}: {} <span class=\"note\">{estimate_text}{at}</span></summary>\n",
        run.id,
        text(&run.name)
    );
    for line in &run.fail_trace {
        section += &format!("<p class=\"not_trusted\">{}</p>\n", text(line));
    }
    section += &explanations(point);
    section += &facts(run, point);
    section += &figures(&Input { runs: slice::from_ref(run), ..*input }, run, glyphs);
    if run.argv.len() > 1 {
        section += &format!("<h3>Repeat this run</h3><pre>{}</pre>\n", text(&command_line(&run.argv)));
    }
    section += &format!(
        "<details><summary>Configuration</summary><pre>{}</pre></details>\n",
        text(&format!("{:#}", run.config))
    );
    section += "</details>\n";
    section
}

/// Why the verdict is what it is, and what a reader should know.
fn explanations(point: &Said) -> String {
    let lines = point.explanations.iter().chain(&point.notes);
    let items: String = lines.map(|line| format!("<li>{}</li>", text(line))).collect();
    if items.is_empty() { items } else { format!("<ul>{items}</ul>\n") }
}

fn facts(run: &Run, point: &Said) -> String {
    let diagnostic =
        |(name, value): Diagnostic| value(point).map(|value| (name.to_owned(), number(&readable(value, 3))));
    let mut facts: Vec<(String, String)> = DIAGNOSTICS.into_iter().filter_map(diagnostic).collect();
    facts.extend(run.duration_s().map(|seconds| ("time".to_owned(), duration(seconds))));
    if !run.hostname.is_empty() {
        facts.push(("machine".to_owned(), text(&run.hostname)));
    }
    if !run.comment.is_empty() {
        facts.push(("remark".to_owned(), text(&run.comment)));
    }
    let items: String =
        facts.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>")).collect();
    format!("<dl>{items}</dl>\n")
}

/// The figures of `run`, which is all of `input`.
fn figures(input: &Input, run: &Run, glyphs: &mut Glyphs) -> String {
    let mut section = String::new();
    for figure in FIGURES.iter().filter(|figure| OVER_TRAINING.contains(&figure.name)) {
        if let Ok(drawing) = (figure.draw)(input) {
            section += &inline(&drawing, &name(run, figure.name), glyphs);
        }
    }
    if let Some(chains) = input.chains(run) {
        section += &chain_figures(run, &chains, glyphs);
    }
    section
}

fn chain_figures(run: &Run, chains: &Chains, glyphs: &mut Glyphs) -> String {
    let mut panels = vec![loss_panel(chains)];
    if is_finite(chains) {
        panels.push(running_panel(run, chains));
    }
    if !chains.acceptance.is_empty() {
        panels.push(acceptance_panel(chains));
    }
    let drawing = Drawing {
        title: "Chains".to_owned(),
        caption: "One colour for each chain; grey: warm-up. Dashed line and band: λ̂ of all chains with its 90 % \
                  interval."
            .to_owned(),
        keys: Vec::new(),
        panels,
        columns: 1,
        panel_size: [270.0, 170.0],
        table: Table::default(),
    };
    let mut section = inline(&drawing, &name(run, "chains"), glyphs);
    let ranks = if chains.loss.len() > 1 && is_finite(chains) { rank_panels(chains) } else { Vec::new() };
    if !ranks.is_empty() {
        let caption = "Kept losses of all chains ranked together; the bars are level if the chains agree.".to_owned();
        let drawing =
            Drawing { title: "Ranks".to_owned(), caption, panels: ranks, panel_size: [165.0, 90.0], ..drawing };
        section += &inline(&drawing, &name(run, "ranks"), glyphs);
    }
    section
}

/// A name for parts of a run's images that no other image of the page has.
fn name(run: &Run, what: &str) -> String {
    let path: String =
        run.path.to_string_lossy().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{what}-{path}")
}
