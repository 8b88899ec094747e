//! Writes counts and numbers as a sentence or a table has them, and finds the word that was meant.

/// Stands in a table where there is no number.
pub const MISSING: &str = "—";

/// `n` things called `noun`, which takes an s if they are not one: `1 chain`, `2 chains`.
///
/// ```
/// use llc::words::counted;
/// assert_eq!([counted(1, "chain"), counted(0, "chain"), counted(4, "chain")], ["1 chain", "0 chains", "4 chains"]);
/// ```
pub fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// `value` to `decimals` decimals; [`MISSING`] if it is not finite.
pub fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { MISSING.to_owned() }
}

/// `mean ± error`, both to `decimals` decimals; what is not finite is [`MISSING`], and without a mean there is no error either.
///
/// ```
/// use llc::words::with_error;
/// assert_eq!(with_error(1.5, 0.25, 2), "1.50 ± 0.25");
/// assert_eq!(with_error(1.5, f64::NAN, 2), "1.50 ± —");
/// assert_eq!(with_error(f64::NAN, f64::NAN, 2), "—");
/// ```
pub fn with_error(mean: f64, error: f64, decimals: usize) -> String {
    match mean.is_finite() {
        true => format!("{mean:.decimals$} ± {}", fixed(error, decimals)),
        false => MISSING.to_owned(),
    }
}

/// The interval between two ends, to `decimals` decimals: `[1.0, 2.0]`; [`MISSING`] if there are no ends.
pub fn interval(ends: &[f64], decimals: usize) -> String {
    match ends {
        [low, high] if low.is_finite() && high.is_finite() => format!("[{low:.decimals$}, {high:.decimals$}]"),
        _ => MISSING.to_owned(),
    }
}

/// The candidate that looks most like `word`, if any looks like it at all.
///
/// A candidate's last part counts as well as its whole, so that `epsilon` finds `sampler.epsilon`.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Below 0.8 Jaro-Winkler pairs words that share little but their first letter.
    const ALIKE: f64 = 0.8;
    let last = |path: &str| path.rsplit('.').next().unwrap_or(path).replace('-', "_");
    let likeness = |candidate: &str| {
        let whole = strsim::jaro_winkler(word, candidate);
        // Slightly less, so that of two equal last parts the one in the right section wins.
        whole.max(0.99 * strsim::jaro_winkler(&last(word), &last(candidate)))
    };
    candidates
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// What an error message adds to a name that does not exist: `: did you mean `nearest`?`, or nothing.
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(": did you mean `{nearest}`?"))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_key_is_found_by_its_whole_or_its_last_part() {
        let keys = ["sampler.epsilon", "sampler.gamma", "run.threads", "run.threads_per_chain", "seed", "truth.seed"];
        let find = |word| nearest(word, keys.iter().copied());
        assert_eq!(find("sampler.epsilom"), Some("sampler.epsilon"));
        assert_eq!(find("epsilon"), Some("sampler.epsilon"));
        assert_eq!(find("run.gamma"), Some("sampler.gamma"));
        assert_eq!(find("threads-per-chain"), Some("run.threads_per_chain"));
        assert_eq!(find("sed"), Some("seed"));
        assert_eq!(find("xyzzy"), None);
    }
}
