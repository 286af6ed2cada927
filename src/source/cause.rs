//! The causes of an error.

use std::{error::Error, io, iter::successors};

/// The error itself, then its causes in order.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error = *error;
        // An I/O error exposes the error that it wraps by `get_ref`, not as its source.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        held.map_or_else(|| error.source(), |held| Some(held))
    })
}

/// Appends the last cause unless the text contains it.
pub(super) fn with_cause(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    match causes(error).last().map(ToString::to_string) {
        Some(cause) if !text.contains(&cause) => format!("{text}: {cause}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Connect(#[source] io::Error);

    #[test]
    fn the_last_cause_appears_once() {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "refused");
        assert_eq!(with_cause(&Connect(io::Error::other(refused()))), "cannot connect: refused");
        assert_eq!(with_cause(&refused()), "refused");
        assert_eq!(causes(&Connect(refused())).count(), 3);
    }
}
