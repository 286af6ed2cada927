//! Objects as an API server writes them, of about the size that they have in a cluster.

use serde_json::{Value, json};

/// Replicas of the `StatefulSet` that is read, whose pods come first.
const REPLICAS: usize = 3;

/// What there is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Amount {
    pub(crate) pods: usize,
    pub(crate) pvcs: usize,
}

/// How many objects there are of a resource.
pub(crate) fn count(resource: &str, amount: Amount) -> usize {
    match resource {
        "services" | "endpointslices" | "statefulsets" | "storageclasses" => 1,
        "pods" => REPLICAS + amount.pods,
        "persistentvolumeclaims" | "persistentvolumes" => REPLICAS + amount.pvcs,
        _ => 0,
    }
}

/// One of them.
pub(crate) fn object(resource: &str, index: usize, ready: bool) -> Option<Value> {
    Some(match resource {
        "services" => {
            let ports = json!([{"port": 3306, "targetPort": 3306, "protocol": "TCP"}]);
            json!({"metadata": metadata("mysql-read", &json!({})), "spec": {"clusterIP": "10.96.0.9", "ports": ports}})
        }
        "endpointslices" => {
            let endpoints: Vec<Value> = (0..REPLICAS).map(endpoint).collect();
            json!({
                "metadata": metadata("mysql-read-x", &json!({"kubernetes.io/service-name": "mysql-read"})),
                "addressType": "IPv4", "ports": [{"port": 3306, "protocol": "TCP"}], "endpoints": endpoints,
            })
        }
        "statefulsets" => json!({
            "metadata": metadata("mysql", &json!({})),
            "spec": {
                "replicas": REPLICAS, "serviceName": "mysql", "selector": {}, "template": {},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            },
        }),
        "storageclasses" => json!({
            "metadata": {"name": "fast", "uid": "class"}, "provisioner": "example.com/disks",
            "volumeBindingMode": "WaitForFirstConsumer",
        }),
        "pods" => pod(index, ready),
        "persistentvolumeclaims" => pvc(index),
        "persistentvolumes" => volume(index),
        _ => return None,
    })
}

/// The `StatefulSet` of a pod or PVC, and its place there: after the first ones, those of others with five replicas.
fn place(index: usize) -> (String, usize) {
    match index.checked_sub(REPLICAS) {
        None => ("mysql".to_owned(), index),
        Some(other) => (format!("shop-database-{}", other / 5), other % 5),
    }
}

fn pod_name(index: usize) -> String {
    let (set, ordinal) = place(index);
    format!("{set}-{ordinal}")
}

fn uid(kind: &str, index: usize) -> String {
    format!("{kind:0>8}-0a4c-4b7e-9d7f-{index:012}")
}

fn metadata(name: &str, labels: &Value) -> Value {
    json!({
        "name": name, "namespace": "mysql", "uid": format!("uid-of-{name}"), "resourceVersion": "1", "labels": labels,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    })
}

fn endpoint(index: usize) -> Value {
    json!({
        "addresses": [format!("10.244.0.{index}")], "conditions": {"ready": true, "serving": true, "terminating": false},
        "nodeName": "node1", "targetRef": {"kind": "Pod", "name": pod_name(index), "uid": uid("pod", index)},
    })
}

fn pod(index: usize, ready: bool) -> Value {
    let (set, _) = place(index);
    let condition = |kind: &str, status: bool| {
        let status = if status { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:10Z"})
    };
    let mut pod = json!({
        "metadata": metadata(&pod_name(index), &json!({"app": set, "apps.kubernetes.io/pod-index": index.to_string()})),
        "spec": {
            "nodeName": "node1", "hostname": pod_name(index), "restartPolicy": "Always",
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{}", pod_name(index))}}],
            "containers": [{
                "name": "mysql", "image": "mysql:9.7", "args": ["--server-id=100", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"],
                "env": [{"name": "MYSQL_ROOT_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "mysql", "key": "password"}}}],
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
                "volumeMounts": [{"name": "data", "mountPath": "/var/lib/mysql"}],
            }],
        },
        "status": {
            "phase": "Running", "podIP": format!("10.{}.{}.{}", 100 + index / 65536, index / 256 % 256, index % 256),
            "conditions": [
                condition("PodReadyToStartContainers", true), condition("Initialized", true), condition("Ready", ready),
                condition("ContainersReady", ready), condition("PodScheduled", true),
            ],
        },
    });
    pod["metadata"]["uid"] = uid("pod", index).into();
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": set, "uid": format!("uid-of-{set}"), "controller": true}]);
    managed(pod, "kubelet")
}

fn pvc(index: usize) -> Value {
    let mut pvc = json!({
        "metadata": metadata(&format!("data-{}", pod_name(index)), &json!({"app": "mysql"})),
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeMode": "Filesystem",
            "volumeName": format!("pvc-{}", uid("pvc", index)), "resources": {"requests": {"storage": "10Gi"}},
        },
        "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"}},
    });
    pvc["metadata"]["uid"] = uid("pvc", index).into();
    pvc["metadata"]["annotations"] = json!({
        "pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/selected-node": "node1",
        "volume.kubernetes.io/storage-provisioner": "example.com/disks",
    });
    managed(pvc, "kube-controller-manager")
}

/// The volume of a PVC.
fn volume(index: usize) -> Value {
    let pvc = format!("data-{}", pod_name(index));
    let mut volume = json!({
        "metadata": metadata(&format!("pvc-{}", uid("pvc", index)), &json!({})),
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeMode": "Filesystem",
            "capacity": {"storage": "10Gi"}, "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "mysql", "name": pvc, "uid": uid("pvc", index)},
            "csi": {"driver": "example.com", "fsType": "ext4", "volumeHandle": format!("disk-{index}")},
        },
        "status": {"phase": "Bound", "lastPhaseTransitionTime": "2026-01-01T00:00:03Z"},
    });
    if let Some(metadata) = volume["metadata"].as_object_mut() {
        metadata.remove("namespace");
    }
    managed(volume, "kube-controller-manager")
}

/// The object with what the API server keeps of who wrote which of its fields: a controller what is wanted, and `manager`
/// what is so.
fn managed(mut object: Value, manager: &str) -> Value {
    let entry = |manager: &str, subresource: &str, part: Value| {
        json!({
            "manager": manager, "operation": "Update", "apiVersion": "v1", "subresource": subresource,
            "time": "2026-01-01T00:00:10Z", "fieldsType": "FieldsV1", "fieldsV1": fields(&part),
        })
    };
    let wanted = json!({"metadata": {"labels": object["metadata"]["labels"]}, "spec": object["spec"]});
    let entries =
        [entry("kube-controller-manager", "", wanted), entry(manager, "status", json!({"status": object["status"]}))];
    object["metadata"]["managedFields"] = entries.into();
    object
}

/// The names of all fields of a value, as the API server writes them.
fn fields(value: &Value) -> Value {
    match value {
        Value::Object(all) => all.iter().map(|(name, value)| (format!("f:{name}"), fields(value))).collect(),
        Value::Array(items) if items.iter().all(Value::is_object) => {
            let key = |item: &Value| format!("k:{}", json!({"name": item["name"], "type": item["type"]}));
            items.iter().map(|item| (key(item), fields(item))).collect()
        }
        _ => json!({}),
    }
}
