//! Which server runs in each pod, or at each address, as pod probes find it. A pod that leads to several servers, or to
//! the server of another pod, is a proxy.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use crate::model::{
    base::{Moment, PodRef},
    probe::ServerKey,
};

/// Answers of one server in a row that show it in a pod whose name is not its host name.
const ANSWERS: u32 = 3;

const BEFORE_MAX: usize = 4;

/// Interval of the pod probes until then.
pub(crate) const SETTLE_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub(crate) struct PodServers {
    /// By uid of the pod.
    found: BTreeMap<Arc<str>, Found>,
}

#[derive(Debug)]
struct Found {
    name: Arc<str>,
    server: ServerKey,
    /// First and last answer of `server`.
    since: Moment,
    last: Moment,
    answers: u32,
    /// Servers that answered here before.
    before: Vec<ServerKey>,
    /// The server of another pod answered after the pod's own.
    strayed: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The host name is the pod's name.
    Host,
    Unclear,
    Proxy,
}

impl Found {
    fn is_server(&self) -> bool {
        self.kind == Kind::Host || (self.kind == Kind::Unclear && self.answers >= ANSWERS)
    }
}

impl PodServers {
    /// `host` is the pod whose name is the host name of the server.
    pub(crate) fn found(&mut self, pod: &PodRef, server: ServerKey, host: Option<&PodRef>, now: Moment) {
        let elsewhere = host.is_some_and(|host| host.uid != pod.uid) && !is_address(&pod.name);
        let kind = match host {
            Some(host) if host.uid == pod.uid => Kind::Host,
            _ if elsewhere => Kind::Proxy,
            _ => Kind::Unclear,
        };
        let found = self.found.entry(Arc::clone(&pod.uid)).or_insert_with(|| Found {
            name: Arc::clone(&pod.name),
            server: server.clone(),
            since: now,
            last: now,
            answers: 0,
            before: Vec::new(),
            strayed: false,
            kind,
        });
        if elsewhere && found.kind == Kind::Host {
            // The pod may be gone, and its address may belong to the other one.
            found.strayed = true;
            return;
        }
        if found.kind != Kind::Proxy {
            found.kind = if found.strayed { Kind::Proxy } else { kind };
        }
        if found.server == server {
            found.last = now;
            found.answers = found.answers.saturating_add(1);
        } else {
            // A proxy leads back to a former server, or to many.
            if found.kind == Kind::Unclear && (found.before.contains(&server) || found.before.len() == BEFORE_MAX) {
                found.kind = Kind::Proxy;
            }
            found.before.truncate(BEFORE_MAX - 1);
            found.before.push(std::mem::replace(&mut found.server, server));
            (found.since, found.last, found.answers) = (now, now, 1);
        }
        self.compare(&pod.uid);
    }

    /// One server answers at two places in turn: a place with another host name than the server is a proxy.
    fn compare(&mut self, uid: &Arc<str>) {
        let Some(found) = self.found.get(uid) else { return };
        let (server, since, last) = (found.server.clone(), found.since, found.last);
        let twin = |(other, twin): &(&Arc<str>, &mut Found)| {
            *other != uid && twin.server == server && twin.kind != Kind::Proxy && twin.last > since && last > twin.since
        };
        let Some((_, twin)) = self.found.iter_mut().find(twin) else { return };
        if twin.kind == Kind::Unclear {
            twin.kind = Kind::Proxy;
        }
        if let Some(found) = self.found.get_mut(uid).filter(|found| found.kind == Kind::Unclear) {
            found.kind = Kind::Proxy;
        }
    }

    /// A server answered through the Service. It is not gone, so a pod where another one answers now is a proxy.
    pub(crate) fn answered(&mut self, server: &ServerKey) {
        for found in self.found.values_mut() {
            if found.kind == Kind::Unclear && found.before.contains(server) {
                found.kind = Kind::Proxy;
            }
        }
    }

    pub(crate) fn keep(&mut self, stays: impl Fn(&str) -> bool) {
        self.found.retain(|uid, _| stays(uid));
    }

    /// The only pod in which this server runs.
    pub(crate) fn pod_of(&self, server: &ServerKey) -> Option<&Arc<str>> {
        let mut here = self.found.values().filter(|found| found.server == *server && found.is_server());
        let found = here.next().filter(|found| !is_address(&found.name))?;
        here.next().is_none().then_some(&found.name)
    }

    pub(crate) fn is_server(&self, uid: &str) -> bool {
        self.found.get(uid).is_some_and(Found::is_server)
    }

    pub(crate) fn is_proxy(&self, uid: &str) -> bool {
        self.found.get(uid).is_some_and(|found| found.kind == Kind::Proxy)
    }

    pub(crate) fn is_proxy_named(&self, name: &str) -> bool {
        self.found.values().any(|found| *found.name == *name && found.kind == Kind::Proxy)
    }

    /// More answers are needed.
    pub(crate) fn is_unclear(&self, uid: &str) -> bool {
        self.found.get(uid).is_some_and(|found| found.kind != Kind::Proxy && !found.is_server())
    }
}

/// Endpoints without a pod go by their address.
pub(crate) fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}
