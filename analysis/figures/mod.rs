//! `llc-analysis figures`: draws figures from records, each as SVG and PNG with its numbers.
//!
//! A [`figure`] is a function from runs to a drawing; [`registry`] lists them all, [`hue`] colours runs, and [`mod@write`]
//! makes the files.

mod acceptance;
mod against_lambda;
pub mod chain_panels;
mod corruption;
mod curves;
mod descent;
mod divergence;
mod estimates;
pub mod figure;
mod hue;
mod kernel_regression;
mod learning_curves;
mod loss_function;
mod multiplicity;
mod networks;
mod noisy_weights;
mod over_training;
mod paths;
mod plane;
mod profile;
pub mod registry;
mod relative_error;
mod rescaling;
mod saddle;
mod sampler_comparison;
mod spectra;
mod theory;
mod toy;
pub mod traces;
mod write;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use llc::record::filter::Filter;

use crate::records::source::{Found, Source};
use figure::{Figure, Input, Options};
use registry::{FIGURES, OF_THEORY};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Names of figures (by default all that the runs have data for), and conditions on runs as for `runs list`:
    /// relative-error-histogram status=COMPLETED 'llc>0' config.sampler.kind=sgld
    #[arg(value_name = "FIGURE|FILTER")]
    words: Vec<String>,
    #[command(flatten)]
    source: Source,
    /// Folder of the files.
    #[arg(short, long, value_name = "DIR", default_value = "figures")]
    output: PathBuf,
    /// Field that sets colours and groups, such as config.sampler.gamma.
    #[arg(long, value_name = "FIELD", value_parser = field_path)]
    hue: Option<String>,
    /// Epochs to smooth learning curves over, an odd number.
    #[arg(long, value_name = "EPOCHS", value_parser = odd_window)]
    smooth: Option<usize>,
    /// List the figures, and stop.
    #[arg(long)]
    list: bool,
}

/// What the user asked for doesn't exist.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("there is no figure {name}; did you mean {nearest}? `llc-analysis figures --list` lists all figures")]
    NoFigure { name: String, nearest: &'static str },
}

/// Draws the figures of `arguments`, and prints the written files to `output`.
pub fn execute(arguments: &Arguments, output: &mut dyn Write) -> Result<()> {
    if arguments.list {
        return list(output);
    }
    let (figures, filters) = understood(&arguments.words)?;
    let is_of_theory = |figure: &Figure| OF_THEORY.iter().any(|other| other.name == figure.name);
    let found = if !figures.is_empty() && figures.iter().all(|figure| is_of_theory(figure)) {
        Found::default()
    } else {
        arguments.source.find(&filters)?
    };
    let Found { runs, details } = found;
    let options = Options { hue: arguments.hue.clone(), smooth: arguments.smooth };
    let input = Input { runs: &runs, details: &details, options: &options };
    let chosen = write::Chosen { filters: &filters, places: arguments.source.places()?, options: &options };
    let wanted: Vec<&Figure> = if figures.is_empty() { FIGURES.iter().collect() } else { figures.clone() };
    let mut num_written = 0;
    for figure in wanted {
        match (figure.draw)(&input) {
            Ok(drawing) => {
                let written = write::files(figure, &drawing, &runs, &chosen, &arguments.output)?;
                writeln!(output, "{}", written.display())?;
                num_written += 1;
            }
            // One that was asked for by name, and can't be had, is a failure.
            Err(reason) if !figures.is_empty() => anyhow::bail!("{}: {reason}", figure.name),
            Err(reason) => drop(writeln!(io::stderr(), "skipped {}: {reason}", figure.name)),
        }
    }
    anyhow::ensure!(num_written > 0, "none of the {} runs has data for any figure", runs.len());
    Ok(())
}

fn list(output: &mut dyn Write) -> Result<()> {
    let width = registry::all().map(|figure| figure.name.len()).max().unwrap_or(0);
    for figure in registry::all() {
        writeln!(output, "{:width$}  {}", figure.name, figure.summary)?;
    }
    Ok(())
}

/// Tells names of figures from conditions: these have an operator in them.
fn understood(words: &[String]) -> Result<(Vec<&'static Figure>, Vec<Filter>)> {
    let (mut figures, mut filters) = (Vec::new(), Vec::new());
    for word in words {
        if word.contains(['=', '!', '<', '>', '~']) {
            filters.push(word.parse()?);
            continue;
        }
        let found = registry::all().find(|figure| figure.name == word);
        figures.push(found.ok_or_else(|| UsageError::NoFigure { name: word.clone(), nearest: nearest(word) })?);
    }
    Ok((figures, filters))
}

fn nearest(word: &str) -> &'static str {
    let likeness = |name: &str| strsim::jaro_winkler(word, name);
    let names = registry::all().map(|figure| figure.name);
    names.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default()
}

/// A field of records that runs can be grouped by.
pub fn field_path(text: &str) -> Result<String, String> {
    let is_path = ["config.", "report."].iter().any(|part| text.starts_with(part));
    if is_path { Ok(text.to_owned()) } else { Err(format!("write config.PATH or report.PATH, such as config.{text}")) }
}

fn odd_window(text: &str) -> Result<usize, String> {
    let window: usize = text.parse().map_err(|_| "not a whole number".to_owned())?;
    if window % 2 == 1 && window >= 5 { Ok(window) } else { Err("give an odd number, 5 or more".to_owned()) }
}
