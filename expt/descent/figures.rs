//! Has the figures of a finished descent drawn by `llc-analysis`, where that lies beside this program.

use std::env;
use std::path::Path;
use std::process::Command;

use llc::config::DescentConfig;

/// Draws the learning curves and the loss of the run in `run_dir` into its folder `figures`, and says where they are; without the
/// program, which command draws them.
pub fn draw(config: &DescentConfig, run_dir: &Path) {
    let (Some(base), Some(id)) = (run_dir.parent(), run_dir.file_name()) else { return };
    let mut words = vec!["figures".to_owned(), "descent".to_owned()];
    if config.train().loss.of_difference(0.0).is_some() {
        words.push("loss-function".to_owned());
    }
    let output = run_dir.join("figures");
    words.extend(["-F".to_owned(), base.display().to_string(), format!("id={}", id.to_string_lossy())]);
    words.extend(["-o".to_owned(), output.display().to_string()]);
    let command = format!("llc-analysis {}", words.join(" "));
    let name = format!("llc-analysis{}", env::consts::EXE_SUFFIX);
    let beside = env::current_exe().ok().and_then(|program| Some(program.parent()?.join(name)));
    let Some(program) = beside.filter(|program| program.is_file()) else {
        eprintln!("figures: {command}");
        return;
    };
    match Command::new(program).args(&words).output() {
        Ok(done) if done.status.success() => eprintln!("figures: {}", output.display()),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            eprintln!("warning: no figures: {}", said.lines().next().unwrap_or("llc-analysis failed"));
        }
        Err(error) => eprintln!("warning: no figures: {error}; draw them with {command}"),
    }
}
