//! Metrics of what clients do on the replicas.

use super::{Definition, Kind, each, each_replica};

pub(super) const METRICS: &[Definition] = &[
    Definition {
        name: "readscope_client_connections",
        kind: Kind::Gauge,
        labels: &["namespace", "target", "replica"],
        help: "Open connections to the replica without those of readscope. On a primary they include those of \
               replication. Absent while unknown.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| Some(replica.clients?.connections)),
    },
    Definition {
        name: "readscope_client_reads_total",
        kind: Kind::Counter,
        labels: &["namespace", "target", "replica"],
        help: "SELECT statements that the replica executed for clients since the first reading of its status counters, \
               without those of readscope. It does not fall when the server restarts.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| replica.client_reads),
    },
    Definition {
        name: "readscope_clients_uneven",
        kind: Kind::Gauge,
        labels: &["namespace", "target"],
        help: "1 while the client connections are uneven on the expected replicas that are not the primary, otherwise 0. \
               Absent while unknown.",
        read: |snapshot, family| each(snapshot, family, |target| target.clients.is_uneven()),
    },
];
