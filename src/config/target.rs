//! One read Service to probe, with its settings.

use std::sync::Arc;

use serde::Serialize;

use super::{
    address::{Address, AddressError},
    settings::Settings,
    text,
};
use crate::model::cluster::ObjectName;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// The `target` label.
    #[serde(serialize_with = "text::write")]
    pub name: Arc<str>,
    /// `None` for a target without Kubernetes data.
    #[serde(serialize_with = "text::write_option", skip_serializing_if = "Option::is_none")]
    pub service: Option<ObjectName>,
    /// `None` means that it is found from the endpoints.
    #[serde(serialize_with = "text::write_option", skip_serializing_if = "Option::is_none")]
    pub statefulset: Option<ObjectName>,
    pub address: Address,
    #[serde(flatten)]
    pub settings: Settings,
}

impl Target {
    /// A target without Kubernetes data and with default settings.
    #[must_use]
    pub fn at(address: Address) -> Self {
        let name = address.to_string().into();
        Self { name, service: None, statefulset: None, address, settings: Settings::default() }
    }

    /// # Errors
    /// When the Service's DNS name is not a valid address; no name that Kubernetes accepts causes this.
    pub fn of_service(service: ObjectName) -> Result<Self, AddressError> {
        let target = Self::at(Address::of_service(&service)?);
        Ok(Self { name: service.to_string().into(), service: Some(service), ..target })
    }

    /// A Service selects pods of its own namespace only.
    #[must_use]
    pub fn can_select_statefulset(&self) -> bool {
        let namespace = self.service.as_ref().map(|service| &service.namespace);
        self.statefulset.as_ref().is_none_or(|set| Some(&set.namespace) == namespace)
    }
}
