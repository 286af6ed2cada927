//! Kubernetes data of the targets: one watch per kind and namespace, for any number of targets. Each object is reduced
//! to a few facts when it arrives.

mod attempts;
mod convert;
mod counting;
mod discovery;
mod failure;
mod lease;
mod proxy;
mod pulse;
mod recorder;
mod token_file;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{self as core, PersistentVolumeClaim},
    discovery::v1::EndpointSlice,
    storage::v1::StorageClass,
};
use kube::{
    Api, Client, Config,
    client::{AuthError, ClientBuilder},
    config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError},
    core::PartialObjectMeta,
    runtime::watcher,
};
use tokio::{
    sync::{mpsc, watch as latest},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::{
    layer::layer_fn,
    util::{MapErrLayer, MapRequestLayer},
};

use self::{
    attempts::Attempts,
    convert::Observed,
    counting::Counting,
    failure::Login,
    proxy::{Environment, Proxy},
    token_file::TokenFile,
};
pub use self::{
    discovery::Found,
    failure::LoginError,
    lease::Election,
    proxy::ProxyError,
    recorder::{Record, Recorder},
};
use super::joined;
use crate::{
    config::PasswordError,
    model::{
        Event, WatchUpdate,
        cluster::{Change, Kind, Object, ProbeLocation, Seen, WatchName},
    },
};

/// Name of readscope's own node; the downward API sets it from `spec.nodeName`.
const NODE_VARIABLE: &str = "NODE_NAME";

/// A connection without data for this time is closed. A watch may be quiet for a shorter time and then ends by itself.
/// This limit is for one dead connection: [`pulse`] notices a dead API server sooner.
const SILENCE: Duration = Duration::from_secs(attempts::WATCH_SECONDS as u64 + 15);

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "cannot find a Kubernetes cluster: {0}; run readscope in a pod with a ServiceAccount, set KUBECONFIG, or set only \
         the address of the target, not its Service"
    )]
    Infer(Box<InferConfigError>),
    #[error("cannot use the kubeconfig: {0}; `kubectl config get-contexts` lists its contexts")]
    Context(Box<KubeconfigError>),
    #[error(
        "cannot create a client of the Kubernetes API: {0}; check the certificates and the address in the kubeconfig"
    )]
    Client(String),
    #[error(transparent)]
    Login(LoginError),
    #[error(transparent)]
    Token(PasswordError),
    #[error(transparent)]
    Proxy(ProxyError),
}

pub type Namespaces = BTreeSet<Arc<str>>;

#[derive(Clone)]
pub struct Watcher {
    client: Client,
    scope: Scope,
    node: Option<String>,
    /// Sends when the API server gave no response in time.
    silences: latest::Sender<()>,
}

/// Which objects a [`Watcher`] watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The endpoints of Services, and their pods.
    #[default]
    Routing,
    /// `StatefulSet`s, too.
    Rollouts,
    /// PVCs, their volumes and Events, too.
    ScaleEvents,
}

/// Without `context`, uses the kubeconfig's current context or the pod's own cluster. `count` is called with the verb and
/// the status code of each request.
pub async fn connect(
    context: Option<&str>,
    count: impl Fn(&str, &str) + Clone + Send + Sync + 'static,
) -> Result<Client, ConnectError> {
    let mut config = match context {
        None => Config::infer().await.map_err(|error| ConnectError::Infer(Box::new(error)))?,
        Some(context) => {
            let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
            Config::from_kubeconfig(&options).await.map_err(|error| ConnectError::Context(Box::new(error)))?
        }
    };
    let kubeconfig = Kubeconfig::read().ok();
    let proxy_url = kubeconfig.and_then(|kubeconfig| proxy::proxy_url(kubeconfig, context, &config.cluster_url));
    let proxy = Proxy::choose(&config.cluster_url, proxy_url.as_deref(), &Environment::read());
    let proxy = proxy.map_err(ConnectError::Proxy)?;
    config.proxy_url = proxy.as_ref().map(|proxy| proxy.url.clone());
    client_through(proxy, config, count)
}

pub fn client(config: Config) -> Result<Client, ConnectError> {
    client_through(None, config, |_, _| {})
}

fn client_through(
    proxy: Option<Proxy>,
    mut config: Config,
    count: impl Fn(&str, &str) + Clone + Send + Sync + 'static,
) -> Result<Client, ConnectError> {
    let token_file = TokenFile::take(&mut config.auth_info).map_err(ConnectError::Token)?;
    config.read_timeout = Some(SILENCE);
    // The library would retry silently for minutes. A watch reports the error and pauses on its own.
    config.default_retry = false;
    let login = Login::of(&config.auth_info);
    let builder = ClientBuilder::try_from(config).map_err(|error| match error {
        kube::Error::Auth(error) => ConnectError::Login(login.explain(&error)),
        error => ConnectError::Client(failure::reason(&error)),
    })?;
    // Credentials expire and are renewed before a request.
    let explain =
        MapErrLayer::new(move |error: Box<dyn Error + Send + Sync>| match error.downcast_ref::<AuthError>() {
            Some(error) => login.explain(error).into(),
            None => match proxy.clone() {
                Some(proxy) => proxy.explain(error),
                None => error,
            },
        });
    let authorize = MapRequestLayer::new(move |request| match &token_file {
        Some(token_file) => token_file.authorize(request),
        None => request,
    });
    let counting = layer_fn(|inner| Counting { inner, count: count.clone() });
    Ok(builder.with_layer(&authorize).with_layer(&explain).with_layer(&counting).build())
}

impl Watcher {
    pub fn new(client: Client, scope: Scope) -> Self {
        let node = std::env::var(NODE_VARIABLE).ok().filter(|node| !node.is_empty());
        Self { client, scope, node, silences: latest::Sender::new(()) }
    }

    /// Watches that [`run`](Self::run) keeps open.
    pub fn watches(&self, namespaces: &Namespaces) -> Vec<WatchName> {
        if namespaces.is_empty() {
            return Vec::new();
        }
        let mut kinds = vec![Kind::Service, Kind::Slice, Kind::Pod];
        let mut whole = Vec::new();
        if self.scope >= Scope::Rollouts {
            kinds.push(Kind::StatefulSet);
        }
        if self.scope >= Scope::ScaleEvents {
            kinds.extend([Kind::Pvc, Kind::Event]);
            whole.extend([Kind::StorageClass, Kind::Volume]);
        }
        if self.node.is_some() {
            whole.push(Kind::Node);
        }
        let in_namespaces = namespaces
            .iter()
            .flat_map(|namespace| kinds.iter().map(|kind| WatchName { kind: *kind, namespace: Arc::clone(namespace) }));
        let in_all = whole.into_iter().map(|kind| WatchName { kind, namespace: Arc::default() });
        in_namespaces.chain(in_all).collect()
    }

    /// Follows changes of `namespaces` and sends watch events to `events`, until `stop` is cancelled.
    pub async fn run(
        self,
        mut namespaces: latest::Receiver<Namespaces>,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) {
        let mut running = JoinSet::new();
        running.spawn(pulse::pulse(self.client.clone(), self.silences.clone()));
        let mut kept: BTreeMap<WatchName, CancellationToken> = BTreeMap::new();
        let mut before = Namespaces::new();
        loop {
            let now = namespaces.borrow_and_update().clone();
            let wanted: BTreeSet<_> = self.watches(&now).into_iter().collect();
            // PersistentVolumes of PVCs in the new namespaces were dropped before, so they must be listed again.
            let volumes_again = !now.is_subset(&before);
            before = now;
            kept.retain(|name, leave: &mut CancellationToken| {
                let stays = wanted.contains(name) && !(name.kind == Kind::Volume && volumes_again);
                if !stays {
                    leave.cancel();
                }
                stays
            });
            for watch in wanted {
                if !kept.contains_key(&watch) {
                    let leave = CancellationToken::new();
                    kept.insert(watch.clone(), leave.clone());
                    self.start(watch, events.clone(), leave, &mut running).await;
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = namespaces.changed() => if changed.is_err() { break },
                Some(ended) = running.join_next() => joined(ended),
            }
        }
        // This abort reports no deletions; only leaving a namespace does.
        running.shutdown().await;
        stop.cancelled().await;
    }

    async fn start(
        &self,
        watch: WatchName,
        events: mpsc::Sender<Event>,
        leave: CancellationToken,
        running: &mut JoinSet<()>,
    ) {
        if let (Kind::Node, Some(node)) = (watch.kind, &self.node) {
            // The node's name is already known; the watch adds its zone.
            let location = ProbeLocation { node: Some(node.as_str().into()), zone: None };
            let change = Change::Applied(Object::ProbeLocation(location), Seen::Listed);
            let (watch, update) = (watch.clone(), WatchUpdate::Change(Box::new(change)));
            let _ = events.send(Event::Cluster { watch, update }).await;
        }
        let (client, here) = (self.client.clone(), Arc::clone(&watch.namespace));
        let following = match watch.kind {
            Kind::Service => self.follow(Api::<core::Service>::namespaced(client, &here), watch, events, leave),
            Kind::Slice => self.follow(Api::<EndpointSlice>::namespaced(client, &here), watch, events, leave),
            Kind::Pod => self.follow(Api::<core::Pod>::namespaced(client, &here), watch, events, leave),
            Kind::StatefulSet => self.follow(Api::<StatefulSet>::namespaced(client, &here), watch, events, leave),
            Kind::Pvc => self.follow(Api::<PersistentVolumeClaim>::namespaced(client, &here), watch, events, leave),
            Kind::Event => self.follow(Api::<core::Event>::namespaced(client, &here), watch, events, leave),
            Kind::StorageClass => self.follow(Api::<StorageClass>::all(client), watch, events, leave),
            Kind::Volume => self.follow(Api::<core::PersistentVolume>::all(client), watch, events, leave),
            Kind::Node => self.follow(Api::<PartialObjectMeta<core::Node>>::all(client), watch, events, leave),
            Kind::Selection => return,
        };
        running.spawn(following);
    }

    fn follow<K: Observed>(
        &self,
        api: Api<K>,
        watch: WatchName,
        events: mpsc::Sender<Event>,
        leave: CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let all = watcher::Config::default();
        let config = match (watch.kind, &self.node) {
            (Kind::Event, _) => all.fields("involvedObject.kind=PersistentVolumeClaim"),
            (Kind::Node, Some(node)) => all.fields(&format!("metadata.name={node}")),
            _ => all,
        };
        watch::watch(Attempts::new(api, config, self.silences.subscribe()), watch, events, leave).boxed()
    }
}

/// How this instance signs what it writes: the name of its pod.
fn instance() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| (1..=128).contains(&host.len()));
    host.unwrap_or_else(|| "readscope".to_owned())
}
