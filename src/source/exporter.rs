//! What another readscope, which runs already, has seen: asked over HTTP.

use std::{str::FromStr, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, time::timeout};

use crate::model::cluster::{Milestone, ObjectName, Reached, ReplicaReached};

/// The path of scale events, and of what replicas have reached.
const SCALE_EVENTS: &str = "/api/v1/scale-events";

/// The path of targets.
const TARGETS: &str = "/api/v1/targets";

/// A whole answer comes within this time.
const WITHIN: Duration = Duration::from_secs(10);

/// No exporter has more to say.
const BYTES_MAX: usize = 64 << 20;

/// The port of an exporter.
const PORT: u16 = 10_306;

/// Where an exporter listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExporterUrl {
    host: String,
    port: u16,
    /// What a proxy before it wants before its own paths; no slash at its end.
    prefix: String,
}

/// Why a text is no URL of an exporter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExporterUrlError {
    /// Not a URL.
    #[error("not a URL; write http://HOST[:PORT], such as http://127.0.0.1:10306")]
    Unreadable,
    /// Another scheme than `http`.
    #[error(
        "only http:// can be asked; for an exporter that serves TLS, forward its port from inside or run without \
         --attach"
    )]
    Scheme,
}

/// Why an exporter could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// No connection, or it broke off.
    #[error("cannot reach {0}: {1}; check the address, and that `readscope run` is there")]
    Unreachable(ExporterUrl, String),
    /// It answered something else.
    #[error("{0} answers {1} to {2}; check that it is readscope's own address")]
    Status(ExporterUrl, StatusCode, &'static str),
    /// What it answered is not what readscope says.
    #[error("{0} does not answer as readscope does: {1}; check the address, and that both have the same version")]
    Unreadable(ExporterUrl, String),
}

/// All that an exporter tells of its targets, as it is written.
#[derive(Clone, Debug)]
pub struct Documents {
    /// `/api/v1/targets`.
    pub targets: Bytes,
    /// `/api/v1/scale-events`.
    pub scale_events: Bytes,
}

#[derive(Deserialize)]
struct Answer {
    statefulsets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    statefulset: String,
    replicas: Vec<Replica>,
}

#[derive(Deserialize)]
struct Replica {
    replica: String,
    milestones: Vec<String>,
}

/// What the replicas that the exporter knows have reached.
///
/// # Errors
/// When it cannot be asked, or does not answer as an exporter does.
pub async fn reached(url: &ExporterUrl) -> Result<Vec<Reached>, ExporterError> {
    read(&get(url, SCALE_EVENTS).await?).map_err(|text| ExporterError::Unreadable(url.clone(), text))
}

/// What the exporter tells of its targets.
///
/// # Errors
/// When it cannot be asked.
pub async fn documents(url: &ExporterUrl) -> Result<Documents, ExporterError> {
    Ok(Documents { targets: get(url, TARGETS).await?, scale_events: get(url, SCALE_EVENTS).await? })
}

async fn get(url: &ExporterUrl, path: &'static str) -> Result<Bytes, ExporterError> {
    let late = |_| Err(ExporterError::Unreachable(url.clone(), format!("no answer within {WITHIN:?}")));
    timeout(WITHIN, ask(url, path)).await.unwrap_or_else(late)
}

async fn ask(url: &ExporterUrl, path: &'static str) -> Result<Bytes, ExporterError> {
    let broken = |text: String| ExporterError::Unreachable(url.clone(), text);
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(|error| broken(error.to_string()))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.to_string()))?;
    let request = Request::get(format!("{}{path}", url.prefix))
        .header(HOST, url.authority())
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(error.to_string()))?;
    let asking = async {
        let response = sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
        if response.status() != StatusCode::OK {
            return Err(ExporterError::Status(url.clone(), response.status(), path));
        }
        let body = Limited::new(response.into_body(), BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| broken(error.to_string()))
    };
    tokio::pin!(connection, asking);
    tokio::select! {
        body = &mut asking => body,
        // The connection is done when the answer is, and what it read last is still to be taken.
        _ = &mut connection => asking.await,
    }
}

fn read(body: &[u8]) -> Result<Vec<Reached>, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let replica = |known: Replica| {
        // A milestone of a later version is none that can be asked for here.
        let milestone = |name: String| Milestone::ALL.into_iter().find(|milestone| milestone.name() == name);
        let milestones = known.milestones.into_iter().filter_map(milestone).collect();
        ReplicaReached { replica: known.replica.into(), milestones }
    };
    let set = |set: Set| {
        let statefulset: ObjectName = set.statefulset.parse().map_err(|_| format!("{:?}", set.statefulset))?;
        Ok(Reached { statefulset, replicas: set.replicas.into_iter().map(replica).collect() })
    };
    answer.statefulsets.into_iter().map(set).collect()
}

impl ExporterUrl {
    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ExporterUrl {
    type Err = ExporterUrlError;

    fn from_str(text: &str) -> Result<Self, ExporterUrlError> {
        let text = text.trim();
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = text.parse().map_err(|_| ExporterUrlError::Unreadable)?;
        if uri.scheme_str() != Some("http") {
            return Err(ExporterUrlError::Scheme);
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(ExporterUrlError::Unreadable)?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(PORT),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl std::fmt::Display for ExporterUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, ExporterUrlError> {
        text.parse().map(|url: ExporterUrl| url.to_string())
    }

    #[test]
    fn an_exporter_is_named_by_an_http_url_or_by_its_address_alone() {
        assert_eq!(url("http://127.0.0.1:9999").unwrap(), "http://127.0.0.1:9999");
        assert_eq!(url("readscope.mysql").unwrap(), "http://readscope.mysql:10306");
        assert_eq!(url("http://[::1]:1/").unwrap(), "http://[::1]:1");
        assert_eq!(url("http://proxy:80/readscope/").unwrap(), "http://proxy:80/readscope");
        assert_eq!(url("https://readscope"), Err(ExporterUrlError::Scheme));
        for text in ["", "http://", "a b"] {
            assert_eq!(url(text), Err(ExporterUrlError::Unreadable), "{text}");
        }
    }

    #[test]
    fn what_an_exporter_says_is_read_and_what_it_adds_is_passed_over() {
        let body = r#"{"scale_events": [], "statefulsets": [{"statefulset": "mysql/mysql", "more": 1,
            "replicas": [{"replica": "mysql-3", "milestones": ["pod_ready", "of_tomorrow"]}]}]}"#;
        let sets = read(body.as_bytes()).unwrap();
        assert!(Reached::has(&sets, "mysql-3", Milestone::PodReady));
        assert!(!Reached::has(&sets, "mysql-3", Milestone::FirstRead));
        assert!(Reached::has(&sets, "mysql-9", Milestone::PodGone));
        for body in ["", "{}", r#"{"statefulsets": [{"statefulset": "mysql", "replicas": []}]}"#] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
