//! `llc model`: lists the networks, and shows what one is made of.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use llc::model::layer::Activation;
use llc::model::{ModelOptions, ModelSpec, Network, registry, shape};
use serde_json::json;

use crate::cli::{self, Outcome};

const EXAMPLES: &str = "\
Examples:
  llc model show resnet18 --width-factor 8
  llc model show mlp --widths 32 --num-classes 2
  llc model show wrn-28-10";

/// What the command line of `llc model list` says.
#[derive(Debug, Args)]
struct ListArgs {
    /// Print one JSON list
    #[arg(long)]
    json: bool,
}

/// What the command line of `llc model show` says.
#[derive(Debug, Args)]
struct ShowArgs {
    /// A name from `llc model list`
    name: String,
    /// Factor of all channels, or channels of the first group
    #[arg(long, value_name = "K")]
    width_factor: Option<usize>,
    /// Widths of the hidden layers: 512,512
    #[arg(long, value_name = "WIDTHS", value_delimiter = ',')]
    widths: Option<Vec<usize>>,
    /// Whether linear layers have biases
    #[arg(long, value_name = "true|false", hide_possible_values = true)]
    bias: Option<bool>,
    /// The function between layers
    #[arg(long, value_name = "relu|sigmoid|tanh", value_parser = parse_activation)]
    activation: Option<Activation>,
    /// Whether convolutions are normalised
    #[arg(long, value_name = "true|false", hide_possible_values = true)]
    batch_norm: Option<bool>,
    /// Probability that a training sets an element to zero
    #[arg(long, value_name = "P")]
    dropout: Option<f64>,
    /// Channels, height and width of an image: 3,32,32
    #[arg(long, value_name = "C,H,W", value_parser = parse_shape)]
    input_shape: Option<[usize; 3]>,
    /// Classes
    #[arg(long, value_name = "CLASSES")]
    num_classes: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The subcommand `model`, with `list` and `show`.
pub fn command() -> Command {
    let list = ListArgs::augment_args(Command::new("list"))
        .about("List the networks, with their default numbers of parameters and image sizes");
    let show = ShowArgs::augment_args(Command::new("show"))
        .about("Show the layers of a network, with output shapes, parameters and shares")
        .after_help(EXAMPLES);
    Command::new("model")
        .about("List the networks, or show the layers of one")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(list)
        .subcommand(show)
}

/// Prints what was asked for.
pub fn run(matches: &ArgMatches, _cancel: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
    let text = match matches.subcommand() {
        Some(("show", matches)) => show(ShowArgs::from_arg_matches(matches)?)?,
        // clap has seen to it that there is a subcommand.
        Some((_, matches)) => list(&ListArgs::from_arg_matches(matches)?)?,
        None => String::new(),
    };
    cli::print(&text)?;
    Ok(Outcome::Done)
}

fn list(args: &ListArgs) -> anyhow::Result<String> {
    let networks = registry::ENTRIES.iter().map(|entry| Ok((entry, ModelSpec::named(entry.name).build()?)));
    let networks = networks.collect::<anyhow::Result<Vec<_>>>()?;
    if args.json {
        let rows = networks.iter().map(|(entry, network)| {
            json!({
                "name": entry.name,
                "summary": entry.summary,
                "d": network.num_parameters(),
                "input_shape": network.input_shape(),
                "num_classes": network.num_outputs(),
                "options": entry.options,
            })
        });
        return Ok(format!("{}\n", serde_json::Value::from_iter(rows)));
    }
    let mut out = format!("{:<21} {:>11}  {:<8}\n", "network", "parameters", "input");
    for (entry, network) in &networks {
        let (d, input) = (grouped(network.num_parameters()), shape(&network.input_shape()));
        writeln!(out, "{:<21} {d:>11}  {input:<8}  {}", entry.name, entry.summary)?;
    }
    Ok(out)
}

fn show(args: ShowArgs) -> anyhow::Result<String> {
    let is_json = args.json;
    let options = ModelOptions {
        width_factor: args.width_factor,
        widths: args.widths,
        has_bias: args.bias,
        activation: args.activation,
        batch_norm: args.batch_norm,
        dropout: args.dropout,
        depth: None,
        input_shape: args.input_shape,
        num_classes: args.num_classes,
    };
    let spec = ModelSpec { name: args.name, options };
    let network = spec.build()?;
    if !is_json {
        return table(&network);
    }
    let layers = network
        .rows()
        .iter()
        .map(|row| json!({"name": row.name, "kind": row.kind, "output_shape": row.output, "d": row.num_parameters}));
    let report = json!({
        "model": spec,
        "d": network.num_parameters(),
        "input_shape": network.input_shape(),
        "num_classes": network.num_outputs(),
        "layers": serde_json::Value::from_iter(layers),
    });
    Ok(format!("{report}\n"))
}

fn table(network: &Network) -> anyhow::Result<String> {
    let widest = |text: fn(&llc::model::LayerRow) -> &str| {
        network.rows().iter().map(|row| text(row).chars().count()).max().unwrap_or(0).max("layer".len())
    };
    let (names, kinds) = (widest(|row| &row.name), widest(|row| &row.kind));
    let d = network.num_parameters();
    let share = |part: usize| 100.0 * part as f64 / d.max(1) as f64;
    let mut out = String::new();
    writeln!(out, "{:<names$}  {:<kinds$}  {:>11}  {:>11}  {:>7}", "layer", "", "output", "parameters", "share")?;
    writeln!(out, "{:<names$}  {:<kinds$}  {:>11}", "", "input", shape(&network.input_shape()))?;
    for row in network.rows() {
        write!(out, "{:<names$}  {:<kinds$}  {:>11}", row.name, row.kind, shape(&row.output))?;
        match row.num_parameters {
            0 => writeln!(out)?,
            own => writeln!(out, "  {:>11}  {:>5.2} %", grouped(own), share(own))?,
        }
    }
    writeln!(out, "{:<names$}  {:<kinds$}  {:>11}  {:>11}", network.name(), "in all", "", grouped(d))?;
    Ok(out)
}

/// A count with commas: 11,181,642.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn parse_activation(text: &str) -> Result<Activation, String> {
    let names = Activation::ALL.map(Activation::name).join(", ");
    Activation::from_name(text).ok_or_else(|| format!("it must be one of {names}"))
}

fn parse_shape(text: &str) -> Result<[usize; 3], String> {
    let sides = text.split([',', 'x', '×']).map(|side| side.trim().parse().ok()).collect::<Option<Vec<usize>>>();
    sides.and_then(|sides| sides.try_into().ok()).ok_or_else(|| "write it as 3,32,32".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(line: &str) -> anyhow::Result<String> {
        let matches = command().no_binary_name(true).try_get_matches_from(line.split_whitespace())?;
        match matches.subcommand() {
            Some(("list", matches)) => list(&ListArgs::from_arg_matches(matches)?),
            Some((_, matches)) => show(ShowArgs::from_arg_matches(matches)?),
            None => Ok(String::new()),
        }
    }

    #[test]
    fn the_list_has_every_network_with_its_count() {
        let list = output("list").unwrap();
        assert_eq!(list.lines().count(), registry::ENTRIES.len() + 1);
        assert!(list.contains("\nresnet18               11,181,642  3×32×32   ResNet18 as Haiku"), "{list}");
        assert!(list.contains("\nmlp1                    1,209,866  3×28×28 "), "{list}");
    }

    #[test]
    fn a_network_is_shown_with_shapes_counts_and_shares() {
        let table = output("show mlp --widths 32 --num-classes 2 --input-shape 1x28x28").unwrap();
        let expected = "\
layer                output   parameters    share
       input        1×28×28
       flatten          784
fc1    linear            32       25,120  99.74 %
       relu              32
fc     linear             2           66   0.26 %
mlp    in all                     25,186
";
        assert_eq!(table, expected);
    }

    #[test]
    fn shares_in_json_add_up_to_all_parameters() {
        let report: serde_json::Value = serde_json::from_str(&output("show wrn-28-1 --json").unwrap()).unwrap();
        let layers = report["layers"].as_array().unwrap();
        assert_eq!(layers.iter().map(|row| row["d"].as_u64().unwrap()).sum::<u64>(), 369_498);
        assert_eq!(report["model"]["name"], "wrn-28-1");
    }

    #[test]
    fn an_option_that_does_not_fit_is_reported() {
        let error = output("show mlp1 --width-factor 2").unwrap_err().to_string();
        assert!(error.contains("mlp1 has no option `width-factor`"), "{error}");
        assert!(output("show mlp --activation gelu").unwrap_err().to_string().contains("relu, sigmoid, tanh"));
        assert!(output("show mlp --input-shape 3,32").is_err());
    }
}
