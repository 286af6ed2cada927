//! Metrics of what clients do on the replicas.

use super::{
    Definition,
    Series::{Replicas, Targets},
    counter, gauge,
};

pub(super) const METRICS: &[Definition] = &[
    gauge(
        "readscope_client_connections",
        "Open connections to the replica without those of readscope. On a primary they include those of \
         replication. Absent while unknown.",
        Replicas(|replica| Some(replica.clients?.connections.into())),
    ),
    counter(
        "readscope_client_reads_total",
        "SELECT statements that the replica executed for clients since the first reading of its status counters, \
         without those of readscope. It does not fall when the server restarts.",
        Replicas(|replica| Some(replica.client_reads?.into())),
    ),
    gauge(
        "readscope_clients_uneven",
        "1 while the client connections are uneven on the expected replicas that are not the primary, otherwise 0. \
         Absent while unknown.",
        Targets(|target| Some(target.clients.is_uneven()?.into())),
    ),
];
