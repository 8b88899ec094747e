//! Tells an error together with its causes, in one line.
//!
//! Some messages name their cause already, as those of a file do that can't be read: what a line has said it does not say again.
//!
//! *Tested by*: chains of both kinds.

use std::error::Error;

/// What `error` says and what its causes add to it, first lines only: libtorch writes a stack trace below its own.
///
/// ```
/// let error = std::io::Error::other("no such disk\n  at frame 7");
/// assert_eq!(llc::causes::told(&error), "no such disk");
/// ```
pub fn told(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let text = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            text.clone_into(&mut line);
        } else if !line.contains(text) {
            line.push_str(": ");
            line.push_str(text);
        }
        next = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("cannot read the file: {source}")]
        Tells { source: io::Error },
        #[error("nothing was sampled")]
        LeavesToIts { source: Box<Failure> },
    }

    #[test]
    fn every_cause_is_told_once() {
        let failure = Failure::Tells { source: io::Error::other("no such disk\n  at frame 7") };
        assert_eq!(told(&failure), "cannot read the file: no such disk");
        let outer = Failure::LeavesToIts { source: Box::new(failure) };
        assert_eq!(told(&outer), "nothing was sampled: cannot read the file: no such disk");
    }
}
