//! Gathers what is known about one deep linear network, for `llc theory dln` to print as a table or as JSON.

use std::fmt;

use serde::Serialize;

use super::deep_linear::{DeepLinear, DeepLinearError};
use super::local_bounds::LocalBounds;
use super::rational::to_f64;

/// Known values of one deep linear network; serialised, it is one flat object with `bounds` inside.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DeepLinearReport {
    /// H_0 … H_L, input first.
    pub widths: Vec<usize>,
    /// r, the rank of the true map.
    pub rank: usize,
    /// d.
    pub num_parameters: u64,
    /// The global λ, exact: "67/2".
    pub lambda: String,
    /// The global λ as the nearest f64.
    pub lambda_f64: f64,
    /// m.
    pub multiplicity: u64,
    /// (r·(H_0 + H_L) − r²)/2, the part of λ that remains where γ hides the singular part.
    pub regular_part: f64,
    /// What encloses the local λ at every point with zero loss.
    pub bounds: ReportBounds,
}

/// The ends of [`LocalBounds`] as the nearest f64.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReportBounds {
    /// The global λ: no point has less.
    pub lower: f64,
    /// h·(H_0 + H_L − h)/2, h the smallest width: no point has more.
    pub upper: f64,
}

/// What is known about the network that takes `input_dim` numbers through layers of `layer_widths`, output last, if
/// its true map has rank `rank`.
///
/// # Errors
///
/// As [`DeepLinear::new`].
///
/// ```
/// use llc_core::theory::describe_deep_linear;
///
/// let report = describe_deep_linear(10, &[10, 10, 10], 5)?;
/// assert_eq!(report.lambda, "46");
/// assert_eq!(report.multiplicity, 3);
/// assert_eq!(report.regular_part, 37.5);
/// assert_eq!((report.bounds.lower, report.bounds.upper), (46.0, 50.0));
/// # Ok::<(), llc_core::theory::DeepLinearError>(())
/// ```
pub fn describe_deep_linear(
    input_dim: usize,
    layer_widths: &[usize],
    rank: usize,
) -> Result<DeepLinearReport, DeepLinearError> {
    let widths: Vec<usize> = [&[input_dim], layer_widths].concat();
    let network = DeepLinear::new(&widths, rank)?;
    let known = network.learning_coefficient();
    let bounds = LocalBounds::anywhere(&network);
    Ok(DeepLinearReport {
        rank,
        num_parameters: network.num_parameters(),
        lambda: known.to_string(),
        lambda_f64: known.lambda_f64(),
        multiplicity: known.multiplicity,
        regular_part: to_f64(&network.regular_part()),
        bounds: ReportBounds { lower: to_f64(&bounds.lower), upper: to_f64(&bounds.upper) },
        widths,
    })
}

impl fmt::Display for DeepLinearReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<String> = self.widths.iter().map(usize::to_string).collect();
        let lambda = if self.lambda.contains('/') {
            format!("{} = {}", self.lambda, self.lambda_f64)
        } else {
            self.lambda.clone()
        };
        let local = if self.bounds.lower == self.bounds.upper {
            format!("{} at every point", self.bounds.lower)
        } else {
            format!("{} to {}", self.bounds.lower, self.bounds.upper)
        };
        writeln!(f, "widths        {}", widths.join(" → "))?;
        writeln!(f, "rank          {}", self.rank)?;
        writeln!(f, "parameters    {}", self.num_parameters)?;
        writeln!(f, "λ (global)    {lambda}")?;
        writeln!(f, "multiplicity  {}", self.multiplicity)?;
        writeln!(f, "regular part  {}", self.regular_part)?;
        write!(f, "λ (local)     {local}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_every_field_under_its_name() {
        let report = describe_deep_linear(10, &[10, 10, 10], 0).unwrap();
        let expected = serde_json::json!({
            "widths": [10, 10, 10, 10], "rank": 0, "num_parameters": 300, "lambda": "67/2", "lambda_f64": 33.5,
            "multiplicity": 3, "regular_part": 0.0, "bounds": { "lower": 33.5, "upper": 50.0 },
        });
        assert_eq!(serde_json::to_value(&report).unwrap(), expected);
    }

    #[test]
    fn the_table_shows_fractions_with_their_value_and_a_single_local_value_as_such() {
        let table = describe_deep_linear(10, &[10, 10, 10], 0).unwrap().to_string();
        assert!(table.contains("10 → 10 → 10 → 10"));
        assert!(table.contains("67/2 = 33.5"));
        assert!(table.ends_with("33.5 to 50"));
        let table = describe_deep_linear(10, &[20, 20, 10], 10).unwrap().to_string();
        assert!(table.ends_with("50 at every point"));
    }

    #[test]
    fn no_layers_is_an_error() {
        assert!(describe_deep_linear(10, &[], 0).is_err());
    }
}
