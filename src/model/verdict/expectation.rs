//! The expected replicas and their shares.

use std::{str::FromStr, sync::Arc};

use crate::model::{
    base::{REPLICAS_MAX, is_host_of},
    probe::Identity,
};

#[derive(Clone, Debug, PartialEq)]
pub enum Expectation {
    /// Nothing is configured: all replicas seen, with equal shares. This says nothing about completeness.
    Seen,
    Listed(Vec<Expected>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// A host name, or `server-<server_id>`.
    pub name: Arc<str>,
    /// Relative to the weights of the others; finite and above 0.
    pub weight: f64,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExpectationError {
    /// For example `=2`.
    #[error("the name is empty; write NAME or NAME=WEIGHT, such as mysql-0 or mysql-0=2")]
    NoName,
    /// Not a number above 0.
    #[error("the weight {0:?} is not a number above 0; write NAME=WEIGHT, such as mysql-0=2")]
    Weight(String),
    #[error("{0:?} is named twice; name each replica once, with its whole weight")]
    Twice(Arc<str>),
    #[error("{0} replicas are named, at most {REPLICAS_MAX} are possible")]
    TooMany(usize),
}

impl FromStr for Expected {
    type Err = ExpectationError;

    fn from_str(text: &str) -> Result<Self, ExpectationError> {
        let (name, weight) = match text.split_once('=') {
            None => (text, 1.0),
            Some((name, weight)) => {
                let parsed = weight.trim().parse().ok().filter(|w: &f64| w.is_finite() && *w > 0.0);
                (name, parsed.ok_or_else(|| ExpectationError::Weight(weight.to_owned()))?)
            }
        };
        match name.trim() {
            "" => Err(ExpectationError::NoName),
            name => Ok(Self { name: name.into(), weight }),
        }
    }
}

impl Expectation {
    /// An empty list expects every replica seen.
    ///
    /// # Errors
    /// On a duplicate name, or more entries than a target may have replicas.
    pub fn listed(entries: Vec<Expected>) -> Result<Self, ExpectationError> {
        if entries.is_empty() {
            return Ok(Self::Seen);
        }
        if entries.len() > REPLICAS_MAX {
            return Err(ExpectationError::TooMany(entries.len()));
        }
        for (index, entry) in entries.iter().enumerate() {
            if entries[..index].iter().any(|earlier| earlier.name == entry.name) {
                return Err(ExpectationError::Twice(Arc::clone(&entry.name)));
            }
        }
        Ok(Self::Listed(entries))
    }

    pub fn entries(&self) -> &[Expected] {
        match self {
            Self::Seen => &[],
            Self::Listed(entries) => entries,
        }
    }

    /// The entry that equals the host name, with or without its domain, else `server-<server_id>`.
    pub fn entry_of(&self, identity: &Identity) -> Option<&Expected> {
        let by_id = server_name(identity.server_id);
        let entries = self.entries();
        let by_host = entries.iter().find(|entry| *entry.name == *identity.host_name);
        let by_host = by_host.or_else(|| entries.iter().find(|entry| is_host_of(&identity.host_name, &entry.name)));
        by_host.or_else(|| entries.iter().find(|entry| *entry.name == *by_id))
    }

    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::Seen => true,
            Self::Listed(entries) => entries.iter().any(|entry| *entry.name == *name),
        }
    }

    /// 0 to 1; `seen` is the number of replicas seen.
    pub fn share(&self, name: &str, seen: usize) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "at most 65 replicas")]
            Self::Seen => 1.0 / seen.max(1) as f64,
            Self::Listed(entries) => {
                // Divided by the largest weight first: the sum of finite weights may be infinite.
                let largest = entries.iter().map(|entry| entry.weight).fold(0.0, f64::max);
                let sum: f64 = entries.iter().map(|entry| entry.weight / largest).sum();
                let own = entries.iter().find(|entry| *entry.name == *name);
                own.map_or(0.0, |entry| entry.weight / largest / sum)
            }
        }
    }
}

pub(crate) fn server_name(server_id: u32) -> String {
    format!("server-{server_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entries: &[&str]) -> Expectation {
        Expectation::listed(entries.iter().map(|e| e.parse().unwrap()).collect()).unwrap()
    }

    #[test]
    fn shares_follow_the_weights_and_add_up_to_one() {
        let expectation = listed(&["a=2", "b", "c"]);
        assert_eq!(["a", "b", "c", "d"].map(|n| expectation.share(n, 9)), [0.5, 0.25, 0.25, 0.0]);
    }

    #[test]
    fn huge_weights_do_not_overflow() {
        let expectation = listed(&["a=1e308", "b=1e308"]);
        assert_eq!(expectation.share("a", 0), 0.5);
    }

    #[test]
    fn weights_that_are_not_numbers_above_zero_are_refused() {
        for text in ["a=0", "a=-1", "a=inf", "a=NaN", "a=", "a=x"] {
            assert!(matches!(text.parse::<Expected>(), Err(ExpectationError::Weight(_))), "{text}");
        }
        assert_eq!("=1".parse::<Expected>(), Err(ExpectationError::NoName));
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        let twice = vec!["a".parse().unwrap(), "a=2".parse().unwrap()];
        assert_eq!(Expectation::listed(twice), Err(ExpectationError::Twice("a".into())));
    }
}
