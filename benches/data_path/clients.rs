//! The clients that are compared, each as one that takes a number of probes and returns.

use std::{
    fmt::Debug,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use readscope::{clock::Clock, source::mysql::Prober};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

use crate::{
    cpu::{Client, Place},
    mysql::PASSWORD,
    program::run,
    raw_client::RawClient,
    servers::{IDENTITY, Server},
    sql::USER,
};

/// readscope's own, as `run` uses it.
pub(crate) fn prober<'a>(server: &Server, concurrency: u32, slice: u32) -> Client<'a> {
    let prober = Arc::new(Prober::new(server.target(), Clock::start()).expect("an address needs no resolver"));
    in_process(concurrency, slice, move || {
        let prober = Arc::clone(&prober);
        async move { prober.probe(0).await.outcome }
    })
}

pub(crate) fn raw<'a>(server: &Server, concurrency: u32, slice: u32) -> Client<'a> {
    let client = Arc::new(RawClient::new(server.address(), USER, PASSWORD, IDENTITY));
    in_process(concurrency, slice, move || {
        let client = Arc::clone(&client);
        async move { client.probe().await }
    })
}

/// What the lab does in its terminal: a process for each probe.
pub(crate) fn shell_loop<'a>(server: &Server, slice: u32) -> Client<'a> {
    let question = format!(
        "mysql --no-defaults -h {} -u {USER} -p'{PASSWORD}' --ssl-mode=DISABLED -e 'SELECT @@server_id,NOW()'",
        server.address().ip()
    );
    program(slice, move |probes| {
        let script = format!("for ((i = 0; i < {probes}; i++)); do {question} 2>/dev/null || exit; done");
        chroot("bash", &["-c", &script])
    })
}

pub(crate) fn mysqlslap<'a>(server: &Server, concurrency: u32, slice: u32) -> Client<'a> {
    let host = server.address().ip();
    program(slice, move |probes| {
        let mut command = chroot("mysqlslap", &["--no-defaults", "--ssl-mode=DISABLED", "--silent", "--detach=1"]);
        // It names a schema when it connects; this one is always there.
        command.args(["--create-schema=information_schema", "--no-drop"]);
        command.args([format!("--host={host}"), format!("--user={USER}"), format!("--password={PASSWORD}")]).args([
            format!("--concurrency={concurrency}"),
            format!("--number-of-queries={probes}"),
            format!("--query={IDENTITY}"),
        ]);
        command
    })
}

pub(crate) fn sysbench<'a>(server: &Server, concurrency: u32, slice: u32) -> Client<'a> {
    let host = server.address().ip();
    program(slice, move |probes| {
        let mut command = Command::new("sysbench");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/data_path/reconnect.lua"));
        command.env("IDENTITY", IDENTITY).args(["--db-driver=mysql", "--mysql-db=", "--time=0", "--verbosity=1"]).args(
            [
                format!("--mysql-host={host}"),
                format!("--mysql-user={USER}"),
                format!("--mysql-password={PASSWORD}"),
                format!("--threads={concurrency}"),
                format!("--events={probes}"),
            ],
        );
        command.arg("run");
        command
    })
}

/// One event loop on this thread, as `run` has it; so many tasks, each of which takes one probe after the other.
fn in_process<'a, S, F, A, E>(concurrency: u32, slice: u32, probe: S) -> Client<'a>
where
    S: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = Result<A, E>> + Send + 'static,
    E: Debug,
{
    let runtime = event_loop();
    let take = move |probes: u32| {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..concurrency {
                let probe = probe.clone();
                tasks.spawn(async move {
                    for _ in 0..probes / concurrency {
                        probe().await.unwrap_or_else(|error| panic!("a probe fails: {error:?}"));
                    }
                });
            }
            tasks.join_all().await;
        });
    };
    Client { slice, take: Box::new(take), place: Place::ThisProcess }
}

fn program<'a>(slice: u32, command: impl Fn(u32) -> Command + 'a) -> Client<'a> {
    let take = move |probes| {
        run(&mut command(probes));
    };
    Client { slice, take: Box::new(take), place: Place::Children }
}

/// MySQL's own programs are in the server's root.
fn chroot(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("chroot");
    command.arg(Server::root()).arg(program).args(arguments).stdin(Stdio::null());
    command
}

fn event_loop() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("this machine can poll")
}

/// The raw client's processor time a probe, in seconds, when it starts one each interval.
pub(crate) fn paced_raw(server: &Server, interval: Duration, probes: u32) -> f64 {
    let client = Arc::new(RawClient::new(server.address(), USER, PASSWORD, IDENTITY));
    let take = move |probes| {
        event_loop().block_on(async {
            let mut due = tokio::time::interval(interval);
            let mut tasks = JoinSet::new();
            for _ in 0..probes {
                due.tick().await;
                let client = Arc::clone(&client);
                tasks.spawn(async move { client.probe().await.expect("the server answers") });
                while tasks.try_join_next().is_some() {}
            }
            tasks.join_all().await;
        });
    };
    Client { slice: probes, take: Box::new(take), place: Place::ThisProcess }.measure()
}
