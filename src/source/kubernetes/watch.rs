//! One watch: the facts of all objects of one kind in one namespace.

use std::collections::HashSet;

use kube::runtime::watcher;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    attempts::{Attempts, is_compacted, is_forbidden, is_unknown_user},
    convert::{Observed, object_name},
    failure::reason,
};
use crate::model::{
    Event, WatchUpdate,
    cluster::{Change, ObjectName, Problem, Seen, WatchName},
};

/// Sends watch events to `events` until `leave` is cancelled or `events` is closed; errors never end it. When it
/// leaves, it reports all known objects as deleted.
pub(super) async fn watch<K>(
    mut attempts: Attempts<K>,
    watch: WatchName,
    events: mpsc::Sender<Event>,
    leave: CancellationToken,
) where
    K: Observed,
{
    let mut known = Known::default();
    loop {
        let (updates, leaves) = tokio::select! {
            () = leave.cancelled() => (known.forget::<K>(), true),
            event = attempts.next() => (known.take(event), false),
        };
        for update in updates {
            if events.send(Event::Cluster { watch: watch.clone(), update }).await.is_err() {
                return;
            }
        }
        if leaves {
            return;
        }
    }
}

#[derive(Default)]
struct Known {
    names: HashSet<ObjectName>,
    /// Objects from before the current list that are not in it yet. Those left at its end were deleted in between.
    missing: HashSet<ObjectName>,
}

impl Known {
    /// Reports all known objects as deleted.
    fn forget<K: Observed>(&mut self) -> Vec<WatchUpdate> {
        let deleted = |name| WatchUpdate::Change(Box::new(Change::Deleted(K::KIND, name, Seen::Listed)));
        self.names.drain().map(deleted).collect()
    }

    fn take<K: Observed>(&mut self, event: watcher::Result<watcher::Event<K>>) -> Vec<WatchUpdate> {
        let deleted = |name, seen| WatchUpdate::Change(Box::new(Change::Deleted(K::KIND, name, seen)));
        let applied = |object: K, name: Option<ObjectName>, seen| {
            let fact = name.and_then(|name| object.fact(name));
            fact.map(|fact| WatchUpdate::Change(Box::new(Change::Applied(fact, seen)))).into_iter().collect()
        };
        match event {
            Ok(watcher::Event::Init) => {
                self.missing.clone_from(&self.names);
                Vec::new()
            }
            Ok(watcher::Event::InitApply(object)) => {
                let name = object_name(object.meta());
                if let Some(name) = name.clone().filter(|_| K::ENDS) {
                    self.missing.remove(&name);
                    self.names.insert(name);
                }
                applied(object, name, Seen::Listed)
            }
            Ok(watcher::Event::InitDone) => {
                let missing: Vec<_> = self.missing.drain().collect();
                for name in &missing {
                    self.names.remove(name);
                }
                let gone = missing.into_iter().map(|name| deleted(name, Seen::Listed));
                gone.chain([WatchUpdate::Listed]).collect()
            }
            Ok(watcher::Event::Apply(object)) => {
                let name = object_name(object.meta());
                self.names.extend(name.clone().filter(|_| K::ENDS));
                applied(object, name, Seen::Live)
            }
            Ok(watcher::Event::Delete(object)) => {
                let gone = object_name(object.meta()).filter(|name| self.names.remove(name));
                gone.map(|name| deleted(name, Seen::Live)).into_iter().collect()
            }
            // The history was compacted; the watcher lists again at once.
            Err(error) if is_compacted(&error) => Vec::new(),
            Err(error) => {
                let forbidden = is_forbidden(&error) && !is_unknown_user(&error);
                vec![WatchUpdate::Broken(Problem { forbidden, text: reason(&error).into() })]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::core::Status;
    use serde_json::{from_value, json};

    use super::*;
    use crate::model::cluster::Kind;

    type Result = watcher::Result<watcher::Event<Pod>>;

    fn pod(name: &str) -> Pod {
        let metadata = json!({"name": name, "namespace": "mysql", "uid": format!("uid of {name}")});
        from_value(json!({"metadata": metadata})).unwrap()
    }

    fn refused(code: u16) -> Result {
        Err(watcher::Error::WatchError(Box::new(Status { code, ..Status::default() })))
    }

    fn updates(known: &mut Known, event: Result) -> Vec<String> {
        let short = |update: WatchUpdate| match update {
            WatchUpdate::Listed => "listed".to_owned(),
            WatchUpdate::Broken(problem) if problem.forbidden => "forbidden".to_owned(),
            WatchUpdate::Broken(_) => "broken".to_owned(),
            WatchUpdate::Change(change) => match *change {
                Change::Applied(_, seen) => format!("applied {seen:?}"),
                Change::Deleted(Kind::Pod, name, seen) => format!("{} deleted {seen:?}", name.name),
                Change::Deleted(..) => "another kind".to_owned(),
            },
        };
        known.take(event).into_iter().map(short).collect()
    }

    #[test]
    fn objects_missing_from_a_new_list_count_as_deleted() {
        let mut known = Known::default();
        updates(&mut known, Ok(watcher::Event::Init));
        assert_eq!(updates(&mut known, Ok(watcher::Event::InitApply(pod("a")))), ["applied Listed"]);
        updates(&mut known, Ok(watcher::Event::InitApply(pod("b"))));
        assert_eq!(updates(&mut known, Ok(watcher::Event::InitDone)), ["listed"]);
        assert_eq!(updates(&mut known, Ok(watcher::Event::Apply(pod("c")))), ["applied Live"]);
        updates(&mut known, Ok(watcher::Event::Init));
        updates(&mut known, Ok(watcher::Event::InitApply(pod("b"))));
        updates(&mut known, Ok(watcher::Event::InitApply(pod("c"))));
        assert_eq!(updates(&mut known, Ok(watcher::Event::InitDone)), ["a deleted Listed", "listed"]);
        assert_eq!(updates(&mut known, Ok(watcher::Event::Delete(pod("b")))), ["b deleted Live"]);
        assert!(updates(&mut known, Ok(watcher::Event::Delete(pod("b")))).is_empty());
    }

    #[test]
    fn a_compacted_history_is_not_reported_and_a_missing_permission_is() {
        let mut known = Known::default();
        assert!(updates(&mut known, refused(410)).is_empty());
        assert_eq!(updates(&mut known, refused(403)), ["forbidden"]);
        assert_eq!(updates(&mut known, refused(500)), ["broken"]);
    }
}
