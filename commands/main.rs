//! The program `gen-commands`: prints random `llc` commands, one a line, for `bash`, GNU parallel or a SLURM array.
//!
//! Each line has been read back and checked by the definitions that `llc` itself uses. The lines go to standard output,
//! how many there are to standard error. Exit codes: 0 done · 1 failed · 2 bad usage.

mod dln;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// Print random `llc dln` commands, one a line, each of them checked
#[derive(Debug, Parser)]
#[command(name = "gen-commands", version)]
struct Cli {
    /// How many commands
    #[arg(long, default_value_t = 100)]
    count: u64,
    /// Seed of the choice: the same seed and count give the same lines
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match print_commands(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_commands(cli: &Cli) -> anyhow::Result<()> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(cli.seed);
    let mut out = BufWriter::new(io::stdout().lock());
    for index in 0..cli.count {
        let line = dln::random_line(&mut rng, index);
        dln::check(&line).with_context(|| format!("command {} is not legal: {line}", index + 1))?;
        match writeln!(out, "{line}") {
            // Whoever reads has had enough (`| head`).
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("cannot write to standard output")?,
        }
    }
    match out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => {
            eprintln!("{} commands", cli.count);
            Ok(())
        }
    }
}
