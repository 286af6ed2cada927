//! Hostile and broken servers: each is counted under the right reason, none stops the program or holds it beyond the
//! timeout, every connection is closed, and everything is well again once the server is.

mod answers;
mod case;
mod clients;
mod fuzz;
mod handshake;
mod hostile;
mod pausing;
mod program;
