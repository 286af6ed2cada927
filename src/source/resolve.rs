//! Name resolution, repeated for every probe, as for a new client: results are neither cached nor shared.

use std::{net::IpAddr, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::op::ResponseCode,
    system_conf::read_system_conf,
};
use parking_lot::Mutex;

use crate::model::{Failure, FailureReason};

#[derive(Debug, thiserror::Error)]
#[error("cannot read the DNS configuration: {0}; check /etc/resolv.conf, or set an IP address as the target's address")]
pub struct ResolverError(String);

/// Uses `resolv.conf` and `hosts`, without a cache.
pub(super) struct Resolver {
    name: String,
    config: ResolverConfig,
    options: ResolverOpts,
    /// Resolvers that no probe uses. A resolver merges identical queries in flight, so each probe takes one for itself.
    /// Locked only to take or return one.
    idle: Mutex<Vec<TokioResolver>>,
}

impl Resolver {
    /// `patience` limits the wait for one response of a name server.
    pub(super) fn new(name: String, patience: Duration) -> Result<Self, ResolverError> {
        let unreadable = |error: NetError| ResolverError(error.to_string());
        let (config, mut options) = read_system_conf().map_err(unreadable)?;
        options.timeout = options.timeout.min(patience);
        Self::configured(name, config, options).map_err(unreadable)
    }

    fn configured(name: String, config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, NetError> {
        options.cache_size = 0;
        let resolver = Self { name, config, options, idle: Mutex::default() };
        // Built now, so that errors are reported at the start.
        resolver.put_back(resolver.build()?);
        Ok(resolver)
    }

    /// At least one address, in the order of the response.
    pub(super) async fn resolve(&self) -> Result<Vec<IpAddr>, Failure> {
        let text = match self.addresses().await {
            Ok(found) if !found.is_empty() => return Ok(found),
            Ok(_) => format!("{} has no address", self.name),
            Err(error) => format!("cannot resolve {}: {}", self.name, text(&error)),
        };
        Err(Failure { reason: FailureReason::Resolve, text, address: None, charge: None, advice: None })
    }

    async fn addresses(&self) -> Result<Vec<IpAddr>, NetError> {
        let idle = self.idle.lock().pop();
        // Resolvers of cancelled probes are not returned.
        let resolver = idle.map_or_else(|| self.build(), Ok)?;
        let found = resolver.lookup_ip(self.name.as_str()).await;
        self.put_back(resolver);
        Ok(found?.iter().collect())
    }

    fn build(&self) -> Result<TokioResolver, NetError> {
        let provider = TokioRuntimeProvider::default();
        TokioResolver::builder_with_config(self.config.clone(), provider).with_options(self.options.clone()).build()
    }

    fn put_back(&self, resolver: TokioResolver) {
        self.idle.lock().push(resolver);
    }
}

/// The library's own message repeats the whole query.
fn text(error: &NetError) -> String {
    let code = match error {
        NetError::Dns(DnsError::NoRecordsFound(nothing)) => nothing.response_code,
        NetError::Dns(DnsError::ResponseCode(code)) => *code,
        error => return error.to_string(),
    };
    match code {
        ResponseCode::NXDomain => "the name does not exist".to_owned(),
        ResponseCode::NoError => "the name has no address".to_owned(),
        code => format!("the name server answered {code}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_resolver::config::NameServerConfig;
    use tokio::{net::UdpSocket, time::timeout};

    use super::*;

    const PROBES: usize = 3;

    /// End of the question for `ab.test.`: header (12), name (9), type (2), class (2).
    const QUESTION_END: usize = 25;

    /// Holds queries for IPv4 addresses until there is one of each probe. Answers all others at once, without
    /// addresses.
    async fn serve(socket: UdpSocket) {
        let mut held = Vec::new();
        loop {
            let mut question = [0; 512];
            let (_, client) = socket.recv_from(&mut question).await.unwrap();
            if question[QUESTION_END - 3] == 1 {
                held.push((question, client));
            } else {
                socket.send_to(&answer(&question, NO_ERROR, &[]), client).await.unwrap();
            }
            if held.len() == PROBES {
                for (number, (question, client)) in held.drain(..).enumerate() {
                    let address = Ipv4Addr::new(10, 0, 0, u8::try_from(number).unwrap());
                    socket.send_to(&answer(&question, NO_ERROR, &[address]), client).await.unwrap();
                }
            }
        }
    }

    const NO_ERROR: u8 = 0;

    fn answer(question: &[u8], code: u8, addresses: &[Ipv4Addr]) -> Vec<u8> {
        let count = u8::try_from(addresses.len()).unwrap();
        // RFC 1035: number, flags of an authoritative response, one question, `count` answers, nothing else.
        let mut answer =
            [&question[..2], &[0x85, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0], &question[12..QUESTION_END]].concat();
        for address in addresses {
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
            answer.extend_from_slice(&address.octets());
        }
        answer
    }

    async fn name_server() -> (UdpSocket, Resolver) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut server = NameServerConfig::udp(Ipv4Addr::LOCALHOST.into());
        server.connections[0].port = socket.local_addr().unwrap().port();
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        (socket, Resolver::configured("ab.test.".to_owned(), config, ResolverOpts::default()).unwrap())
    }

    #[tokio::test]
    async fn a_failed_lookup_is_explained_in_words() {
        for (code, words) in [
            (NO_ERROR, "cannot resolve ab.test.: the name has no address"),
            (3, "cannot resolve ab.test.: the name does not exist"),
            (2, "cannot resolve ab.test.: the name server answered Server Failure"),
        ] {
            let (socket, resolver) = name_server().await;
            let serving = async {
                loop {
                    let mut question = [0; 512];
                    let (_, client) = socket.recv_from(&mut question).await.unwrap();
                    socket.send_to(&answer(&question, code, &[]), client).await.unwrap();
                }
            };
            let failure = tokio::select! {
                () = serving => unreachable!("the server never stops"),
                found = timeout(Duration::from_secs(30), resolver.resolve()) => found.unwrap().unwrap_err(),
            };
            assert_eq!((failure.reason, &*failure.text), (FailureReason::Resolve, words));
        }
    }

    #[tokio::test]
    async fn overlapping_probes_do_not_share_a_response() {
        let (socket, resolver) = name_server().await;
        let resolving = async { tokio::join!(resolver.resolve(), resolver.resolve(), resolver.resolve()) };
        let (first, second, third) = tokio::select! {
            () = serve(socket) => unreachable!("the server never stops"),
            found = timeout(Duration::from_secs(30), resolving) => found.unwrap(),
        };
        let mut found = [first, second, third].map(|addresses| addresses.unwrap()[0]);
        found.sort();
        assert_eq!(found, [0, 1, 2].map(|number| IpAddr::from([10, 0, 0, number])));
    }
}
