//! Keeps credentials out of records: the `user:password@` of an address never reaches a file.
//!
//! It removes too much rather than too little: everything between `://` and the last `@` of a word, so that a
//! password with an unescaped `/`, `:` or `@` is removed completely. Options of a MongoDB URL are removed too, except those known to hold
//! no secret.

use serde_json::Value;

/// Replaces credentials.
const MASK: &str = "***";
/// Options that hold no secret, in lower case: only these are kept in a run's folder.
const PUBLIC_OPTIONS: [&str; 10] = [
    "authmechanism",
    "authsource",
    "directconnection",
    "readpreference",
    "replicaset",
    "retrywrites",
    "ssl",
    "tls",
    "tlsallowinvalidcertificates",
    "tlscafile",
];

/// Masks the credentials of every address in `text`, with a scheme (`mongodb://user:password@host`) or without
/// (`user:password@host`). Everything else stays as it was.
///
/// ```
/// use llc::record::redact::text;
/// assert_eq!(text("-m=mongodb://me:secret@db.org:27017/llc"), "-m=mongodb://***@db.org:27017/llc");
/// assert_eq!(text("--mongo me:secret@db.org:27017:llc"), "--mongo ***@db.org:27017:llc");
/// assert_eq!(text("write to a.b@c.org: thanks"), "write to a.b@c.org: thanks");
/// ```
pub fn text(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

/// Masks credentials in every string of `value`; keys are unchanged.
pub fn value(value: &Value) -> Value {
    match value {
        Value::String(string) => Value::String(text(string)),
        Value::Array(items) => Value::Array(items.iter().map(self::value).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, field)| (key.clone(), self::value(field))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn word(word: &str) -> String {
    let masked = without_user(word);
    let scheme = masked.find("mongodb").filter(|&scheme| masked[scheme..].contains("://"));
    let Some(start) = scheme.and_then(|scheme| Some(scheme + masked[scheme..].find('?')? + 1)) else {
        return masked;
    };
    // An option may hold the password of a key file, or a session's token.
    let (options, space) = masked[start..].split_at(masked[start..].trim_end().len());
    let shown = |option: &str| if is_public(option) { option.to_owned() } else { MASK.to_owned() };
    format!("{}{}{space}", &masked[..start], options.split('&').map(shown).collect::<Vec<_>>().join("&"))
}

/// Whether an option of a URL, `name=value`, is known to hold no secret.
pub(crate) fn is_public(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or_default().to_ascii_lowercase();
    PUBLIC_OPTIONS.contains(&name.as_str())
}

fn without_user(word: &str) -> String {
    let Some(at) = word.rfind('@') else {
        return word.to_owned();
    };
    let start = match word.find("://") {
        Some(scheme) if scheme < at => scheme + "://".len(),
        _ => match word[..at].find(':') {
            // Without a scheme only `user:password@` is a credential; `--option=` and quotes before it are kept.
            Some(colon) => word[..colon].rfind(['=', '"', '\'', '(', '[', ',']).map_or(0, |before| before + 1),
            None => return word.to_owned(),
        },
    };
    format!("{}{MASK}{}", &word[..start], &word[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_survives_however_odd() {
        for secret in ["secret", "se:cret", "se@cret", "se/cret", "se?cret", "s%40cret", "geheim-ä"] {
            for form in
                ["mongodb://me:{}@h:1/db", "mongodb+srv://me:{}@h/", "me:{}@h:1:db", "-m=\"me:{}@h\"", "x://{}@h"]
            {
                let masked = text(&form.replace("{}", secret));
                assert!(!masked.contains("cret") && !masked.contains("geheim"), "{masked}");
                assert!(masked.contains("***@h"), "{masked}");
            }
        }
    }

    #[test]
    fn the_options_of_a_database_go_and_those_of_a_page_stay() {
        let url = "--mongo-url=mongodb://me:secret@h/llc?tls=true&tlsCertificateKeyFilePassword=secret";
        assert_eq!(text(url), "--mongo-url=mongodb://***@h/llc?tls=true&***");
        assert_eq!(text("mongodb://h/llc?a=secret\nb"), "mongodb://h/llc?***\nb");
        assert_eq!(text("https://example.org/a?b=c"), "https://example.org/a?b=c");
    }

    #[test]
    fn text_without_credentials_stays() {
        for plain in ["", "git@github.com:me/repo.git", "a:b", "100:150,120", "two  spaces\n", "https://example.org/a"]
        {
            assert_eq!(text(plain), plain);
        }
    }

    #[test]
    fn strings_deep_in_a_value_are_masked() {
        let config = serde_json::json!({"sinks": [{"url": "mongodb://me:secret@h"}], "seed": 1});
        assert_eq!(value(&config), serde_json::json!({"sinks": [{"url": "mongodb://***@h"}], "seed": 1}));
    }
}
