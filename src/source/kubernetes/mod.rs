//! What Kubernetes knows of the targets: one watch per kind and namespace, however many targets there are, and each object
//! reduced to a few facts as soon as it is received.

mod attempts;
mod convert;
mod discovery;
mod proxy;
mod recorder;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{
    ClusterResourceScope, NamespaceResourceScope,
    api::{apps::v1::StatefulSet, core::v1 as core, discovery::v1::EndpointSlice, storage::v1::StorageClass},
};
use kube::{
    Api, Client, Config,
    client::ClientBuilder,
    config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError},
    core::PartialObjectMeta,
    runtime::watcher,
};
use tokio::{
    sync::{mpsc, watch as latest},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::util::MapErrLayer;

use self::{
    convert::Observed,
    proxy::{Environment, Proxy},
};
pub use self::{
    discovery::{Found, discover},
    proxy::ProxyError,
    recorder::{Record, Recorder},
};
use crate::model::{
    Event, Told,
    cluster::{Change, Kind, Object, Vantage, WatchName},
};

/// Names the probe's own node; the downward API sets it from `spec.nodeName`.
const NODE_VARIABLE: &str = "NODE_NAME";

/// A connection on which so long nothing is heard is given up: longer than a watch may be quiet, which the watch itself ends.
/// Without it, a list that is asked for on the connection of a server that is gone would be waited for until the kernel
/// gives up, a quarter of an hour later.
const SILENCE: Duration = Duration::from_secs(attempts::WATCH_SECONDS as u64 + 15);

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a `ServiceAccount` nor a kubeconfig.
    #[error(
        "cannot find a Kubernetes cluster: {0}; run in a pod with a ServiceAccount, set KUBECONFIG, or leave --service \
         out and give --address alone"
    )]
    Infer(Box<InferConfigError>),
    /// The context is not in the kubeconfig.
    #[error("cannot use the kubeconfig: {0}; `kubectl config get-contexts` lists what --kubernetes.context takes")]
    Context(Box<KubeconfigError>),
    /// The configuration is there and cannot be used.
    #[error("cannot talk to the Kubernetes API: {0}; check the kubeconfig's certificates and address")]
    Client(Box<kube::Error>),
    /// The proxy that it names cannot be used.
    #[error(transparent)]
    Proxy(ProxyError),
}

/// The namespaces in which objects are watched.
pub type Namespaces = BTreeSet<Arc<str>>;

/// The objects to watch, and as whom.
#[derive(Clone)]
pub struct Watcher {
    client: Client,
    /// Watch what scale events and claims are made of, too.
    lifecycle: bool,
    node: Option<String>,
}

/// Connects to the cluster that the program runs in, or to the one of the kubeconfig, in its `context` if one is given.
///
/// # Errors
/// When there is no such cluster, or its configuration cannot be used.
pub async fn connect(context: Option<&str>) -> Result<Client, ConnectError> {
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
    client_through(proxy, config)
}

/// A client for watches.
///
/// # Errors
/// When the configuration cannot be used.
pub fn client(config: Config) -> Result<Client, ConnectError> {
    client_through(None, config)
}

fn client_through(proxy: Option<Proxy>, mut config: Config) -> Result<Client, ConnectError> {
    config.read_timeout = Some(SILENCE);
    // The library would repeat requests for minutes without a word; a watch reports the error and has pauses of its own.
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config).map_err(|error| ConnectError::Client(Box::new(error)))?;
    let explain = MapErrLayer::new(move |error| match &proxy {
        Some(proxy) => proxy.clone().explain(error),
        None => error,
    });
    Ok(builder.with_layer(&explain).build())
}

impl Watcher {
    /// A watcher of what targets need; with `lifecycle`, of scale events and claims too.
    #[must_use]
    pub fn new(client: Client, lifecycle: bool) -> Self {
        Self { client, lifecycle, node: std::env::var(NODE_VARIABLE).ok().filter(|node| !node.is_empty()) }
    }

    /// What writes Events into the same cluster, and where to put what it is to write.
    #[must_use]
    pub fn recorder(&self) -> (mpsc::Sender<Record>, Recorder) {
        Recorder::new(self.client.clone())
    }

    /// Who is asked.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The watches that [`run`](Self::run) keeps for these namespaces.
    #[must_use]
    pub fn watches(&self, namespaces: &Namespaces) -> Vec<WatchName> {
        if namespaces.is_empty() {
            return Vec::new();
        }
        let mut kinds = vec![Kind::Service, Kind::Slice, Kind::Pod];
        let mut whole = Vec::new();
        if self.lifecycle {
            kinds.extend([Kind::StatefulSet, Kind::Claim, Kind::Event]);
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

    /// Tells `events` what every watch of the latest `namespaces` sees, until `stop` is cancelled.
    pub async fn run(
        self,
        mut namespaces: latest::Receiver<Namespaces>,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) {
        let mut running = JoinSet::new();
        let mut kept: BTreeMap<WatchName, CancellationToken> = BTreeMap::new();
        let mut before = Namespaces::new();
        loop {
            let now = namespaces.borrow_and_update().clone();
            let wanted: BTreeSet<_> = self.watches(&now).into_iter().collect();
            // What volumes told of claims in other namespaces was not kept.
            let of_volumes_anew = !now.is_subset(&before);
            before = now;
            kept.retain(|name, leave: &mut CancellationToken| {
                let stays = wanted.contains(name) && !(name.kind == Kind::Volume && of_volumes_anew);
                if !stays {
                    leave.cancel();
                }
                stays
            });
            for watch in wanted {
                if !kept.contains_key(&watch) {
                    let leave = CancellationToken::new();
                    kept.insert(watch.clone(), leave.clone());
                    self.begin(watch, events.clone(), leave, &mut running).await;
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = namespaces.changed() => if changed.is_err() { break },
                Some(ended) = running.join_next() => go_on(ended),
            }
        }
        // Nothing was forgotten by that: only who leaves a namespace does that.
        running.shutdown().await;
        stop.cancelled().await;
    }

    async fn begin(
        &self,
        watch: WatchName,
        events: mpsc::Sender<Event>,
        leave: CancellationToken,
        running: &mut JoinSet<()>,
    ) {
        if let (Kind::Node, Some(node)) = (watch.kind, &self.node) {
            // The node is known without being read; its zone is what the watch adds.
            let vantage = Vantage { node: Some(node.as_str().into()), zone: None };
            let change = Change::Applied(Object::Vantage(vantage), crate::model::cluster::Receipt::Listed);
            let (watch, told) = (watch.clone(), Told::Change(Box::new(change)));
            let _ = events.send(Event::Cluster { watch, told }).await;
        }
        match watch.kind {
            Kind::Service => running.spawn(self.namespaced::<core::Service>(watch, events, leave)),
            Kind::Slice => running.spawn(self.namespaced::<EndpointSlice>(watch, events, leave)),
            Kind::Pod => running.spawn(self.namespaced::<core::Pod>(watch, events, leave)),
            Kind::StatefulSet => running.spawn(self.namespaced::<StatefulSet>(watch, events, leave)),
            Kind::Claim => running.spawn(self.namespaced::<core::PersistentVolumeClaim>(watch, events, leave)),
            Kind::Event => running.spawn(self.namespaced::<core::Event>(watch, events, leave)),
            Kind::StorageClass => running.spawn(self.whole::<StorageClass>(watch, events, leave)),
            Kind::Volume => running.spawn(self.whole::<core::PersistentVolume>(watch, events, leave)),
            Kind::Node => running.spawn(self.whole::<PartialObjectMeta<core::Node>>(watch, events, leave)),
            Kind::Selection => return,
        };
    }

    fn namespaced<K>(
        &self,
        watch: WatchName,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<K>
    where
        K: Observed<Scope = NamespaceResourceScope>,
    {
        let only = match watch.kind {
            Kind::Event => "involvedObject.kind=PersistentVolumeClaim",
            _ => "",
        };
        let api = Api::<K>::namespaced(self.client.clone(), &watch.namespace);
        watch::watch(api, selecting(only), watch, events, stop)
    }

    fn whole<K>(
        &self,
        watch: WatchName,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<K>
    where
        K: Observed<Scope = ClusterResourceScope>,
    {
        let only = match (&self.node, watch.kind) {
            (Some(node), Kind::Node) => format!("metadata.name={node}"),
            _ => String::new(),
        };
        let api = Api::<K>::all(self.client.clone());
        watch::watch(api, selecting(&only), watch, events, stop)
    }
}

/// A watch of the objects that a field selector selects; an empty one selects all.
fn selecting(fields: &str) -> watcher::Config {
    let config = watcher::Config::default();
    if fields.is_empty() { config } else { config.fields(fields) }
}

/// Nothing aborts a watch before the end, so an error is a panic: it belongs to whoever supervises the watcher.
fn go_on(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}
