//! `llc-analysis report`: one page that opens anywhere, offline: summary, figures, every run with its chains and its command.
//!
//! The page is one HTML file without scripts, fonts or links outwards; figures are inline SVG. It follows the reader's
//! preference for light or dark, and reads on a telephone.

mod html;
mod run_section;
mod summary;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use llc::record::atomic::{Durability, replace};
use llc::record::filter::Filter;

use crate::figures::field_path;
use crate::figures::figure::{Input, Options, counted};
use crate::figures::registry::FIGURES;
use crate::plot::canvas::{Glyphs, definitions};
use crate::plot::compose;
use crate::plot::paint::dark_style;
use crate::plot::panel::Drawing;
use crate::records::source::{Found, Source};
use html::{number, text};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Runs by number or folder (by default all of -F), and conditions on them as for `runs list`: 3 7 status=COMPLETED
    #[arg(value_name = "RUN|FILTER")]
    words: Vec<String>,
    #[command(flatten)]
    source: Source,
    /// File of the page.
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// Field that sets colours and groups, such as config.sampler.gamma.
    #[arg(long, value_name = "FIELD", value_parser = field_path)]
    hue: Option<String>,
    /// Title of the page.
    #[arg(long, default_value = "Local learning coefficients")]
    title: String,
    /// Number of runs, the first ones, that get their own section.
    #[arg(long, value_name = "N", default_value_t = 50)]
    max_sections: usize,
}

/// Writes the page that `arguments` ask for, and prints its path to `output`.
pub fn execute(arguments: &Arguments, output: &mut dyn Write) -> Result<()> {
    let (found, filters) = chosen(arguments)?;
    anyhow::ensure!(!found.runs.is_empty(), "none of the runs meets these conditions");
    let page = page(&found, &filters, arguments);
    if let Some(folder) = arguments.output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    replace(&arguments.output, page.as_bytes(), Durability::Process)
        .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    Ok(writeln!(output, "{}", arguments.output.display())?)
}

fn chosen(arguments: &Arguments) -> Result<(Found, Vec<Filter>)> {
    let is_condition = |word: &&String| word.contains(['=', '!', '<', '>', '~']) && !PathBuf::from(word).is_dir();
    let (conditions, named): (Vec<&String>, Vec<&String>) = arguments.words.iter().partition(is_condition);
    let filters = conditions.into_iter().map(|word| word.parse()).collect::<Result<Vec<Filter>, _>>()?;
    let found = match named.as_slice() {
        [] => arguments.source.find(&filters)?,
        named => arguments.source.named(named, &filters)?,
    };
    Ok((found, filters))
}

/// The page.
fn page(Found { runs, details }: &Found, filters: &[Filter], arguments: &Arguments) -> String {
    let options = Options { hue: arguments.hue.clone(), smooth: None };
    let input = Input { runs, details, options: &options };
    let mut glyphs = Glyphs::new();
    let mut body = String::new();
    let conditions = filters.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let about = match conditions.as_str() {
        "" => String::new(),
        conditions => format!(" selected by <code>{}</code>", text(conditions)),
    };
    body +=
        &format!("<header><h1>{}</h1><p>{}{about}</p></header>\n", text(&arguments.title), counted(runs.len(), "run"));
    body += &summary::section(runs);
    if runs.len() > 1 {
        body += &figures(&input, &mut glyphs);
    }
    body += "<section id=\"runs\"><h2>Runs</h2>\n";
    for (i, run) in runs.iter().take(arguments.max_sections).enumerate() {
        // Runs of several folders may share their numbers.
        let anchor = summary::anchor(i, run);
        body += &run_section::section(run, &input, &anchor, runs.len() <= 3, &mut glyphs);
    }
    if runs.len() > arguments.max_sections {
        let left = runs.len() - arguments.max_sections;
        body += &format!(
            "<p>{left} more runs are in the table only; --max-sections shows them, conditions select among them.</p>\n"
        );
        let _ = writeln!(
            io::stderr(),
            "{} in the table only; --max-sections {} shows the sections",
            counted(left, "run"),
            runs.len()
        );
    }
    body += "</section>\n";
    let version = env!("CARGO_PKG_VERSION");
    body += &format!("<footer>Made by llc-analysis {version} from records only.</footer>\n");
    html::document(&arguments.title, &dark_style(), &definitions(&glyphs), &body)
}

/// The figures of all runs together that have data.
fn figures(input: &Input, glyphs: &mut Glyphs) -> String {
    let mut section = String::new();
    for figure in FIGURES.iter().filter(|figure| !figure.shows_single_runs) {
        if let Ok(drawing) = (figure.draw)(input) {
            section += &inline(&drawing, figure.name, glyphs);
        }
    }
    if section.is_empty() {
        section
    } else {
        format!("<section id=\"figures\"><h2>Figures</h2>\n{section}</section>\n")
    }
}

/// A drawing within the page: its panels flow into as many columns as there is room for.
fn inline(drawing: &Drawing, name: &str, glyphs: &mut Glyphs) -> String {
    let (keys, panels) = compose::elements(drawing, name, glyphs);
    let keys = keys.map_or_else(String::new, |keys| format!("<div class=\"keys\">{keys}</div>"));
    format!(
        "<figure><figcaption><h3>{}</h3><p>{}</p></figcaption>{keys}<div class=\"panels\">{}</div></figure>\n",
        text(&drawing.title),
        number(&drawing.caption),
        panels.concat()
    )
}
