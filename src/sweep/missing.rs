//! Finds the commands that have no completed run yet.
//!
//! A run belongs to a command if it recorded the command's configuration, threads aside. The same command twice needs two runs.

use std::collections::BTreeMap;

use super::command_file::Command;
use super::fingerprint::fingerprint;
use crate::record::read::Run;

/// The status of a run that came to its end.
const COMPLETED: &str = "COMPLETED";

/// Those of `commands` that none of `runs` has completed, in their order. A command that leaves no run is not among them.
pub fn missing<'a>(commands: &'a [Command], runs: &[Run]) -> Vec<&'a Command> {
    let mut completed: BTreeMap<String, usize> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.status == COMPLETED) {
        *completed.entry(fingerprint(&run.config)).or_default() += 1;
    }
    let is_missing = |command: &&Command| {
        command.fingerprint.as_ref().is_some_and(|fingerprint| match completed.get_mut(&fingerprint.text()) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        })
    };
    commands.iter().filter(is_missing).collect()
}

/// `numbers`, ascending, as `sbatch --array` takes them.
///
/// ```
/// use llc::sweep::missing::array_list;
/// assert_eq!(array_list(&[3, 7, 12, 13, 14, 15, 20, 21]), "3,7,12-15,20,21");
/// ```
pub fn array_list(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| *b == a + 1);
    let text = runs.map(|run| match run {
        [first, _, .., last] => format!("{first}-{last}"),
        run => run.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
    });
    text.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::sweep::command_file::parse;

    fn run(line: &str, status: &str) -> Run {
        let config = parse(line).unwrap()[0].fingerprint.as_ref().unwrap().config().clone();
        Run {
            id: 1,
            path: PathBuf::from("runs/1"),
            status: status.to_owned(),
            name: String::new(),
            command: String::new(),
            comment: String::new(),
            argv: Vec::new(),
            hostname: String::new(),
            start: None,
            stop: None,
            heartbeat: None,
            result: None,
            fail_trace: Vec::new(),
            config,
            report: None,
        }
    }

    #[test]
    fn only_completed_runs_of_the_same_configuration_count_and_each_counts_once() {
        let commands =
            "llc dln --seed 1\nllc theory dln --layer-widths 5\nllc dln --seed 2\nllc dln --seed 1\nllc dln --seed 3\n";
        let commands = parse(commands).unwrap();
        let lines = |runs: &[Run]| missing(&commands, runs).iter().map(|command| command.number).collect::<Vec<_>>();
        assert_eq!(lines(&[]), [1, 3, 4, 5]);
        let one = run("llc dln --gamma 1 --seed 1 --threads 7", "COMPLETED");
        assert_eq!(lines(std::slice::from_ref(&one)), [3, 4, 5]);
        assert_eq!(lines(&[one.clone(), one.clone(), one]), [3, 5]);
        assert_eq!(lines(&[run("llc dln --seed 2", "FAILED"), run("llc dln --seed 3", "INTERRUPTED")]), [1, 3, 4, 5]);
        assert_eq!(lines(&[run("llc dln --seed 1 --gamma 2", "COMPLETED")]), [1, 3, 4, 5]);
    }

    #[test]
    fn three_or_more_neighbours_are_written_as_a_range() {
        assert_eq!(array_list(&[]), "");
        assert_eq!(array_list(&[5]), "5");
        assert_eq!(array_list(&[1, 2]), "1,2");
        assert_eq!(array_list(&[1, 2, 3, 5]), "1-3,5");
    }
}
