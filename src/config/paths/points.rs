//! Configures how many minima are trained, and at which points between them the loss is looked at.

use serde::Serialize;

use crate::config::{ConfigError, Kind, RawConfig, Setting};

/// The minima, and the points between them; in files the table `paths`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PointsConfig {
    /// Trainings, each from its own start; at least 2.
    pub num_minima: usize,
    /// Points of each segment, evenly from t = 0 to `segment_end`; at least 2. Where t = 1 is none of them it comes on top.
    pub segment_points: usize,
    /// The last t of segments; at least 1.
    pub segment_end: f64,
    /// Points of the curve, evenly from t = 0 to 1; at least 3. It continues to `segment_end` at the same distance.
    pub curve_points: usize,
    /// Points of the plane's grid in either direction; 0 for no plane.
    pub plane_points: usize,
    /// The least of either coordinate of the plane, in units in which the curve's ends are at 0 and 1, the bend at height 1.
    pub plane_from: f64,
    /// The greatest, above `plane_from`.
    pub plane_to: f64,
    /// Number of training images used for the plane, the first ones; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plane_size: Option<usize>,
    /// λ̂ at every Nth point of the curve, and at its last; 0 for none.
    pub llc_every: usize,
}

// As in the published exercise, but for the curve's points, which are those of the published program.
const NUM_MINIMA: usize = 2;
const SEGMENT_POINTS: usize = 30;
const SEGMENT_END: f64 = 1.5;
const CURVE_POINTS: usize = 61;
const PLANE_POINTS: usize = 30;
const PLANE_FROM: f64 = -1.0;
const PLANE_TO: f64 = 2.0;
const LLC_EVERY: usize = 0;

/// The most points that are looked at in a row, and minima: more is surely a slip.
const MAX_POINTS: u64 = 10_000;

/// The settings, in the order of `--help`.
pub(super) fn keys() -> Vec<Setting> {
    vec![
        Setting::new(
            "paths.num_minima",
            "num-minima",
            Kind::Whole,
            "MINIMA",
            "Number of trainings, each from a different start; the curve joins the first two [default: 2]",
        ),
        Setting::new(
            "paths.segment_points",
            "segment-points",
            Kind::Whole,
            "POINTS",
            "Points of each segment, evenly from t = 0 to --segment-end; t = 1 is added if it is not among them \
             [default: 30]",
        ),
        Setting::new(
            "paths.segment_end",
            "segment-end",
            Kind::Real,
            "T",
            "The last t of segments, at least 1; above 1 they continue beyond the minimum [default: 1.5]",
        ),
        Setting::new(
            "paths.curve_points",
            "curve-points",
            Kind::Whole,
            "POINTS",
            "Points of the fitted curve, evenly from t = 0 to 1; it continues to --segment-end at the same spacing \
             [default: 61]",
        ),
        Setting::new(
            "paths.plane_points",
            "plane-points",
            Kind::Whole,
            "POINTS",
            "Points of the plane through both minima and the middle bend, in each direction; 0 for no plane [default: \
             30]",
        ),
        Setting::new(
            "paths.plane_from",
            "plane-from",
            Kind::Real,
            "SHARE",
            "Start of the plane in each direction, with the minima at 0 and 1 and the bend at height 1 [default: -1]",
        ),
        Setting::new(
            "paths.plane_to",
            "plane-to",
            Kind::Real,
            "SHARE",
            "End of the plane in each direction [default: \
            2]",
        ),
        Setting::new(
            "paths.plane_size",
            "plane-size",
            Kind::Whole,
            "N",
            "Use only the first N training images in the plane [default: all]",
        ),
        Setting::new(
            "paths.llc_every",
            "llc-every",
            Kind::Whole,
            "POINTS",
            "Estimate the learning coefficient at every Nth point of the curve and at its end; 0 for none [default: 0]",
        ),
    ]
}

/// The points that `raw` asks for.
pub(super) fn check(raw: &RawConfig) -> Result<PointsConfig, ConfigError> {
    let count = |path: &'static str, minimum: u64, default: usize| -> Result<usize, ConfigError> {
        match raw.whole(path) {
            Some(found) if found > MAX_POINTS => {
                Err(ConfigError::TooLarge { key: raw.key(path)?, found, maximum: MAX_POINTS })
            }
            _ => Ok(raw.count(path, minimum)?.unwrap_or(default)),
        }
    };
    let finite = |path: &'static str, default: f64| -> Result<f64, ConfigError> {
        match raw.real(path) {
            Some(found) if !found.is_finite() => Err(ConfigError::NotFinite { key: raw.key(path)?, found }),
            value => Ok(value.unwrap_or(default)),
        }
    };
    let (plane_from, plane_to) = (finite("paths.plane_from", PLANE_FROM)?, finite("paths.plane_to", PLANE_TO)?);
    if plane_from >= plane_to {
        let reason = format!("{plane_to} is not above --plane-from, {plane_from}");
        return Err(ConfigError::Refused { key: raw.key("paths.plane_to")?, reason });
    }
    let plane_points = count("paths.plane_points", 0, PLANE_POINTS)?;
    if plane_points == 1 {
        return Err(ConfigError::TooSmall { key: raw.key("paths.plane_points")?, found: 1, minimum: 2 });
    }
    let ends = |t: f64| t.is_finite() && t >= 1.0;
    Ok(PointsConfig {
        num_minima: count("paths.num_minima", 2, NUM_MINIMA)?,
        segment_points: count("paths.segment_points", 2, SEGMENT_POINTS)?,
        segment_end: raw.within("paths.segment_end", "[1, ∞)", ends)?.unwrap_or(SEGMENT_END),
        curve_points: count("paths.curve_points", 3, CURVE_POINTS)?,
        plane_points,
        plane_from,
        plane_to,
        plane_size: raw.count("paths.plane_size", 1)?,
        llc_every: count("paths.llc_every", 0, LLC_EVERY)?,
    })
}
