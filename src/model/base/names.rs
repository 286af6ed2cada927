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
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    pub fn sibling(&self, name: &Arc<str>) -> Self {
        Self { namespace: Arc::clone(&self.namespace), name: Arc::clone(name) }
    }

    /// Splits `mysql-3` into stem and ordinal, as a `StatefulSet` names its pods and PVCs.
    pub(crate) fn place(&self) -> Option<(&str, u32)> {
        let (stem, ordinal) = self.name.rsplit_once('-')?;
        Some((stem, ordinal.parse().ok()?))
    }
}

/// Whether a server in the pod of this name may have this host name: the pod's name, which Kubernetes cuts, and perhaps
/// a domain.
pub(crate) fn is_host_of(host: &str, pod: &str) -> bool {
    const HOST_BYTES_MAX: usize = 63;
    let cut = pod.get(..HOST_BYTES_MAX).map_or(pod, |cut| cut.trim_end_matches(['-', '.']));
    let rest = host.strip_prefix(pod).or_else(|| host.strip_prefix(cut));
    !pod.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_the_name_of_its_pod_with_or_without_a_domain() {
        let long = "a".repeat(62) + "-b-x7k2p";
        let cut = "a".repeat(62);
        for (host, pod, same) in [
            ("mysql-0", "mysql-0", true),
            ("mysql-0.mysql.mysql.svc.cluster.local", "mysql-0", true),
            ("mysql-01", "mysql-0", false),
            ("mysql", "mysql-0", false),
            ("node-a", "mysql-0", false),
            ("", "", false),
            (&cut, &long, true),
            (&long, &long, true),
        ] {
            assert_eq!(is_host_of(host, pod), same, "{host} {pod}");
        }
    }
}
