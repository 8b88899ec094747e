//! Collects the addresses that a user gave by flags and by the environment, with the credentials that go with them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::{Address, AddressError, Problem};

/// The variable of the URL that is taken where no address is given.
pub const URL_VARIABLE: &str = "LLC_MONGO_URL";
/// The variable of the user, for addresses that name none.
pub const USER_VARIABLE: &str = "LLC_MONGO_USER";
/// The variable of that user's password.
pub const PASSWORD_VARIABLE: &str = "LLC_MONGO_PASSWORD";

/// What a user typed as an address: it may hold a password, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct AddressText(String);

impl AddressText {
    /// What was typed. It may hold a password.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AddressText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for AddressText {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("AddressText(***)")
    }
}

/// The addresses that `--mongo` and `--mongo-url` name, in this order, or the one of the environment where both name none.
/// Those without a user get the environment's.
///
/// `variable` reads the environment: [`URL_VARIABLE`], [`USER_VARIABLE`], [`PASSWORD_VARIABLE`].
///
/// # Errors
///
/// [`AddressError`] for the first that is malformed, or equal to an earlier one.
pub fn addresses(
    mongo: &[AddressText],
    urls: &[AddressText],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Address>, AddressError> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let user = variable(USER_VARIABLE).zip(Some(variable(PASSWORD_VARIABLE).unwrap_or_default()));
    let with_user = |address: Address, source: &str| match &user {
        Some((user, password)) => address.with_credentials(user, password, source),
        None => address,
    };
    let mut found = Vec::new();
    for text in mongo {
        found.push(("--mongo", with_user(Address::parse(text.as_str())?, "admin")));
    }
    let from_environment = if mongo.is_empty() && urls.is_empty() { variable(URL_VARIABLE) } else { None };
    let urls = urls.iter().map(|url| ("--mongo-url", url.as_str()));
    for (origin, url) in urls.chain(from_environment.iter().map(|url| (URL_VARIABLE, url.as_str()))) {
        let address = Address::parse_url_of(origin, url)?;
        let source = address.database.clone();
        found.push((origin, with_user(address, &source)));
    }
    let mut seen = BTreeSet::new();
    for (origin, address) in &found {
        if !seen.insert(address.to_string()) {
            return Err(AddressError { origin, shown: address.to_string(), problem: Problem::Twice });
        }
    }
    Ok(found.into_iter().map(|(_, address)| address).collect())
}

impl Address {
    /// The same with the credentials that the environment has for it: those of [`URL_VARIABLE`] where that names the same
    /// place, else [`USER_VARIABLE`] and [`PASSWORD_VARIABLE`]. For addresses that were remembered without.
    pub fn authorised(self, variable: impl Fn(&str) -> Option<String>) -> Self {
        let url = variable(URL_VARIABLE).and_then(|url| Self::parse_url(&url).ok());
        if let Some(url) = url.filter(|url| url.to_string() == self.to_string()) {
            return url;
        }
        match (variable(USER_VARIABLE), variable(PASSWORD_VARIABLE).unwrap_or_default()) {
            (Some(user), password) if !user.is_empty() => {
                let source = self.database.clone();
                self.with_credentials(&user, &password, &source)
            }
            _ => self,
        }
    }

    /// The same with the user `user`, whom MongoDB looks up in the database that the options name, else in
    /// `auth_source`; an address that has a user already stays as it is.
    fn with_credentials(mut self, user: &str, password: &str, auth_source: &str) -> Self {
        if self.credentials.is_none() {
            self.credentials = Some(format!("{}:{}", encode(user), encode(password)));
            if !self.options.to_ascii_lowercase().contains("authsource=") {
                let separator = if self.options.is_empty() { "" } else { "&" };
                self.options += &format!("{separator}authSource={}", encode(auth_source));
            }
        }
        self
    }
}

/// Percent-encodes all but letters, digits and `-._~`.
fn encode(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}
