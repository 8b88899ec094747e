//! Finds the run whose settings are taken again, by number, name or folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::record::read::{self, Run};

/// The folder of the run `given`, which is one of `experiment`: a number in one of `folders`, the name of a run there or how only one of them starts, or a folder itself.
///
/// # Errors
///
/// [`ConfigError::NoRun`], [`ConfigError::SeveralRuns`], [`ConfigError::OtherExperiment`].
pub(super) fn folder(given: &str, folders: &[PathBuf], experiment: &str) -> Result<PathBuf, ConfigError> {
    let folder = named(given, folders)?;
    let config = fs::read_to_string(folder.join("config.json")).unwrap_or_default();
    let config = serde_json::from_str::<serde_json::Value>(&config).unwrap_or_default();
    match config["experiment"].as_str() {
        Some(found) if found != experiment => {
            let (given, found, wanted) = (given.to_owned(), found.to_owned(), experiment.to_owned());
            Err(ConfigError::OtherExperiment { given, found, wanted })
        }
        // What can't be read has its own error where the settings are taken.
        _ => Ok(folder),
    }
}

fn named(given: &str, folders: &[PathBuf]) -> Result<PathBuf, ConfigError> {
    let is_run = |folder: &PathBuf| folder.join("config.json").is_file();
    let numbered = given.parse::<u64>().ok().map(|id| id.to_string());
    let by_number = numbered.iter().flat_map(|id| folders.iter().map(move |base| base.join(id)));
    if let Some(folder) = by_number.chain([Path::new(given).to_owned()]).find(is_run) {
        return Ok(folder);
    }
    let runs = runs(folders);
    let named: Vec<&Run> = match runs.iter().find(|run| run.name == given) {
        // The same name may be that of repetitions: their settings are looked at, not guessed between.
        Some(_) => runs.iter().filter(|run| run.name == given).collect(),
        None => runs.iter().filter(|run| !given.is_empty() && run.name.starts_with(given)).collect(),
    };
    match named[..] {
        [run] => Ok(run.path.clone()),
        [] => Err(ConfigError::NoRun { given: given.to_owned(), folders: folders.to_owned() }),
        _ => {
            let names = named.iter().map(|run| format!("{} ({})", run.name, run.id)).collect();
            Err(ConfigError::SeveralRuns { given: given.to_owned(), names })
        }
    }
}

/// The runs in `folders`. A folder that can't be read holds none that could be meant.
///
/// They are read by a pool of this function's own: the global one is made later, with as many threads as the settings say.
fn runs(folders: &[PathBuf]) -> Vec<Run> {
    let list = || folders.iter().filter_map(|base| read::list(base).ok()).flat_map(|found| found.runs).collect();
    rayon::ThreadPoolBuilder::new().build().map(|pool| pool.install(list)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_by_number_name_start_of_name_or_folder() {
        let base = tempfile::tempdir().unwrap();
        for (id, name) in [("1", "PETS-lr_0&1_ab"), ("2", "PETS-lr_0&2_cd"), ("3", "dln"), ("4", "dln")] {
            let run = base.path().join(id);
            fs::create_dir(&run).unwrap();
            fs::write(run.join("config.json"), "{\"experiment\": \"descent\"}").unwrap();
            fs::write(run.join("run.json"), format!("{{\"experiment\": {{\"name\": \"{name}\"}}}}")).unwrap();
        }
        let folders = [base.path().to_owned()];
        let second = base.path().join("2");
        for given in ["2", "PETS-lr_0&2_cd", "PETS-lr_0&2", second.to_str().unwrap()] {
            assert_eq!(folder(given, &folders, "descent").unwrap(), second, "{given}");
        }
        let error = |given: &str| folder(given, &folders, "descent").unwrap_err().to_string();
        assert!(
            error("PETS").contains("PETS-lr_0&1_ab (1) and 1 others have names that start like this"),
            "{}",
            error("PETS")
        );
        assert!(error("dln").contains("give the number in brackets"));
        let other = folder("2", &folders, "saddle").unwrap_err().to_string();
        assert_eq!(other, "--again 2 is a run of `llc descent`, and `llc saddle` can't use its settings");
        assert!(error("7").contains("no run in") && error("").contains("no run in"));
    }
}
