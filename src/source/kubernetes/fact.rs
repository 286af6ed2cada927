//! An object that becomes its fact while the answer that it is in is being read: of a page of five hundred pods there is
//! one at a time in memory as the API server writes it.

use std::{borrow::Cow, marker::PhantomData};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};

use super::{
    convert::{Observed, object_name},
    read::Metadata,
};
use crate::model::cluster::{Object, ObjectName};

/// What matters of an object of Kubernetes' kind `K`. It is listed and watched as those are.
#[derive(Clone, Debug)]
pub(super) struct Fact<K> {
    /// What a watch goes by, and nothing else: name, namespace and version.
    metadata: ObjectMeta,
    /// Which object it is; a cluster-wide one has an empty namespace.
    pub(super) name: Option<ObjectName>,
    /// `None` where it is nothing that readscope knows.
    pub(super) object: Option<Object>,
    kind: PhantomData<K>,
}

impl<'de, K: Observed> Deserialize<'de> for Fact<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut read = K::Read::deserialize(deserializer)?;
        let all: &mut Metadata = read.as_mut();
        let name = object_name(all);
        let metadata = ObjectMeta {
            name: all.name.clone(),
            namespace: all.namespace.clone(),
            resource_version: all.resource_version.take(),
            ..ObjectMeta::default()
        };
        let object = name.clone().and_then(|name| K::fact(read, name));
        Ok(Self { metadata, name, object, kind: PhantomData })
    }
}

impl<K: Resource> Resource for Fact<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
