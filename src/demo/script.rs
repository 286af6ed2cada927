//! The script of the demo's scenario: events and their times, as pure data.
//!
//! The scenario has steps, and each has a caption: what happens next, and what to watch.
//!
//! It imitates a cluster. A controller writes an object, another one reacts a moment later, the kubelet reports each
//! step of a pod, and kube-proxy follows the endpoints with its own delay.

use std::time::Duration;

/// At the start and the end of a round.
pub(super) const REPLICAS: u32 = 3;

/// The replica that is added and removed.
const ADDED: u32 = REPLICAS;
const WITH_ADDED: u32 = REPLICAS + 1;

/// The replica that receives no connections for a while.
const STARVED: u32 = 2;

/// The replica that becomes slow and then refuses connections.
const SLOW: u32 = 1;

/// Client connections without the added replica and with it.
const BEFORE: Action = Action::Clients([12, 15, 14, 0]);
const AFTER: Action = Action::Clients([10, 11, 10, 10]);

/// Length of one round, in scenario time.
pub(super) const ROUND: Duration = Duration::from_secs(134);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// A step of the scenario begins, with this caption.
    Begin(String),
    /// `spec.replicas` changes.
    Scale(u32),
    Pvc(u32, PvcStep),
    Pod(u32, PodStep),
    /// The controller updates the endpoints.
    Publish,
    /// The load balancer starts or stops routing to a replica.
    Route(u32, bool),
    Server(u32, Behaviour),
    /// Pooled clients connect again, with these connections by ordinal.
    Clients([u64; WITH_ADDED as usize]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PvcStep {
    /// Waits for its consumer.
    Created,
    /// The consumer has a node.
    NodeSelected,
    Bound,
    Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PodStep {
    Created,
    Scheduled,
    /// Has volumes and an address.
    Sandbox,
    /// The data is cloned.
    Initialized,
    /// The readiness probe succeeds.
    Ready,
    Terminating,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Behaviour {
    /// Starts to listen, this far behind the primary.
    Starts(Duration),
    Well,
    Slow,
    Refusing,
    Stops,
}

/// `at` counts from the start of a round, in scenario time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimedAction {
    pub(super) at: Duration,
    pub(super) action: Action,
}

/// In order of time.
pub(super) fn round() -> Vec<TimedAction> {
    let [added, starved, slow] = [ADDED, STARVED, SLOW].map(|ordinal| format!("mysql-{ordinal}"));
    let mut returns = starts_with_old_pvc(ADDED);
    returns.push((8.0, AFTER));
    let mut reset = stops(ADDED);
    reset.push((5.5, Action::Pvc(ADDED, PvcStep::Deleted)));
    let steps = [
        (
            0.0,
            format!("{REPLICAS} replicas share the reads; each connection goes to a random one"),
            vec![(0.0, BEFORE)],
        ),
        (
            10.0,
            format!(
                "kubectl scale --replicas={WITH_ADDED}; {added} gets a PVC and a pod, gives its first read, and catches \
                 up to its first fresh read"
            ),
            starts_with_new_pvc(ADDED),
        ),
        (
            30.0,
            format!(
                "new connections are balanced, but the clients' pools keep their old ones; {added} holds none of them \
                 and serves none of their reads"
            ),
            vec![],
        ),
        (
            40.0,
            format!("the pools replace their connections; {added} gets its share of the clients and of their reads"),
            vec![(0.5, AFTER)],
        ),
        (
            48.0,
            format!(
                "{starved} is ready but gets no connections; the evidence grows until the alarm names it (sooner than \
                 with the default settings)"
            ),
            vec![(0.5, Action::Route(STARVED, false))],
        ),
        (
            62.0,
            format!("{starved} gets connections again; the evidence fades and the alarm clears"),
            vec![(0.5, Action::Route(STARVED, true))],
        ),
        (
            76.0,
            format!("{slow} answers slowly; the durations show that, and reads stay balanced"),
            vec![(0.5, Action::Server(SLOW, Behaviour::Slow))],
        ),
        (
            84.0,
            format!(
                "{slow} refuses connections (too many connections); pod probes show whose failures these are, and the \
                 verdict is undecided"
            ),
            vec![(0.5, Action::Server(SLOW, Behaviour::Refusing))],
        ),
        (94.0, format!("{slow} accepts connections again"), vec![(0.5, Action::Server(SLOW, Behaviour::Well))]),
        (102.0, format!("kubectl scale --replicas={REPLICAS}; {added} terminates, and its PVC stays"), stops(ADDED)),
        (
            112.0,
            format!("kubectl scale --replicas={WITH_ADDED}; {added} reuses its PVC, so no volume is provisioned"),
            returns,
        ),
        (
            126.0,
            format!(
                "kubectl scale --replicas={REPLICAS}; the PVC of {added} is deleted too, then the scenario starts again"
            ),
            reset,
        ),
    ];
    let count = steps.len();
    let numbered = (1..).zip(steps).flat_map(|(number, (begins, caption, then))| {
        let begin = Action::Begin(format!("Demo, step {number} of {count}: {caption}"));
        let actions = [(0.0, begin)].into_iter().chain(then);
        actions.map(move |(after, action)| TimedAction { at: Duration::from_secs_f64(begins + after), action })
    });
    numbered.collect()
}

/// Start of a replica with a new PVC, whose data is cloned.
fn starts_with_new_pvc(ordinal: u32) -> Vec<(f64, Action)> {
    vec![
        (0.5, Action::Scale(ordinal + 1)),
        (0.7, Action::Pvc(ordinal, PvcStep::Created)),
        (0.9, Action::Pod(ordinal, PodStep::Created)),
        (1.4, Action::Pvc(ordinal, PvcStep::NodeSelected)),
        (3.2, Action::Pvc(ordinal, PvcStep::Bound)),
        (3.6, Action::Pod(ordinal, PodStep::Scheduled)),
        (5.4, Action::Pod(ordinal, PodStep::Sandbox)),
        (5.6, Action::Publish),
        (8.9, Action::Pod(ordinal, PodStep::Initialized)),
        (9.6, Action::Server(ordinal, Behaviour::Starts(Duration::from_secs(6)))),
        (10.9, Action::Pod(ordinal, PodStep::Ready)),
        (11.3, Action::Publish),
        (12.0, Action::Route(ordinal, true)),
    ]
}

/// Start of a replica that has its data.
fn starts_with_old_pvc(ordinal: u32) -> Vec<(f64, Action)> {
    vec![
        (0.5, Action::Scale(ordinal + 1)),
        (0.8, Action::Pod(ordinal, PodStep::Created)),
        (1.0, Action::Pod(ordinal, PodStep::Scheduled)),
        (2.2, Action::Pod(ordinal, PodStep::Sandbox)),
        (2.4, Action::Publish),
        (3.2, Action::Pod(ordinal, PodStep::Initialized)),
        (3.6, Action::Server(ordinal, Behaviour::Starts(Duration::from_secs(5)))),
        (5.0, Action::Pod(ordinal, PodStep::Ready)),
        (5.3, Action::Publish),
        (5.9, Action::Route(ordinal, true)),
    ]
}

/// Removal of a replica.
fn stops(ordinal: u32) -> Vec<(f64, Action)> {
    vec![
        (0.5, Action::Scale(ordinal)),
        (0.7, Action::Pod(ordinal, PodStep::Terminating)),
        (0.9, Action::Publish),
        (1.4, Action::Route(ordinal, false)),
        (4.0, Action::Server(ordinal, Behaviour::Stops)),
        (4.0, BEFORE),
        (4.6, Action::Pod(ordinal, PodStep::Gone)),
        (4.8, Action::Publish),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_order_and_within_a_few_minutes() {
        let actions = round();
        assert!(actions.is_sorted_by_key(|timed| timed.at), "{actions:#?}");
        assert!(actions.last().unwrap().at < ROUND && ROUND <= Duration::from_secs(135));
    }

    #[test]
    fn a_round_ends_as_it_began() {
        let actions = round();
        let last = |of: &dyn Fn(&Action) -> Option<String>| actions.iter().rev().find_map(|timed| of(&timed.action));
        let scale = |action: &Action| if let Action::Scale(to) = action { Some(to.to_string()) } else { None };
        assert_eq!(last(&scale), Some(REPLICAS.to_string()));
        for ordinal in 0..=ADDED {
            let server = |action: &Action| match action {
                Action::Server(of, behaviour) if *of == ordinal => Some(format!("{behaviour:?}")),
                _ => None,
            };
            let route = |action: &Action| match action {
                Action::Route(of, routed) if *of == ordinal => Some(routed.to_string()),
                _ => None,
            };
            let (at_end, routed) = if ordinal == ADDED { ("Stops", "false") } else { ("Well", "true") };
            assert!(last(&server).is_none_or(|server| server == at_end));
            assert!(last(&route).is_none_or(|route| route == routed));
        }
        let pvc = |action: &Action| if let Action::Pvc(_, step) = action { Some(format!("{step:?}")) } else { None };
        assert_eq!(last(&pvc).as_deref(), Some("Deleted"));
    }
}
