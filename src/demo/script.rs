//! The script of the demo's scenario: events and their times, as pure data.
//!
//! It imitates a cluster. A controller writes an object, another one reacts a moment later, the kubelet reports each
//! step of a pod, and kube-proxy follows the endpoints with its own delay.

use std::time::Duration;

use super::story::Act;

/// At the start and the end of a round.
pub(super) const REPLICAS: u32 = 3;

/// The replica that is added and removed.
const COMING: u32 = REPLICAS;

/// The replica that receives no connections for a while.
const STARVED: u32 = 2;

/// The replica that becomes slow and then refuses connections.
const ILL: u32 = 1;

/// Length of one round, in scenario time.
pub const ROUND: Duration = Duration::from_secs(116);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cue {
    /// A step of the scenario begins.
    Announce(Act),
    /// `spec.replicas` changes.
    Scale(u32),
    Pvc(u32, PvcStep),
    Pod(u32, PodStep),
    /// The controller updates the endpoints.
    Publish,
    /// The load balancer starts or stops routing to a replica.
    Route(u32, bool),
    Server(u32, Behaviour),
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
pub(super) struct Beat {
    pub(super) at: Duration,
    pub(super) cue: Cue,
}

/// In order of time.
pub(super) fn round() -> Vec<Beat> {
    let name = |ordinal: u32| format!("mysql-{ordinal}").into();
    let mut beats = Vec::new();
    let mut act = |begins: f64, act: Act, then: &[(f64, Cue)]| {
        let beat = |after: f64, cue| Beat { at: Duration::from_secs_f64(begins + after), cue };
        beats.push(beat(0.0, Cue::Announce(act)));
        beats.extend(then.iter().map(|(after, cue)| beat(*after, cue.clone())));
    };
    act(0.0, Act::Balanced { replicas: REPLICAS }, &[]);
    act(10.0, Act::ScaleUp { replica: name(COMING), to: REPLICAS + 1 }, &rises_anew(COMING));
    act(30.0, Act::Starved { replica: name(STARVED) }, &[(0.5, Cue::Route(STARVED, false))]);
    act(44.0, Act::Healed { replica: name(STARVED) }, &[(0.5, Cue::Route(STARVED, true))]);
    act(58.0, Act::Slow { replica: name(ILL) }, &[(0.5, Cue::Server(ILL, Behaviour::Slow))]);
    act(66.0, Act::Refusing { replica: name(ILL) }, &[(0.5, Cue::Server(ILL, Behaviour::Refusing))]);
    act(76.0, Act::Recovered { replica: name(ILL) }, &[(0.5, Cue::Server(ILL, Behaviour::Well))]);
    act(84.0, Act::ScaleDown { replica: name(COMING), to: REPLICAS }, &falls(COMING));
    act(94.0, Act::Return { replica: name(COMING), to: REPLICAS + 1 }, &returns(COMING));
    let mut reset = falls(COMING);
    reset.push((5.5, Cue::Pvc(COMING, PvcStep::Deleted)));
    act(108.0, Act::Reset { replica: name(COMING), to: REPLICAS }, &reset);
    beats
}

/// Start of a replica with a new PVC, whose data is cloned.
fn rises_anew(ordinal: u32) -> Vec<(f64, Cue)> {
    vec![
        (0.5, Cue::Scale(ordinal + 1)),
        (0.7, Cue::Pvc(ordinal, PvcStep::Created)),
        (0.9, Cue::Pod(ordinal, PodStep::Created)),
        (1.4, Cue::Pvc(ordinal, PvcStep::NodeSelected)),
        (3.2, Cue::Pvc(ordinal, PvcStep::Bound)),
        (3.6, Cue::Pod(ordinal, PodStep::Scheduled)),
        (5.4, Cue::Pod(ordinal, PodStep::Sandbox)),
        (5.6, Cue::Publish),
        (8.9, Cue::Pod(ordinal, PodStep::Initialized)),
        (9.6, Cue::Server(ordinal, Behaviour::Starts(Duration::from_secs(6)))),
        (10.9, Cue::Pod(ordinal, PodStep::Ready)),
        (11.3, Cue::Publish),
        (12.0, Cue::Route(ordinal, true)),
    ]
}

/// Start of a replica that has its data.
fn returns(ordinal: u32) -> Vec<(f64, Cue)> {
    vec![
        (0.5, Cue::Scale(ordinal + 1)),
        (0.8, Cue::Pod(ordinal, PodStep::Created)),
        (1.0, Cue::Pod(ordinal, PodStep::Scheduled)),
        (2.2, Cue::Pod(ordinal, PodStep::Sandbox)),
        (2.4, Cue::Publish),
        (3.2, Cue::Pod(ordinal, PodStep::Initialized)),
        (3.6, Cue::Server(ordinal, Behaviour::Starts(Duration::from_secs(5)))),
        (5.0, Cue::Pod(ordinal, PodStep::Ready)),
        (5.3, Cue::Publish),
        (5.9, Cue::Route(ordinal, true)),
    ]
}

/// Removal of a replica.
fn falls(ordinal: u32) -> Vec<(f64, Cue)> {
    vec![
        (0.5, Cue::Scale(ordinal)),
        (0.7, Cue::Pod(ordinal, PodStep::Terminating)),
        (0.9, Cue::Publish),
        (1.4, Cue::Route(ordinal, false)),
        (4.0, Cue::Server(ordinal, Behaviour::Stops)),
        (4.6, Cue::Pod(ordinal, PodStep::Gone)),
        (4.8, Cue::Publish),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_come_in_their_order_and_every_one_is_seen_within_two_minutes() {
        let beats = round();
        assert!(beats.is_sorted_by_key(|beat| beat.at), "{beats:#?}");
        assert!(beats.last().unwrap().at < ROUND && ROUND <= Duration::from_secs(120));
        let numbers: Vec<usize> = beats
            .iter()
            .filter_map(|beat| match &beat.cue {
                Cue::Announce(act) => Some(act.number()),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, (1..=Act::COUNT).collect::<Vec<_>>());
    }

    #[test]
    fn a_round_leaves_everything_as_it_found_it() {
        let beats = round();
        let last = |of: &dyn Fn(&Cue) -> Option<String>| beats.iter().rev().find_map(|beat| of(&beat.cue));
        let scale = |cue: &Cue| if let Cue::Scale(to) = cue { Some(to.to_string()) } else { None };
        assert_eq!(last(&scale), Some(REPLICAS.to_string()));
        for ordinal in 0..=COMING {
            let server = |cue: &Cue| match cue {
                Cue::Server(of, behaviour) if *of == ordinal => Some(format!("{behaviour:?}")),
                _ => None,
            };
            let route = |cue: &Cue| match cue {
                Cue::Route(of, routed) if *of == ordinal => Some(routed.to_string()),
                _ => None,
            };
            let (at_end, routed) = if ordinal == COMING { ("Stops", "false") } else { ("Well", "true") };
            assert!(last(&server).is_none_or(|server| server == at_end));
            assert!(last(&route).is_none_or(|route| route == routed));
        }
        let pvc = |cue: &Cue| if let Cue::Pvc(_, step) = cue { Some(format!("{step:?}")) } else { None };
        assert_eq!(last(&pvc).as_deref(), Some("Deleted"));
    }
}
