//! What readscope shows of scale events, routing, outages, missing permissions, lag and unbalanced reads, against kubectl and
//! kube-proxy's rules. Here readscope is a process of the test, beside the MySQL of `tests/cluster/mysql.yaml`.

mod anywhere;
mod own;
