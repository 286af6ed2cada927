//! Tests that need the tests' own cluster: they stop its parts, read its rules and create accounts.

mod alerts;
mod checking;
mod clients;
mod discovering;
mod faults;
mod first_read;
mod freshness;
mod leader;
mod outage;
mod pending;
mod permissions;
mod requests;
mod routing;
mod shapes;
mod soak;
mod together;
mod verdict;
