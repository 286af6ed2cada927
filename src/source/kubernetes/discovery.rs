//! Services that match a label selector.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Service;
use kube::{Api, core::PartialObjectMeta, runtime::watcher};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Watcher,
    attempts::{Attempts, is_compacted, is_forbidden},
    convert::object_name,
    failure::reason,
};
use crate::{
    config::Selector,
    model::{
        Event, WatchUpdate,
        cluster::{Kind, ObjectName, Problem, WatchName},
    },
};

/// Only the metadata is read.
type Selectable = PartialObjectMeta<Service>;

/// Changes within this time are sent together: a list of a thousand Services is one change of the targets.
const TOGETHER: Duration = Duration::from_millis(100);

/// Services that match `selector` now. An empty namespace means all namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub selector: Selector,
    pub namespace: Arc<str>,
    pub services: BTreeSet<ObjectName>,
}

#[derive(Default)]
struct Selected {
    there: BTreeSet<ObjectName>,
    /// Names of an incomplete list. Services that it does not contain at its end are gone.
    listing: BTreeSet<ObjectName>,
}

impl Watcher {
    /// Sends all matching Services to `found` after each change, and the state of the watch to `events`, until `leave` is
    /// cancelled or a channel is closed.
    pub async fn discover(
        self,
        namespace: Arc<str>,
        selector: Selector,
        found: mpsc::Sender<Found>,
        events: mpsc::Sender<Event>,
        leave: CancellationToken,
    ) {
        let client = self.client.clone();
        let api =
            if namespace.is_empty() { Api::<Selectable>::all(client) } else { Api::namespaced(client, &namespace) };
        let config = watcher::Config::default().labels(selector.as_str());
        let mut attempts = Attempts::new(api, config, self.silences.subscribe());
        let name = WatchName { kind: Kind::Selection, namespace: Arc::clone(&namespace) };
        let mut selected = Selected::default();
        let mut changed = false;
        loop {
            let event = tokio::select! {
                () = leave.cancelled() => return,
                event = attempts.next() => event,
                () = sleep(TOGETHER), if changed => {
                    let services = selected.there.clone();
                    let now = Found { selector: selector.clone(), namespace: Arc::clone(&namespace), services };
                    if found.send(now).await.is_err() {
                        return;
                    }
                    changed = false;
                    continue;
                }
            };
            let update = match &event {
                Ok(watcher::Event::InitDone) => Some(WatchUpdate::Listed),
                // The history was compacted; the watcher lists again at once.
                Err(error) if is_compacted(error) => None,
                Err(error) => {
                    Some(WatchUpdate::Broken(Problem { forbidden: is_forbidden(error), text: reason(error).into() }))
                }
                Ok(_) => None,
            };
            changed |= event.is_ok_and(|event| selected.take(event));
            if let Some(update) = update
                && events.send(Event::Cluster { watch: name.clone(), update }).await.is_err()
            {
                return;
            }
        }
    }
}

impl Selected {
    /// Returns whether the selection changed. The first list always counts as a change.
    fn take(&mut self, event: watcher::Event<Selectable>) -> bool {
        let name = |service: &Selectable| object_name(&service.metadata);
        match event {
            watcher::Event::Init => {
                self.listing.clear();
                false
            }
            watcher::Event::InitApply(service) => {
                self.listing.extend(name(&service));
                false
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listing);
                let other = listed != self.there || listed.is_empty();
                self.there = listed;
                other
            }
            watcher::Event::Apply(service) => name(&service).is_some_and(|name| self.there.insert(name)),
            // A Service that loses the label looks deleted to this watch.
            watcher::Event::Delete(service) => name(&service).is_some_and(|name| self.there.remove(&name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use kube::core::PartialObjectMetaExt;

    use super::*;

    fn service(name: &str) -> Selectable {
        let metadata =
            ObjectMeta { namespace: Some("team-a".to_owned()), name: Some(name.to_owned()), ..ObjectMeta::default() };
        metadata.into_response_partial()
    }

    #[test]
    fn a_service_is_selected_until_it_loses_the_label() {
        let mut selected = Selected::default();
        assert!(!selected.take(watcher::Event::Init));
        assert!(!selected.take(watcher::Event::InitApply(service("a"))));
        assert!(selected.there.is_empty(), "half a list changes nothing");
        assert!(selected.take(watcher::Event::InitDone));
        assert!(selected.take(watcher::Event::Apply(service("b"))));
        assert!(!selected.take(watcher::Event::Apply(service("b"))), "another change of it does not count");
        assert!(selected.take(watcher::Event::Delete(service("a"))));
        assert_eq!(selected.there.iter().map(|name| &*name.name).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_new_list_removes_services_that_it_does_not_contain() {
        let mut selected = Selected::default();
        for event in [watcher::Event::Init, watcher::Event::InitApply(service("a")), watcher::Event::InitDone] {
            selected.take(event);
        }
        selected.take(watcher::Event::Init);
        selected.take(watcher::Event::InitApply(service("a")));
        assert!(!selected.take(watcher::Event::InitDone), "the same again");
        selected.take(watcher::Event::Init);
        assert!(selected.there.len() == 1, "gone only when the list is complete");
        assert!(selected.take(watcher::Event::InitDone));
        assert!(selected.there.is_empty());
    }
}
