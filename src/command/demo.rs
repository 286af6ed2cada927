//! `demo`: the embedded servers and the cluster of [`demo`](crate::demo), probed and watched like real ones.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use tokio::{net::TcpListener, sync::watch, time::sleep};

use super::{
    CommandError, output,
    run::{listen, runtime, serve_site},
    session::Session,
    targets::KubernetesOptions,
    terminal::{self, Feed},
};
use crate::{
    cli::DemoArgs,
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

/// Short enough for three readings within one step.
const CLIENTS_INTERVAL: Duration = Duration::from_secs(2);

/// No shorter interval is valid.
const CLIENTS_INTERVAL_MIN: Duration = Duration::from_secs(1);

const MAX_LAG: Duration = Duration::from_secs(1);

/// The primary cannot be queried often enough for a smaller value.
const MAX_LAG_MIN: Duration = Duration::from_millis(100);

/// A slow server answers within it at every speed: timeouts would pause the probes.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn execute(args: &DemoArgs) -> Result<u8, CommandError> {
    runtime()?.block_on(async {
        let listeners = listen(&args.listen).await.map_err(CommandError::failure)?;
        let page = page(&listeners).map_err(CommandError::failure)?;
        let mut session = Session::start(KubernetesOptions::default())?;
        let configuration = play(args, &mut session).await.map_err(CommandError::failure)?;
        session.probe(&configuration, |_| None).await?;
        // The configuration of the demo never changes.
        let text = configuration.show().context("cannot show the configuration").map_err(CommandError::failure)?;
        let (_, text) = watch::channel(text);
        let (snapshots, supervisor) = (session.snapshots.clone(), session.supervisor.clone());
        serve_site(Site::new(snapshots.clone(), text, supervisor.stop().clone()), listeners, &supervisor);
        if let Some(lasting) = args.lasting {
            let end = supervisor.stop().clone();
            supervisor.spawn("end", |stop| async move {
                tokio::select! {
                    () = sleep(lasting) => end.cancel(),
                    () = stop.cancelled() => {}
                }
                Ok(())
            });
        }
        let _shown = if args.no_tui {
            None
        } else {
            let shown = terminal::show(Feed::Own(snapshots), page, session.clock, &supervisor);
            Some(shown.map_err(CommandError::failure)?)
        };
        session.run().await
    })
}

/// Prints and returns the address of the live page.
fn page(listeners: &[TcpListener]) -> anyhow::Result<Option<String>> {
    let Some(listener) = listeners.first() else { return Ok(None) };
    let address = listener.local_addr()?;
    let all = address.ip().is_unspecified();
    let page = if all { format!("http://localhost:{}/", address.port()) } else { format!("http://{address}/") };
    output::line(&page)?;
    Ok(Some(page))
}

async fn play(args: &DemoArgs, session: &mut Session) -> anyhow::Result<Configuration> {
    let seed = args.seed.unwrap_or_else(rand::random);
    tracing::info!(seed, "--seed repeats the load balancer's choices of this run");
    let stage = Stage::open(seed, args.speed, session.clock).await.context("cannot listen as mysql-read")?;
    let target = target(stage.port(), args.speed)?;
    session.targets.play(stage);
    Ok(Configuration { imbalance: imbalance(args.speed)?, ..Configuration::of(target) })
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
        clients_interval: quickened(CLIENTS_INTERVAL, speed).max(CLIENTS_INTERVAL_MIN).try_into()?,
        max_lag: quickened(MAX_LAG, speed).max(MAX_LAG_MIN).try_into()?,
        timeout: TIMEOUT.try_into()?,
        ..Settings::default()
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into();
    Ok(Target { settings, ..Target::new(Some(Stage::service()), Some(address), None)? })
}
