//! `demo`: the embedded servers and the cluster of [`demo`](crate::demo), probed and watched like real ones.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use tokio::{net::TcpListener, sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    CommandError,
    fleet::Fleet,
    observation::Observation,
    output,
    run::{exit_code, listen, runtime, serve_site},
    screen::{self, Feed},
    supervisor::{Signals, Supervisor},
};
use crate::{
    cli::DemoArgs,
    clock::Clock,
    config::{Configuration, Imbalance, Settings, Target, Tls},
    demo::Stage,
    view::web::Site,
};

/// Ten times faster than the lab, so that an imbalance is found within one step of the scenario.
const INTERVAL: Duration = Duration::from_millis(100);

/// A day instead of a month, so that the alarm starts and clears within one step.
const FALSE_ALARM_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Short enough to detect a stopped server within one step.
const POD_PROBE_INTERVAL: Duration = Duration::from_secs(2);

const MAX_LAG: Duration = Duration::from_secs(1);

/// The primary cannot be queried often enough for a smaller value.
const MAX_LAG_MIN: Duration = Duration::from_millis(100);

/// Not scaled by the speed of the demo: a slow server stays slow.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn execute(args: &DemoArgs) -> Result<u8, CommandError> {
    runtime()?.block_on(async {
        let listeners = listen(&args.listen).await.map_err(CommandError::failure)?;
        show(args, listeners).await.map_err(CommandError::failure)
    })
}

async fn show(args: &DemoArgs, listeners: Vec<TcpListener>) -> anyhow::Result<u8> {
    let mut page = None;
    if let Some(listener) = listeners.first() {
        let url = format!("http://{}/", listener.local_addr()?);
        output::line(&url)?;
        page = Some(url);
    }
    let clock = Clock::start();
    let stop = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let mut supervisor = Supervisor::new(stop.clone());

    let seed = args.seed.unwrap_or_else(rand::random);
    tracing::info!(seed, "the load balancer's choices follow from the seed; --seed repeats them");
    let stage = Stage::open(seed, args.speed, clock).await.context("cannot listen as mysql-read")?;
    let target = target(stage.port(), args.speed)?;
    let configuration = Configuration { imbalance: imbalance(args.speed)?, ..Configuration::of(target.clone()) };
    let observation = Observation::start(clock, &mut supervisor, &stop);
    let snapshots = observation.shown.clone();
    let mut fleet = Fleet::new(observation, stop.clone());
    fleet.play(stage);
    fleet.set(vec![(target, None)], configuration.imbalance).await?;
    supervisor.spawn("targets", fleet.keep());
    // The configuration of the demo never changes.
    let (_, shown) = watch::channel(configuration.show().context("cannot show the configuration")?);
    serve_site(Site::new(snapshots.clone(), shown, stop.clone()), listeners, &mut supervisor);
    if let Some(lasting) = args.lasting {
        let stop = stop.clone();
        supervisor.spawn("end", async move {
            tokio::select! {
                () = sleep(lasting) => stop.cancel(),
                () = stop.cancelled() => {}
            }
            Ok(())
        });
    }
    let _shown =
        if args.no_tui { None } else { Some(screen::show(Feed::Own(snapshots), page, clock, &mut supervisor, &stop)?) };
    supervisor.supervise(&mut signals).await.map(exit_code)
}

fn quickened(duration: Duration, speed: f64) -> Duration {
    duration.div_f64(speed)
}

/// Evidence grows with each read and its threshold with the period, so both scale with the speed.
fn imbalance(speed: f64) -> anyhow::Result<Imbalance> {
    let false_alarm_period = quickened(FALSE_ALARM_PERIOD, speed).try_into()?;
    Ok(Imbalance { false_alarm_period, ..Imbalance::default() })
}

/// Every timing of the target scales with the speed of the scenario.
fn target(port: u16, speed: f64) -> anyhow::Result<Target> {
    let settings = Settings {
        tls: Tls::Disabled,
        interval: quickened(INTERVAL, speed).try_into()?,
        pod_probe_interval: quickened(POD_PROBE_INTERVAL, speed).try_into()?,
        max_lag: quickened(MAX_LAG, speed).max(MAX_LAG_MIN).try_into()?,
        timeout: TIMEOUT.try_into()?,
        ..Settings::default()
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into();
    Ok(Target { settings, ..Target::new(Some(Stage::service()), Some(address), None)? })
}
