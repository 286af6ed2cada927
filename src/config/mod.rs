//! User settings as types that are always valid: their users need no further checks.

mod address;
mod discovery;
mod duration;
mod file;
mod file_stamp;
mod http;
mod imbalance;
mod pacing;
mod reloaded;
mod secret;
mod target;
mod tls;
mod web;

pub use address::{Address, AddressError, Listen, ListenError};
pub use discovery::{Discovery, Selector, SelectorError};
pub use duration::{DurationError, Interval, Timeout, parse_duration};
pub use file::{Configuration, Entry, FileError, Freshness, Imbalance, Unsaid};
pub use file_stamp::FileStamp;
pub use http::{Credentials, HttpConfiguration};
pub use imbalance::{FalseAlarmPeriod, ImbalanceError, Tolerance};
pub use pacing::{Every, MaxLag, MaxLagError, Pacing};
pub use reloaded::{LOOK_EVERY, Reloaded};
pub use secret::{PasswordError, PasswordSource, Secret};
pub use target::{MAX_IN_FLIGHT, Target, USER, parse_in_flight};
pub use tls::{ClientIdentity, EncryptionError, PemFile, Tls, TlsError, TlsMode, TlsModeError};
pub use web::{RateLimit, WebConfiguration};
