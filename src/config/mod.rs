//! User settings as types that are always valid: their users need no further checks.

mod address;
mod discovery;
mod duration;
mod file;
mod file_stamp;
mod http;
mod imbalance;
mod reloaded;
mod route_prefix;
mod secret;
mod settings;
mod target;
mod text;
mod tls;
mod web;

pub use address::{Address, AddressError, Listen, ListenError};
pub use discovery::{Discovery, Selector, SelectorError};
pub use duration::{
    BurstInterval, BurstLength, ClientsInterval, DurationError, FalseAlarmPeriod, ForgetAfter, Interval, MaxLag,
    PodProbeInterval, Timeout, parse_duration,
};
pub use file::{Configuration, Entry, FileError, Freshness};
pub use file_stamp::FileStamp;
pub use http::{Credentials, HttpConfiguration};
pub use imbalance::{Imbalance, Tolerance, ToleranceError};
pub use reloaded::{LOOK_EVERY, Reloaded};
pub use route_prefix::{RoutePrefix, RoutePrefixError};
pub use secret::{PasswordError, PasswordSource, Secret};
pub use settings::{MaxInFlight, Settings};
pub use target::{PlaceError, Target};
pub use tls::{ClientIdentity, PemFile, Tls, TlsError, TlsMode, TlsModeError, TlsSettings};
pub use web::{RateLimit, WebConfiguration};
