//! One watch: the facts of all objects of one kind in one place, whatever happens to the API server.

use std::{collections::HashSet, fmt::Debug, time::Duration};

use futures_util::StreamExt;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::{
    Api, Resource,
    runtime::watcher::{self, watcher},
};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::convert::{Observed, object_name};
use crate::model::{
    Event, Told,
    cluster::{Change, ObjectName, Problem, Receipt, WatchName},
};

/// The server ends a watch after this time, and the client gives up a silent one soon after: so long at most is a dead
/// server taken for a quiet one.
pub(super) const WATCH_SECONDS: u32 = 60;

/// Tells `events` what a watch sees until `leave` is cancelled or nobody listens. Who leaves forgets: everything that was
/// told is told to be gone.
///
/// It never gives up: a broken watch is begun anew after a [`Pause`], and the list that it begins with shows what was
/// deleted meanwhile. The library would rather go on where it was: it would then tell what happened meanwhile as if it
/// happened now, and would not tell that it works again.
pub(super) async fn watch<K>(
    api: Api<K>,
    config: watcher::Config,
    watch: WatchName,
    events: mpsc::Sender<Event>,
    leave: CancellationToken,
) where
    K: Resource<DynamicType = ()> + Observed + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config = config.timeout(WATCH_SECONDS);
    let begin = || Box::pin(watcher(api.clone(), config.clone()));
    let mut stream = begin();
    let mut known = Known::default();
    let mut pause = Pause::default();
    loop {
        let event = tokio::select! {
            () = leave.cancelled() => break,
            event = stream.next() => match event {
                Some(event) => event,
                None => return,
            },
        };
        let wait = pause.after(&event);
        if event.as_ref().is_err_and(|error| !is_compacted(error)) {
            stream = begin();
        }
        for told in known.take(event) {
            if events.send(Event::Cluster { watch: watch.clone(), told }).await.is_err() {
                return;
            }
        }
        if let Some(wait) = wait {
            tokio::select! {
                () = leave.cancelled() => break,
                () = sleep(wait) => {}
            }
        }
    }
    for told in known.forget::<K>() {
        if events.send(Event::Cluster { watch: watch.clone(), told }).await.is_err() {
            return;
        }
    }
}

/// How long a broken watch rests before it is begun anew. The library's own pause starts over with each attempt, which
/// would ask the API server every second for what it refuses.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
}

impl Pause {
    /// The pause after an event: none after a good one, then 1 s, and twice as long each time; up to 8 s while the server
    /// is away, up to 32 s while it refuses. A random part keeps the watches of many probes apart.
    pub(super) fn after<K>(&mut self, event: &watcher::Result<watcher::Event<K>>) -> Option<Duration> {
        match event {
            // A list that begins has not succeeded yet.
            Ok(watcher::Event::Init) => None,
            Ok(_) => {
                self.failures = 0;
                None
            }
            Err(error) => {
                let longest = if is_forbidden(error) { 5 } else { 3 };
                let seconds = 1_u32 << self.failures.min(longest);
                self.failures += 1;
                Some(Duration::from_secs(1).mul_f64(f64::from(seconds) * (0.75 + rand::random::<f64>() / 2.0)))
            }
        }
    }
}

/// The names of the objects that are there.
#[derive(Debug, Default)]
struct Known {
    names: HashSet<ObjectName>,
    /// Those that were there before a list began and are not in it yet: what is left at its end was deleted meanwhile.
    missing: HashSet<ObjectName>,
}

impl Known {
    /// Everything is gone.
    fn forget<K: Observed>(&mut self) -> impl Iterator<Item = Told> {
        let deleted = |name| Told::Change(Box::new(Change::Deleted(K::KIND, name, Receipt::Listed)));
        self.names.drain().map(deleted)
    }

    /// What an event of the watch tells.
    fn take<K>(&mut self, event: watcher::Result<watcher::Event<K>>) -> Vec<Told>
    where
        K: Resource<DynamicType = ()> + Observed,
    {
        let deleted = |name, receipt| Told::Change(Box::new(Change::Deleted(K::KIND, name, receipt)));
        let applied = |object: K, receipt| {
            let fact = object.fact().map(|fact| Told::Change(Box::new(Change::Applied(fact, receipt))));
            fact.into_iter().collect()
        };
        match event {
            Ok(watcher::Event::Init) => {
                self.missing.clone_from(&self.names);
                Vec::new()
            }
            Ok(watcher::Event::InitApply(object)) => {
                if let Some(name) = object_name(object.meta()).filter(|_| K::ENDS) {
                    self.missing.remove(&name);
                    self.names.insert(name);
                }
                applied(object, Receipt::Listed)
            }
            Ok(watcher::Event::InitDone) => {
                let missing: Vec<_> = self.missing.drain().collect();
                for name in &missing {
                    self.names.remove(name);
                }
                let gone = missing.into_iter().map(|name| deleted(name, Receipt::Listed));
                gone.chain([Told::Listed]).collect()
            }
            Ok(watcher::Event::Apply(object)) => {
                self.names.extend(object_name(object.meta()).filter(|_| K::ENDS));
                applied(object, Receipt::Live)
            }
            Ok(watcher::Event::Delete(object)) => {
                let name = object_name(object.meta());
                let gone = name.filter(|name| self.names.remove(name));
                gone.map(|name| deleted(name, Receipt::Live)).into_iter().collect()
            }
            // The history was compacted while the watch was away; the watcher lists again at once.
            Err(error) if is_compacted(&error) => Vec::new(),
            Err(error) => {
                vec![Told::Broken(Problem { forbidden: is_forbidden(&error), text: error.to_string().into() })]
            }
        }
    }
}

pub(super) fn is_compacted(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.code == 410)
}

pub(super) fn is_forbidden(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return false;
    };
    matches!(status.code, 401 | 403)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::core::Status;

    use super::*;
    use crate::model::cluster::Kind;

    type Result = watcher::Result<watcher::Event<Pod>>;

    fn pod(name: &str) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.to_owned());
        pod.metadata.namespace = Some("mysql".to_owned());
        pod.metadata.uid = Some(format!("uid of {name}"));
        pod
    }

    fn refused(code: u16) -> Result {
        Err(watcher::Error::WatchError(Box::new(Status { code, ..Status::default() })))
    }

    /// What is told, in short.
    fn told(known: &mut Known, event: Result) -> Vec<String> {
        let short = |told: Told| match told {
            Told::Listed => "listed".to_owned(),
            Told::Broken(problem) if problem.forbidden => "forbidden".to_owned(),
            Told::Broken(_) => "broken".to_owned(),
            Told::Change(change) => match *change {
                Change::Applied(_, receipt) => format!("applied {receipt:?}"),
                Change::Deleted(Kind::Pod, name, receipt) => format!("{} deleted {receipt:?}", name.name),
                Change::Deleted(..) => "another kind".to_owned(),
            },
        };
        known.take(event).into_iter().map(short).collect()
    }

    #[test]
    fn what_a_list_no_longer_has_was_deleted_meanwhile() {
        let mut known = Known::default();
        told(&mut known, Ok(watcher::Event::Init));
        assert_eq!(told(&mut known, Ok(watcher::Event::InitApply(pod("a")))), ["applied Listed"]);
        told(&mut known, Ok(watcher::Event::InitApply(pod("b"))));
        assert_eq!(told(&mut known, Ok(watcher::Event::InitDone)), ["listed"]);
        assert_eq!(told(&mut known, Ok(watcher::Event::Apply(pod("c")))), ["applied Live"]);
        told(&mut known, Ok(watcher::Event::Init));
        told(&mut known, Ok(watcher::Event::InitApply(pod("b"))));
        told(&mut known, Ok(watcher::Event::InitApply(pod("c"))));
        assert_eq!(told(&mut known, Ok(watcher::Event::InitDone)), ["a deleted Listed", "listed"]);
        assert_eq!(told(&mut known, Ok(watcher::Event::Delete(pod("b")))), ["b deleted Live"]);
        assert!(told(&mut known, Ok(watcher::Event::Delete(pod("b")))).is_empty());
    }

    #[test]
    fn a_compacted_history_is_no_trouble_and_a_missing_permission_is_named() {
        let mut known = Known::default();
        assert!(told(&mut known, refused(410)).is_empty());
        assert_eq!(told(&mut known, refused(403)), ["forbidden"]);
        assert_eq!(told(&mut known, refused(500)), ["broken"]);
    }

    #[test]
    fn pauses_grow_until_something_succeeds() {
        let mut pause = Pause::default();
        let mut seconds = |event: Result| pause.after(&event).map_or(0.0, |pause| pause.as_secs_f64());
        for longest in [1.25, 2.5, 5.0, 10.0, 10.0] {
            let waited = seconds(refused(500));
            assert!(waited <= longest && waited >= 0.6 * longest, "{waited} {longest}");
            assert!(seconds(Ok(watcher::Event::Init)) == 0.0);
        }
        assert!(seconds(refused(403)) >= 24.0);
        seconds(Ok(watcher::Event::InitDone));
        assert!(seconds(refused(403)) <= 1.25);
    }
}
