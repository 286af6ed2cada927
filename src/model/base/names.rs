//! The names of Kubernetes objects.

use std::{fmt, str::FromStr, sync::Arc};

/// The name of a namespaced object: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name in it.
    pub name: Arc<str>,
}

/// A pod as an endpoint refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodRef {
    /// Its name, in the endpoint's namespace.
    pub name: Arc<str>,
    /// Its uid: a pod made anew under its name has another one.
    pub uid: Arc<str>,
}

impl ObjectName {
    /// `namespace/name`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The object of this name in the same namespace.
    #[must_use]
    pub fn sibling(&self, name: &Arc<str>) -> Self {
        Self { namespace: Arc::clone(&self.namespace), name: Arc::clone(name) }
    }

    /// The name as a `StatefulSet` makes it: before the last hyphen, and the ordinal after it.
    pub(crate) fn place(&self) -> Option<(&str, u32)> {
        let (stem, ordinal) = self.name.rsplit_once('-')?;
        Some((stem, ordinal.parse().ok()?))
    }
}

/// A text that is no `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write NAMESPACE/NAME, such as mysql/mysql-read")]
pub struct ObjectNameError;

impl FromStr for ObjectName {
    type Err = ObjectNameError;

    fn from_str(text: &str) -> Result<Self, ObjectNameError> {
        // What the API server takes for a name; anything else would be a path in a request to it.
        let is_name = |name: &str| {
            (1..=253).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
                && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        match text.trim().split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(Self::new(namespace, name)),
            _ => Err(ObjectNameError),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
