//! Reads numbers from JSON, which has null for one that is not finite.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};

/// Numbers that JSON may have as null.
pub trait Nullable: Sized {
    /// The same with a place for null.
    type Json: DeserializeOwned;
    /// The numbers, NaN for null.
    fn from_json(json: Self::Json) -> Self;
}

impl Nullable for f64 {
    type Json = Option<f64>;
    fn from_json(json: Self::Json) -> Self {
        json.unwrap_or(f64::NAN)
    }
}

impl Nullable for [f64; 2] {
    type Json = Option<[Option<f64>; 2]>;
    fn from_json(json: Self::Json) -> Self {
        json.unwrap_or_default().map(f64::from_json)
    }
}

impl<T: Nullable> Nullable for Vec<T> {
    type Json = Vec<T::Json>;
    fn from_json(json: Self::Json) -> Self {
        json.into_iter().map(T::from_json).collect()
    }
}

/// Reads numbers, NaN for each that is null; for `#[serde(deserialize_with)]`, which still refuses a key that is missing.
pub fn nan_for_null<'de, T: Nullable, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(T::from_json(T::Json::deserialize(deserializer)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::llc::LlcEstimate;

    #[test]
    fn null_is_read_as_nan_and_a_missing_number_is_refused() {
        let text = json!({"mean": 1.5, "mcse": null, "ci90": [null, 2.0], "per_chain": [1.0, null]});
        let llc: LlcEstimate = serde_json::from_value(text.clone()).unwrap();
        assert!(llc.mean == 1.5 && llc.mcse.is_nan() && llc.ci90[0].is_nan() && llc.per_chain[1].is_nan());
        assert_eq!(json!(llc), text);
        let error = serde_json::from_value::<LlcEstimate>(json!({"mean": 1.5})).unwrap_err();
        assert!(error.to_string().contains("mcse"), "{error}");
    }
}
