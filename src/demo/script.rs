//! The script of the demo's scenario: events and their times, as pure data.
//!
//! It imitates a cluster. A controller writes an object, another one reacts a moment later, the kubelet reports each
//! step of a pod, and kube-proxy follows the endpoints with its own delay.

use std::time::Duration;

use super::steps::Step;

/// At the start and the end of a round.
pub(super) const REPLICAS: u32 = 3;

/// The replica that is added and removed.
const ADDED: u32 = REPLICAS;

/// The replica that receives no connections for a while.
const STARVED: u32 = 2;

/// The replica that becomes slow and then refuses connections.
const SLOW: u32 = 1;

/// Client connections without the added replica and with it.
const BEFORE: Action = Action::Clients([12, 15, 14, 0]);
const AFTER: Action = Action::Clients([10, 11, 10, 10]);

/// Length of one round, in scenario time.
pub const ROUND: Duration = Duration::from_secs(134);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// A step of the scenario begins.
    Begin(Step),
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
    Clients([u64; REPLICAS as usize + 1]),
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
    let name = |ordinal: u32| format!("mysql-{ordinal}").into();
    let mut actions = Vec::new();
    let mut step = |begins: f64, step: Step, then: &[(f64, Action)]| {
        let timed = |after: f64, action| TimedAction { at: Duration::from_secs_f64(begins + after), action };
        actions.push(timed(0.0, Action::Begin(step)));
        actions.extend(then.iter().map(|(after, action)| timed(*after, action.clone())));
    };
    step(0.0, Step::Balanced { replicas: REPLICAS }, &[(0.0, BEFORE)]);
    step(10.0, Step::ScaleUp { replica: name(ADDED), to: REPLICAS + 1 }, &starts_with_new_pvc(ADDED));
    step(30.0, Step::Pooled { replica: name(ADDED) }, &[]);
    step(40.0, Step::Recycled { replica: name(ADDED) }, &[(0.5, AFTER)]);
    step(48.0, Step::Starved { replica: name(STARVED) }, &[(0.5, Action::Route(STARVED, false))]);
    step(62.0, Step::Healed { replica: name(STARVED) }, &[(0.5, Action::Route(STARVED, true))]);
    step(76.0, Step::Slow { replica: name(SLOW) }, &[(0.5, Action::Server(SLOW, Behaviour::Slow))]);
    step(84.0, Step::Refusing { replica: name(SLOW) }, &[(0.5, Action::Server(SLOW, Behaviour::Refusing))]);
    step(94.0, Step::Recovered { replica: name(SLOW) }, &[(0.5, Action::Server(SLOW, Behaviour::Well))]);
    step(102.0, Step::ScaleDown { replica: name(ADDED), to: REPLICAS }, &stops(ADDED));
    let mut returns = starts_with_old_pvc(ADDED);
    returns.push((8.0, AFTER));
    step(112.0, Step::Return { replica: name(ADDED), to: REPLICAS + 1 }, &returns);
    let mut reset = stops(ADDED);
    reset.push((5.5, Action::Pvc(ADDED, PvcStep::Deleted)));
    step(126.0, Step::Reset { replica: name(ADDED), to: REPLICAS }, &reset);
    actions
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
        let numbers: Vec<usize> = actions
            .iter()
            .filter_map(|timed| match &timed.action {
                Action::Begin(step) => Some(step.number()),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, (1..=Step::COUNT).collect::<Vec<_>>());
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
