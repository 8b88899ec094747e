//! Reads from the command line which databases are meant.

use std::env;

use clap::Args;
use llc::mongo::address::{self, Address, AddressError, AddressText, URL_VARIABLE};

#[derive(Debug, Args)]
pub struct Addresses {
    /// Databases, as Sacred writes their addresses.
    #[arg(
        short = 'm',
        long = "mongo",
        value_name = "ADDRESS",
        help = "A MongoDB, [HOST:PORT:]DB[.COLLECTION]; LLC_MONGO_USER and LLC_MONGO_PASSWORD say who asks"
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
}
