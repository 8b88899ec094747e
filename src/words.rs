//! Writes counts and numbers as a sentence or a table has them.

/// Stands in a table where there is no number.
pub const MISSING: &str = "—";

/// `n` things called `noun`, which takes an s where they are not one: `1 chain`, `2 chains`.
///
/// ```
/// use llc::words::counted;
/// assert_eq!([counted(1, "chain"), counted(0, "chain"), counted(4, "chain")], ["1 chain", "0 chains", "4 chains"]);
/// ```
pub fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// `value` to so many decimals; [`MISSING`] where it is not finite.
pub fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { MISSING.to_owned() }
}

/// `mean ± error`, both to so many decimals; what is not finite is [`MISSING`], and without a mean there is no error either.
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

/// The interval between two ends, to so many decimals: `[1.0, 2.0]`; [`MISSING`] where there are no ends.
pub fn interval(ends: &[f64], decimals: usize) -> String {
    match ends {
        [low, high] if low.is_finite() && high.is_finite() => format!("[{low:.decimals$}, {high:.decimals$}]"),
        _ => MISSING.to_owned(),
    }
}
