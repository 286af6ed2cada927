//! Unattended for four days, readscope makes no server block its host and lock its account.

use std::{sync::Arc, time::Duration};

use readscope::{
    clock::Clock,
    config::{PasswordSource, Settings, Target, Tls, TlsMode, TlsSettings},
    model::{Event, PodProbe, Probe, ProbePlan, ProbePurpose, TargetId, cluster::PodRef},
    source::{gate::Gate, mysql::Prober},
};
use tokio::sync::{mpsc, watch};

use crate::{
    balancer::READ_ADDRESS,
    certificates::Authority,
    service::{PasswordFile, Service},
    sql::USER,
};

const FOUR_DAYS: Duration = Duration::from_secs(4 * 24 * 3600);

/// Probes of a target and its pods, on a clock that the test moves.
struct Unattended {
    gate: Arc<Gate>,
    clock: Clock,
    pods: Vec<PodProbe>,
    events: mpsc::Receiver<Event>,
    sequence: u64,
    failed: Vec<String>,
}

impl Unattended {
    fn new(service: &Service, password: &PasswordFile, tls: Tls) -> Self {
        let settings = Settings {
            password: PasswordSource::File(password.path().to_owned()),
            tls,
            timeout: Duration::from_secs(20).try_into().unwrap(),
            ..Settings::default()
        };
        let target = Target { settings, ..Target::at(READ_ADDRESS.parse().unwrap()) };
        let pod_probe = |member: &crate::mysql::Mysql| PodProbe {
            pod: PodRef { name: member.name.as_str().into(), uid: member.name.as_str().into() },
            restarts: 0,
            addresses: vec![(member.address, 3306).into()],
            purpose: ProbePurpose::Replica,
            every: Duration::from_secs(10),
        };
        let clock = Clock::start();
        let (sender, events) = mpsc::channel(10_000);
        let prober = Prober::new(target, clock).unwrap();
        let pods: Vec<_> = service.fleet.members().iter().map(pod_probe).collect();
        let plan = watch::channel(ProbePlan { pod_probes: pods.clone(), ..ProbePlan::default() }).1;
        let gate = Arc::new(Gate::new(TargetId(0), prober, clock, plan, sender));
        Self { gate, clock, pods, events, sequence: 0, failed: Vec::new() }
    }

    /// As many probes as may start: in the first minutes each second, then each minute.
    async fn four_days(&mut self) {
        for step in 0_u32.. {
            if self.clock.now().elapsed >= FOUR_DAYS {
                return;
            }
            self.probe().await;
            for pod in self.pods.clone() {
                if let Some(probe) = self.gate.probe_pod(&pod) {
                    let probe = Box::pin(probe).await;
                    self.note(&probe);
                }
            }
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(if step < 300 { 1 } else { 60 })).await;
            tokio::time::resume();
        }
    }

    async fn probe(&mut self) -> Option<Probe> {
        let probe = Box::pin(self.gate.probe(self.sequence)?).await;
        self.note(&probe);
        self.sequence += 1;
        Some(probe)
    }

    fn note(&mut self, probe: &Probe) {
        if let Err(failure) = &probe.outcome {
            self.failed.push(format!("{:?}: {}", probe.started.elapsed, failure.text));
        }
    }

    /// The probes that were refused before the last pause.
    fn failures(&mut self) -> u32 {
        let mut failures = 0;
        while let Ok(event) = self.events.try_recv() {
            if let Event::ProbingPaused { pause: Some(pause), .. } = event {
                failures = pause.held.failures;
            }
        }
        failures
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Another client with the right password is let in by each server, from the same address.
fn assert_let_in(service: &Service, servers: usize) {
    let checked = service.call().with(&["--probes", "60", "--interval", "5ms", "--timeout", "20s"]).check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains(&format!("{servers} of the {servers} replicas seen answer")), "{checked:?}");
}

#[test]
fn a_wrong_password_locks_no_account() {
    let service = Service::of(3);
    let guard = format!("ALTER USER {USER} FAILED_LOGIN_ATTEMPTS 5 PASSWORD_LOCK_TIME UNBOUNDED");
    service.fleet.primary().query(&guard);
    service.fleet.wait_until_replicated();
    let password = PasswordFile::new("wrong");
    run(async {
        let mut unattended = Unattended::new(&service, &password, Tls::Disabled);
        unattended.four_days().await;
        assert!((1..=2).contains(&unattended.failures()), "the Service's pause is reported");
        assert_let_in(&service, 3);
        assert!(unattended.probe().await.is_none(), "the next one could lock the account");
        password.replace(crate::mysql::PASSWORD);
        // Files are looked at once a second.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(unattended.probe().await.is_some_and(|probe| probe.outcome.is_ok()));
    });
}

#[test]
fn one_server_with_another_password_locks_no_account_there() {
    let service = Service::of(3);
    let alone =
        format!("ALTER USER {USER} IDENTIFIED BY 'another' FAILED_LOGIN_ATTEMPTS 5 PASSWORD_LOCK_TIME UNBOUNDED");
    service.fleet.members()[2].change_alone(&alone);
    run(async {
        let mut unattended = Unattended::new(&service, &service.password, Tls::Disabled);
        unattended.four_days().await;
        assert!((3..=4).contains(&unattended.failed.len()), "{:#?}", unattended.failed);
    });
    let right = format!("ALTER USER {USER} IDENTIFIED BY '{}'", crate::mysql::PASSWORD);
    // The statement unlocks nothing: only FLUSH PRIVILEGES, a restart or ACCOUNT UNLOCK does.
    service.fleet.members()[2].change_alone(&right);
    assert_let_in(&service, 3);
}

#[test]
fn a_certificate_that_fails_the_check_blocks_no_host() {
    let service = Service::with_settings(3, &["max-connect-errors=100"]);
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "another");
    let settings =
        TlsSettings { mode: TlsMode::VerifyIdentity, ca_file: Some(authority.certificate()), ..TlsSettings::default() };
    let tls = Tls::load(&settings).unwrap();
    run(async {
        let mut unattended = Unattended::new(&service, &service.password, tls);
        unattended.four_days().await;
        assert!((26..=30).contains(&unattended.failures()), "the Service's pause is reported");
    });
    let counted = "SELECT COALESCE(SUM(COUNT_HANDSHAKE_ERRORS), 0) FROM performance_schema.host_cache";
    let counted: u64 = service.fleet.members().iter().map(|server| server.number(counted)).sum();
    // Pod probes come from 127.0.0.1 here, whose errors the servers do not count.
    assert!((26..=30).contains(&counted), "the servers count what readscope counts: {counted}");
    assert_let_in(&service, 3);
}
