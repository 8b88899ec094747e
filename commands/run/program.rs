//! Finds the program that lines run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use llc::sweep::command_file::Command as Line;

use crate::Usage;

/// What `llc` stands for on a line.
#[derive(Debug)]
pub enum Program {
    /// This file, on every line.
    Given(PathBuf),
    /// This file, where a line names no path itself.
    Found(PathBuf),
}

/// The program: the one `given`, else `llc` beside this program, else on the PATH.
///
/// # Errors
///
/// [`Usage`] if there is none, or what the PATH has is LLVM's.
pub fn find(given: Option<&Path>, lines: &[Line]) -> Result<Program, Usage> {
    if let Some(given) = given {
        // Like a shell, a name without a folder is looked for on the PATH.
        let found = if given.components().count() == 1 { on_path(given) } else { Some(given.to_owned()) };
        let found = found.filter(|path| path.is_file());
        return found
            .map(Program::Given)
            .ok_or_else(|| Usage(format!("--program {}: there is no such file", given.display())));
    }
    let beside = env::current_exe().ok().and_then(|program| Some(program.parent()?.join("llc")));
    if let Some(beside) = beside.filter(|path| path.is_file()) {
        return Ok(Program::Found(beside));
    }
    let name = Path::new("llc");
    match on_path(name) {
        Some(path) if is_ours(&path) => Ok(Program::Found(path)),
        Some(path) => Err(Usage(format!(
            "{} is another program of this name (LLVM has one): give the path of this project's llc with --program",
            path.display()
        ))),
        None if lines.iter().all(|line| line.program.contains('/')) => Ok(Program::Found(name.to_owned())),
        None => Err(Usage(
            "there is no llc in the folder of gen-commands or on the PATH: give its path with --program".to_owned(),
        )),
    }
}

/// What `line` runs.
pub fn of_line(program: &Program, line: &Line) -> PathBuf {
    match program {
        Program::Found(_) if line.program.contains('/') => PathBuf::from(&line.program),
        Program::Given(path) | Program::Found(path) => path.clone(),
    }
}

fn on_path(name: &Path) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Whether the program at `path` says of itself that it is this project's.
fn is_ours(path: &Path) -> bool {
    let output = Command::new(path).arg("--version").output();
    output.is_ok_and(|output| output.stdout.starts_with(b"llc "))
}
