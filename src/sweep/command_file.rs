//! Reads files of commands: one `llc` command a line, as `gen-commands` prints them and people edit them.
//!
//! Line N of the file is command N, also for SLURM arrays and in job logs: empty lines and lines that start with `#` are passed over, and
//! keep their numbers. A line is split at spaces and tabs, and nothing else happens to it; what bash, xargs and a script that reads
//! words would take differently is refused.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::fingerprint::{Fingerprint, FingerprintError};
use crate::record::redact;

/// One command of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its line, counted from 1.
    pub number: usize,
    /// `llc`, or a path that ends in it.
    pub program: String,
    /// The words after the program.
    pub words: Vec<String>,
    /// What it asks for; `None` where it leaves no run.
    pub fingerprint: Option<Fingerprint>,
}

/// Why a file holds no commands.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandFileError {
    /// It can't be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line starts with another program.
    #[error("line {number} starts with `{word}`: each line is one llc command, for example llc dln --seed 1")]
    NotLlc {
        /// The line.
        number: usize,
        /// Its first word.
        word: String,
    },
    /// A password, which every log of the command would show.
    #[error(
        "line {number} has a password, which job logs and process lists would show: give it by the environment instead"
    )]
    Credentials {
        /// The line.
        number: usize,
    },
    /// A word that shells would change.
    #[error(
        "line {number}: `{word}` has a `{sign}`, which bash, xargs and SLURM scripts treat differently: write values \
         without quotes, spaces and special characters of a shell"
    )]
    ShellSign {
        /// The line.
        number: usize,
        /// The word.
        word: String,
        /// The sign.
        sign: char,
    },
    /// A line that `llc` would refuse.
    #[error("line {number}")]
    Refused {
        /// The line.
        number: usize,
        /// Why.
        source: FingerprintError,
    },
}

/// What at least one reader of a line doesn't take as it stands: quotes, expansions, redirections, separators. Of globs a shell leaves
/// those that fit no file as they are: `--layer-widths [20, 20, 10]` and `--params fc.*` pass.
const SHELL_SIGNS: [char; 15] = ['\'', '"', '\\', '$', '`', ';', '&', '|', '<', '>', '(', ')', '{', '}', '!'];

/// The commands of the file at `path`.
///
/// # Errors
///
/// [`CommandFileError`] for a file that can't be read, and for the first line that is not a command.
pub fn read(path: &Path) -> Result<Vec<Command>, CommandFileError> {
    let text = fs::read_to_string(path).map_err(|source| CommandFileError::Read { path: path.to_owned(), source })?;
    parse(&text)
}

/// The commands in `text`.
///
/// ```
/// use llc::sweep::command_file::parse;
/// let commands = parse("# two seeds\nllc dln --seed 1\n\nllc dln --seed 2\n")?;
/// assert_eq!(commands.iter().map(|command| command.number).collect::<Vec<_>>(), [2, 4]);
/// assert!(parse("llc dln --layer-widths '20 20'").is_err());
/// # Ok::<(), llc::sweep::command_file::CommandFileError>(())
/// ```
///
/// # Errors
///
/// [`CommandFileError`] for the first line that is not a command.
pub fn parse(text: &str) -> Result<Vec<Command>, CommandFileError> {
    let lines =
        (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    lines.map(|(number, line)| command(number, line)).collect()
}

fn command(number: usize, line: &str) -> Result<Command, CommandFileError> {
    if redact::text(line) != line {
        return Err(CommandFileError::Credentials { number });
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    for &word in &words {
        // A `#` or `~` means something to bash at the start of a word alone.
        let first = word.chars().next().filter(|sign| ['#', '~'].contains(sign));
        if let Some(sign) = first.or_else(|| word.chars().find(|sign| SHELL_SIGNS.contains(sign))) {
            return Err(CommandFileError::ShellSign { number, word: word.to_owned(), sign });
        }
    }
    let (&program, words) = words.split_first().unwrap_or((&"", &[]));
    if Path::new(program).file_name().is_none_or(|name| name != "llc") {
        return Err(CommandFileError::NotLlc { number, word: program.to_owned() });
    }
    let fingerprint = Fingerprint::of(words).map_err(|source| CommandFileError::Refused { number, source })?;
    Ok(Command {
        number,
        program: program.to_owned(),
        words: words.iter().map(|&word| word.to_owned()).collect(),
        fingerprint,
    })
}

impl Command {
    /// The command on one line, its words one space apart.
    pub fn text(&self) -> String {
        [std::slice::from_ref(&self.program), &self.words].concat().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_keep_their_numbers_and_line_ends_may_be_of_windows() {
        let commands =
            parse("\n  # llc dln --no-such-flag\r\n\tllc  dln\t--seed 1 \r\n./bin/llc theory dln --layer-widths 5")
                .unwrap();
        assert_eq!(commands.iter().map(|command| command.number).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(commands[0].text(), "llc dln --seed 1");
        assert_eq!((commands[1].program.as_str(), &commands[1].fingerprint), ("./bin/llc", &None));
    }

    #[test]
    fn what_shells_take_differently_is_refused_with_its_line() {
        for (line, sign) in [
            ("llc dln --comment 'two words'", '\''),
            ("llc dln --seed $SEED", '$'),
            ("llc dln --seed 1 > log", '>'),
            ("llc dln --seed 1 # first", '#'),
            ("llc dln -F ~/runs", '~'),
            ("llc dln --seed {1,2}", '{'),
        ] {
            let error = parse(&format!("llc dln\n{line}")).unwrap_err();
            assert!(
                matches!(error, CommandFileError::ShellSign { number: 2, sign: found, .. } if found == sign),
                "{error}"
            );
        }
        assert!(parse("llc estimate --checkpoint x.pt --params fc.*\nllc dln --layer-widths [20, 20, 10]").is_ok());
    }

    #[test]
    fn a_line_that_is_no_llc_command_is_refused_with_its_number() {
        let refused = |text: &str| format!("{:#}", anyhow::Error::from(parse(text).unwrap_err()));
        let password = "llc dln --seed 1\nllc dln --comment mongodb://me:s$cret@host/llc";
        assert!(refused(password).starts_with("line 2 has a password") && !refused(password).contains("cret"));
        assert!(refused("python train.py").starts_with("line 1 starts with `python`"));
        assert!(refused("OMP_NUM_THREADS=1 llc dln").starts_with("line 1 starts with `OMP_NUM_THREADS=1`"));
        assert!(refused("\nllc").starts_with("line 2: the experiment is missing"));
        assert_eq!(
            refused("llc dln --rank 3"),
            "line 1: --rank (truth.rank) is used by --truth aligned only, and the truth is \
             random: leave it out or change --truth"
        );
    }
}
