//! Failed logins that the driver causes. MariaDB sends a random salt to accounts with ed25519 or parsec. `mysql_common` takes a
//! zero at its end for a terminator and leaves it out (`AuthSwitchRequest::plugin_data`). So one login of 256 fails although
//! the password is right: with ed25519 the server refuses it, with parsec the driver panics.

use mysql_async::{Error, ServerError};

use crate::panics::Panicked;

/// Failures that are excused at once. The driver causes as many in two thousand reads; a wrong password on one of several
/// replicas uses them up in a few dozen.
const FAILURES: u32 = 8;
/// A quarter of the usual number between two such failures.
const READS_A_FAILURE: u32 = 64;
const FULL: u32 = FAILURES * READS_A_FAILURE;

const ACCESS_DENIED: u16 = 1045;

pub(super) const ADVICE: &str = "the MySQL driver fails one login of 256 with the plugins ed25519 and parsec; set \
    mysql_native_password for the account, or check its password if this happens more often";

/// Whether a login may have failed like this because of the salt.
pub(super) fn may_be_the_cause<T>(login: &Result<Result<T, Error>, Panicked>) -> bool {
    matches!(login, Err(_) | Ok(Err(Error::Server(ServerError { code: ACCESS_DENIED, .. }))))
}

/// The reads with one password, against which failures are set off.
#[derive(Default)]
pub(super) struct ShortSalts {
    /// `None` before the first read from MariaDB.
    credit: Option<u32>,
}

impl ShortSalts {
    /// A read from a server of this version.
    pub(super) fn read(&mut self, version: &str) {
        // A refusal may be another server's, which has none of these plugins and may lock the account.
        let is_mariadb = version.contains("MariaDB");
        self.credit = is_mariadb.then(|| self.credit.map_or(FULL, |credit| FULL.min(credit + 1)));
    }

    /// Whether one more failure is no more than what the driver may cause.
    pub(super) fn excuse(&mut self) -> bool {
        let left = self.credit.and_then(|credit| credit.checked_sub(READS_A_FAILURE));
        self.credit = left.or(self.credit);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_as_many_failures_with_mariadb_are_excused_as_the_driver_may_cause() {
        let mut salts = ShortSalts::default();
        assert!(!salts.excuse(), "before the first read");
        salts.read("11.8.9-MariaDB");
        assert_eq!((0..20).filter(|_| salts.excuse()).count(), 8);
        (0..63).for_each(|_| salts.read("11.8.9-MariaDB"));
        assert!(!salts.excuse());
        salts.read("11.8.9-MariaDB");
        assert!(salts.excuse());
    }

    #[test]
    fn failures_with_mysql_are_not_excused() {
        let mut salts = ShortSalts::default();
        salts.read("9.7.4");
        assert!(!salts.excuse());
        salts.read("11.8.9-MariaDB");
        salts.read("9.7.4");
        assert!(!salts.excuse());
    }

    #[test]
    fn only_a_refused_password_and_a_panic_may_be_caused_by_the_salt() {
        let refused = |code| {
            let error = ServerError { code, message: String::new(), state: "28000".to_owned() };
            may_be_the_cause::<()>(&Ok(Err(error.into())))
        };
        assert!(refused(ACCESS_DENIED) && !refused(4151));
        assert!(!may_be_the_cause(&Ok(Ok(()))));
    }
}
