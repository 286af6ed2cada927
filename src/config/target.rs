//! One read Service to probe, with its settings.

use std::sync::Arc;

use serde::Serialize;

use super::{
    address::{Address, AddressError},
    settings::Settings,
    text,
};
use crate::model::{SERVICE_PORT, cluster::ObjectName};

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

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("nothing to probe; name a Service or an address")]
    Nowhere,
    /// Every valid name of a Service gives a valid address, so this does not occur.
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(
        "the StatefulSet {0} is not in the namespace of the Service, which selects pods of its own namespace only; name \
         the StatefulSet behind the Service"
    )]
    Elsewhere(ObjectName),
}

impl Target {
    /// A target without Kubernetes data and with default settings.
    pub fn at(address: Address) -> Self {
        let address = Address { port: address.port.or(Some(SERVICE_PORT)), ..address };
        let name = address.to_string().into();
        Self { name, service: None, statefulset: None, address, settings: Settings::default() }
    }

    /// A target with default settings. The address defaults to that of the Service.
    /// Fails without a Service and an address, and if the Service cannot select the `StatefulSet`.
    pub fn new(
        service: Option<ObjectName>,
        address: Option<Address>,
        statefulset: Option<ObjectName>,
    ) -> Result<Self, PlaceError> {
        let namespace = service.as_ref().map(|service| &service.namespace);
        if let Some(set) = statefulset.as_ref().filter(|set| Some(&set.namespace) != namespace) {
            return Err(PlaceError::Elsewhere(set.clone()));
        }
        let Some(service) = service else { return Ok(Self::at(address.ok_or(PlaceError::Nowhere)?)) };
        let address = address.map_or_else(|| Address::of_service(&service), Ok)?;
        let name = service.to_string().into();
        Ok(Self { name, service: Some(service), statefulset, address, settings: Settings::default() })
    }
}
