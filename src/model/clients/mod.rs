//! What the clients do on the replicas, from status counters of the servers: connections and reads of each replica, and
//! whether they are even. Probes show what happens to new connections; clients keep theirs.

mod balance;
mod binomial;
mod counters;

pub use balance::{ClientsState, ReplicaClients};

pub(crate) use balance::{Balance, Member, NewConnections, Round};
pub(crate) use counters::ClientCounters;
