//! `llc checkpoint show`: says what a checkpoint holds, whichever program wrote it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use llc::checkpoint::{Checkpoint, NamedTensor};
use llc::model::shape;
use llc::words::{MISSING, counted};
use serde_json::{Value, json};
use tch::Kind;

use crate::cli::{self, Outcome};

const EXAMPLES: &str = "\
Examples:
  llc checkpoint show runs/1/checkpoint/final.safetensors
  llc checkpoint show resnet18.pth --json

It reads PyTorch's files (.pt, .pth) and safetensors, and never executes code in them.";

/// What the command line of `llc checkpoint show` says.
#[derive(Debug, Args)]
struct ShowArgs {
    /// A file that llc, torch.save or safetensors wrote
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// One tensor's row.
struct Row<'a> {
    tensor: &'a NamedTensor,
    /// Square root of the sum of squares; `None` where libtorch does not compute with the format.
    norm: Option<f64>,
}

/// The subcommand `checkpoint`, with `show`.
pub fn command() -> Command {
    let show = ShowArgs::augment_args(Command::new("show"))
        .about("Show a checkpoint's header, and its tensors with shapes, formats and norms")
        .after_help(EXAMPLES);
    Command::new("checkpoint")
        .about("Show the contents of a checkpoint")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(show)
}

/// Prints what was asked for.
pub fn run(matches: &ArgMatches, _cancel: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
    // `show` is the only subcommand, and clap has seen to it that there is one.
    let (_, matches) = matches.subcommand().unwrap_or(("show", matches));
    let args = ShowArgs::from_arg_matches(matches)?;
    let checkpoint = Checkpoint::read(&args.path)?;
    let rows: Vec<Row> = checkpoint.tensors.iter().map(|tensor| Row { tensor, norm: norm(tensor) }).collect();
    let text = if args.json { format!("{}\n", report(&checkpoint, &rows)) } else { table(&checkpoint, &rows)? };
    cli::print(&text)?;
    Ok(Outcome::Done)
}

fn norm(tensor: &NamedTensor) -> Option<f64> {
    let squares = || tensor.to_tensor()?.f_to_kind(Kind::Double)?.f_square()?.f_sum(Kind::Double)?.f_double_value(&[]);
    squares().ok().map(f64::sqrt)
}

fn num_elements(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.tensor.bytes.len() / row.tensor.dtype.size_bytes()).sum()
}

fn report(checkpoint: &Checkpoint, rows: &[Row]) -> Value {
    let tensors = rows.iter().map(|row| {
        let Row { tensor, norm } = row;
        json!({"name": tensor.name, "shape": tensor.shape, "dtype": tensor.dtype.to_string(), "norm": norm})
    });
    json!({
        "model": checkpoint.header.model,
        "facts": checkpoint.header.facts,
        "num_elements": num_elements(rows),
        "tensors": Value::from_iter(tensors),
    })
}

fn table(checkpoint: &Checkpoint, rows: &[Row]) -> anyhow::Result<String> {
    let mut out = String::new();
    if let Some(model) = &checkpoint.header.model {
        writeln!(out, "{:<16}{}", "model", serde_json::to_string(model)?)?;
    }
    for (name, fact) in &checkpoint.header.facts {
        // JSON escapes what a terminal would obey; a name does not.
        writeln!(out, "{:<16}{fact}", name.escape_debug().to_string())?;
    }
    if !out.is_empty() {
        writeln!(out)?;
    }
    let names: Vec<String> = rows.iter().map(|row| row.tensor.name.escape_debug().to_string()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("tensor".len());
    writeln!(out, "{:<width$}  {:<14}  {:<5}  {:>11}", "tensor", "shape", "dtype", "norm")?;
    for (name, Row { tensor, norm }) in names.iter().zip(rows) {
        let shape = if tensor.shape.is_empty() { "1".to_owned() } else { shape(&tensor.shape) };
        let norm = norm.map_or_else(|| MISSING.to_owned(), |norm| format!("{norm:.5e}"));
        writeln!(out, "{name:<width$}  {shape:<14}  {:<5}  {norm:>11}", tensor.dtype)?;
    }
    writeln!(out, "{}, {}", counted(rows.len(), "tensor"), counted(num_elements(rows), "element"))?;
    Ok(out)
}
