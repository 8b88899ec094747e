//! `llc-analysis runs sync`: delivers runs to the databases that missed them while they ran.

use std::collections::BTreeSet;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use jiff::Timestamp;
use llc::mongo::address::Address;
use llc::mongo::{self, MongoError, Synced};
use llc::record::read::{self, Run};

use super::UsageError;
use crate::records::addresses::Addresses;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder of the runs, as given to `llc -F`, or that of one run.
    #[arg(value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
    #[command(flatten)]
    addresses: Addresses,
}

/// Delivers every run of the folder that is not wholly there, to the addresses given, otherwise to those recorded with the run.
pub fn execute(arguments: &Arguments, now: Timestamp, output: &mut dyn Write) -> Result<()> {
    let runs = runs(&arguments.folder)?;
    let given = arguments.addresses.given()?;
    let (mut num_failed, mut num_addresses) = (0, 0);
    let mut away = BTreeSet::new();
    for run in &runs {
        let addresses = if given.is_empty() { recorded_addresses(run)? } else { given.clone() };
        num_addresses += addresses.len();
        for address in addresses {
            if away.contains(&address.to_string()) {
                num_failed += 1;
                continue;
            }
            match mongo::sync(run, &address, now)? {
                Synced::Tried(Ok(delivered)) => writeln!(output, "run {} → {delivered}", run.id)?,
                Synced::Tried(Err(error)) => {
                    num_failed += 1;
                    let _ = writeln!(io::stderr(), "error: run {}: {error}", run.id);
                    // Every other run would wait for the same answer.
                    if matches!(error, MongoError::Away { .. }) {
                        away.insert(address.to_string());
                    }
                }
                Synced::WasThere { address, id } => writeln!(output, "run {}: {address} has it as {id}", run.id)?,
                Synced::Running => writeln!(output, "run {} is running: its own process delivers it", run.id)?,
            }
        }
    }
    if num_addresses == 0 && !runs.is_empty() {
        return Err(UsageError::NoAddress.into());
    }
    if num_failed > 0 {
        bail!("{num_failed} deliveries failed or were not tried; repeat the command to try again");
    }
    Ok(())
}

/// The runs of the folder; those that can't be read are reported on stderr.
fn runs(folder: &Path) -> Result<Vec<Run>> {
    if !folder.is_dir() {
        return Err(UsageError::NoFolder(folder.to_owned()).into());
    }
    if folder.join("run.json").is_file() {
        return Ok(vec![Run::open(&folder.canonicalize()?)?]);
    }
    let found = read::list(folder)?;
    for error in &found.unreadable {
        let _ = writeln!(io::stderr(), "warning: {error}");
    }
    Ok(found.runs)
}

/// Where the run was to be delivered, with the environment's credentials.
fn recorded_addresses(run: &Run) -> Result<Vec<Address>> {
    let addresses = mongo::addresses_of(&run.path)?;
    Ok(addresses.into_iter().map(|address| address.authorised(|name| env::var(name).ok())).collect())
}
