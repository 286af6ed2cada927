//! The HTTP server: paths, the API, the exposition byte for byte, misbehaving clients, shutdown.

mod access;
mod api;
mod clients;
mod counts;
mod documents;
mod events;
mod http2;
mod lifecycle;
mod limits;
mod page;
mod paths;
mod prefix;
mod reload;
mod sockets;
mod targets;
