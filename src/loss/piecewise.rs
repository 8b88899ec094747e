//! Puts a loss of two classes together out of pieces: ℓ = f_i(δ) where δ = softmax(z)₁ − y lies in the i-th interval of \[−1, 1\].
//!
//! y is 0 or 1, the place of the class, and softmax(z)₁ the probability that the network gives to the second one, so that δ < 0 where that
//! is too low. Interval i is \[d_i, d_(i+1)), the last one closed: at an inner end the piece on its right counts, for the value (which is
//! the same) and for the gradient.
//!
//! *Tested by* the published example's values, both sides of every end, and every refusal.

use std::fmt;

use super::{Expression, Jet, LossError};

/// Two functions that differ by less than this share of their value agree at an end. The original asks for 10⁻¹⁵, which functions with
/// decimals such as 0.1 miss by rounding.
const AGREEMENT: f64 = 1e-12;
/// Places of each interval, its ends included, at which a function and its slope must be finite.
const NUM_PLACES: usize = 1000;

/// Functions of the difference between prediction and target, one for each interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Piecewise {
    /// d_0 = −1 < d_1 < … < d_m = 1.
    ends: Vec<f64>,
    /// f_0 … f_(m−1).
    pieces: Vec<Expression>,
}

impl Piecewise {
    /// Reads `[ends]: function; function; …`.
    ///
    /// ```
    /// use llc::loss::Piecewise;
    /// let loss = Piecewise::parse("[-1, -0.5, 0, 0.5, 1]: -7x-3; -x; x; 7x-3")?;
    /// assert_eq!((loss.at(1.0).value, loss.at(0.25).value, loss.at(0.5).slope), (4.0, 0.25, 7.0));
    /// # Ok::<(), llc::loss::LossError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LossError`].
    pub fn parse(text: &str) -> Result<Piecewise, LossError> {
        let form = || LossError::Form { text: text.trim().to_owned() };
        let (ends, pieces) = text.split_once(':').ok_or_else(form)?;
        let ends = ends.trim().strip_prefix('[').and_then(|ends| ends.strip_suffix(']')).ok_or_else(form)?;
        let number = |text: &str| {
            let number = text.trim().replace('−', "-").parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| LossError::End { text: text.trim().to_owned() })
        };
        let ends = ends.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
        let pieces = pieces.split(';').map(Expression::parse).collect::<Result<Vec<_>, _>>()?;
        Piecewise::new(ends, pieces)
    }

    /// The loss with these `pieces` between these `ends`.
    ///
    /// # Errors
    ///
    /// [`LossError`]: ends that don't go from −1 to 1 in ascending order, another number of functions, functions that don't meet at the
    /// ends or that aren't finite, or not their slopes.
    pub fn new(ends: Vec<f64>, pieces: Vec<Expression>) -> Result<Piecewise, LossError> {
        if let Some(pair) = ends.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(LossError::Order { first: pair[0], second: pair[1] });
        }
        match (ends.first(), ends.last()) {
            (Some(&found), _) if found != -1.0 => return Err(LossError::FirstEnd { found }),
            (_, Some(&found)) if found != 1.0 => return Err(LossError::LastEnd { found }),
            _ => {}
        }
        if ends.len() != pieces.len() + 1 {
            return Err(LossError::Count { num_ends: ends.len(), num_functions: pieces.len() });
        }
        for (piece, interval) in pieces.iter().zip(ends.windows(2)) {
            let place = |i: usize| interval[0] + (interval[1] - interval[0]) * i as f64 / NUM_PLACES as f64;
            let not_finite = (0..=NUM_PLACES).map(place).find(|&x| !piece.at(x).value.is_finite());
            if let Some(x) = not_finite {
                return Err(LossError::NotFinite { function: piece.to_string(), x, value: piece.at(x).value });
            }
            if let Some(x) = (0..=NUM_PLACES).map(place).find(|&x| !piece.at(x).slope.is_finite()) {
                return Err(LossError::Steep { function: piece.to_string(), x, slope: piece.at(x).slope });
            }
        }
        for (pair, &end) in pieces.windows(2).zip(&ends[1..]) {
            let [left, right] = [pair[0].at(end).value, pair[1].at(end).value];
            if (left - right).abs() > AGREEMENT * left.abs().max(right.abs()).max(1.0) {
                let functions = [pair[0].to_string(), pair[1].to_string()];
                // −0 + 0 = 0: a sign would puzzle.
                return Err(LossError::Discontinuous { functions, end, values: [left + 0.0, right + 0.0] });
            }
        }
        Ok(Piecewise { ends, pieces })
    }

    /// The loss and its derivative at a difference in [−1, 1]; beyond, where rounding may lead, as at the nearer end.
    pub fn at(&self, difference: f64) -> Jet {
        let inner = &self.ends[1..self.pieces.len()];
        let piece = inner.partition_point(|end| *end <= difference);
        // The number of inner ends is one less than that of the functions, and there is at least one function.
        self.pieces[piece].at(difference.clamp(-1.0, 1.0))
    }

    /// Where its pieces meet, −1 and 1 included.
    pub fn ends(&self) -> &[f64] {
        &self.ends
    }
}

impl fmt::Display for Piecewise {
    /// As [`Piecewise::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends: Vec<String> = self.ends.iter().map(f64::to_string).collect();
        let pieces: Vec<String> = self.pieces.iter().map(Expression::to_string).collect();
        write!(f, "[{}]: {}", ends.join(","), pieces.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "[-1,-0.5,0,0.5,1]: -7x-3; -x; x; 7x-3";

    #[test]
    fn the_published_example_has_its_values_and_at_an_end_the_slope_of_the_right_piece() {
        let loss = Piecewise::parse(EXAMPLE).unwrap();
        for (x, value) in [
            (-1.0, 4.0),
            (-0.99, 3.93),
            (-0.75, 2.25),
            (-0.5, 0.5),
            (-0.25, 0.25),
            (0.0, 0.0),
            (0.25, 0.25),
            (0.5, 0.5),
        ] {
            assert!((loss.at(x).value - value).abs() < 1e-12, "{x}: {:?}", loss.at(x));
        }
        for (x, slope) in [(-1.0, -7.0), (-0.5, -1.0), (0.0, 1.0), (0.5, 7.0), (1.0, 7.0), (-0.501, -7.0), (0.499, 1.0)]
        {
            assert_eq!(loss.at(x).slope, slope, "{x}");
        }
        assert_eq!(loss.at(1.0 + 1e-7).value, 4.0, "a difference that rounding put outside");
        assert_eq!(Piecewise::parse(&loss.to_string()).unwrap(), loss);
    }

    #[test]
    fn one_function_may_serve_the_whole_domain() {
        let square = Piecewise::parse("[-1, 1]: x^2").unwrap();
        assert_eq!((square.at(-0.5).value, square.at(-0.5).slope, square.ends()), (0.25, -1.0, &[-1.0, 1.0][..]));
    }

    #[test]
    fn every_fault_has_its_own_sentence() {
        for (text, said) in [
            ("-x; x", "write it as piecewise: [-1,0,1]: -x; x"),
            ("-1,0,1: -x; x", "write it as piecewise: [-1,0,1]: -x; x"),
            ("[-1,a,1]: -x; x", "`a` is not the end of an interval"),
            ("[]: x", "`` is not the end of an interval"),
            ("[-0.9,0,1]: -x; x", "the domain begins at -0.9"),
            ("[-1,0,2]: -x; x", "the domain ends at 2"),
            ("[-1,0,0,1]: -x; x; x", "0 after 0"),
            ("[-1,0.5,0,1]: -x; x; x", "0 after 0.5"),
            ("[-1,0,1]: -x; x; x", "3 ends bound 2 intervals, but there are 3 functions"),
            ("[1]: x", "the domain begins at 1"),
            ("[-1,0,1]: -x; x+0.001", "`-x` is 0 at 0, and `x+0.001` is 0.001"),
            ("[-1,0,1]: log(x); x", "`log(x)` is NaN at -1"),
            ("[-1,0,1]: 1/x; x", "`1/x` is -inf at"),
            ("[-1,0,1]: sqrt(-x); sqrt(x)", "the slope of `sqrt(-x)` is"),
            ("[-1,0,1]: -x; ", "the end is missing"),
        ] {
            let error = Piecewise::parse(text).unwrap_err().to_string();
            assert!(error.contains(said) || text.contains("1/x") && error.contains("inf at 0"), "{text}: {error}");
        }
        // 3·0.1 is not 0.3 in binary.
        assert!(Piecewise::parse("[-1, 0.1, 1]: 3x; 0.3").is_ok());
    }
}
