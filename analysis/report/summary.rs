//! Tells all runs in a table, and where λ is known how far off they are.

use jiff::Timestamp;
use llc::record::read::Run;
use llc::record::time::duration;
use llc::report::read::Said;

use super::html::{number, text};
use crate::figures::figure::counted;
use crate::plot::scale::readable;
use crate::records::estimate::{Estimate, Verdict};
use crate::table;

/// Where the section of a run is within the page; runs of several folders may share their numbers.
pub fn anchor(place: usize, run: &Run) -> String {
    format!("run-{place}-{}", run.id)
}

/// The summary of `runs`.
pub fn section(runs: &[Run]) -> String {
    let rows: String = runs.iter().enumerate().map(|(i, run)| row(i, run)).collect();
    let head = ["run", "name", "status"].map(|name| format!("<th class=\"left\" scope=\"col\">{name}</th>")).concat()
        + &["λ̂", "90 % interval", "λ", "relative error", "R-hat", "time"]
            .map(|name| format!("<th scope=\"col\">{name}</th>"))
            .concat()
        + "<th class=\"left\" scope=\"col\">verdict</th>";
    let table =
        format!("<div class=\"wide\"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>\n");
    format!("<section id=\"summary\"><h2>Summary</h2>\n{}{table}</section>\n", errors(runs))
}

fn row(place: usize, run: &Run) -> String {
    let said = Said::of(run.report.as_ref());
    let point = said.final_point();
    let estimate = Estimate::read(point);
    let shown = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "–".to_owned(), |value| number(&readable(value, digits)))
    };
    let interval = estimate.and_then(|estimate| estimate.interval);
    let error = said.relative_error.map_or_else(|| "–".to_owned(), percent);
    let cells = [
        shown(estimate.map(|e| e.llc), 4),
        interval.map_or_else(
            || "–".to_owned(),
            |[low, high]| format!("{} to {}", shown(Some(low), 4), shown(Some(high), 4)),
        ),
        shown(said.lambda_true, 4),
        error,
        shown(point.rhat(), 4),
        run.duration_s().map_or_else(|| "–".to_owned(), duration),
    ];
    let numbers: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    let verdict = estimate.map_or_else(String::new, |estimate| badge(estimate.verdict));
    format!(
        "<tr><td class=\"left\"><a href=\"#{}\">{}</a></td><td class=\"left\">{}</td><td class=\"left\">{}</td>{numbers}<td class=\"left\">{verdict}</td></tr>\n",
        anchor(place, run),
        run.id,
        text(&run.name),
        text(run.shown_status(Timestamp::now())),
    )
}

/// How far λ̂ is from a known λ, group by group.
fn errors(runs: &[Run]) -> String {
    let rows = table::rows(runs, None);
    let of = |row: &table::Row| {
        let coverage = match row.num_local {
            0 => String::new(),
            n => format!(
                "; 90 % intervals cover λ in {:.0} % of the {n} runs whose λ is the local one",
                100.0 * row.coverage
            ),
        };
        format!(
            "<li>{}: {}, {} trusted; relative error {} in the median, {:.0} % within 5 %, {:.0} % within 10 %{coverage}</li>\n",
            if row.group == "all" { "All together".to_owned() } else { format!("{} parameters", text(&row.group)) },
            counted(row.num_runs, "run"),
            row.num_trusted,
            percent(row.quartiles[1]),
            100.0 * row.within_5,
            100.0 * row.within_10,
        )
    };
    let items: String = rows.iter().filter(|row| row.num_estimates > 0).map(of).collect();
    if items.is_empty() { items } else { format!("<ul>{items}</ul>\n") }
}

/// A verdict in its colour.
pub fn badge(verdict: Verdict) -> String {
    format!("<span class=\"verdict {}\">{}</span>", verdict.word(), verdict.name())
}

/// A relative error.
pub fn percent(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share).replace('-', "−")
}
