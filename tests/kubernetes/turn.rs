//! A test's turn in a cluster. A test names the contents that it needs, whatever earlier tests did:
//!
//! - [`Turn::from_nothing`]: a new cluster.
//! - [`Turn::beside_mysql`]: the MySQL of `manifests/` with three ready replicas, and no readscope.
//! - [`Lab::own`](crate::lab::Lab::own): the MySQL of `tests/cluster/mysql.yaml`, and nothing else.
//! - [`Lab::anywhere`](crate::lab::Lab::anywhere): the same, in the cluster of `KUBECONFIG` if it is set.
//!
//! Two clusters serve all tests, and a test gets the one with the closest contents. A test may stop parts of its cluster and
//! remove permissions, but restores them at its end. The cluster of a failed test is removed.

use std::{
    fs::File,
    ops::Deref,
    sync::{Condvar, LazyLock, Mutex},
    thread,
};

use nix::sched::{CloneFlags, setns};

use crate::{cluster::Cluster, image, mysql};

/// The contents of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Nothing,
    /// The MySQL of `manifests/`, and deployments of tests.
    Manifests,
    /// The MySQL of `tests/cluster/mysql.yaml`.
    Lab,
    Unknown,
}

/// A cluster that waits for the next test, or a free place for one.
type Place = Option<(Cluster, Content)>;

struct Pool {
    free: Mutex<Vec<Place>>,
    freed: Condvar,
}

/// Two fit on a machine with two cores and 8 GB: each has up to six MySQL servers.
static OWN: LazyLock<Pool> = LazyLock::new(|| Pool::of(vec![None, None]));

static GIVEN: LazyLock<Option<Pool>> = LazyLock::new(|| {
    let kubeconfig = std::env::var_os("KUBECONFIG")?.into();
    Some(Pool::of(vec![Some((Cluster::Given { kubeconfig }, Content::Unknown))]))
});

impl Pool {
    fn of(free: Vec<Place>) -> Self {
        Self { free: Mutex::new(free), freed: Condvar::new() }
    }

    /// Waits for a place: with the wanted contents if there is one, else without a cluster, else any.
    fn take(&self, wanted: Content) -> Place {
        let mut free = self.free.lock().unwrap();
        loop {
            let best = |place: &Place| place.as_ref().is_some_and(|(_, content)| *content == wanted);
            let index = free.iter().position(best).or_else(|| free.iter().position(Option::is_none));
            match index.or(free.len().checked_sub(1)) {
                Some(index) => return free.remove(index),
                None => free = self.freed.wait(free).unwrap(),
            }
        }
    }

    fn give_back(&self, place: Place) {
        self.free.lock().unwrap().push(place);
        self.freed.notify_one();
    }
}

/// Until this is dropped, the thread and its processes are in the network of the node.
pub(crate) struct Turn {
    pool: &'static Pool,
    /// `None` only before it is up.
    cluster: Option<Cluster>,
    content: Content,
    outside: File,
}

impl Turn {
    pub(crate) fn from_nothing() -> Self {
        image::archive();
        let mut turn = Self::take(&OWN, Content::Nothing);
        turn.content = Content::Unknown;
        turn
    }

    pub(crate) fn beside_mysql() -> Self {
        image::archive();
        let mut turn = Self::take(&OWN, Content::Manifests);
        match turn.content {
            Content::Manifests => mysql::restore(&turn),
            _ => mysql::deploy(&turn),
        }
        turn.content = Content::Manifests;
        turn
    }

    /// For [`Lab`](crate::lab::Lab), in the tests' own clusters.
    pub(crate) fn own_lab() -> Self {
        let mut turn = Self::take(&OWN, Content::Lab);
        turn.content = Content::Lab;
        turn
    }

    /// For [`Lab`](crate::lab::Lab), in the cluster of `KUBECONFIG`, or in the tests' own.
    pub(crate) fn given_lab() -> Self {
        GIVEN.as_ref().map_or_else(Self::own_lab, |given| Self::take(given, Content::Lab))
    }

    /// A turn in a cluster with the wanted contents, or in a new one.
    fn take(pool: &'static Pool, wanted: Content) -> Self {
        let place = pool.take(wanted);
        let outside = File::open("/proc/thread-self/ns/net").unwrap();
        // Created before the cluster, so that the place becomes free if the cluster does not start.
        let mut turn = Self { pool, cluster: None, content: Content::Nothing, outside };
        let (cluster, content) = place.unwrap_or_else(|| (Cluster::up(), Content::Nothing));
        turn.content = content;
        turn.cluster.insert(cluster).enter();
        if turn.is_own() && ![Content::Nothing, wanted].contains(&content) {
            turn.wipe();
            turn.content = Content::Nothing;
        }
        turn
    }
}

impl Deref for Turn {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.cluster.as_ref().expect("it is up")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = setns(&self.outside, CloneFlags::CLONE_NEWNET);
        let failed = thread::panicking();
        let mut place = self.cluster.take().map(|cluster| (cluster, self.content));
        if let Some((cluster, _)) = place.take_if(|(cluster, _)| failed && cluster.is_own()) {
            cluster.down();
        }
        self.pool.give_back(place);
    }
}
