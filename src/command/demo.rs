//! `demo`: embedded replicas behind one listener, sampled as real ones are; a fourth one joins after a while.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{net::TcpListener, sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    CommandError,
    observation::Observation,
    output,
    run::{exit_code, listen, runtime, serve_site},
    supervisor::{Signals, Supervisor},
};
use crate::{
    cli::DemoArgs,
    clock::Clock,
    config::{Address, Configuration, Every, Imbalance, Pacing, PasswordSource, Target, Tls},
    model::{Expectation, Identity, Snapshot},
    source::fake::ReadService,
    view::tape,
};

/// What the lab starts with, and what it scales to.
const REPLICAS: u32 = 3;

/// When the fourth replica joins.
const SCALE_UP_AFTER: Duration = Duration::from_secs(10);

/// Quicker than the lab's second, so that the fourth replica shows soon after it joined.
const INTERVAL: Duration = Duration::from_millis(250);

const TIMEOUT: Duration = Duration::from_secs(1);

/// The label that the lab's Service would have.
const TARGET: &str = "mysql/mysql-read";

pub(super) fn execute(args: &DemoArgs) -> Result<u8, CommandError> {
    runtime()?.block_on(async {
        let listeners = listen(&args.listen).await.map_err(CommandError::failure)?;
        show(args, listeners).await.map_err(CommandError::failure)
    })
}

async fn show(args: &DemoArgs, listeners: Vec<TcpListener>) -> anyhow::Result<u8> {
    if let Some(listener) = listeners.first() {
        output::line(&format!("http://{}/", listener.local_addr()?))?;
    }
    let clock = Clock::start();
    let stop = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let mut supervisor = Supervisor::new(stop.clone());

    let mysql_read = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen as mysql-read")?;
    let target = target(mysql_read.local_addr()?.port())?;
    let service = Arc::new(ReadService::new((0..REPLICAS).map(replica).collect(), rand::random(), clock));
    let (serving, serving_stop) = (Arc::clone(&service), stop.clone());
    supervisor.spawn("mysql-read", async move {
        serving.serve(mysql_read, serving_stop).await;
        Ok(())
    });

    let snapshots =
        Observation::new([(target.clone(), None)], Imbalance::default(), None, clock)?.start(&mut supervisor, &stop);
    serve_site(listeners, snapshots.clone(), &Configuration::of(target), &mut supervisor, &stop)?;
    let story_stop = stop.clone();
    supervisor.spawn("story", async move {
        tokio::select! {
            () = tell(&service) => {}
            () = story_stop.cancelled() => return Ok(()),
        }
        story_stop.cancelled().await;
        Ok(())
    });
    if !args.no_tui {
        supervisor.spawn("tape", print_tape(snapshots, stop.clone()));
    }
    if let Some(lasting) = args.lasting {
        supervisor.spawn("end", async move {
            tokio::select! {
                () = sleep(lasting) => stop.cancel(),
                () = stop.cancelled() => {}
            }
            Ok(())
        });
    }
    supervisor.supervise(&mut signals).await.map(exit_code)
}

async fn tell(service: &ReadService) {
    sleep(SCALE_UP_AFTER).await;
    let joining = replica(REPLICAS);
    tracing::info!("{} starts to answer", joining.host_name);
    service.add(joining);
}

/// One line an answer, until `stop`.
async fn print_tape(mut snapshots: watch::Receiver<Snapshot>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut shown = 0;
    while !stop.is_cancelled() {
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { break },
            () = stop.cancelled() => break,
        }
        for answer in tape::unseen(&snapshots.borrow_and_update(), &mut shown) {
            output::line(&tape::line(answer))?;
        }
    }
    stop.cancelled().await;
    Ok(())
}

fn target(port: u16) -> anyhow::Result<Target> {
    Ok(Target {
        name: TARGET.into(),
        service: None,
        statefulset: None,
        address: Address { host: "127.0.0.1".to_owned(), port },
        user: "readscope".to_owned(),
        password: PasswordSource::Empty,
        tls: Tls::Disabled,
        interval: INTERVAL.try_into()?,
        pacing: Pacing { direct_interval: Every::NEVER, ..Pacing::default() },
        timeout: TIMEOUT.try_into()?,
        max_in_flight: 8.try_into()?,
        expectation: Expectation::Seen,
        forget_after: Duration::from_secs(3600),
    })
}

/// The lab's servers: the ordinal makes host name and `server_id`, and ordinal 0 is the primary.
fn replica(ordinal: u32) -> Identity {
    Identity {
        server_id: 100 + ordinal,
        server_uuid: Some(format!("00000000-0000-4000-8000-{ordinal:012}")),
        host_name: format!("mysql-{ordinal}"),
        read_only: ordinal > 0,
        version: "9.7.0-demo".to_owned(),
        server_time: None,
        gtid_executed: Some(String::new()),
    }
}
