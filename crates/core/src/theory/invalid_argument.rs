//! Names the error for a number outside the domain of a formula.

/// A number that a formula can't take.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{name} is {value}, but it must be {requirement}")]
#[non_exhaustive]
pub struct InvalidArgument {
    /// The argument's name, as in the signature.
    pub name: &'static str,
    /// What was given.
    pub value: f64,
    /// What would do, as in "must be …".
    pub requirement: &'static str,
}

/// `value`, if it is finite and above 0.
pub(super) fn positive(name: &'static str, value: f64) -> Result<f64, InvalidArgument> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    let requirement = "finite and above 0";
    Err(InvalidArgument { name, value, requirement })
}

/// `value`, if it is finite and at least 0.
pub(super) fn non_negative(name: &'static str, value: f64) -> Result<f64, InvalidArgument> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    let requirement = "finite and at least 0";
    Err(InvalidArgument { name, value, requirement })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_argument_its_value_and_what_would_do() {
        let error = positive("epsilon", -0.5).unwrap_err();
        assert_eq!(error.to_string(), "epsilon is -0.5, but it must be finite and above 0");
    }

    #[test]
    fn nan_and_infinity_are_refused_and_zero_is_not_positive() {
        assert!(positive("x", 0.0).is_err());
        assert_eq!(non_negative("x", 0.0), Ok(0.0));
        for value in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(positive("x", value).is_err());
            assert!(non_negative("x", value).is_err());
        }
    }
}
