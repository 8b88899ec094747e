//! Reads where runs are to be delivered: Sacred's `-m` grammar, and MongoDB's URL.
//!
//! | given as | written |
//! |---|---|
//! | `--mongo` | `[HOST:PORT:]DB[.COLLECTION]`, or `HOST:PORT`; Sacred's defaults are localhost, 27017, sacred, runs |
//! | `--mongo-url` | `mongodb://[USER:PASSWORD@]HOST[:PORT][,HOST…][/DB[.COLLECTION]][?OPTIONS]` |
//!
//! An [`Address`] shows itself, in `Display` and in `Debug`, without its credentials and without its options, which
//! may hold credentials too. Two addresses that show alike are the same place.

mod given;

use std::fmt;

pub use given::{AddressText, PASSWORD_VARIABLE, URL_VARIABLE, USER_VARIABLE, addresses};

use crate::record::redact::is_public;

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 27017;
const DEFAULT_DATABASE: &str = "sacred";
const DEFAULT_COLLECTION: &str = "runs";
/// Collections that belong to GridFS, to metrics or to others that share Sacred's databases.
const RESERVED_COLLECTIONS: [&str; 7] =
    ["fs.files", "fs.chunks", "metrics", "_properties", "system.indexes", "search_space", "search_spaces"];

/// One collection of runs of one MongoDB server.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// `host:port`, several of them with commas between for a replica set.
    hosts: String,
    database: String,
    collection: String,
    /// `USER:PASSWORD`, percent-encoded.
    credentials: Option<String>,
    /// `name=value&…`
    options: String,
}

/// Why an address was refused. It shows no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}{shown}: {problem}", if shown.is_empty() { "" } else { " " })]
pub struct AddressError {
    /// The flag or the variable.
    origin: &'static str,
    /// What was given, as far as it can be shown.
    shown: String,
    problem: Problem,
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("write it as [HOST:PORT:]DB[.COLLECTION], for example 127.0.0.1:27017:llc")]
    Malformed,
    #[error("an address with a scheme goes to --mongo-url")]
    IsUrl,
    #[error("user and password don't belong here: set {USER_VARIABLE} and {PASSWORD_VARIABLE}, or use --mongo-url")]
    Credentials,
    #[error("write it as mongodb://HOST:PORT/DB, with USER:PASSWORD@ before the host if needed")]
    NotAUrl,
    #[error("mongodb+srv:// is not supported: list the hosts, mongodb://HOST1,HOST2/DB?tls=true")]
    Srv,
    #[error(
        "user and password must be percent-encoded (@ is %40, / is %2F, : is %3A), or set {USER_VARIABLE} and {PASSWORD_VARIABLE}"
    )]
    Unencoded,
    #[error("`{0}` is not a host, or its port is not valid")]
    Host(String),
    #[error("`{0}` is not the name of a database: it has 1 to 63 bytes, no space and none of /\\\"$*<>:|?")]
    Database(String),
    #[error("`{0}` can't be a collection of runs: choose another name")]
    Collection(String),
    #[error("the same as another address")]
    Twice,
}

impl Address {
    /// Reads an address in Sacred's grammar, `[HOST:PORT:]DB[.COLLECTION]` or `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// [`AddressError`] for anything else, an address with credentials included.
    ///
    /// ```
    /// use llc::mongo::address::Address;
    /// assert_eq!(Address::parse("llc")?.to_string(), "localhost:27017:llc");
    /// assert_eq!(Address::parse("db.org:27018")?.to_string(), "db.org:27018:sacred");
    /// assert_eq!(Address::parse("[::1]:27018:llc.tests")?.to_string(), "[::1]:27018:llc.tests");
    /// # Ok::<(), llc::mongo::address::AddressError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        // What holds an @ may hold a password, wherever it stands.
        let shown = if text.contains('@') { String::new() } else { text.to_owned() };
        Self::try_parse(text).map_err(|problem| AddressError { origin: "--mongo", shown, problem })
    }

    /// Reads a URL as MongoDB's programs take it.
    ///
    /// # Errors
    ///
    /// [`AddressError`] for one that is malformed, or whose hosts are to be looked up in the DNS (`mongodb+srv://`).
    ///
    /// ```
    /// use llc::mongo::address::Address;
    /// let address = Address::parse_url("mongodb://me:secret@db.org/llc?authSource=admin")?;
    /// assert_eq!(address.to_string(), "db.org:27017:llc");
    /// assert!(!format!("{address:?}").contains("secret"));
    /// # Ok::<(), llc::mongo::address::AddressError>(())
    /// ```
    pub fn parse_url(url: &str) -> Result<Self, AddressError> {
        Self::parse_url_of("--mongo-url", url)
    }

    fn parse_url_of(origin: &'static str, url: &str) -> Result<Self, AddressError> {
        Self::try_parse_url(url).map_err(|problem| AddressError { origin, shown: String::new(), problem })
    }

    fn try_parse(text: &str) -> Result<Self, Problem> {
        if text.contains("://") {
            return Err(Problem::IsUrl);
        }
        if text.contains('@') {
            return Err(Problem::Credentials);
        }
        // The host of an address of IPv6 has colons of its own, within brackets.
        let end_of_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
        let end_of_host = end_of_host + text[end_of_host..].find(':').unwrap_or(text.len() - end_of_host);
        let host = &text[..end_of_host];
        let (port, name) = match text[end_of_host..].strip_prefix(':').map(|rest| rest.split_once(':')) {
            None => return Self::new(format!("{DEFAULT_HOST}:{DEFAULT_PORT}"), host),
            Some(None) => (&text[end_of_host + 1..], DEFAULT_DATABASE),
            Some(Some((port, name))) => (port, name),
        };
        if port.parse::<u16>().is_err() || !is_host(host) {
            return Err(Problem::Malformed);
        }
        Self::new(format!("{host}:{port}"), name)
    }

    fn try_parse_url(url: &str) -> Result<Self, Problem> {
        if url.starts_with("mongodb+srv://") {
            return Err(Problem::Srv);
        }
        let rest = url.strip_prefix("mongodb://").ok_or(Problem::NotAUrl)?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials), rest),
            None => (None, rest),
        };
        let is_encoded = |credentials: &str| {
            let user = credentials.split(':').next().unwrap_or_default();
            !user.is_empty() && !credentials.contains(['/', '@', ' ']) && credentials.matches(':').count() <= 1
        };
        if !credentials.is_none_or(is_encoded) {
            return Err(Problem::Unencoded);
        }
        let (hosts, name) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts = hosts.split(',').map(with_port).collect::<Result<Vec<_>, _>>()?;
        let name = if name.is_empty() { DEFAULT_DATABASE } else { name };
        let address = Self::new(hosts.join(","), name)?;
        Ok(Self { credentials: credentials.map(str::to_owned), options: options.to_owned(), ..address })
    }

    /// Takes `name`, `DB[.COLLECTION]`, apart.
    fn new(hosts: String, name: &str) -> Result<Self, Problem> {
        let (database, collection) = name.split_once('.').unwrap_or((name, DEFAULT_COLLECTION));
        let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || "/\\\"$*<>:|?".contains(c);
        if database.is_empty() || database.len() > 63 || database.contains(is_forbidden) {
            return Err(Problem::Database(database.to_owned()));
        }
        if collection.is_empty() || collection.contains(is_forbidden) || RESERVED_COLLECTIONS.contains(&collection) {
            return Err(Problem::Collection(collection.to_owned()));
        }
        Ok(Self {
            hosts: hosts.to_ascii_lowercase(),
            database: database.to_owned(),
            collection: collection.to_owned(),
            credentials: None,
            options: String::new(),
        })
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The name of the collection that holds the runs.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// The URL for the driver, credentials and all: it is never to be shown.
    #[cfg(any(feature = "mongo", test))]
    pub(super) fn secret_url(&self) -> String {
        let credentials = self.credentials.as_ref().map(|credentials| format!("{credentials}@")).unwrap_or_default();
        let options = if self.options.is_empty() { String::new() } else { format!("?{}", self.options) };
        format!("mongodb://{credentials}{}/{}{options}", self.hosts, self.database)
    }

    /// The URL without credentials and without options that may hold some, which [`Address::parse_url`] reads.
    pub fn public_url(&self) -> String {
        let options: Vec<&str> = self.options.split('&').filter(|option| is_public(option)).collect();
        let question = if options.is_empty() { "" } else { "?" };
        format!("mongodb://{}/{}.{}{question}{}", self.hosts, self.database, self.collection, options.join("&"))
    }

    /// The parts of an error's text that must not be shown.
    #[cfg(any(feature = "mongo", test))]
    pub(super) fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self.credentials.iter().flat_map(|both| both.split(':')).map(decode).collect();
        secrets.extend(self.credentials.iter().flat_map(|both| both.split(':')).map(str::to_owned));
        secrets.retain(|secret| !secret.is_empty());
        secrets
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}", self.hosts, self.database)?;
        if self.collection == DEFAULT_COLLECTION { Ok(()) } else { write!(f, ".{}", self.collection) }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// A host of a URL with its port, the default one where it has none.
fn with_port(host: &str) -> Result<String, Problem> {
    let wrong = || Problem::Host(host.to_owned());
    let end_of_name = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let (name, port) = match host[end_of_name..].split_once(':') {
        Some((rest, port)) => (&host[..end_of_name + rest.len()], port.parse::<u16>().map_err(|_| wrong())?),
        None => (host, DEFAULT_PORT),
    };
    if is_host(name) { Ok(format!("{name}:{port}")) } else { Err(wrong()) }
}

/// A name, an address of IPv4, or one of IPv6 in brackets.
fn is_host(name: &str) -> bool {
    match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-._".contains(c)),
    }
}

#[cfg(any(feature = "mongo", test))]
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
