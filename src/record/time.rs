//! Formats durations, and formats and reads Sacred's timestamps: UTC, no zone, always six digits, `2026-11-21T17:20:43.704198`.
//!
//! Python's `isoformat` drops `.000000`, and Sacred's readers then fail to parse it: the digits are never dropped here.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Formats `at` as Sacred does.
///
/// ```
/// let start = llc::record::time::parse("2026-11-21T17:20:43").unwrap();
/// assert_eq!(llc::record::time::format(start), "2026-11-21T17:20:43.000000");
/// ```
pub fn format(at: Timestamp) -> String {
    format!("{:.6}", TimeZone::UTC.to_datetime(at))
}

/// Reads a timestamp of [`format()`] or of Python's `isoformat`; `None` if `text` is neither.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Seconds from `start` to `end`.
pub fn seconds_between(start: Timestamp, end: Timestamp) -> f64 {
    end.duration_since(start).as_secs_f64()
}

/// A duration in words, to two or three digits; "an unknown time" if `seconds` is not a number.
///
/// ```
/// let words = [4.81, 48.3, 185.0, 10_790.0].map(llc::record::time::duration);
/// assert_eq!(words, ["4.8 s", "48 s", "3 min", "3 h 0 min"]);
/// ```
pub fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round();
    match seconds {
        s if !s.is_finite() => "an unknown time".to_owned(),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 119.5 => format!("{s:.0} s"),
        _ if minutes < 120.0 => format!("{minutes:.0} min"),
        _ => format!("{:.0} h {:.0} min", (minutes / 60.0).floor(), minutes % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_written_and_read_back() {
        for text in ["2026-11-21T17:20:43.704198", "2026-11-21T17:20:43.000000", "1999-12-31T23:59:59.999999"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        let now = Timestamp::now();
        assert!(seconds_between(parse(&format(now)).unwrap(), now).abs() < 1e-6);
        assert_eq!(format(now).len(), 26);
    }

    #[test]
    fn a_duration_is_rounded_before_it_is_split() {
        let words = [9.97, 119.6, 7199.0, 10_790.0, 86_399.0, f64::NAN].map(duration);
        assert_eq!(words, ["10 s", "2 min", "2 h 0 min", "3 h 0 min", "24 h 0 min", "an unknown time"]);
    }

    #[test]
    fn what_is_no_timestamp_is_none() {
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse(""), None);
    }
}
