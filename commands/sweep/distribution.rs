//! Draws the values of a setting.

use llc::config::{self, Kind, Value};
use llc::sweep::{Range, Setting};
use rand::Rng;
use rand_distr::{Distribution as _, Uniform};

/// A setting that is drawn for every line.
#[derive(Debug)]
pub enum Random {
    /// One of these, each as likely as the others.
    Choice(Vec<Setting>),
    /// A number, or a list of numbers.
    Numbers { key: &'static config::Setting, law: Law, length: Option<Range> },
}

/// How a number is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    /// Each whole number of the range as likely as the others.
    Integers(Range),
    /// Evenly between the two.
    Uniform([f64; 2]),
    /// Its logarithm evenly between those of the two, which are above 0.
    LogUniform([f64; 2]),
}

impl Law {
    /// The names in files.
    pub const NAMES: [&str; 4] = ["integers", "uniform", "log-uniform", "choice"];
}

impl Random {
    /// A value for the next line.
    pub fn draw(&self, rng: &mut impl Rng) -> Setting {
        match self {
            Self::Choice(settings) => {
                let last = settings.len().saturating_sub(1) as u64;
                settings[whole(rng, Range { first: 0, last }) as usize].clone()
            }
            Self::Numbers { key, law, length } => {
                let length = length.map(|length| whole(rng, length));
                let value = match (key.kind, law) {
                    (Kind::Whole, Law::Integers(range)) => Value::Whole(whole(rng, *range)),
                    (Kind::WholeList, Law::Integers(range)) => {
                        Value::WholeList((0..length.unwrap_or(1)).map(|_| whole(rng, *range)).collect())
                    }
                    (Kind::RealList, law) => {
                        Value::RealList((0..length.unwrap_or(1)).map(|_| real(rng, *law)).collect())
                    }
                    (_, law) => Value::Real(real(rng, *law)),
                };
                Setting::new(key, &value)
            }
        }
    }
}

fn whole(rng: &mut impl Rng, range: Range) -> u64 {
    // A range holds its first number at least, so that there is no error; its first number would be as good as any.
    Uniform::new_inclusive(range.first, range.last).map_or(range.first, |law| law.sample(rng))
}

fn real(rng: &mut impl Rng, law: Law) -> f64 {
    let between =
        |rng: &mut _, [low, high]: [f64; 2]| Uniform::new_inclusive(low, high).map_or(low, |law| law.sample(rng));
    match law {
        Law::Integers(range) => whole(rng, range) as f64,
        Law::Uniform(ends) => rounded(between(rng, ends), ends),
        Law::LogUniform(ends) => rounded(between(rng, ends.map(f64::ln)).exp(), ends),
    }
}

/// `value` to four digits, between the two.
fn rounded(value: f64, [low, high]: [f64; 2]) -> f64 {
    // What `{:e}` writes is a number.
    format!("{value:.3e}").parse::<f64>().unwrap_or(value).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn the_mean_of_each_law_is_the_one_of_its_formula() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let n = 20_000;
        let mut mean = |law: Law, transform: fn(f64) -> f64| {
            (0..n).map(|_| transform(real(&mut rng, law))).sum::<f64>() / f64::from(n)
        };
        // Five standard errors of the mean of a uniform law of width w: 5·w/√(12·n) is 0.0102·w.
        assert!((mean(Law::Uniform([-1.0, 3.0]), |x| x) - 1.0).abs() < 0.0102 * 4.0);
        assert!((mean(Law::LogUniform([1e-8, 1e-4]), f64::log10) + 6.0).abs() < 0.0102 * 4.0);
        assert!((mean(Law::Integers(Range { first: 3, last: 7 }), |x| x) - 5.0).abs() < 0.0102 * 5.0);
    }

    #[test]
    fn numbers_have_four_digits_and_stay_within_their_ends() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        for _ in 0..1000 {
            let value = real(&mut rng, Law::LogUniform([0.99994, 1.00004]));
            assert!((0.99994..=1.00004).contains(&value));
            let value = real(&mut rng, Law::Uniform([0.0, 10.0]));
            assert_eq!(format!("{value:.3e}").parse(), Ok(value));
        }
    }
}
