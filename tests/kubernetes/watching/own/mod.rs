//! What needs a cluster of the tests' own: its parts are stopped, its rules read, its accounts made.

mod alerts;
mod discovering;
mod first_read;
mod freshness;
mod outage;
mod pending;
mod permissions;
mod requests;
mod routing;
mod together;
mod verdict;
