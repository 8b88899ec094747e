//! Defines the errors of delivering a run to a server or reading one, without credentials.

use std::io;
use std::path::{Path, PathBuf};

use mongodb::error::{Error, ErrorKind, WriteFailure};

use super::address::Address;
use super::database::SERVER_WAIT;
use crate::record::redact;

/// The code of the error that an `_id`, or another unique key, is there already.
const DUPLICATE_KEY: i32 = 11_000;

/// Why a run could not be delivered or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MongoError {
    /// The server, or the way to it. The text is free of credentials.
    #[error("MongoDB at {address}: {problem}")]
    Server { address: String, problem: String },
    /// No server answers there.
    #[error("MongoDB at {address}: no server answered within {} s{reason}", SERVER_WAIT.as_secs())]
    Away { address: String, reason: String },
    /// A file of the run's folder can't be read or written.
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// A file of the run's folder holds no JSON, or not what belongs there.
    #[error("{} is not JSON in the expected format: {error}", path.display())]
    Json { path: PathBuf, error: serde_json::Error },
    /// Another process delivers the same run to the same place.
    #[error("another process is delivering {} to {address}", run_dir.display())]
    Busy { run_dir: PathBuf, address: String },
    /// The database has no run of this number.
    #[error("MongoDB at {address} has no run {id}; `llc-analysis runs list` lists its runs")]
    NoRun { address: String, id: u64 },
}

impl MongoError {
    /// Puts the driver's error in words, freed of credentials.
    pub(super) fn server(address: &Address, error: &Error) -> Self {
        let problem = match &*error.kind {
            ErrorKind::ServerSelection { message, .. } => {
                let reason = io_reason(message).map(|reason| format!(" ({reason})")).unwrap_or_default();
                return Self::Away { address: address.to_string(), reason };
            }
            ErrorKind::Io(source) => source.to_string(),
            ErrorKind::Write(WriteFailure::WriteError(error)) => error.message.clone(),
            ErrorKind::Command(error) => error.message.clone(),
            kind => kind.to_string(),
        };
        Self::problem(address, &problem)
    }

    pub(super) fn problem(address: &Address, problem: &str) -> Self {
        let mut problem = redact::text(problem.lines().next().unwrap_or("unknown"));
        for secret in address.secrets() {
            problem = problem.replace(&secret, "***");
        }
        Self::Server { address: address.to_string(), problem }
    }

    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }
}

/// Whether a document was there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// The system's own words in the driver's description of every server it knows.
fn io_reason(message: &str) -> Option<&str> {
    let (_, reason) = message.split_once("I/O error: ")?;
    let end = reason.find([',', '}', '(']).unwrap_or(reason.len());
    Some(reason[..end].trim()).filter(|reason| !reason.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_the_driver_shows_credentials() {
        let address = Address::parse_url("mongodb://anna:ge%2Fheim@h/llc").unwrap();
        for problem in ["user anna, password ge/heim", "mongodb://anna:ge%2Fheim@h/llc failed", "ge%2Fheim\ngeheim"] {
            let text = MongoError::problem(&address, problem).to_string();
            assert!(!text.contains("heim") && !text.contains("anna"), "{text}");
        }
    }

    #[test]
    fn a_server_that_is_down_is_reported_in_the_systems_words() {
        let message = "Server selection timeout: No available servers. Topology: { Type: Unknown, Servers: [ { Address: \
                       127.0.0.1:1, Type: Unknown, Error: Kind: I/O error: Connection refused (os error 111), labels: {} } ] }";
        assert_eq!(io_reason(message), Some("Connection refused"));
    }
}
