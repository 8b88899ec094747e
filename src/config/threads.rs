//! Finds how many threads this process may use.

use std::num::NonZeroUsize;

/// What SLURM grants a task, the most specific first. Inside a one-processor task the machine still shows all its
/// processors (SLURM need not pin a task to them), so these come before what the machine says.
const SLURM_VARIABLES: [&str; 2] = [TASK_THREADS, "SLURM_CPUS_ON_NODE"];
/// The variable that grants one task its threads; programs that start several others at once use it to divide threads.
pub const TASK_THREADS: &str = "SLURM_CPUS_PER_TASK";

/// The number of threads this process may use, at least 1: what SLURM granted, else what the machine offers.
///
/// ```
/// assert!(llc::config::available_threads() >= 1);
/// ```
pub fn available_threads() -> usize {
    granted(|name| std::env::var(name).ok())
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

fn granted(variable: impl Fn(&str) -> Option<String>) -> Option<usize> {
    SLURM_VARIABLES.iter().find_map(|name| variable(name)?.trim().parse().ok().filter(|&threads| threads > 0))
}

#[cfg(test)]
mod tests {
    use super::granted;

    #[test]
    fn a_task_s_own_grant_comes_before_the_node_s() {
        let both = |name: &str| Some(if name == "SLURM_CPUS_PER_TASK" { "3" } else { "8" }.to_owned());
        assert_eq!(granted(both), Some(3));
        assert_eq!(granted(|name| (name == "SLURM_CPUS_ON_NODE").then(|| "8".to_owned())), Some(8));
    }

    #[test]
    fn a_grant_that_is_no_positive_number_is_passed_over() {
        assert_eq!(granted(|_| None), None);
        assert_eq!(granted(|_| Some("0".to_owned())), None);
        assert_eq!(granted(|_| Some("2(x3)".to_owned())), None);
    }
}
