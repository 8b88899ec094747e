//! Maps values to places along an axis, and says where its ticks are.

/// How an axis spaces its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    Linear,
    Logarithmic,
}

/// The values `low..high` along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub spacing: Spacing,
    pub low: f64,
    pub high: f64,
}

/// A place on an axis that is marked.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub value: f64,
    /// Nothing at a minor tick.
    pub label: Option<String>,
}

/// Ticks with a label, about, that a linear axis has; whole numbers may have fewer.
const NUM_TICKS: f64 = 5.0;
/// Decades up to which every one has a label.
const MAX_DECADES: i32 = 7;

impl Scale {
    /// The scale that holds all of `values`, with a little room. Values that the spacing can't show are left out; without any it is 0 to 1,
    /// or 1 to 10.
    pub fn around(spacing: Spacing, values: impl Iterator<Item = f64>) -> Self {
        let is_shown = |value: &f64| value.is_finite() && (spacing == Spacing::Linear || *value > 0.0);
        let (low, high) = values
            .filter(is_shown)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        match spacing {
            Spacing::Linear if low > high => Self { spacing, low: 0.0, high: 1.0 },
            Spacing::Logarithmic if low > high => Self { spacing, low: 1.0, high: 10.0 },
            Spacing::Linear => {
                // A constant still gets an axis around it.
                let room = if high > low { 0.04 * (high - low) } else { 0.1 * high.abs().max(1e-12) };
                Self { spacing, low: low - room, high: high + room }
            }
            Spacing::Logarithmic => {
                let room = if high > low { (high / low).powf(0.04) } else { 1.5 };
                Self { spacing, low: low / room, high: high * room }
            }
        }
    }

    /// Where `value` is between low (0) and high (1).
    pub fn share(&self, value: f64) -> f64 {
        match self.spacing {
            Spacing::Linear => (value - self.low) / (self.high - self.low),
            Spacing::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// Ticks from low to high; of whole numbers only where `is_whole`.
    pub fn ticks(&self, is_whole: bool) -> Vec<Tick> {
        match self.spacing {
            Spacing::Linear => self.linear_ticks(is_whole),
            Spacing::Logarithmic if self.high / self.low < 4.0 => self.linear_ticks(is_whole),
            Spacing::Logarithmic => self.decade_ticks(),
        }
    }

    fn linear_ticks(&self, is_whole: bool) -> Vec<Tick> {
        let step = nice_step((self.high - self.low) / NUM_TICKS).max(if is_whole { 1.0 } else { 0.0 });
        if !step.is_finite() || step <= 0.0 {
            return Vec::new();
        }
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        let tick = |i: i64| {
            let value = i as f64 * step;
            Tick { value, label: Some(linear_label(value, step)) }
        };
        (first..=last).map(tick).collect()
    }

    fn decade_ticks(&self) -> Vec<Tick> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let num_decades = (self.high / self.low).log10();
        let stride = (last - first + MAX_DECADES - 1) / MAX_DECADES;
        let labelled: &[u32] = match num_decades {
            n if n < 1.3 => &[1, 2, 3, 5],
            n if n < 3.0 => &[1, 3],
            _ => &[1],
        };
        let mut ticks = Vec::new();
        for decade in first..=last {
            for digit in 1..10 {
                let value = f64::from(digit) * 10_f64.powi(decade);
                let is_labelled = labelled.contains(&digit) && (decade - first) % stride.max(1) == 0;
                // Rounding must not lose the ends.
                if (self.low * (1.0 - 1e-9)..=self.high * (1.0 + 1e-9)).contains(&value) && (stride <= 1 || digit == 1)
                {
                    ticks.push(Tick { value, label: is_labelled.then(|| decade_label(digit, decade)) });
                }
            }
        }
        ticks
    }
}

/// The least of 1, 2, 2.5 and 5 times a power of ten that is not below `step`.
fn nice_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&nice| nice >= step * (1.0 - 1e-9))
        .unwrap_or(step)
}

fn linear_label(value: f64, step: f64) -> String {
    let size = value.abs();
    if size >= 1e6 || (size > 0.0 && step < 1e-4) {
        return scientific(value, if step < 1e-4 { significant(value, step) } else { significant(value, step).min(4) });
    }
    // 2.5 and its like need one decimal more than their power of ten.
    let decimals = (0..8).find(|&decimals| is_whole_at(step, decimals)).unwrap_or(8);
    grouped(&format!("{value:.decimals$}"))
}

fn is_whole_at(step: f64, decimals: usize) -> bool {
    let scaled = step * 10_f64.powi(decimals as i32);
    (scaled - scaled.round()).abs() < 1e-6 * scaled
}

/// Digits that distinguish `value` from its neighbours a `step` away.
fn significant(value: f64, step: f64) -> usize {
    let digits = (value.abs() / step).log10().floor().max(0.0) as usize + 1;
    // A step of 2.5 needs one more.
    let leading = step / 10_f64.powf(step.log10().floor());
    if (leading - leading.round()).abs() > 1e-6 { digits + 1 } else { digits }
}

fn decade_label(digit: u32, decade: i32) -> String {
    if (-3..=4).contains(&decade) {
        let decimals = (-decade).max(0) as usize;
        return grouped(&format!("{:.decimals$}", f64::from(digit) * 10_f64.powi(decade)));
    }
    let factor = if digit == 1 { String::new() } else { format!("{digit}×") };
    format!("{factor}10^{{{}}}", signed(&decade.to_string()))
}

/// `value` as a product with a power of ten, of `digits` significant digits at most.
pub fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.*e}", digits.saturating_sub(1));
    let Some((factor, power)) = text.split_once('e') else { return text };
    let factor = if factor.contains('.') { factor.trim_end_matches('0').trim_end_matches('.') } else { factor };
    let power = signed(power);
    match factor {
        "1" => format!("10^{{{power}}}"),
        _ => format!("{}×10^{{{power}}}", signed(factor)),
    }
}

/// A number of a label or a table, to `digits` significant digits.
pub fn readable(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        return scientific(value, digits);
    }
    // Counts have no decimals.
    if value.fract() == 0.0 {
        return grouped(&format!("{value:.0}"));
    }
    let whole = size.log10().floor() as i32;
    let decimals = (digits as i32 - 1 - whole).max(0) as usize;
    grouped(&format!("{value:.decimals$}"))
}

/// Thousands apart, and a minus that is as wide as a plus.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("−", digits));
    let (whole, rest) = digits.find('.').map_or((digits, ""), |point| digits.split_at(point));
    if whole.len() <= 4 {
        let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        return format!("{}{whole}{rest}", if is_zero { "" } else { sign });
    }
    let mut text = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{sign}{text}{rest}")
}

fn signed(number: &str) -> String {
    number.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks(false).into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_inside() {
        let scale = Scale { spacing: Spacing::Linear, low: -0.31, high: 0.72 };
        assert_eq!(labels(scale), ["−0.25", "0.00", "0.25", "0.50"]);
        let scale = Scale { spacing: Spacing::Linear, low: 0.0, high: 52_000.0 };
        assert_eq!(labels(scale), ["0", "20,000", "40,000"]);
    }

    #[test]
    fn decades_have_labels_and_nine_ticks_each() {
        let scale = Scale { spacing: Spacing::Logarithmic, low: 1.0, high: 1e6 };
        assert_eq!(labels(scale), ["1", "10", "100", "1000", "10,000", "10^{5}", "10^{6}"]);
        assert_eq!(scale.ticks(false).len(), 6 * 9 + 1);
    }

    #[test]
    fn the_middle_is_the_mean_of_the_ends_arithmetic_or_geometric() {
        for (spacing, middle) in [(Spacing::Linear, 26.0), (Spacing::Logarithmic, 10.0)] {
            let scale = Scale { spacing, low: 2.0, high: 50.0 };
            for (value, share) in [(2.0, 0.0), (middle, 0.5), (50.0, 1.0)] {
                assert!((scale.share(value) - share).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_scale_holds_what_it_can_show_and_needs_no_values() {
        let scale = Scale::around(Spacing::Logarithmic, [-1.0, 0.0, 2.0, 200.0, f64::NAN].into_iter());
        assert!(scale.low < 2.0 && scale.low > 1.0 && scale.high > 200.0);
        assert_eq!(Scale::around(Spacing::Linear, [].into_iter()).high, 1.0);
        let constant = Scale::around(Spacing::Linear, [3.0, 3.0].into_iter());
        assert!(constant.low < 3.0 && constant.high > 3.0);
    }

    #[test]
    fn readable_numbers_keep_their_digits() {
        assert_eq!(readable(0.012345, 3), "0.0123");
        assert_eq!(readable(-12345.6, 3), "−12,346");
        assert_eq!(readable(2.5e-7, 3), "2.5×10^{−7}");
        assert_eq!(readable(f64::NAN, 3), "–");
        assert_eq!([0.0, 96.0, 25_701.0].map(|count| readable(count, 3)), ["0", "96", "25,701"]);
    }
}
