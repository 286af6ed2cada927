//! The probes of one target, from start to end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    model::{
        Event, PodProbe, ProbePlan, Snapshot, TargetId,
        cluster::{Kind, ObjectName},
    },
    source::{gate::Gate, pod_probes, schedule::Schedule},
};

/// Maximum wait for the first list of endpoints, so that replicas do not change their names later.
const ENDPOINTS_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Probing {
    pub(super) id: TargetId,
    pub(super) service: Option<ObjectName>,
    /// Start delay that spreads the probes of many targets over the interval.
    pub(super) delay: Duration,
    pub(super) schedule: Schedule,
    pub(super) gate: Arc<Gate>,
    pub(super) plan: watch::Receiver<ProbePlan>,
}

impl Probing {
    pub(super) async fn run(
        self,
        events: mpsc::Sender<Event>,
        snapshots: watch::Receiver<Snapshot>,
        stop: CancellationToken,
    ) {
        let gate = Arc::clone(&self.gate);
        let probe = move |pod_probe: &PodProbe| gate.probe_pod(pod_probe);
        let pod_probes = pod_probes::run(self.id, self.plan.clone(), probe, events.clone(), stop.clone());
        tokio::join!(pod_probes, self.routed(events, snapshots, stop));
    }

    async fn routed(self, events: mpsc::Sender<Event>, snapshots: watch::Receiver<Snapshot>, stop: CancellationToken) {
        tokio::select! {
            () = sleep(self.delay) => {}
            () = stop.cancelled() => return,
        }
        if let Some(service) = &self.service {
            tokio::select! {
                _ = timeout(ENDPOINTS_WITHIN, endpoints_known(service, snapshots)) => {}
                () = stop.cancelled() => return,
            }
        }
        let gate = self.gate;
        let probe = move |sequence| gate.probe(sequence);
        self.schedule.run(self.id, self.plan, probe, events, stop.clone()).await;
        // A schedule with a limit ends before the program does.
        stop.cancelled().await;
    }
}

/// Waits until the endpoints of the Service and their servers are known, or known to be unavailable.
async fn endpoints_known(service: &ObjectName, mut snapshots: watch::Receiver<Snapshot>) {
    let settled = |snapshot: &Snapshot| {
        let watches = snapshot.cluster.iter().flat_map(|cluster| &cluster.watches);
        let of_routing = |kind: Kind| matches!(kind, Kind::Service | Kind::Slice);
        watches
            .filter(|(name, _)| of_routing(name.kind) && name.namespace == service.namespace)
            .all(|(_, watch)| watch.settled())
            && snapshot
                .targets
                .iter()
                .filter(|target| target.service.as_ref() == Some(service))
                .all(|target| target.servers_known)
    };
    // An error means that the state task has ended and the program is stopping.
    let _ = snapshots.wait_for(settled).await;
}
