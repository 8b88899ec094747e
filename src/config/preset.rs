//! Lays the settings of a preset under those that a user gave.

use super::RawConfig;
use super::setting::{self, Value};

/// Settings by key, as `--set` takes them.
pub(super) type Settings = &'static [(&'static str, &'static str)];

/// Pairs of settings; the second replaces the first.
const EXCLUDED_BY: [(&str, &str); 3] = [
    ("train.num_epochs", "train.num_steps"),
    ("train.batch_size", "train.full_batch"),
    ("train.learning_rate", "train.learning_rates"),
];

/// Lays `settings` under what `raw` has: a setting that is there wins, and so does one that excludes the preset's. Where a choice (the
/// network, the optimiser, the schedule) is another one, the preset's settings for its own choice are left out.
pub(super) fn lay(settings: &[(&str, &str)], raw: &mut RawConfig) {
    let mut filled = Vec::new();
    for &(path, text) in settings {
        // Every path and text of a preset is legal: a test fills every preset.
        let (Ok(key), Some(value)) = (raw.key(path), read(raw, path, text)) else { continue };
        let is_other = |choice: &&str| {
            let preset = settings.iter().find(|(path, _)| path == choice);
            let wanted = preset.and_then(|(path, text)| read(raw, path, text));
            raw.get(choice).is_some_and(|chosen| Some(chosen) != wanted.as_ref())
        };
        let is_excluded = EXCLUDED_BY.iter().any(|(first, second)| *first == path && raw.get(second).is_some());
        if !is_excluded && !key.chosen_for.iter().any(is_other) {
            filled.push((key.path, value));
        }
    }
    filled.into_iter().for_each(|(path, value)| raw.fill(path, value));
}

fn read(raw: &RawConfig, path: &str, text: &str) -> Option<Value> {
    raw.key(path).and_then(|key| setting::parse(key, text)).ok()
}
