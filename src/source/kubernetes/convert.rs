//! Conversion of Kubernetes objects to the few facts that readscope needs. The rest is dropped.

use std::{collections::BTreeMap, fmt::Debug, net::IpAddr, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{apps::v1 as apps, core::v1 as core, discovery::v1 as discovery, storage::v1 as storage},
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ObjectMeta, Time},
    },
    serde::de::DeserializeOwned,
};
use kube::{Resource, core::PartialObjectMeta};

use crate::model::cluster::{
    AccessModes, Endpoint, Kind, Object, ObjectName, Pod, PodConditions, PodRef, PodTrouble, PodTroubleKind, Port,
    ProbeLocation, Pvc, PvcEvent, PvcPhase, PvcReason, Rollout, Service, Slice, StatefulSet, StorageClass, Volume,
};

const SERVICE_LABEL: &str = "kubernetes.io/service-name";

const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Set by the scheduler when a PVC's consumer has a node.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// Default of Kubernetes for session affinity without a timeout.
const AFFINITY: Duration = Duration::from_secs(10_800);

pub(super) trait Observed:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static
{
    const KIND: Kind;

    /// Whether deletions of this kind matter.
    const ENDS: bool = true;

    /// `None` for objects that readscope does not use.
    fn fact(self, name: ObjectName) -> Option<Object>;
}

impl Observed for core::Service {
    const KIND: Kind = Kind::Service;

    fn fact(self, name: ObjectName) -> Option<Object> {
        let spec = self.spec.unwrap_or_default();
        let pinned = spec.session_affinity.as_deref() == Some("ClientIP");
        let seconds = spec.session_affinity_config.and_then(|config| config.client_ip?.timeout_seconds);
        let affinity = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(AFFINITY, Duration::from_secs);
        Some(Object::Service(Service {
            name,
            headless: spec.cluster_ip.as_deref() == Some("None"),
            affinity: pinned.then_some(affinity),
            external: spec.type_.as_deref() == Some("ExternalName"),
            local_only: spec.internal_traffic_policy.as_deref() == Some("Local"),
            ports: spec
                .ports
                .into_iter()
                .flatten()
                .filter(|each| each.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"))
                .filter_map(|each| port(each.name, Some(each.port)))
                .collect(),
        }))
    }
}

impl Observed for discovery::EndpointSlice {
    const KIND: Kind = Kind::Slice;

    fn fact(self, name: ObjectName) -> Option<Object> {
        let service = self.metadata.labels?.remove(SERVICE_LABEL)?.into();
        Some(Object::Slice(Slice {
            name,
            service,
            ports: self.ports.into_iter().flatten().filter_map(|each| port(each.name, each.port)).collect(),
            endpoints: kept(self.endpoints.into_iter().map(endpoint)),
        }))
    }
}

/// Collects without spare capacity. `collect` may reuse the allocation of its larger source items, and would keep all
/// of it.
fn kept<T>(made: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept: Vec<T> = made.collect();
    kept.shrink_to_fit();
    kept
}

impl Observed for core::Pod {
    const KIND: Kind = Kind::Pod;

    fn fact(self, name: ObjectName) -> Option<Object> {
        let owners = self.metadata.owner_references.unwrap_or_default();
        let owner = owners.into_iter().find(|owner| owner.controller == Some(true));
        let (statefulset, other_owner) = match owner {
            Some(owner) if owner.kind == "StatefulSet" && owner.api_version.starts_with("apps/") => {
                (Some(owner.name.into()), None)
            }
            // Groups of Kubernetes have no dot.
            Some(owner) => match owner.api_version.split_once('/') {
                Some((group, _)) if group.contains('.') => (None, Some(format!("{}.{group}", owner.kind).into())),
                _ => (None, Some(owner.kind.into())),
            },
            None => (None, None),
        };
        let status = self.status.unwrap_or_default();
        let ips = status.pod_ips.unwrap_or_default();
        let restarts = status.container_statuses.iter().flatten().map(|status| status.restart_count);
        let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
        let conditions = status.conditions.unwrap_or_default();
        Some(Object::Pod(Pod {
            uid: self.metadata.uid?.into(),
            statefulset,
            other_owner,
            restarts: restarts.filter_map(|count| u32::try_from(count).ok()).fold(0, u32::saturating_add),
            addresses: kept(ips.iter().filter_map(|ip| ip.ip.parse().ok())),
            created: time(self.metadata.creation_timestamp),
            deleted: terminating_since(self.metadata.deletion_timestamp, self.metadata.deletion_grace_period_seconds),
            trouble: trouble(&conditions, containers).map(Box::new),
            conditions: since_each(&conditions),
            name,
        }))
    }
}

impl Observed for apps::StatefulSet {
    const KIND: Kind = Kind::StatefulSet;

    fn fact(self, name: ObjectName) -> Option<Object> {
        let spec = self.spec.unwrap_or_default();
        // The API server fills in 1 if the field is missing.
        let replicas = spec.replicas.and_then(|replicas| u32::try_from(replicas).ok()).unwrap_or(1);
        let rollout = rollout(&self.metadata, &spec, &self.status.unwrap_or_default(), replicas);
        let templates = spec.volume_claim_templates.unwrap_or_default();
        Some(Object::StatefulSet(StatefulSet {
            name,
            uid: self.metadata.uid?.into(),
            replicas,
            first_ordinal: spec.ordinals.and_then(|ordinals| u32::try_from(ordinals.start?).ok()).unwrap_or(0),
            pvc_templates: kept(templates.into_iter().filter_map(|pvc| Some(pvc.metadata.name?.into()))),
            rollout,
        }))
    }
}

/// The conditions of `kubectl rollout status`, and the number of pods.
fn rollout(
    metadata: &ObjectMeta,
    spec: &apps::StatefulSetSpec,
    status: &apps::StatefulSetStatus,
    replicas: u32,
) -> Option<Rollout> {
    let count = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let strategy = spec.update_strategy.as_ref();
    // With OnDelete, Kubernetes updates a pod only when somebody deletes it.
    let replaces = strategy.is_none_or(|strategy| strategy.type_.as_deref() != Some("OnDelete"))
        && status.update_revision != status.current_revision;
    let partition = count(strategy.and_then(|strategy| strategy.rolling_update.as_ref()?.partition));
    let updated = if replaces { count(status.updated_replicas) } else { replicas };
    let ready = count(status.ready_replicas);
    let observed = metadata.generation.is_none() || status.observed_generation >= metadata.generation;
    let pods = u32::try_from(status.replicas).unwrap_or(0);
    let complete = observed && updated >= replicas.saturating_sub(partition) && ready >= replicas && pods == replicas;
    (!complete).then_some(Rollout { replicas, ready, updated })
}

impl Observed for core::PersistentVolumeClaim {
    const KIND: Kind = Kind::Pvc;

    fn fact(self, name: ObjectName) -> Option<Object> {
        let annotations = self.metadata.annotations.unwrap_or_default();
        let spec = self.spec.unwrap_or_default();
        let status = self.status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let resizing = |condition: &core::PersistentVolumeClaimCondition| {
            condition.status == "True" && ["Resizing", "FileSystemResizePending"].contains(&condition.type_.as_str())
        };
        let storage = |amounts: Option<BTreeMap<String, Quantity>>| Some(amounts?.remove("storage")?.0.into());
        Some(Object::Pvc(Pvc {
            name,
            uid: self.metadata.uid?.into(),
            created: time(self.metadata.creation_timestamp),
            phase: match status.phase.as_deref() {
                Some("Bound") => PvcPhase::Bound,
                Some("Lost") => PvcPhase::Lost,
                _ => PvcPhase::Pending,
            },
            node_selected: annotations.contains_key(SELECTED_NODE),
            storage_class: spec.storage_class_name.filter(|class| !class.is_empty()).map(Into::into),
            volume: spec.volume_name.filter(|volume| !volume.is_empty()).map(Into::into),
            requested: storage(spec.resources.and_then(|resources| resources.requests)),
            capacity: storage(status.capacity),
            access_modes: AccessModes::named(status.access_modes.iter().flatten().map(String::as_str)),
            resizing: conditions.iter().any(resizing),
        }))
    }
}

impl Observed for core::PersistentVolume {
    const KIND: Kind = Kind::Volume;

    // Facts about its PVC stay true, and a list of all PersistentVolumes of a cluster would cost memory.
    const ENDS: bool = false;

    fn fact(self, _: ObjectName) -> Option<Object> {
        let pvc = self.spec?.claim_ref?;
        let status = self.status.unwrap_or_default();
        let is_bound = status.phase.as_deref() == Some("Bound");
        Some(Object::Volume(Volume {
            pvc: ObjectName::new(pvc.namespace.as_deref()?, pvc.name.as_deref()?),
            pvc_uid: pvc.uid?.into(),
            bound: time(status.last_phase_transition_time).filter(|_| is_bound),
        }))
    }
}

impl Observed for storage::StorageClass {
    const KIND: Kind = Kind::StorageClass;

    fn fact(self, name: ObjectName) -> Option<Object> {
        Some(Object::StorageClass(StorageClass {
            name: name.name,
            waits_for_consumer: self.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
        }))
    }
}

impl Observed for PartialObjectMeta<core::Node> {
    const KIND: Kind = Kind::Node;

    fn fact(self, name: ObjectName) -> Option<Object> {
        let zone = self.metadata.labels.and_then(|mut labels| labels.remove(ZONE_LABEL));
        Some(Object::ProbeLocation(ProbeLocation { node: Some(name.name), zone: zone.map(Into::into) }))
    }
}

impl Observed for core::Event {
    const KIND: Kind = Kind::Event;

    // Events expire after an hour, whether or not the PVC exists.
    const ENDS: bool = false;

    fn fact(self, _: ObjectName) -> Option<Object> {
        let about = self.involved_object;
        if about.kind.as_deref() != Some("PersistentVolumeClaim") {
            return None;
        }
        // Writers of the newer Events API omit the older dates.
        let series = self.series.and_then(|series| series.last_observed_time);
        let dates = [series, self.event_time].map(|date| date.map(|date| date.0));
        let last = dates.into_iter().chain([time(self.last_timestamp), time(self.first_timestamp)]).flatten().max();
        Some(Object::PvcEvent(PvcEvent {
            pvc: ObjectName::new(about.namespace.as_deref()?, about.name.as_deref()?),
            uid: about.uid?.into(),
            reason: PvcReason {
                reason: self.reason.filter(|reason| !reason.is_empty())?.into(),
                message: one_line(&self.message.unwrap_or_default()).into(),
                warning: self.type_.as_deref() == Some("Warning"),
                last,
            },
        }))
    }
}

/// Makes foreign text fit into a sentence: one line, no full stop at the end, limited length.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut line = text.trim_end_matches(['.', ' ', '\n']).split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Cluster-wide objects have an empty namespace.
pub(super) fn object_name(metadata: &ObjectMeta) -> Option<ObjectName> {
    Some(ObjectName::new(metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref()?))
}

fn endpoint(endpoint: discovery::Endpoint) -> Endpoint {
    let conditions = endpoint.conditions.unwrap_or_default();
    let hints = endpoint.hints.unwrap_or_default();
    let pod = endpoint.target_ref.filter(|target| target.kind.as_deref() == Some("Pod"));
    Endpoint {
        addresses: kept(endpoint.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok())),
        // Defaults of the API: true, true and false.
        ready: conditions.ready.unwrap_or(true),
        serving: conditions.serving.unwrap_or(true),
        terminating: conditions.terminating.unwrap_or(false),
        pod: pod.and_then(|pod| Some(PodRef { name: pod.name?.into(), uid: pod.uid?.into() })),
        node: endpoint.node_name.map(Into::into),
        zone: endpoint.zone.map(Into::into),
        for_zones: kept(hints.for_zones.into_iter().flatten().map(|zone| zone.name.into())),
        for_nodes: kept(hints.for_nodes.into_iter().flatten().map(|node| node.name.into())),
    }
}

fn port(name: Option<String>, number: Option<i32>) -> Option<Port> {
    Some(Port { name: name.unwrap_or_default().into(), number: u16::try_from(number?).ok()? })
}

/// `None` for a pod that is ready, or that starts without a complaint.
fn trouble<'a>(
    conditions: &[core::PodCondition],
    containers: impl Iterator<Item = &'a core::ContainerStatus> + Clone,
) -> Option<PodTrouble> {
    /// States of a container that starts.
    const STARTS: [&str; 2] = ["ContainerCreating", "PodInitializing"];
    /// The kubelet waits before the second restart.
    const CRASHES: i32 = 2;
    let find = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let date = |condition: &core::PodCondition| condition.last_transition_time.as_ref().map(|time| time.0);
    let ready = find("Ready").filter(|ready| ready.status != "True");
    let unscheduled = find("PodScheduled").filter(|scheduled| scheduled.status == "False");
    let exit = |container: &core::ContainerStatus| {
        let exit = container.last_state.as_ref()?.terminated.as_ref()?;
        Some(format!("; last exit: {}, code {}", exit.reason.as_deref().unwrap_or("-"), exit.exit_code))
    };
    let waiting = containers.clone().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?.reason.as_deref()?;
        (!STARTS.contains(&waiting)).then(|| format!("{waiting}{}", exit(container).unwrap_or_default()))
    });
    // Between two crashes the container runs.
    let crashes = || {
        let mut restarted = containers.filter(|container| !container.ready && container.restart_count >= CRASHES);
        restarted.find_map(|container| Some(format!("{} restarts{}", container.restart_count, exit(container)?)))
    };
    let text = |condition: &core::PodCondition| condition.message.as_deref().map(one_line).unwrap_or_default();
    let (kind, text, since) = if let Some(unscheduled) = unscheduled {
        (PodTroubleKind::Unscheduled, text(unscheduled), date(unscheduled))
    } else if let Some(waiting) = waiting {
        (PodTroubleKind::Waiting, one_line(&waiting), ready.and_then(date))
    } else {
        // A new pod gets both conditions at the same time.
        let was_ready =
            |ready: &core::PodCondition| find("Initialized").is_some_and(|initialized| date(ready) > date(initialized));
        let ready = ready?;
        if was_ready(ready) {
            (PodTroubleKind::NotReady, text(ready), date(ready))
        } else {
            (PodTroubleKind::Waiting, one_line(&crashes()?), date(ready))
        }
    };
    Some(PodTrouble { kind, text: text.into(), since })
}

fn since_each(all: &[core::PodCondition]) -> PodConditions {
    let since = |kind: &str| {
        let condition = all.iter().find(|condition| condition.type_ == kind && condition.status == "True")?;
        // A condition without a date is true too. Its arrival is its date.
        Some(condition.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
    };
    PodConditions {
        scheduled: since("PodScheduled"),
        sandbox: since("PodReadyToStartContainers"),
        initialized: since("Initialized"),
        ready: since("Ready"),
    }
}

/// Time of the deletion request. Kubernetes stores the deadline, which is later by the grace period.
fn terminating_since(deadline: Option<Time>, grace: Option<i64>) -> Option<Timestamp> {
    let deadline = deadline?.0;
    let grace = SignedDuration::from_secs(grace.unwrap_or(0).clamp(0, 86_400));
    Some(deadline.checked_sub(grace).unwrap_or(deadline))
}

fn time(time: Option<Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn fact<K: Observed>(object: Value, name: &str) -> Option<Object> {
        from_value::<K>(object).unwrap().fact(ObjectName::new("mysql", name))
    }

    /// With the older dates or the newer one.
    fn event(kind: &str, dates: &Value) -> Option<PvcEvent> {
        let mut event = json!({
            "involvedObject": {"kind": kind, "namespace": "mysql", "name": "data-mysql-3", "uid": "u"},
            "metadata": {"name": "data-mysql-3.18ea", "namespace": "mysql"},
            "type": "Warning", "reason": "ProvisioningFailed", "message": "no\n  space.\n",
        });
        event.as_object_mut()?.extend(dates.as_object()?.clone());
        match fact::<core::Event>(event, "data-mysql-3.18ea")? {
            Object::PvcEvent(event) => Some(event),
            _ => None,
        }
    }

    #[test]
    fn an_event_about_a_pvc_has_its_latest_date() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let older = json!({"firstTimestamp": "2026-11-22T10:00:00Z", "lastTimestamp": "2026-11-22T10:00:07Z"});
        let event_of = |dates: &Value| event("PersistentVolumeClaim", dates).unwrap().reason;
        assert_eq!(event_of(&older).last, at("2026-11-22T10:00:07Z"));
        let newer = json!({"eventTime": "2026-11-22T10:00:00.500000Z"});
        assert_eq!(event_of(&newer).last, at("2026-11-22T10:00:00.5Z"));
        assert_eq!((&*event_of(&newer).message, event_of(&newer).warning), ("no space", true));
        assert_eq!(event_of(&json!({})).last, None);
        assert_eq!(event("Pod", &older), None);
    }

    #[test]
    fn missing_and_null_fields_are_equal() {
        let labelled = json!({"name": "mysql-read-x", "labels": {"kubernetes.io/service-name": "mysql-read"}});
        let slice = json!({"metadata": labelled, "addressType": "IPv4", "endpoints": null, "ports": null});
        let Some(Object::Slice(slice)) = fact::<discovery::EndpointSlice>(slice, "x") else {
            panic!("no slice");
        };
        assert_eq!((&*slice.service, slice.endpoints.len(), slice.ports.len()), ("mysql-read", 0, 0));
        let unlabelled = json!({"metadata": {"labels": null}, "endpoints": []});
        assert!(fact::<discovery::EndpointSlice>(unlabelled, "x").is_none());
        let pod = json!({"metadata": {"uid": "u", "ownerReferences": null}, "spec": {"containers": null},
            "status": {"conditions": null, "podIPs": null}});
        let Some(Object::Pod(pod)) = fact::<core::Pod>(pod, "mysql-0") else {
            panic!("no pod");
        };
        assert_eq!((pod.statefulset, pod.addresses, pod.conditions), (None, Vec::new(), PodConditions::default()));
        let Some(Object::Service(service)) = fact::<core::Service>(json!({}), "a") else {
            panic!("no service");
        };
        assert_eq!((service.headless, service.affinity, service.ports.len()), (false, None, 0));
        let Some(Object::StatefulSet(set)) = fact::<apps::StatefulSet>(json!({"metadata": {"uid": "u"}}), "a") else {
            panic!("no StatefulSet");
        };
        assert_eq!((set.replicas, set.first_ordinal), (1, 0));
    }

    #[test]
    fn a_pod_that_is_not_ready_says_why() {
        let trouble = |status: Value| {
            let pod = json!({"metadata": {"uid": "u"}, "status": status});
            let Some(Object::Pod(pod)) = fact::<core::Pod>(pod, "mysql-0") else { panic!("no pod") };
            pod.trouble
                .map(|trouble| (trouble.kind, trouble.text.to_string(), trouble.since.map(|since| since.to_string())))
        };
        let condition = |kind: &str, status: &str, second: u32, message: &str| {
            let time = format!("2026-11-22T10:00:{second:02}Z");
            json!({"type": kind, "status": status, "lastTransitionTime": time, "message": message})
        };
        let since = |second: u32| Some(format!("2026-11-22T10:00:{second:02}Z"));
        assert_eq!(trouble(json!({})), None, "a new pod");
        let cordoned = "0/1 nodes are available: 1 node(s) were unschedulable. no new claims to deallocate.";
        let pending = json!({"conditions": [condition("PodScheduled", "False", 5, cordoned)]});
        assert_eq!(
            trouble(pending),
            Some((PodTroubleKind::Unscheduled, cordoned.trim_end_matches('.').to_owned(), since(5)))
        );
        let unready = "containers with unready status: [mysql]";
        let ready = |status: &str, second| {
            let done = condition("Initialized", "True", 20, "");
            json!([condition("PodScheduled", "True", 1, ""), done, condition("Ready", status, second, unready)])
        };
        let containers = |statuses: Value| {
            json!([{"name": "mysql", "image": "", "imageID": "", "ready": false,
            "restartCount": 1, "state": statuses[0], "lastState": statuses[1]}])
        };
        let running = || containers(json!([{"running": {}}, {}]));
        assert_eq!(trouble(json!({"conditions": ready("True", 30), "containerStatuses": running()})), None);
        assert_eq!(
            trouble(json!({"conditions": ready("False", 1), "containerStatuses": running()})),
            None,
            "it starts"
        );
        assert_eq!(
            trouble(json!({"conditions": ready("False", 40), "containerStatuses": running()})),
            Some((PodTroubleKind::NotReady, unready.to_owned(), since(40)))
        );
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "long words"}});
        let killed = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}});
        let crashing = containers(json!([waiting("CrashLoopBackOff"), killed]));
        let text = "CrashLoopBackOff; last exit: OOMKilled, code 137".to_owned();
        assert_eq!(
            trouble(json!({"conditions": ready("False", 40), "containerStatuses": crashing})),
            Some((PodTroubleKind::Waiting, text, since(40)))
        );
        for (restarts, crashes) in [(1, None), (2, Some("2 restarts; last exit: OOMKilled, code 137".to_owned()))] {
            let mut again = containers(json!([{"running": {}}, killed]));
            again[0]["restartCount"] = json!(restarts);
            let never_ready = json!({"conditions": ready("False", 1), "containerStatuses": again});
            assert_eq!(trouble(never_ready), crashes.map(|text| (PodTroubleKind::Waiting, text, since(1))));
            let was_ready = json!({"conditions": ready("False", 40), "containerStatuses": again});
            assert_eq!(trouble(was_ready), Some((PodTroubleKind::NotReady, unready.to_owned(), since(40))));
        }
        let creating = containers(json!([waiting("ContainerCreating"), {}]));
        assert_eq!(trouble(json!({"conditions": ready("False", 1), "containerStatuses": creating})), None);
        let pulling = containers(json!([waiting("ImagePullBackOff"), {}]));
        let of_init = json!({"conditions": ready("False", 1), "initContainerStatuses": pulling});
        assert_eq!(trouble(of_init), Some((PodTroubleKind::Waiting, "ImagePullBackOff".to_owned(), since(1))));
    }

    #[test]
    fn a_statefulset_is_complete_when_all_pods_are_ready_and_updated() {
        let rollout = |spec: Value, status: Value| {
            let object = json!({"metadata": {"uid": "u", "generation": 4}, "spec": spec, "status": status});
            let Some(Object::StatefulSet(set)) = fact::<apps::StatefulSet>(object, "a") else {
                panic!("no StatefulSet");
            };
            set.rollout.map(|rollout| (rollout.replicas, rollout.ready, rollout.updated))
        };
        let status = |observed: u32, pods: u32, ready: u32, updated: u32, revision: &str| {
            json!({"observedGeneration": observed, "replicas": pods, "readyReplicas": ready, "updatedReplicas": updated,
                "currentRevision": "a", "updateRevision": revision})
        };
        let three = || json!({"replicas": 3});
        let strategy = |strategy: Value| json!({"replicas": 3, "updateStrategy": strategy});
        assert_eq!(rollout(three(), status(4, 3, 3, 3, "a")), None);
        assert_eq!(rollout(three(), status(3, 3, 3, 3, "a")), Some((3, 3, 3)), "the change is not observed yet");
        assert_eq!(rollout(three(), status(4, 3, 2, 3, "a")), Some((3, 2, 3)));
        assert_eq!(rollout(three(), status(4, 4, 4, 4, "a")), Some((3, 4, 3)), "a pod has to go");
        assert_eq!(rollout(three(), status(4, 3, 3, 1, "b")), Some((3, 3, 1)));
        assert_eq!(rollout(three(), json!({})), Some((3, 0, 3)));
        let partition = strategy(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}));
        assert_eq!(rollout(partition.clone(), status(4, 3, 3, 1, "b")), None);
        assert_eq!(rollout(partition, status(4, 3, 3, 0, "b")), Some((3, 3, 0)));
        assert_eq!(rollout(strategy(json!({"type": "OnDelete"})), status(4, 3, 3, 0, "b")), None);
    }

    #[test]
    fn only_a_statefulset_of_kubernetes_is_one() {
        let owners = |owner: Value| {
            let pod = json!({"metadata": {"uid": "u", "ownerReferences": [owner]}});
            let Some(Object::Pod(pod)) = fact::<core::Pod>(pod, "mysql-0") else { panic!("no pod") };
            (pod.statefulset.map(|name| name.to_string()), pod.other_owner.map(|owner| owner.to_string()))
        };
        let owner = |api: &str, kind: &str| {
            owners(json!({"apiVersion": api, "kind": kind, "name": "mysql", "uid": "o", "controller": true}))
        };
        assert_eq!(owner("apps/v1", "StatefulSet"), (Some("mysql".to_owned()), None));
        let kruise = Some("StatefulSet.apps.kruise.io".to_owned());
        assert_eq!(owner("apps.kruise.io/v1beta1", "StatefulSet"), (None, kruise));
        assert_eq!(owner("apps/v1", "ReplicaSet"), (None, Some("ReplicaSet".to_owned())));
        let other = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "mysql", "uid": "o"});
        assert_eq!(owners(other), (None, None), "it does not control the pod");
    }

    #[test]
    fn a_service_is_read_from_the_json_of_an_api_server() {
        let service = json!({"spec": {"clusterIP": "None", "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}, "internalTrafficPolicy": "Local",
            "ports": [{"name": "mysql", "port": 3306, "targetPort": "mysql", "protocol": "TCP"}]}});
        let fact = fact::<core::Service>(service, "mysql-read");
        let Some(Object::Service(service)) = fact else { panic!("{fact:?}") };
        assert!(service.headless && service.local_only);
        assert_eq!(service.affinity, Some(Duration::from_secs(60)));
        assert_eq!((&*service.ports[0].name, service.ports[0].number), ("mysql", 3306));
    }

    #[test]
    fn access_modes_of_a_pvc_are_written_as_by_kubectl() {
        let modes = |names: &[&str]| {
            let pvc = json!({"metadata": {"namespace": "mysql", "name": "data", "uid": "u"},
                "status": {"phase": "Bound", "accessModes": names}});
            match fact::<core::PersistentVolumeClaim>(pvc, "data") {
                Some(Object::Pvc(pvc)) => pvc.access_modes.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(modes(&[]), "");
        assert_eq!(modes(&["ReadWriteMany", "ReadWriteOnce", "OfTomorrow"]), "RWO,RWX");
        assert_eq!(modes(&["ReadWriteOncePod"]), "RWOP");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(one_line(&"ä".repeat(400)).chars().count(), 301);
    }
}
