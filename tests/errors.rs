//! Checks that an error together with its causes says nothing twice, as the programs print them in one line.

use std::io;
use std::path::PathBuf;

use llc::checkpoint::{CheckpointError, FormatError};
use llc::data::DataError;
use llc::observe::ObserverError;
use llc::record::folder::FolderError;
use llc::record::read::ReadError;
use llc::sweep::{FingerprintError, LineError};

fn no_room() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn not_json() -> serde_json::Error {
    serde_json::from_str::<u8>("x").unwrap_err()
}

#[test]
fn every_cause_is_in_the_line_once() {
    let path = || PathBuf::from("runs/1");
    let pickle = llc::pickle::parse(b"x").unwrap_err();
    let cause = pickle.to_string();
    let format = FormatError::Pickle { member: "data.pkl", error: pickle };
    let room = no_room().to_string();
    let errors: [(anyhow::Error, &str); 9] = [
        (ObserverError::Read { path: path(), error: no_room() }.into(), &room),
        (ObserverError::Io { path: path(), error: no_room() }.into(), &room),
        (ObserverError::from(FolderError::Base { base: path(), error: no_room() }).into(), &room),
        (ReadError::Io { path: path(), error: no_room() }.into(), &room),
        (ReadError::Json { path: path(), error: not_json() }.into(), "expected value"),
        (CheckpointError::Write { path: path(), error: no_room() }.into(), &room),
        (CheckpointError::Format { path: path(), error: format }.into(), &cause),
        (DataError::Read { path: path(), source: no_room() }.into(), &room),
        (LineError::Refused { line: "llc".to_owned(), source: FingerprintError::NoExperiment }.into(), "is missing"),
    ];
    for (error, cause) in errors {
        let line = format!("{error:#}");
        assert_eq!(line.matches(cause).count(), 1, "{line}");
    }
}
