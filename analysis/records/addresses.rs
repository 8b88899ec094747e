//! Reads from the command line which databases are meant.

use std::env;

use anyhow::Result;
use clap::Args;
use llc::mongo::address::{self, Address, AddressError, AddressText, URL_VARIABLE};

use crate::runs::UsageError;

#[derive(Debug, Args)]
pub struct Addresses {
    /// Databases, as Sacred writes their addresses.
    #[arg(
        short = 'm',
        long = "mongo",
        value_name = "ADDRESS",
        help = "A MongoDB, [HOST:PORT:]DB[.COLLECTION]; LLC_MONGO_USER and LLC_MONGO_PASSWORD give the user"
    )]
    mongo: Vec<AddressText>,
    /// The same by a URL, mongodb://HOST/DB.
    #[arg(long = "mongo-url", value_name = "URL")]
    urls: Vec<AddressText>,
}

impl Addresses {
    /// Those that were given, with the environment's credentials.
    pub fn given(&self) -> Result<Vec<Address>, AddressError> {
        // The environment's own address is where runs go, not what is meant here.
        let variable = |name: &str| env::var(name).ok().filter(|_| name != URL_VARIABLE);
        address::addresses(&self.mongo, &self.urls, variable)
    }

    /// The one to read from, if any was given.
    pub fn one(&self) -> Result<Option<Address>> {
        let mut given = self.given()?;
        if given.len() > 1 {
            return Err(UsageError::SeveralAddresses.into());
        }
        Ok(given.pop())
    }
}
