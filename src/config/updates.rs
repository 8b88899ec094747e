//! Tells what a configuration changes of the defaults, for the record of a run.

use serde_json::{Map, Value as Json};

use super::RawConfig;

/// The settings of `raw` whose value in `config` differs from the one in `base`, nested as in a file; all of them without a base.
pub(super) fn updates<C: serde::Serialize>(raw: &RawConfig, config: &C, base: Option<&C>) -> Json {
    // Numbers are finite and keys are text, so there is nothing to refuse; if there were, nothing would be listed.
    let [config, base] = [Some(config), base].map(|config| serde_json::to_value(config).unwrap_or_default());
    let mut changed = Map::new();
    for path in raw.paths() {
        let value = lookup(&config, path);
        if value != lookup(&base, path)
            && let Some(value) = value
        {
            insert(&mut changed, path, value.clone());
        }
    }
    Json::Object(changed)
}

fn lookup<'a>(config: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').try_fold(config, |value, name| value.get(name))
}

fn insert(object: &mut Map<String, Json>, path: &str, value: Json) {
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), value)),
        Some((section, rest)) => {
            let inner = object.entry(section).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
