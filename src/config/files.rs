//! Names one file or several: a pattern, or a list of files and patterns separated by commas.

use std::path::{Path, PathBuf};

/// What can be wrong with the files that a flag names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A pattern that no file matches.
    #[error("no file matches `{pattern}`; put the pattern in quotes, so that the shell does not expand it")]
    NoMatch { pattern: String },
    /// A malformed pattern.
    #[error("`{pattern}` is not a valid pattern: {reason}; * matches any part of a name")]
    Pattern { pattern: String, reason: &'static str },
    /// A folder that can't be searched.
    #[error(transparent)]
    Search(#[from] glob::GlobError),
}

/// Whether `text` names several files: a list or a pattern, and not a file that is called so.
pub fn is_several(text: &str) -> bool {
    text.contains([',', '*', '?', '[']) && !Path::new(text).is_file()
}

/// The files that `text` names, in the order of the patterns and then of their names, each once.
///
/// # Errors
/// [`FilesError`] for a pattern that is malformed or that no file matches.
pub fn named(text: &str) -> Result<Vec<PathBuf>, FilesError> {
    if !is_several(text) {
        return Ok(vec![text.into()]);
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for pattern in text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()) {
        let pattern = pattern.to_owned();
        let found = match glob::glob(&pattern) {
            Ok(found) => found.collect::<Result<Vec<_>, _>>(),
            Err(error) => return Err(FilesError::Pattern { pattern, reason: error.msg }),
        };
        let mut found = found?;
        found.sort_by_cached_key(|file| natural(&file.to_string_lossy()));
        if found.is_empty() {
            return Err(FilesError::NoMatch { pattern });
        }
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// The parts of a name in turn, text and numbers, so that `e_2` comes before `e_10`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let is_digit = |c: char| c.is_ascii_digit();
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (text, behind) = rest.split_at(rest.find(is_digit).unwrap_or(rest.len()));
        let (digits, behind) = behind.split_at(behind.find(|c| !is_digit(c)).unwrap_or(behind.len()));
        parts.push((text.to_owned(), digits.parse().unwrap_or(0)));
        rest = behind;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_gives_files_in_the_order_of_their_numbers_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["e_10.pt", "e_2.pt", "other,name.pt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let at = |name: &str| folder.path().join(name);
        let text =
            |names: &[&str]| names.iter().map(|name| at(name).display().to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(named(&text(&["e_*.pt", "e_2.pt"])).unwrap(), [at("e_2.pt"), at("e_10.pt")]);
        assert_eq!(named(&text(&["other,name.pt"])).unwrap(), [at("other,name.pt")], "a file that is called so");
        assert_eq!(named("x.pt").unwrap(), [PathBuf::from("x.pt")], "the run says that it is not there");
        let error = named(&text(&["z*"])).unwrap_err().to_string();
        assert!(error.contains("no file matches") && error.contains("in quotes"), "{error}");
    }
}
