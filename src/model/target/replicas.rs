//! The replicas of one target: which replica answered, and how reads divide among them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{expected_replicas::ExpectedReplicas, notice::TargetNotice, replica::Replica};
use crate::model::{
    base::{GRACE, Moment, OTHER, REPLICAS_MAX},
    probe::{Anomaly, Answer, Identity, ServerKey},
    verdict::{Expectation, server_name},
};

/// A replica is forgotten this long after its pod disappeared.
const POD_GONE_FOR: Duration = Duration::from_secs(300);

/// A key that answers again within this time after it was replaced belongs to another server. Later, it may be the same
/// server again, for example on its former host.
const RETURNS_WITHIN: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) struct Replicas {
    /// Names are unique and give every view its order. Boxed: spare slots of the map then cost a pointer each.
    by_name: BTreeMap<Arc<str>, Box<Replica>>,
    /// One entry for each replica that has answered, except [`OTHER`].
    by_key: BTreeMap<ServerKey, Named>,
    /// Keys that replicas had before their present ones, and until when.
    former: BTreeMap<ServerKey, Moment>,
    reads: u64,
}

/// The name of a server.
#[derive(Clone, Debug)]
struct Named {
    name: Arc<str>,
    /// The name that it would have alone; several servers may share it.
    base: Arc<str>,
}

impl Replicas {
    /// Expected replicas exist from the start, without reads.
    pub(crate) fn new(expectation: &Expectation) -> Self {
        let expected = expectation.entries().iter().map(|entry| Arc::clone(&entry.name));
        Self {
            by_name: expected.map(|name| (Arc::clone(&name), Box::new(Replica::expected(name)))).collect(),
            by_key: BTreeMap::new(),
            former: BTreeMap::new(),
            reads: 0,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Replica> + Clone {
        self.by_name.values().map(AsRef::as_ref)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Replica> {
        self.by_name.get(name).map(AsRef::as_ref)
    }

    pub(crate) fn last_answer(&self) -> Option<Moment> {
        self.by_name.values().filter_map(|replica| replica.last_answer).max()
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Replica> {
        self.by_name.get_mut(name).map(AsMut::as_mut)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Replica> {
        self.by_name.values_mut().map(AsMut::as_mut)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// Returns the replica, and an anomaly if its identity changed.
    pub(crate) fn record(
        &mut self,
        answer: Answer,
        expected_replicas: &ExpectedReplicas,
        now: Moment,
    ) -> (&mut Replica, Option<Anomaly>) {
        let name = self.recognise(&answer.identity, expected_replicas, now);
        self.reads += 1;
        let (expectation, replicas) = (expected_replicas.expectation(), self.by_name.len());
        for replica in self.by_name.values_mut() {
            replica.missed(expectation.share(&replica.name, replicas));
        }
        let replica =
            self.by_name.entry(Arc::clone(&name)).or_insert_with(|| Box::new(Replica::expected(Arc::clone(&name))));
        let pod = expected_replicas.pod(&name).map(|pod| Arc::clone(&pod.uid));
        // A new pod of the same name may be another server.
        let before = replica.identity.as_ref().filter(|_| replica.pod_uid == pod && &*name != OTHER);
        let changed = before.and_then(|before| Anomaly::change(&name, before, &answer.identity));
        replica.pod_uid = pod;
        replica.answered(answer, self.reads, now);
        (replica, changed)
    }

    /// The anomalies of a replica that has the `server_id` or the `server_uuid` of another one. Each of the two has
    /// answered recently, and more than [`GRACE`] after the first read of the other.
    pub(crate) fn shares(&self, name: &str, now: Moment) -> impl Iterator<Item = Anomaly> + use<> {
        // Servers with the ID 0 do not replicate.
        let id = self.sharing(name, now, |one, other| one.server_id == other.server_id && one.server_id != 0);
        let id = id.map(|(identity, replicas)| Anomaly::SharedServerId { server_id: identity.server_id, replicas });
        let same_uuid = |one: &Identity, other: &Identity| one.server_uuid == other.server_uuid;
        let uuid = self.sharing(name, now, same_uuid).and_then(|(identity, replicas)| {
            Some(Anomaly::SharedServerUuid { server_uuid: identity.server_uuid.clone()?, replicas })
        });
        id.into_iter().chain(uuid)
    }

    fn sharing(
        &self,
        name: &str,
        now: Moment,
        same: impl Fn(&Identity, &Identity) -> bool,
    ) -> Option<(&Identity, [Arc<str>; 2])> {
        const LATELY: Duration = Duration::from_secs(300);
        let own = self.by_name.get(name).filter(|own| &*own.name != OTHER)?;
        let (identity, first) = (own.identity.as_ref()?, own.first_answer?);
        let other = self.by_name.values().find(|other| {
            let same = other.identity.as_ref().is_some_and(|other| same(identity, other));
            let after = |later: Option<Moment>, first: Option<Moment>| {
                later.zip(first).is_some_and(|(later, first)| later.since(first) >= GRACE)
            };
            let lately = other.last_answer.is_some_and(|last| now.since(last) < LATELY);
            let others = *other.name != *own.name && &*other.name != OTHER;
            others && same && lately && after(other.last_answer, Some(first)) && after(Some(now), other.first_answer)
        })?;
        Some((identity, [Arc::clone(&own.name), Arc::clone(&other.name)]))
    }

    pub(crate) fn meet(&mut self, name: &Arc<str>) {
        if self.by_name.len() < REPLICAS_MAX && !self.by_name.contains_key(name) {
            self.by_name.insert(Arc::clone(name), Box::new(Replica::expected(Arc::clone(name))));
        }
    }

    /// The name of a server that was found without a read.
    pub(crate) fn meet_server(
        &mut self,
        identity: &Identity,
        expected_replicas: &ExpectedReplicas,
        now: Moment,
    ) -> Arc<str> {
        let name = self.recognise(identity, expected_replicas, now);
        self.meet(&name);
        if let Some(replica) = self.get_mut(&name) {
            replica.identity.get_or_insert_with(|| Arc::new(identity.clone()));
        }
        name
    }

    /// The replicas that have answered.
    pub(crate) fn answered(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.iter().filter(|replica| replica.reads > 0).map(|replica| &replica.name)
    }

    /// Removes a replica that never answered.
    pub(crate) fn leave_out(&mut self, name: &str) {
        if self.by_name.get(name).is_some_and(|replica| replica.reads == 0) {
            self.by_name.remove(name);
            self.by_key.retain(|_, named| *named.name != *name);
        }
    }

    /// Earlier reads do not count as missed.
    pub(crate) fn expect_from_now(&mut self, names: &[Arc<str>]) {
        for name in names {
            if let Some(replica) = self.by_name.get_mut(name) {
                replica.expect_from(self.reads);
            }
        }
    }

    pub(crate) fn pod(&mut self, name: &str, gone: Option<Moment>) {
        if let Some(replica) = self.by_name.get_mut(name) {
            replica.pod_gone = gone;
        }
    }

    /// Removes the replicas whose pod has been gone for [`POD_GONE_FOR`], or whose last read is older than `after`.
    pub(crate) fn forget(&mut self, after: Duration, keeps: impl Fn(&str) -> bool, now: Moment) -> Vec<TargetNotice> {
        let over = |replica: &&Replica| match replica.pod_gone {
            Some(gone) => now.since(gone) >= POD_GONE_FOR,
            None => replica.last_answer.is_some_and(|last| now.since(last) >= after),
        };
        let gone = self.iter().filter(|replica| !keeps(&replica.name)).filter(over);
        let gone: Vec<_> = gone.map(|replica| (Arc::clone(&replica.name), replica.pod_gone.is_some())).collect();
        for (name, _) in &gone {
            self.by_name.remove(name);
            self.by_key.retain(|_, named| named.name != *name);
        }
        let forgotten = |(replica, pod_is_gone)| {
            let after = if pod_is_gone { POD_GONE_FOR } else { after };
            TargetNotice::Forgotten { replica, pod_is_gone, after }
        };
        gone.into_iter().map(forgotten).collect()
    }

    pub(crate) fn version_skew(&self) -> Option<TargetNotice> {
        let known = self.iter().filter_map(|replica| Some((&replica.identity.as_ref()?.version, &replica.name)));
        let (first, _) = known.clone().next()?;
        if known.clone().all(|(version, _)| version == first) {
            return None;
        }
        let mut versions: BTreeMap<String, Vec<Arc<str>>> = BTreeMap::new();
        for (version, name) in known {
            versions.entry(version.clone()).or_default().push(Arc::clone(name));
        }
        Some(TargetNotice::VersionSkew { versions })
    }

    /// The name of the server with this identity.
    ///
    /// A fact about the server gives the name: its pod, whatever its key was before, or the configuration. Without one, a
    /// known server keeps its name, also after one change of its key. A new server is named by its `server_id`. If the
    /// key from before such a change answers again, there are two servers, and each gets a name.
    fn recognise(&mut self, identity: &Identity, expected_replicas: &ExpectedReplicas, now: Moment) -> Arc<str> {
        let key = ServerKey::of(identity);
        let fact = expected_replicas.name_of(identity);
        let known = self.by_key.get(&key).cloned();
        if let Some(known) = &known
            && fact
                .as_ref()
                .map_or(!expected_replicas.pod_servers().is_proxy_named(&known.base), |fact| fact.name == known.base)
        {
            return Arc::clone(&known.name);
        }
        self.former.retain(|_, since| now.since(*since) < RETURNS_WITHIN);
        let returned = self.former.contains_key(&key);
        let predecessor = || self.by_key.iter().find(|(before, _)| **before != key && key.succeeds(before));
        let named = if let Some(fact) = fact {
            let holder = self.by_name.get(&fact.name).and_then(|holder| holder.identity.as_ref());
            let is_another = holder.map(|holder| ServerKey::of(holder)).is_some_and(|before| {
                let same = fact.is_pod || key.is_on_host_of(&before) || key.succeeds(&before);
                before != key && (returned && !fact.is_pod || !same)
            });
            let name = if is_another { self.second_name(&fact.name, identity) } else { Arc::clone(&fact.name) };
            Named { name, base: fact.name }
        } else if let Some((_, named)) = predecessor().filter(|_| !returned) {
            named.clone()
        } else {
            let base: Arc<str> = server_name(identity.server_id).into();
            let held = self.by_name.get(&base).is_some_and(|holder| holder.identity.is_some());
            Named { name: if held { self.second_name(&base, identity) } else { Arc::clone(&base) }, base }
        };
        if !self.by_name.contains_key(&named.name) && self.by_name.len() >= REPLICAS_MAX {
            return OTHER.into();
        }
        let name = Arc::clone(&named.name);
        let replaced = self.by_key.iter().filter(|(before, named)| named.name == name && **before != key);
        for before in replaced.map(|(before, _)| before.clone()).collect::<Vec<_>>() {
            self.by_key.remove(&before);
            if self.former.len() < REPLICAS_MAX {
                self.former.insert(before, now);
            }
        }
        self.by_key.insert(key, named);
        if let Some(earlier) = known.map(|known| known.name).filter(|earlier| *earlier != name) {
            self.rename(&earlier, &name, expected_replicas);
        }
        name
    }

    /// Moves the reads of a server to its new name, if no other server has the earlier one.
    pub(crate) fn rename(&mut self, earlier: &Arc<str>, name: &Arc<str>, expected_replicas: &ExpectedReplicas) {
        let kept = expected_replicas.keeps(earlier) && !expected_replicas.pod_servers().is_proxy_named(earlier);
        if kept || self.by_key.values().any(|named| named.name == *earlier) {
            return;
        }
        let Some(replica) = self.by_name.remove(earlier) else { return };
        let new = || Box::new(Replica::expected(Arc::clone(name)));
        self.by_name.entry(Arc::clone(name)).or_insert_with(new).absorb(*replica);
    }

    /// A name that no replica has.
    fn second_name(&self, base: &str, identity: &Identity) -> Arc<str> {
        let host = Some(&*identity.host_name).filter(|host| !host.is_empty()).unwrap_or("other");
        let uuid: Option<String> = identity.server_uuid.as_ref().map(|uuid| uuid.chars().take(8).collect());
        let numbered = (2..).map(|number| format!("{base}-{host}-{number}"));
        let names = std::iter::once(format!("{base}-{host}")).chain(uuid.map(|uuid| format!("{base}-{uuid}")));
        let mut free = names.chain(numbered).filter(|name| !self.by_name.contains_key(&**name));
        free.next().unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::Timings;

    fn identity(server_id: u32, host: &str, uuid: &str) -> Identity {
        Identity {
            server_id,
            server_uuid: (!uuid.is_empty()).then(|| uuid.to_owned()),
            host_name: host.to_owned(),
            read_only: true,
            version: "9.7.1".to_owned(),
            server_time: None,
            gtid_executed: None,
        }
    }

    fn record(replicas: &mut Replicas, expectation: &Expectation, identity: Identity, at: f64) -> String {
        let answer =
            Answer { identity, timings: Timings::default(), address: ([127, 0, 0, 1], 3306).into(), status: None };
        replicas.record(answer, &ExpectedReplicas::new(expectation.clone()), Moment::at(at)).0.name.to_string()
    }

    fn seen(replicas: &mut Replicas, identity: Identity) -> String {
        record(replicas, &Expectation::Seen, identity, 1.0)
    }

    fn listed(names: &[&str]) -> Expectation {
        Expectation::listed(names.iter().map(|n| n.parse().unwrap()).collect()).unwrap()
    }

    #[test]
    fn a_server_is_named_by_its_id_unless_an_entry_names_its_host_or_id() {
        let expectation = listed(&["mysql-1", "server-102"]);
        let mut replicas = Replicas::new(&expectation);
        assert_eq!(record(&mut replicas, &expectation, identity(101, "mysql-1", "a"), 1.0), "mysql-1");
        assert_eq!(record(&mut replicas, &expectation, identity(102, "mysql-2", "b"), 1.0), "server-102");
        assert_eq!(record(&mut replicas, &expectation, identity(103, "mysql-3", "c"), 1.0), "server-103");
    }

    #[test]
    fn a_server_keeps_its_name_when_its_server_id_changes() {
        let mut replicas = Replicas::new(&Expectation::Seen);
        assert_eq!(seen(&mut replicas, identity(101, "h", "a")), "server-101");
        assert_eq!(seen(&mut replicas, identity(202, "h", "a")), "server-101");
        assert_eq!(replicas.len(), 1);
    }

    #[test]
    fn two_servers_with_one_server_id_are_two_replicas() {
        let mut replicas = Replicas::new(&Expectation::Seen);
        assert_eq!(seen(&mut replicas, identity(1, "mysql-0", "a")), "server-1");
        assert_eq!(seen(&mut replicas, identity(1, "mysql-1", "b")), "server-1-mysql-1");
        assert_eq!(seen(&mut replicas, identity(1, "mysql-0", "a")), "server-1");
    }

    #[test]
    fn a_recreated_replica_keeps_its_name() {
        let mut replicas = Replicas::new(&Expectation::Seen);
        seen(&mut replicas, identity(103, "mysql-3", "old"));
        assert_eq!(seen(&mut replicas, identity(103, "mysql-3", "new")), "server-103");
        assert_eq!(replicas.iter().next().unwrap().reads, 2);
    }

    #[test]
    fn servers_of_one_host_and_one_id_that_take_turns_are_two_replicas() {
        let mut replicas = Replicas::new(&Expectation::Seen);
        seen(&mut replicas, identity(1, "box", "aaaaaaaaaaaa"));
        seen(&mut replicas, identity(1, "box", "bbbbbbbbbbbb"));
        assert_eq!(seen(&mut replicas, identity(1, "box", "aaaaaaaaaaaa")), "server-1-box");
        assert_eq!(seen(&mut replicas, identity(1, "box", "bbbbbbbbbbbb")), "server-1");
        assert_eq!(seen(&mut replicas, identity(1, "box", "aaaaaaaaaaaa")), "server-1-box");
        assert_eq!(replicas.len(), 2);
    }

    #[test]
    fn servers_without_a_uuid_are_distinguished_by_host_and_id() {
        let mut replicas = Replicas::new(&Expectation::Seen);
        assert_eq!(seen(&mut replicas, identity(1, "maria-0", "")), "server-1");
        assert_eq!(seen(&mut replicas, identity(2, "maria-0", "")), "server-2");
        assert_eq!(seen(&mut replicas, identity(1, "maria-0", "")), "server-1");
    }

    #[test]
    fn a_server_that_changes_all_the_time_keeps_one_key() {
        let expectation = listed(&["box"]);
        let mut replicas = Replicas::new(&expectation);
        let expected_replicas = ExpectedReplicas::new(expectation);
        for n in 0..1000 {
            replicas.meet_server(&identity(n, "box", &format!("uuid-{n}")), &expected_replicas, Moment::at(1.0));
        }
        assert_eq!((replicas.len(), replicas.by_key.len()), (1, 1));
        assert!(replicas.former.len() <= REPLICAS_MAX);
    }

    #[test]
    fn replicas_past_the_limit_count_as_other() {
        let mut replicas = Replicas::new(&Expectation::Seen);
        for id in 0..100 {
            seen(&mut replicas, identity(id, "h", &format!("uuid-{id}")));
        }
        assert_eq!(replicas.len(), REPLICAS_MAX + 1);
        let other = replicas.iter().find(|r| &*r.name == OTHER).unwrap();
        assert_eq!(other.reads, 100 - REPLICAS_MAX as u64);
    }

    #[test]
    fn a_replica_that_stopped_answering_is_forgotten_but_an_expected_one_stays() {
        let expectation = listed(&["server-1"]);
        let mut replicas = Replicas::new(&expectation);
        record(&mut replicas, &expectation, identity(1, "a", "a"), 0.0);
        record(&mut replicas, &expectation, identity(2, "b", "b"), 0.0);
        let expected_replicas = ExpectedReplicas::new(expectation.clone());
        assert!(
            replicas.forget(Duration::from_secs(10), |name| expected_replicas.keeps(name), Moment::at(9.9)).is_empty()
        );
        assert_eq!(
            replicas.forget(Duration::from_secs(10), |name| expected_replicas.keeps(name), Moment::at(10.0)),
            [TargetNotice::Forgotten {
                replica: "server-2".into(),
                pod_is_gone: false,
                after: Duration::from_secs(10)
            }]
        );
        assert_eq!(record(&mut replicas, &expectation, identity(2, "b", "b"), 11.0), "server-2");
        assert_eq!(replicas.iter().find(|r| &*r.name == "server-2").unwrap().reads, 1);
    }

    #[test]
    fn a_replica_is_forgotten_five_minutes_after_its_pod_is_gone() {
        let mut replicas = Replicas::new(&Expectation::Seen);
        record(&mut replicas, &Expectation::Seen, identity(1, "a", "a"), 0.0);
        replicas.pod("server-1", Some(Moment::at(1.0)));
        let mut forgotten = |now: f64| replicas.forget(Duration::from_secs(3600), |_| false, Moment::at(now));
        assert_eq!(forgotten(300.9), []);
        let [forgotten] = forgotten(301.0).try_into().unwrap();
        assert_eq!(
            forgotten.to_string(),
            "the pod of server-1 has been gone for 5 min; the replica's metrics end here"
        );
    }

    #[test]
    fn silence_beyond_chance_causes_a_notice() {
        let expectation = listed(&["server-1", "server-2", "server-3"]);
        let mut replica = Replica::expected("server-3".into());
        let mut misses = |reads: u32, share: f64| {
            (0..reads).for_each(|_| replica.missed(share));
            replica.is_silent(&expectation, 3)
        };
        assert!(!misses(53, 1.0 / 3.0));
        assert!(misses(1, 1.0 / 3.0));
        // A pod that joins or leaves answers the reads that a single replica seems to miss.
        let mut replica = Replica::expected("server-3".into());
        (0..30).for_each(|_| replica.missed(1.0));
        assert!(!replica.is_silent(&expectation, 3));
    }
}
