//! From a host name to its addresses, anew for every sample: a cached answer would not be what a client sees.

use std::{net::IpAddr, time::Duration};

use hickory_resolver::TokioResolver;

use crate::{
    config::Address,
    model::{Failure, FailureReason},
};

/// The machine's name servers could not be found out.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the resolver's configuration: {0}; check /etc/resolv.conf, or give an IP address in --address")]
pub struct ResolverError(String);

/// Resolves one host name, or knows its address already.
#[derive(Debug)]
pub struct Resolver {
    host: Host,
}

#[derive(Debug)]
enum Host {
    /// Nothing to resolve.
    Ip(IpAddr),
    /// By `resolv.conf` and `hosts`, without a cache.
    Name { name: String, resolver: Box<TokioResolver> },
}

impl Resolver {
    /// A resolver for the host of `address`, which waits for one answer of a name server at most `patience`.
    ///
    /// # Errors
    /// When the host is a name and the machine's resolver configuration cannot be read.
    pub fn new(address: &Address, patience: Duration) -> Result<Self, ResolverError> {
        if let Some(ip) = address.ip() {
            return Ok(Self { host: Host::Ip(ip) });
        }
        let unreadable = |error: hickory_resolver::net::NetError| ResolverError(error.to_string());
        let mut builder = TokioResolver::builder_tokio().map_err(unreadable)?;
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = options.timeout.min(patience);
        let resolver = Box::new(builder.build().map_err(unreadable)?);
        Ok(Self { host: Host::Name { name: address.host.clone(), resolver } })
    }

    /// The host's addresses, in the order in which they were answered; at least one.
    ///
    /// # Errors
    /// A [`Failure`] with reason `resolve` when it has none, or nobody could say.
    pub async fn resolve(&self) -> Result<Vec<IpAddr>, Failure> {
        let failure = |text| Failure { reason: FailureReason::Resolve, text, address: None };
        match &self.host {
            Host::Ip(ip) => Ok(vec![*ip]),
            Host::Name { name, resolver } => match resolver.lookup_ip(name.as_str()).await {
                Ok(found) => {
                    let addresses: Vec<IpAddr> = found.iter().collect();
                    if addresses.is_empty() { Err(failure(format!("{name} has no address"))) } else { Ok(addresses) }
                }
                Err(error) => Err(failure(format!("cannot resolve {name}: {error}"))),
            },
        }
    }
}
