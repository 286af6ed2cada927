//! Whether the client connections are even on the replicas that are not the primary, which also serves writers.
//!
//! Each connection is one choice of the load balancer, so the connections of a replica have a binomial distribution. This
//! is an observation: the connections of a pool are not independent choices. No false-alarm period holds for it.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    binomial::tails,
    counters::{ClientCounters, connections},
};
use crate::model::{
    base::{Count, HumanDuration, Moment},
    probe::ServerStatus,
};

/// The connections are uneven if this or less is the probability of a replica's count in [`IN_A_ROW`] rounds.
const UNEVEN: f64 = 1e-4;

/// They are even again above this.
const EVEN: f64 = 1e-2;

const IN_A_ROW: u32 = 3;

/// A reading lasts for this number of intervals, and at least this long.
const LASTS: u32 = 4;
const LASTS_AT_LEAST: Duration = Duration::from_secs(5);

/// Odds of a replica's read share to those of its connection share from which a few connections are heavy, and the read
/// rate of all replicas from which this counts.
const HEAVY: f64 = 4.0;
const HEAVY_RATE: f64 = 10.0;

/// A replica in a round of readings.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a Arc<str>,
    pub(crate) counters: &'a ClientCounters,
    /// Of new connections, 0 to 1; 0 for a replica that is not expected.
    pub(crate) expected: f64,
    pub(crate) is_primary: bool,
    /// Its first read, if the replica came after the others.
    pub(crate) joined: Option<Moment>,
}

/// All replicas now.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    pub(crate) members: Vec<Member<'a>>,
    pub(crate) new_connections: NewConnections,
    pub(crate) through_proxies: bool,
    pub(crate) now: Moment,
}

/// How the verdict finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewConnections {
    Balanced,
    Unbalanced,
    Undecided,
}

#[derive(Debug)]
pub(crate) struct Balance {
    /// Between readings; `None`: there are no readings.
    interval: Option<Duration>,
    state: ClientsState,
    uneven_rounds: u32,
    heavy_rounds: u32,
    /// The newest reading of the last round.
    round: Option<Moment>,
    /// When the state was followed.
    now: Moment,
    /// The state of the last notice.
    noticed: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Even,
    Uneven,
    Heavy,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ClientsState {
    Even { connections: u64, replicas: usize, heavy: Option<HeavyConnections> },
    Uneven(UnevenClients),
    Unknown(ClientsUnknown),
}

/// The replica whose count of client connections is the least probable.
#[derive(Clone, Debug, PartialEq)]
pub struct UnevenClients {
    pub replica: Arc<str>,
    pub connections: u64,
    /// On all compared replicas.
    pub of: u64,
    /// 0 to 1.
    pub expected_share: f64,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    /// The replica is younger than the connections to the others.
    Joined(Duration),
    /// Its clients did not reconnect since others joined.
    Old {
        few: bool,
    },
    Routing,
    Undecided,
}

/// A few connections of this replica send most of the reads.
#[derive(Clone, Debug, PartialEq)]
pub struct HeavyConnections {
    pub replica: Arc<str>,
    /// Among the compared replicas, 0 to 1.
    pub read_share: f64,
    pub connection_share: f64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientsUnknown {
    Off,
    Proxies,
    NoReading { replica: Arc<str> },
    Failed { replica: Arc<str>, why: Arc<str> },
    FewReplicas,
    NoClients,
}

/// The clients of one replica. Shares are those among all expected replicas, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReplicaClients {
    pub connections: u64,
    pub connection_share: Option<f64>,
    /// Over the last minute.
    pub reads_per_second: Option<f64>,
    pub read_share: Option<f64>,
}

impl Balance {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self {
            interval,
            state: ClientsState::Unknown(ClientsUnknown::Off),
            uneven_rounds: 0,
            heavy_rounds: 0,
            round: None,
            now: Moment::START,
            noticed: Kind::Even,
        }
    }

    pub(crate) fn has_readings(&self) -> bool {
        self.interval.is_some()
    }

    /// When the readings were last followed.
    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    pub(crate) fn state(&self) -> &ClientsState {
        &self.state
    }

    /// Follows the readings. Returns true if the state is to be reported.
    pub(crate) fn follow(&mut self, round: &Round) -> bool {
        self.now = round.now;
        self.state = match self.readings(round) {
            Ok(readings) => self.judge(round, &readings),
            Err(unknown) => {
                (self.uneven_rounds, self.heavy_rounds) = (0, 0);
                ClientsState::Unknown(unknown)
            }
        };
        let kind = match &self.state {
            ClientsState::Uneven(_) => Kind::Uneven,
            ClientsState::Even { heavy: Some(_), .. } => Kind::Heavy,
            ClientsState::Even { .. } => Kind::Even,
            ClientsState::Unknown(_) => return false,
        };
        std::mem::replace(&mut self.noticed, kind) != kind
    }

    /// Of the members that are compared.
    fn readings<'a>(&self, round: &'a Round) -> Result<Vec<(&'a Member<'a>, &'a ServerStatus)>, ClientsUnknown> {
        if round.through_proxies {
            return Err(ClientsUnknown::Proxies);
        }
        let compared: Vec<_> =
            round.members.iter().filter(|member| member.expected > 0.0 && !member.is_primary).collect();
        if compared.len() < 2 {
            return Err(ClientsUnknown::FewReplicas);
        }
        compared.into_iter().map(|member| Ok((member, self.reading(member, round.now)?))).collect()
    }

    fn reading<'a>(&self, member: &Member<'a>, now: Moment) -> Result<&'a ServerStatus, ClientsUnknown> {
        let replica = || Arc::clone(member.name);
        let none = || ClientsUnknown::NoReading { replica: replica() };
        let failed =
            |why: Arc<str>| if why.is_empty() { none() } else { ClientsUnknown::Failed { replica: replica(), why } };
        let status = member.counters.reading().map_err(failed)?;
        let lasts = (self.interval.unwrap_or_default() * LASTS).max(LASTS_AT_LEAST);
        if now.since(status.at) < lasts { Ok(status) } else { Err(none()) }
    }

    /// Only a complete round of new readings changes the state.
    fn judge(&mut self, round: &Round, readings: &[(&Member, &ServerStatus)]) -> ClientsState {
        let total: u64 = readings.iter().map(|(_, status)| connections(status)).sum();
        if total == 0 {
            (self.uneven_rounds, self.heavy_rounds) = (0, 0);
            return ClientsState::Unknown(ClientsUnknown::NoClients);
        }
        let is_new = readings.iter().all(|(_, status)| self.round.is_none_or(|round| status.at > round));
        let was_known = !matches!(self.state, ClientsState::Unknown(_));
        if !is_new && was_known {
            return self.state.clone();
        }
        self.round = readings.iter().map(|(_, status)| status.at).max();
        let worst = worst(round, readings, total);
        let probability = worst.as_ref().map_or(1.0, |(probability, _)| *probability);
        self.uneven_rounds = if probability < UNEVEN { self.uneven_rounds + 1 } else { 0 };
        let was_uneven = matches!(self.state, ClientsState::Uneven(_));
        if let Some((_, uneven)) = worst
            && (self.uneven_rounds >= IN_A_ROW || was_uneven && probability <= EVEN)
        {
            self.heavy_rounds = 0;
            return ClientsState::Uneven(uneven);
        }
        let heavy = heavy(readings, total);
        self.heavy_rounds = if heavy.is_some() && self.uneven_rounds == 0 { self.heavy_rounds + 1 } else { 0 };
        let heavy = heavy.filter(|_| self.heavy_rounds >= IN_A_ROW);
        ClientsState::Even { connections: total, replicas: readings.len(), heavy }
    }

    /// Whether the replica holds at least half of its expected share of the client connections, with at least one;
    /// `None` if it has no client connection or that is not known.
    pub(crate) fn has_its_share(&self, name: &str, round: &Round) -> Option<bool> {
        let member = round.members.iter().find(|member| **member.name == *name)?;
        let own = connections(self.reading(member, round.now).ok()?);
        if own == 0 || round.through_proxies {
            return None;
        }
        let enough = |readings: Vec<(&Member, &ServerStatus)>| {
            let total: u64 = readings.iter().map(|(_, status)| connections(status)).sum();
            let expected = expected_share(member, &readings);
            #[expect(clippy::cast_precision_loss, reason = "counts of connections")]
            (own as f64 >= 0.5 * expected * total as f64)
        };
        Some(!member.is_primary && self.readings(round).is_ok_and(enough))
    }

    /// Of every member, in their order.
    pub(crate) fn of_members(&self, round: &Round) -> Vec<Option<ReplicaClients>> {
        let known = |member: &Member| {
            let status = self.reading(member, round.now).ok().filter(|_| !round.through_proxies)?;
            let reads_per_second = member.counters.reads_per_second();
            Some(ReplicaClients { connections: connections(status), reads_per_second, ..ReplicaClients::default() })
        };
        let mut clients: Vec<_> = round.members.iter().map(known).collect();
        // Shares need the numbers of all expected replicas.
        let expected = || round.members.iter().zip(&clients).filter(|(member, _)| member.expected > 0.0);
        let numbers: Option<Vec<_>> = expected().map(|(_, clients)| *clients).collect();
        let Some(numbers) = numbers else { return clients };
        let connections: u64 = numbers.iter().map(|clients| clients.connections).sum();
        let rate: Option<f64> = numbers.iter().map(|clients| clients.reads_per_second).sum();
        for (member, clients) in round.members.iter().zip(&mut clients) {
            let Some(clients) = clients.as_mut().filter(|_| member.expected > 0.0) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "counts of connections")]
            let share = (connections > 0).then(|| clients.connections as f64 / connections as f64);
            clients.connection_share = share;
            let rate = rate.filter(|rate| *rate > 0.0);
            clients.read_share = clients.reads_per_second.zip(rate).map(|(own, all)| own / all);
        }
        clients
    }
}

/// Among the compared replicas.
fn expected_share(member: &Member, readings: &[(&Member, &ServerStatus)]) -> f64 {
    member.expected / readings.iter().map(|(member, _)| member.expected).sum::<f64>()
}

/// The least probable count, with its probability.
fn worst(round: &Round, readings: &[(&Member, &ServerStatus)], total: u64) -> Option<(f64, UnevenClients)> {
    let tested = readings.iter().map(|&(member, status)| {
        let (few, many) = tails(connections(status), total, expected_share(member, readings));
        (few.min(many), few < many, member, status)
    });
    let (probability, few, member, status) = tested.min_by(|one, other| one.0.total_cmp(&other.0))?;
    let age = |status: &ServerStatus| status.uptime + round.now.since(status.at);
    let is_youngest = readings.iter().all(|(other, of)| other.name == member.name || age(of) > age(status));
    let joined = member.joined.map(|joined| round.now.since(joined)).into_iter();
    let joined = joined.chain(is_youngest.then(|| age(status))).min();
    let cause = match (round.new_connections, joined) {
        (NewConnections::Unbalanced, _) => Cause::Routing,
        (NewConnections::Undecided, _) => Cause::Undecided,
        (NewConnections::Balanced, Some(age)) if few => Cause::Joined(age),
        (NewConnections::Balanced, _) => Cause::Old { few },
    };
    let uneven = UnevenClients {
        replica: Arc::clone(member.name),
        connections: connections(status),
        of: total,
        expected_share: expected_share(member, readings),
        cause,
    };
    Some((probability, uneven))
}

fn heavy(readings: &[(&Member, &ServerStatus)], total: u64) -> Option<HeavyConnections> {
    let rates: Option<Vec<f64>> = readings.iter().map(|(member, _)| member.counters.reads_per_second()).collect();
    let rates = rates?;
    let all: f64 = rates.iter().sum();
    let odds = |share: f64| share / (1.0 - share).max(f64::MIN_POSITIVE);
    let of = readings.iter().zip(&rates).map(|((member, status), rate)| {
        #[expect(clippy::cast_precision_loss, reason = "counts of connections")]
        let connection_share = connections(status) as f64 / total as f64;
        HeavyConnections { replica: Arc::clone(member.name), read_share: rate / all, connection_share }
    });
    let is_heavy = |heavy: &HeavyConnections| {
        heavy.read_share > 0.5 && odds(heavy.read_share) >= HEAVY * odds(heavy.connection_share)
    };
    (all >= HEAVY_RATE).then_some(of)?.find(is_heavy)
}

impl ClientsState {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Even { .. } => "even",
            Self::Uneven(_) => "uneven",
            Self::Unknown(_) => "unknown",
        }
    }

    /// `None` while unknown.
    pub fn is_uneven(&self) -> Option<bool> {
        match self {
            Self::Even { .. } => Some(false),
            Self::Uneven(_) => Some(true),
            Self::Unknown(_) => None,
        }
    }

    /// Whether it lasts as a notice.
    pub(crate) fn is_notice(&self) -> bool {
        matches!(self, Self::Uneven(_) | Self::Even { heavy: Some(_), .. })
    }
}

impl fmt::Display for ClientsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Even { heavy: Some(heavy), .. } => heavy.fmt(f),
            Self::Even { connections, replicas, heavy: None } => write!(
                f,
                "client connections are even: {} on {} beside the primary, chance alone explains the differences",
                Count(*connections, "connection"),
                Count(*replicas, "replica")
            ),
            Self::Uneven(uneven) => uneven.fmt(f),
            Self::Unknown(unknown) => unknown.fmt(f),
        }
    }
}

impl fmt::Display for UnevenClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIMIT: &str = "limit the lifetime of pooled connections";
        let Self { replica, connections, of, expected_share, cause } = self;
        let of = Count(*of, "client connection");
        write!(f, "{replica} holds {connections} of {of} ({:.0} % expected)", expected_share * 100.0)?;
        match cause {
            Cause::Joined(age) => write!(
                f,
                ": clients still use connections from before it joined {} ago, and move only when they reconnect; {LIMIT}",
                HumanDuration(*age)
            ),
            Cause::Old { few: true } => write!(
                f,
                ", although new connections are balanced: clients still use older connections, and move only when they \
                 reconnect; {LIMIT}"
            ),
            Cause::Old { few: false } => write!(
                f,
                ", although new connections are balanced: its clients connected before the other replicas joined, or \
                 they do not use the Service; {LIMIT}"
            ),
            Cause::Routing => f.write_str(
                ": the routing is unbalanced, and client connections follow it; fix what the verdict says first",
            ),
            Cause::Undecided => {
                f.write_str("; the cause is not known while the verdict on new connections is undecided")
            }
        }
    }
}

impl fmt::Display for HeavyConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replica, read_share, connection_share } = self;
        write!(
            f,
            "a few connections on {replica} send most of the reads: {:.0} % of the client reads come from {:.0} % of the \
             client connections; find them in its process list, and spread their reads over more connections",
            read_share * 100.0,
            connection_share * 100.0
        )
    }
}

impl fmt::Display for ClientsUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("the status counters of the replicas are not read, because their interval is 0"),
            Self::Proxies => f.write_str(
                "reads go through proxies, and status counters that are read through a proxy may be those of another \
                 server",
            ),
            Self::NoReading { replica } => write!(f, "the status counters of {replica} have not been read lately"),
            Self::Failed { replica, why } => write!(f, "the status counters of {replica} are not known: {why}"),
            Self::FewReplicas => f.write_str("fewer than two expected replicas are not the primary"),
            Self::NoClients => f.write_str("no client is connected to the replicas"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Replicas `mysql-0`, the primary, to `mysql-N`.
    struct Story {
        balance: Balance,
        names: Vec<Arc<str>>,
        counters: Vec<ClientCounters>,
        selects: Vec<u64>,
        second: f64,
        new_connections: NewConnections,
        through_proxies: bool,
        reports: Vec<String>,
    }

    impl Story {
        fn new(replicas: usize) -> Self {
            Self {
                balance: Balance::new(Some(Duration::from_secs(10))),
                names: (0..replicas).map(|number| format!("mysql-{number}").into()).collect(),
                counters: (0..replicas).map(|_| ClientCounters::default()).collect(),
                selects: vec![0; replicas],
                second: 10_000.0,
                new_connections: NewConnections::Balanced,
                through_proxies: false,
                reports: Vec::new(),
            }
        }

        fn round(&self) -> Round<'_> {
            let member = |(number, name)| Member {
                name,
                counters: &self.counters[number],
                #[expect(clippy::cast_precision_loss)]
                expected: 1.0 / self.names.len() as f64,
                is_primary: number == 0,
                joined: None,
            };
            Round {
                members: self.names.iter().enumerate().map(member).collect(),
                new_connections: self.new_connections,
                through_proxies: self.through_proxies,
                now: Moment::at(self.second),
            }
        }

        /// One reading of each replica: client connections, and reads since the last one. The last replica is younger.
        fn reading(&mut self, clients: &[(u64, u64)]) {
            self.second += 10.0;
            for (number, (connections, reads)) in clients.iter().enumerate() {
                self.selects[number] += reads;
                let started = if number + 1 == self.names.len() { 9_000.0 } else { 0.0 };
                self.counters[number].read(Ok(ServerStatus {
                    at: Moment::at(self.second),
                    connections: connections + 1,
                    selects: self.selects[number],
                    uptime: Duration::from_secs_f64(self.second - started),
                    own_connections: 1,
                    own_selects: 0,
                }));
                self.follow();
            }
        }

        fn follow(&mut self) {
            let mut balance = std::mem::replace(&mut self.balance, Balance::new(None));
            if balance.follow(&self.round()) {
                self.reports.push(balance.state().to_string());
            }
            self.balance = balance;
        }

        fn state(&self) -> String {
            self.balance.state().to_string()
        }
    }

    const POOLED: [(u64, u64); 4] = [(9, 100), (14, 100), (13, 100), (0, 0)];

    #[test]
    fn a_replica_that_joined_after_the_clients_is_named_after_three_readings_and_clears_when_they_reconnect() {
        let mut story = Story::new(4);
        for _ in 0..2 {
            story.reading(&POOLED);
            assert_eq!(story.balance.state().name(), "even");
        }
        story.reading(&POOLED);
        assert_eq!(
            story.state(),
            "mysql-3 holds 0 of 27 client connections (33 % expected): clients still use connections from before it \
             joined 17 min 10 s ago, and move only when they reconnect; limit the lifetime of pooled connections"
        );
        story.reading(&[(9, 100), (12, 100), (10, 100), (5, 50)]);
        assert_eq!(story.balance.state().name(), "even");
        assert_eq!(story.reports.len(), 2);
        assert_eq!(
            story.reports[1],
            "client connections are even: 27 connections on 3 replicas beside the primary, chance alone explains the \
             differences"
        );
    }

    #[test]
    fn it_stays_uneven_until_chance_explains_the_connections() {
        let mut story = Story::new(4);
        (0..3).for_each(|_| story.reading(&POOLED));
        story.reading(&[(9, 100), (13, 100), (12, 100), (2, 10)]);
        assert_eq!(story.balance.state().name(), "uneven", "{}", story.state());
    }

    #[test]
    fn an_unbalanced_routing_is_the_cause() {
        for (new_connections, cause) in [
            (
                NewConnections::Unbalanced,
                ": the routing is unbalanced, and client connections follow it; fix what the verdict says first",
            ),
            (NewConnections::Undecided, "; the cause is not known while the verdict on new connections is undecided"),
        ] {
            let mut story = Story::new(4);
            story.new_connections = new_connections;
            (0..3).for_each(|_| story.reading(&POOLED));
            assert_eq!(story.state(), format!("mysql-3 holds 0 of 27 client connections (33 % expected){cause}"));
        }
    }

    #[test]
    fn older_connections_are_the_cause_without_a_newcomer() {
        let mut story = Story::new(4);
        (0..3).for_each(|_| story.reading(&[(9, 0), (0, 0), (14, 0), (13, 0)]));
        assert_eq!(
            story.state(),
            "mysql-1 holds 0 of 27 client connections (33 % expected), although new connections are balanced: clients \
             still use older connections, and move only when they reconnect; limit the lifetime of pooled connections"
        );
        let mut story = Story::new(4);
        (0..3).for_each(|_| story.reading(&[(9, 0), (25, 0), (4, 0), (3, 0)]));
        assert_eq!(
            story.state(),
            "mysql-1 holds 25 of 32 client connections (33 % expected), although new connections are balanced: its \
             clients connected before the other replicas joined, or they do not use the Service; limit the lifetime of \
             pooled connections"
        );
    }

    #[test]
    fn a_heavy_connection_is_named_and_clears() {
        let mut story = Story::new(4);
        (0..4).for_each(|_| story.reading(&[(9, 100), (9, 9000), (9, 300), (9, 300)]));
        assert_eq!(
            story.state(),
            "a few connections on mysql-1 send most of the reads: 94 % of the client reads come from 33 % of the client \
             connections; find them in its process list, and spread their reads over more connections"
        );
        assert_eq!(story.balance.state().is_uneven(), Some(false));
        (0..8).for_each(|_| story.reading(&[(9, 100), (9, 300), (9, 300), (9, 300)]));
        assert_eq!((story.balance.state().is_notice(), story.reports.len()), (false, 2));
    }

    #[test]
    fn what_is_not_known_has_a_reason() {
        let mut story = Story::new(4);
        story.follow();
        assert_eq!(story.state(), "the status counters of mysql-1 have not been read lately");
        (0..3).for_each(|_| story.reading(&POOLED));
        story.second += 41.0;
        story.follow();
        assert_eq!(story.state(), "the status counters of mysql-1 have not been read lately");
        assert_eq!(story.balance.of_members(&story.round()), [None; 4]);
        story.counters[2].read(Err("the server refused it".to_owned()));
        story.reading(&[(0, 0), (0, 0)]);
        assert_eq!(story.state(), "the status counters of mysql-2 are not known: the server refused it");
        (0..3).for_each(|_| story.reading(&[(9, 0), (0, 0), (0, 0), (0, 0)]));
        assert_eq!(story.state(), "no client is connected to the replicas");
        story.through_proxies = true;
        story.follow();
        assert!(story.state().starts_with("reads go through proxies"));
        assert_eq!(story.balance.of_members(&story.round()), [None; 4]);
        assert_eq!(story.reports.len(), 1, "only the uneven clients: {:?}", story.reports);
        for replicas in [1, 2] {
            let mut story = Story::new(replicas);
            (0..4).for_each(|_| story.reading(&vec![(50, 100); replicas]));
            assert_eq!(story.state(), "fewer than two expected replicas are not the primary");
        }
        assert_eq!(Balance::new(None).state().to_string(), ClientsUnknown::Off.to_string());
    }

    #[test]
    fn a_new_replica_has_its_share_with_half_of_what_is_expected() {
        let mut story = Story::new(4);
        for (own, share) in [(0, None), (1, Some(false)), (5, Some(false)), (6, Some(true))] {
            story.reading(&[(9, 0), (14, 0), (13, 0), (own, 0)]);
            assert_eq!(story.balance.has_its_share("mysql-3", &story.round()), share, "{own}");
        }
        assert_eq!(story.balance.has_its_share("mysql-9", &story.round()), None);
    }

    proptest! {
        #[test]
        fn shares_add_up_and_sentences_hold_only_finite_numbers(
            readings in proptest::collection::vec(proptest::collection::vec((0..60_u64, 0..5_000_u64), 4), 1..12),
        ) {
            let mut story = Story::new(4);
            for reading in &readings {
                story.reading(reading);
                let clients = story.balance.of_members(&story.round());
                let connections: u64 = reading.iter().map(|(connections, _)| connections).sum();
                let counted: u64 = clients.iter().flatten().map(|clients| clients.connections).sum();
                prop_assert_eq!(connections, counted);
                let shares: Vec<_> = clients.iter().flatten().filter_map(|clients| clients.connection_share).collect();
                prop_assert!(shares.is_empty() == (connections == 0));
                prop_assert!(shares.is_empty() || (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                let shares: Vec<_> = clients.iter().flatten().filter_map(|clients| clients.read_share).collect();
                prop_assert!(shares.is_empty() || (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                prop_assert!(!story.state().contains("NaN") && !story.state().contains("inf"));
            }
        }
    }
}
