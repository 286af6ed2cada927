//! Discovery of Services that become targets.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    settings::Settings,
    target::{PlaceError, Target},
    text::{self, deserialize_from_str, serialize_display},
};
use crate::model::cluster::ObjectName;

/// Maximum length of a namespace's name, and of a label's name or value. The prefix before `/` may have the length of a
/// host name.
const LABEL_BYTES_MAX: usize = 63;
const PREFIX_BYTES_MAX: usize = 253;

/// Each Service that matches becomes a target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Discovery {
    #[serde(rename = "discover")]
    pub search: Search,
    #[serde(flatten)]
    pub settings: Settings,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// All namespaces if empty; sorted.
    #[serde(default, deserialize_with = "namespaces", skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<Namespace>,
    pub selector: Selector,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Namespace(Arc<str>);

/// A label selector in the syntax of `kubectl --selector`; an empty one selects all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid name of a namespace; use lower-case letters, digits and hyphens, such as team-a")]
struct NamespaceError(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a label selector; write KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B), KEY or !KEY, with commas \
     between them"
)]
pub struct SelectorError(String);

impl Discovery {
    /// Namespaces to watch; one empty name means all namespaces.
    pub fn places(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        let namespaces = &self.search.namespaces;
        let everywhere = namespaces.is_empty().then(Arc::default);
        namespaces.iter().map(|namespace| Arc::clone(&namespace.0)).chain(everywhere)
    }

    /// Does not fail with a name that Kubernetes accepts.
    pub fn target(&self, service: &ObjectName) -> Result<Target, PlaceError> {
        Ok(Target { settings: self.settings.clone(), ..Target::new(Some(service.clone()), None, None)? })
    }
}

fn namespaces<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Namespace>, D::Error> {
    let mut namespaces = Vec::<Namespace>::deserialize(deserializer)?;
    if namespaces.is_empty() {
        return Err(text::invalid(&"the list is empty; name namespaces, or leave the key out for all of them"));
    }
    namespaces.sort_unstable();
    namespaces.dedup();
    Ok(namespaces)
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        let in_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match text.trim() {
            name if (1..=LABEL_BYTES_MAX).contains(&name.len()) && name.chars().all(in_a_name) => Ok(Self(name.into())),
            name => Err(NamespaceError(name.to_owned())),
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

deserialize_from_str!(Namespace);
serialize_display!(Namespace);
deserialize_from_str!(Selector);
serialize_display!(Selector);

impl Selector {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self(String::new()));
        }
        match requirements(text).find(|requirement| !is_requirement(requirement.trim())) {
            None => Ok(Self(text.to_owned())),
            Some(invalid) => Err(SelectorError(invalid.trim().to_owned())),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Splits at commas outside parentheses.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c| {
        inside = c == '(' || (inside && c != ')');
        c == ',' && !inside
    })
}

fn is_requirement(text: &str) -> bool {
    if let Some(key) = text.strip_prefix('!') {
        return is_key(key.trim());
    }
    for operator in ["!=", "==", "="] {
        if let Some((key, value)) = text.split_once(operator) {
            return is_key(key.trim()) && is_value(value.trim());
        }
    }
    let Some((key, rest)) = text.split_once(char::is_whitespace) else { return is_key(text) };
    let rest = rest.trim();
    let values = rest.strip_prefix("notin").or_else(|| rest.strip_prefix("in")).map(str::trim);
    let values = values.and_then(|values| values.strip_prefix('(')?.strip_suffix(')'));
    is_key(key) && values.is_some_and(|values| values.split(',').all(|value| is_value(value.trim())))
}

fn is_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let in_a_prefix = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let prefixed =
        |prefix: &str| !prefix.is_empty() && prefix.len() <= PREFIX_BYTES_MAX && prefix.chars().all(in_a_prefix);
    !name.is_empty() && is_value(name) && prefix.is_none_or(prefixed)
}

fn is_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= LABEL_BYTES_MAX
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && edge(text.chars().next())
        && edge(text.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_as_kubectl_writes_them() {
        for text in ["", "readscope.io/probe=true", "a==b,c!=d", "tier in (a, b),app", "tier notin (a),!gone", "empty="]
        {
            assert!(text.parse::<Selector>().is_ok(), "{text}");
        }
    }

    #[test]
    fn an_invalid_selector_is_refused_with_its_invalid_part() {
        for (text, part) in [
            ("a=b,c d", "c d"),
            ("a in b", "a in b"),
            ("a=b c", "a=b c"),
            ("a>1", "a>1"),
            (",", ""),
            ("-a=b", "-a=b"),
            ("x/y/z=1", "x/y/z=1"),
            ("Upper.io/a", "Upper.io/a"),
        ] {
            assert_eq!(text.parse::<Selector>(), Err(SelectorError(part.to_owned())), "{text}");
        }
    }
}
