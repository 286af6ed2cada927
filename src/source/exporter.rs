//! Client of a running exporter, over HTTP or HTTPS.

mod error;
mod url;

use std::time::Duration;

use base64::Engine;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

pub use self::{
    error::ExporterError,
    url::{ExporterUrl, ExporterUrlError},
};
use crate::{
    api::{Documents, ReplicaMilestones, ScaleEvents, StatefulSetMilestones},
    config::{Credentials, HttpConfiguration},
    model::cluster::{self, Milestone, MilestoneStatus, ObjectName},
};

const SCALE_EVENTS: &str = "/api/v1/scale-events";

const TARGETS: &str = "/api/v1/targets";

/// Time limit of a whole response.
const WITHIN: Duration = Duration::from_secs(10);

/// Maximum size of a response.
const BYTES_MAX: usize = 64 << 20;

pub struct Exporter {
    url: ExporterUrl,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    credentials: Option<Credentials>,
}

impl Exporter {
    pub fn new(url: ExporterUrl, configuration: HttpConfiguration) -> Self {
        let HttpConfiguration { tls, server_name, credentials } = configuration;
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let builder = match server_name {
            Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name)),
            None => builder,
        };
        let client = Client::builder(TokioExecutor::new()).build(builder.enable_http1().build());
        Self { url, client, credentials }
    }

    pub async fn reached(&self) -> Result<Vec<MilestoneStatus>, ExporterError> {
        let scale_events = self.parse(&self.get(SCALE_EVENTS).await?)?;
        reached(scale_events).map_err(|text| self.unreadable(&text))
    }

    pub async fn documents(&self) -> Result<Documents, ExporterError> {
        let (targets, scale_events) = (self.get(TARGETS).await?, self.get(SCALE_EVENTS).await?);
        Ok(Documents { targets: self.parse(&targets)?, scale_events: self.parse(&scale_events)? })
    }

    fn parse<T: DeserializeOwned>(&self, json: &[u8]) -> Result<T, ExporterError> {
        serde_json::from_slice(json).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, text: &impl ToString) -> ExporterError {
        ExporterError::Unreadable(self.url.clone(), text.to_string())
    }

    async fn get(&self, path: &'static str) -> Result<Bytes, ExporterError> {
        let request = async {
            let body = Limited::new(self.send(path).await?.into_body(), BYTES_MAX).collect().await;
            body.map(http_body_util::Collected::to_bytes)
                .map_err(|error| ExporterError::Unreachable(self.url.clone(), error.to_string()))
        };
        let late = |_| ExporterError::Unreachable(self.url.clone(), format!("no response within {WITHIN:?}"));
        timeout(WITHIN, request).await.map_err(late)?
    }

    async fn send(&self, path: &'static str) -> Result<Response<Incoming>, ExporterError> {
        let broken = |text: String| ExporterError::Unreachable(self.url.clone(), text);
        let mut request = Request::get(format!("{}{path}", self.url));
        if let Some(credentials) = &self.credentials {
            request = request.header(header::AUTHORIZATION, self.authorization(credentials)?);
        }
        let request = request.body(Empty::new()).map_err(|error| broken(error.to_string()))?;
        let sent = self.client.request(request).await;
        let response = sent.map_err(|error| ExporterError::of_client(&self.url, &error))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::UNAUTHORIZED if self.credentials.is_none() => Err(ExporterError::Anonymous(self.url.clone())),
            StatusCode::UNAUTHORIZED => Err(ExporterError::Unauthorized(self.url.clone())),
            status => Err(ExporterError::Status(self.url.clone(), status, path)),
        }
    }

    /// Reads the secret's file for each request.
    fn authorization(&self, credentials: &Credentials) -> Result<HeaderValue, ExporterError> {
        let unusable = |text: String| ExporterError::Credentials(self.url.clone(), text);
        let (Credentials::Basic { password: source, .. } | Credentials::Token { token: source, .. }) = credentials;
        let secret = source.read().map_err(|error| unusable(error.to_string()))?;
        let secret = secret.as_ref().map_or("", |secret| secret.expose());
        let text = match credentials {
            Credentials::Basic { username, .. } => {
                let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{secret}"));
                format!("Basic {encoded}")
            }
            Credentials::Token { scheme, .. } => format!("{scheme} {secret}"),
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| unusable("the token has characters that an HTTP header cannot contain".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn reached(scale_events: ScaleEvents<'_>) -> Result<Vec<MilestoneStatus>, String> {
    let replica = |ReplicaMilestones { replica, milestones }: ReplicaMilestones<'_>| {
        // Skip milestones of later versions: users of this version cannot wait for them.
        let known = milestones.iter().filter_map(|name| Milestone::from_name(name));
        cluster::ReplicaMilestones { replica: replica.into(), milestones: known.collect() }
    };
    let set = |StatefulSetMilestones { statefulset, replicas }: StatefulSetMilestones<'_>| {
        let name: ObjectName = statefulset.parse().map_err(|_| format!("{statefulset:?}"))?;
        Ok(MilestoneStatus { statefulset: name, replicas: replicas.into_iter().map(replica).collect() })
    };
    scale_events.statefulsets.into_iter().map(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_and_milestones_of_an_exporter_are_ignored() {
        let read = |body: &str| reached(serde_json::from_str(body).map_err(|error| error.to_string())?);
        let body = r#"{"scale_events": [], "statefulsets": [{"statefulset": "mysql/mysql", "more": 1,
            "replicas": [{"replica": "mysql-3", "milestones": ["pod_ready", "of_tomorrow"]}]}]}"#;
        let sets = read(body).unwrap();
        assert!(MilestoneStatus::has(&sets, "mysql-3", Milestone::PodReady));
        assert!(!MilestoneStatus::has(&sets, "mysql-3", Milestone::FirstRead));
        assert!(MilestoneStatus::has(&sets, "mysql-9", Milestone::PodGone));
        let without_namespace = r#"{"scale_events": [], "statefulsets": [{"statefulset": "mysql", "replicas": []}]}"#;
        for body in ["", "{}", r#"{"scale_events": []}"#, without_namespace] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
