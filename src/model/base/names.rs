//! The names of Kubernetes objects.

use std::{fmt, str::FromStr, sync::Arc};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodRef {
    pub name: Arc<str>,
    /// A recreated pod has the same name and another uid.
    pub uid: Arc<str>,
}

impl ObjectName {
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    #[must_use]
    pub fn sibling(&self, name: &Arc<str>) -> Self {
        Self { namespace: Arc::clone(&self.namespace), name: Arc::clone(name) }
    }

    /// Splits `mysql-3` into stem and ordinal, as a `StatefulSet` names its pods and PVCs.
    pub(crate) fn place(&self) -> Option<(&str, u32)> {
        let (stem, ordinal) = self.name.rsplit_once('-')?;
        Some((stem, ordinal.parse().ok()?))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write NAMESPACE/NAME, such as mysql/mysql-read")]
pub struct ObjectNameError;

impl FromStr for ObjectName {
    type Err = ObjectNameError;

    fn from_str(text: &str) -> Result<Self, ObjectNameError> {
        // The API server accepts only these characters; others could change the path of a request.
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
