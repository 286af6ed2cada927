//! Elects one of several readscopes by a Lease, as the controllers of Kubernetes do.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{failure, instance};
use crate::{
    clock::Clock,
    model::{
        Event, Moment,
        cluster::{Leadership, ObjectName},
    },
};

/// A leader that does not renew the Lease for this time is gone.
const LEASE_SECONDS: u16 = 15;

/// The leader stops to lead this long after its last renewal, before another one can take the Lease.
const RENEW_WITHIN: Duration = Duration::from_secs(10);

/// Pause between two renewals, and between two looks at the Lease of another one.
const PAUSE: Duration = Duration::from_secs(2);

/// Time limit for one look or renewal.
const TIME_LIMIT: Duration = Duration::from_secs(4);

pub struct Election {
    api: Api<Lease>,
    name: ObjectName,
    identity: String,
    clock: Clock,
    /// What is known of another one's Lease: its holder and renewal, and when this was first seen.
    other: Option<(LeaseSpec, Instant)>,
    /// From when on this readscope leads, and its last Lease.
    own: Option<(Timestamp, Lease)>,
    renewed: Moment,
}

impl Election {
    /// By the Lease `name` in the client's namespace.
    pub fn new(client: Client, name: &str, clock: Clock) -> Self {
        Self {
            name: ObjectName::new(client.default_namespace(), name),
            api: Api::default_namespaced(client),
            // A restarted container does not take over the Lease of its predecessor, which may still run.
            identity: format!("{}_{:08x}", instance(), rand::random::<u32>()),
            clock,
            other: None,
            own: None,
            renewed: clock.now(),
        }
    }

    /// Follows the election until `stop` is cancelled, then releases the Lease.
    pub async fn run(
        mut self,
        leadership: watch::Sender<Option<Leadership>>,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) {
        loop {
            let next = Instant::now() + PAUSE;
            let now = self.attempt().await;
            leadership.send_replace(Some(now.clone()));
            if events.send(Event::Leadership(now)).await.is_err() {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep_until(next) => {}
            }
        }
        if let Some((_, lease)) = self.own.take() {
            // From here on, this readscope counts nothing: the next one counts what follows.
            let follows = self.follows(None);
            leadership.send_replace(Some(follows.clone()));
            let _ = events.send(Event::Leadership(follows)).await;
            let released = LeaseSpec {
                holder_identity: None,
                renew_time: Some(MicroTime(Timestamp::now())),
                ..lease.spec.clone().unwrap_or_default()
            };
            let released = Lease { spec: Some(released), ..lease };
            // Otherwise it expires.
            let _ = timeout(TIME_LIMIT, self.api.replace(&self.name.name, &PostParams::default(), &released)).await;
        }
    }

    async fn attempt(&mut self) -> Leadership {
        let before = self.clock.now();
        let outcome = match timeout(TIME_LIMIT, self.renew_or_take()).await {
            Ok(outcome) => outcome.map_err(|error| failure::problem(&error)),
            Err(_) => Err(failure::silence(TIME_LIMIT)),
        };
        match outcome {
            Ok(Some(leader)) => {
                self.own = None;
                self.follows(Some(leader))
            }
            Ok(None) => {
                self.renewed = before;
                self.leads()
            }
            // A single failure changes nothing.
            Err(_) if self.own.is_some() && self.clock.now().since(self.renewed) < RENEW_WITHIN => self.leads(),
            Err(problem) => Leadership::Failed { lease: self.name.clone(), problem },
        }
    }

    pub fn follows(&self, leader: Option<String>) -> Leadership {
        Leadership::Follows { lease: self.name.clone(), leader: leader.map(Into::into) }
    }

    fn leads(&self) -> Leadership {
        let since = self.own.as_ref().map_or(Timestamp::MAX, |(since, _)| *since);
        Leadership::Leads { lease: self.name.clone(), since, until: self.renewed.after(RENEW_WITHIN) }
    }

    /// Returns the leader if that is another one.
    async fn renew_or_take(&mut self) -> kube::Result<Option<String>> {
        match self.try_once().await {
            // Another one was quicker; who it is shows the next look.
            Err(kube::Error::Api(status)) if status.code == 409 => self.try_once().await,
            outcome => outcome,
        }
    }

    async fn try_once(&mut self) -> kube::Result<Option<String>> {
        if let Some((since, lease)) = &self.own {
            let since = *since;
            let spec = self.spec(lease.spec.as_ref());
            match self.replace(lease.clone(), spec).await {
                Ok(lease) => {
                    self.own = Some((since, lease));
                    return Ok(None);
                }
                // Somebody else changed or deleted it.
                Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => self.own = None,
                Err(error) => return Err(error),
            }
        }
        let Some(lease) = self.api.get_opt(&self.name.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.name.to_string()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(None)) };
            let lease = self.api.create(&PostParams::default(), &lease).await?;
            self.own = Some((Timestamp::MIN, lease));
            return Ok(None);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty());
        let renewed = spec.renew_time.as_ref().map_or(Timestamp::MIN, |time| time.0);
        let since = match holder {
            Some(holder) if holder != self.identity => {
                if !self.is_over(&spec) {
                    return Ok(Some(holder));
                }
                // It led until its next renewal was due.
                renewed.checked_add(PAUSE).unwrap_or(renewed)
            }
            _ => renewed,
        };
        let spec = self.spec(Some(&spec));
        let lease = self.replace(lease, spec).await?;
        self.own = Some((since, lease));
        self.other = None;
        Ok(None)
    }

    /// Whether another one's Lease has not been renewed for its time, by this readscope's own clock.
    fn is_over(&mut self, spec: &LeaseSpec) -> bool {
        let same = |(known, _): &&(LeaseSpec, Instant)| {
            known.holder_identity == spec.holder_identity && known.renew_time == spec.renew_time
        };
        let Some((_, first)) = self.other.as_ref().filter(same) else {
            self.other = Some((spec.clone(), Instant::now()));
            return false;
        };
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        first.elapsed() >= Duration::from_secs(seconds.unwrap_or(LEASE_SECONDS.into()))
    }

    /// With this readscope as the holder, from now on.
    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = Some(MicroTime(Timestamp::now()));
        let spec = before.cloned().unwrap_or_default();
        let same = spec.holder_identity.as_ref() == Some(&self.identity);
        // `deploy/` brings a Lease that nobody has had.
        let first = spec.acquire_time.is_none();
        let transitions = spec.lease_transitions.unwrap_or_default();
        LeaseSpec {
            acquire_time: if same { spec.acquire_time } else { now.clone() },
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(LEASE_SECONDS.into()),
            lease_transitions: Some(if same || first { transitions } else { transitions.saturating_add(1) }),
            renew_time: now,
            ..spec
        }
    }

    /// Fails if the Lease was changed since it was read.
    async fn replace(&self, lease: Lease, spec: LeaseSpec) -> kube::Result<Lease> {
        self.api.replace(&self.name.name, &PostParams::default(), &Lease { spec: Some(spec), ..lease }).await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
    };

    use http_body_util::BodyExt;
    use hyper::{Method, Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::time::advance;
    use tower::service_fn;

    use super::*;

    /// An API server with one Lease.
    #[derive(Clone, Default)]
    struct Server {
        lease: Arc<Mutex<Option<Value>>>,
        /// Answers every request with this code.
        refuses: Arc<Mutex<Option<u16>>>,
        silent: Arc<Mutex<bool>>,
    }

    impl Server {
        async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
            if *self.silent.lock().unwrap() {
                std::future::pending::<()>().await;
            }
            let refuses = *self.refuses.lock().unwrap();
            let method = request.method().clone();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut lease = self.lease.lock().unwrap();
            let number = |lease: &Value| lease["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
            let outcome = match (refuses, &*lease, method) {
                (Some(code), ..) => Err(code),
                (_, Some(lease), Method::GET) => Ok(lease.clone()),
                (_, None, Method::GET | Method::PUT) => Err(404),
                (_, Some(_), Method::POST) => Err(409),
                (_, known, _) => {
                    let mut new: Value = serde_json::from_slice(&body).unwrap();
                    let version = known.as_ref().map_or(0, number);
                    if known.is_some() && number(&new) != version {
                        Err(409)
                    } else {
                        new["metadata"]["resourceVersion"] = (version + 1).to_string().into();
                        *lease = Some(new.clone());
                        Ok(new)
                    }
                }
            };
            let (code, body) = match outcome {
                Ok(lease) => (200, lease),
                Err(code) => {
                    let reason = if code == 404 { "NotFound" } else { "Any" };
                    (
                        code,
                        json!({"kind": "Status", "status": "Failure", "message": "no", "reason": reason, "code": code}),
                    )
                }
            };
            Ok(Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap())
        }

        fn election(&self, clock: Clock) -> Election {
            let server = self.clone();
            let service = service_fn(move |request| server.clone().answer(request));
            Election::new(Client::new(service, "monitoring"), "readscope", clock)
        }

        fn spec(&self, key: &str) -> Value {
            self.lease.lock().unwrap().as_ref().unwrap()["spec"][key].clone()
        }
    }

    fn leads(leadership: &Leadership) -> bool {
        matches!(leadership, Leadership::Leads { .. })
    }

    async fn attempts(election: &mut Election, count: usize) -> Leadership {
        let mut last = election.attempt().await;
        for _ in 1..count {
            advance(PAUSE).await;
            last = election.attempt().await;
        }
        last
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_one_leads_and_the_other_one_takes_over_when_the_lease_has_ended() {
        let (server, clock) = (Server::default(), Clock::start());
        let (mut first, mut second) = (server.election(clock), server.election(clock));
        let Leadership::Leads { since, until, .. } = first.attempt().await else { panic!("nobody else is there") };
        assert_eq!((since, until.elapsed), (Timestamp::MIN, RENEW_WITHIN));
        for _ in 0..20 {
            let leader = Some(first.identity.clone());
            assert_eq!(second.attempt().await, second.follows(leader));
            advance(PAUSE).await;
            assert!(leads(&first.attempt().await));
        }
        let renewed: Timestamp = server.spec("renewTime").as_str().unwrap().parse().unwrap();
        // The first one is gone.
        let (looks, mut seconds) = (Instant::now(), 0);
        let since = loop {
            match second.attempt().await {
                Leadership::Leads { since, .. } => break since,
                Leadership::Follows { .. } => seconds = looks.elapsed().as_secs(),
                Leadership::Failed { .. } => panic!("the API server answers"),
            }
            advance(PAUSE).await;
        };
        assert!((14..=16).contains(&seconds), "{seconds} s");
        assert_eq!(since, renewed.checked_add(PAUSE).unwrap(), "until then, the first one may have counted");
        assert_eq!(server.spec("leaseTransitions"), 1);
        // It was only suspended.
        assert_eq!(first.attempt().await, first.follows(Some(second.identity.clone())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_ends_releases_the_lease() {
        let (server, clock) = (Server::default(), Clock::start());
        let (first, mut second) = (server.election(clock), server.election(clock));
        let (sender, mut leadership) = watch::channel(None);
        let (events, mut received) = mpsc::channel(100);
        let stop = CancellationToken::new();
        let running = tokio::spawn(first.run(sender, events, stop.clone()));
        leadership.wait_for(|now| now.as_ref().is_some_and(leads)).await.unwrap();
        assert!(!leads(&second.attempt().await));
        stop.cancel();
        running.await.unwrap();
        let mut last = None;
        while let Some(event) = received.recv().await {
            last = Some(event);
        }
        assert!(matches!(last, Some(Event::Leadership(Leadership::Follows { leader: None, .. }))), "{last:?}");
        let released: Timestamp = server.spec("renewTime").as_str().unwrap().parse().unwrap();
        let Leadership::Leads { since, .. } = second.attempt().await else { panic!("the Lease is free") };
        assert_eq!(since, released);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_without_an_api_server_stops_in_time_and_leads_again() {
        let (server, clock) = (Server::default(), Clock::start());
        let mut election = server.election(clock);
        assert!(leads(&election.attempt().await));
        *server.silent.lock().unwrap() = true;
        assert!(leads(&election.attempt().await), "one failure changes nothing");
        let failed = attempts(&mut election, 3).await;
        let Leadership::Failed { problem, .. } = failed else { panic!("{failed:?}") };
        assert_eq!((problem.forbidden, &*problem.text), (false, "no response within 4s"));
        *server.silent.lock().unwrap() = false;
        let again = election.attempt().await;
        assert!(leads(&again), "{again:?}");
        // Somebody deletes it.
        *server.lease.lock().unwrap() = None;
        assert!(leads(&election.attempt().await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_nobody_has_had_is_like_a_new_one() {
        let server = Server::default();
        let metadata = json!({"name": "readscope", "namespace": "monitoring", "resourceVersion": "1"});
        *server.lease.lock().unwrap() = Some(json!({"metadata": metadata}));
        let now = server.election(Clock::start()).attempt().await;
        assert!(matches!(now, Leadership::Leads { since, .. } if since == Timestamp::MIN), "{now:?}");
        assert_eq!(server.spec("leaseTransitions"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_permission_is_reported() {
        let (server, clock) = (Server::default(), Clock::start());
        let mut election = server.election(clock);
        *server.refuses.lock().unwrap() = Some(403);
        let refused = election.attempt().await;
        assert!(matches!(&refused, Leadership::Failed { problem, .. } if problem.forbidden), "{refused:?}");
        let notice = refused.notice().unwrap().to_string();
        let expected = "not allowed to use Lease monitoring/readscope, so this readscope does not count scale events; grant \
                        get, create and update on leases.coordination.k8s.io in namespace monitoring to readscope's \
                        ServiceAccount";
        assert_eq!(notice, expected);
        *server.refuses.lock().unwrap() = None;
        assert!(leads(&election.attempt().await));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_take_a_free_lease_at_once_one_leads() {
        let (server, clock) = (Server::default(), Clock::start());
        let mut all: Vec<_> = (0..8).map(|_| server.election(clock)).collect();
        let outcomes = futures_util::future::join_all(all.iter_mut().map(Election::attempt)).await;
        assert_eq!(outcomes.iter().filter(|outcome| leads(outcome)).count(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| !matches!(outcome, Leadership::Failed { .. })), "{outcomes:?}");
    }
}
