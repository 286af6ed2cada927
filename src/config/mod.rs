//! What a user may say, as types that cannot be wrong: whoever holds one need not check it again.

mod address;
mod duration;
mod pacing;
mod secret;
mod target;
mod tls;

pub use address::{Address, AddressError, Listen, ListenError};
pub use duration::{DurationError, Interval, Timeout, parse_duration};
pub use pacing::{Every, MaxLag, MaxLagError, Pacing};
pub use secret::{PasswordError, PasswordSource, Secret};
pub use target::Target;
pub use tls::{ClientIdentity, PemFile, Tls, TlsError, TlsMode, TlsModeError};
