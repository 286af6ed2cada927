//! One faulty server, its probe, and the expected failure.

use std::{fmt, net::SocketAddr, time::Duration};

use readscope::{
    clock::Clock,
    config::{PasswordSource, Secret, Settings, Target, Tls},
    model::{FailureReason, Probe},
    source::mysql::Prober,
};
use tokio::{task::JoinSet, time::timeout};

use crate::support::{script::Script, server::Server};

/// Timeout for servers that hang: their probes take this long.
const SHORT: Duration = Duration::from_millis(300);

/// Timeout for all others, long enough for a busy machine.
const LONG: Duration = Duration::from_secs(10);

/// Time that a probe may take beyond its timeout on a busy machine.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) const PASSWORD: &str = "correct horse battery staple";

pub(crate) struct Case {
    name: &'static str,
    script: Script,
    /// The valid reasons; more than one if the order of events is random.
    expected: Vec<FailureReason>,
    tls: Tls,
    password: bool,
    /// The same server after its recovery; `None` where the fault lies with the client.
    recovered: Option<Script>,
}

impl Case {
    pub(crate) fn new(name: &'static str, expected: FailureReason, script: Script) -> Self {
        let recovered = Some(Script::good());
        Self { name, script, expected: vec![expected], tls: Tls::Disabled, password: false, recovered }
    }

    pub(crate) fn or(mut self, reason: FailureReason) -> Self {
        self.expected.push(reason);
        self
    }

    pub(crate) fn with_password(self) -> Self {
        Self { password: true, ..self }
    }

    pub(crate) fn with_tls(self, tls: Tls, recovered: Script) -> Self {
        Self { tls, recovered: Some(recovered), ..self }
    }

    pub(crate) fn unrecoverable(self) -> Self {
        Self { recovered: None, ..self }
    }

    fn target(&self, address: SocketAddr) -> Target {
        let patience = if self.expected.contains(&FailureReason::Timeout) { SHORT } else { LONG };
        let mut target = target(address, patience);
        target.settings.tls = self.tls.clone();
        if self.password {
            target.settings.password = PasswordSource::Given(Secret::new(PASSWORD.to_owned()));
        }
        target
    }
}

/// A target at `address` without password and TLS.
pub(crate) fn target(address: SocketAddr, patience: Duration) -> Target {
    let timeout = patience.try_into().unwrap();
    // A reading of the status counters would follow the identity query.
    let clients_interval = Duration::ZERO.try_into().unwrap();
    let settings = Settings { tls: Tls::Disabled, timeout, clients_interval, ..Settings::default() };
    Target { settings, ..Target::at(address.into()) }
}

/// Runs all cases at once, and panics with all errors.
pub(crate) async fn judge(cases: Vec<Case>) {
    let mut running = JoinSet::new();
    let mut names = std::collections::HashMap::new();
    for case in cases {
        let name = case.name;
        names.insert(running.spawn(happen(case)).id(), name);
    }
    let (mut wrong, mut servers) = (Vec::new(), Vec::new());
    while let Some(ended) = running.join_next_with_id().await {
        match ended {
            Ok((_, (server, Ok(())))) => servers.push(server),
            Ok((id, (_, Err(what)))) => wrong.push(format!("{}: {what}", names[&id])),
            Err(error) => wrong.push(format!("{}: {error}", names[&error.id()])),
        }
    }
    assert!(wrong.is_empty(), "{} went wrong:\n{}", wrong.len(), wrong.join("\n"));
    for server in servers {
        server.wait_until_closed(0);
    }
}

async fn happen(case: Case) -> (Server, Result<(), String>) {
    let server = Server::playing(case.script.clone());
    let prober = Prober::new(case.target(server.address), Clock::start()).unwrap();
    let result = examine(&case, &server, &prober).await;
    (server, result)
}

async fn examine(case: &Case, server: &Server, prober: &Prober) -> Result<(), String> {
    let patience = case.target(server.address).settings.timeout.get();
    let probe = take(prober, patience).await?;
    let failure = match probe.outcome {
        Err(failure) => failure,
        Ok(answer) => return Err(format!("an answer came of it: {:?}", answer.identity)),
    };
    if !case.expected.contains(&failure.reason) {
        return Err(format!("{} instead of {}: {}", failure.reason, Reasons(&case.expected), failure.text));
    }
    assert_readable(&failure.text)?;
    if failure.reason != FailureReason::Resolve && failure.address != Some(server.address) {
        return Err(format!("the address is {:?}", failure.address));
    }
    let Some(recovered) = &case.recovered else { return Ok(()) };
    server.play(recovered.clone());
    // A busy machine may be late for the short timeout.
    for _ in 0..10 {
        if take(prober, patience).await?.outcome.is_ok_and(|answer| answer.identity.server_id == 101) {
            return Ok(());
        }
    }
    Err("it does not recover".to_owned())
}

/// One probe, which must end soon after its timeout.
pub(crate) async fn take(prober: &Prober, patience: Duration) -> Result<Probe, String> {
    let within = patience + GRACE;
    timeout(within, prober.probe(0)).await.map_err(|_| format!("the probe is not over after {within:?}"))
}

/// Checks that a text can be shown: not empty, not too long, and without control characters.
pub(crate) fn assert_readable(text: &str) -> Result<(), String> {
    match text.chars().count() {
        1..=600 if !text.chars().any(char::is_control) => Ok(()),
        length => Err(format!("{length} characters that should not be shown: {text:?}")),
    }
}

struct Reasons<'a>(&'a [FailureReason]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|reason| reason.name()).collect();
        f.write_str(&names.join(" or "))
    }
}
