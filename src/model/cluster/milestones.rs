//! The dated steps in the life of one replica, and the phases between them.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::model::base::Moment;

/// A step. The order is partial: under `WaitForFirstConsumer` the pod exists before its claim is provisioned, and a
/// replica may answer directly before its pod is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Milestone {
    /// `spec.replicas` changed.
    Requested,
    /// Its claim was created; the first one of several.
    ClaimCreated,
    /// Provisioning of its claim could start: a node was selected, or at creation; the first one of several.
    ClaimProvisioning,
    /// Its claim was bound; the last one of several.
    ClaimBound,
    /// Its pod was created.
    PodCreated,
    /// Its pod has a node.
    PodScheduled,
    /// Its pod's volumes are mounted and its network is there.
    SandboxReady,
    /// Its pod's init containers are done.
    Initialized,
    /// Its pod is ready.
    PodReady,
    /// The Service has it as a ready endpoint.
    EndpointReady,
    /// It answered a connection to its own address.
    DirectRead,
    /// It answered a connection through the read Service.
    FirstRead,
    /// It gave an answer through the read Service that was not stale.
    FreshRead,
    /// Its pod is being deleted.
    Terminating,
    /// The Service has it no more as a ready endpoint.
    EndpointGone,
    /// Its last answer through the read Service.
    LastRead,
    /// Its pod is gone.
    PodGone,
}

/// The time between two milestones. Phases may overlap and are never summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScalePhase {
    /// A new claim from the start of its provisioning to its binding.
    Provision,
    /// The pod from its creation to its node.
    Schedule,
    /// From the node to mounted volumes and network.
    Start,
    /// From there until the init containers are done.
    Initialize,
    /// From there until the pod is ready.
    BecomeReady,
    /// From the ready pod to the ready endpoint.
    Publish,
    /// From the ready endpoint to the first read.
    Route,
    /// From the first read to the first fresh one.
    CatchUp,
    /// From the request to the ready pod.
    ToReady,
    /// From the request to the first read.
    ToFirstRead,
    /// From the request to the first fresh read.
    ToFreshRead,
    /// From the start of termination until the endpoint is gone.
    Withdraw,
    /// From the start of termination to the last read.
    Drain,
    /// From the start of termination until the pod is gone.
    Terminate,
}

/// When a milestone was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated {
    /// On the wall: the probe's own clock if it was seen live, otherwise what the API server wrote, or when a list told
    /// what nobody writes.
    pub wall: Timestamp,
    /// The moment of its receipt, if it was seen as it happened; it alone makes a measured interval.
    pub live: Option<Moment>,
}

/// The milestones that one replica has reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Milestones {
    /// Of those that were reached at a known date, ascending.
    dates: Vec<(Milestone, Date)>,
    /// One bit a milestone: it was reached, and nobody knows when, so that no later moment dates it either.
    undated: u32,
}

/// A [`Dated`] in half of its size, for thousands of pods and claims, of which each has reached a few milestones: a live
/// moment has the same time on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    wall: Timestamp,
    live: Option<Duration>,
}

impl Milestone {
    /// Every milestone, in the order of their discriminants.
    pub const ALL: [Self; 17] = [
        Self::Requested,
        Self::ClaimCreated,
        Self::ClaimProvisioning,
        Self::ClaimBound,
        Self::PodCreated,
        Self::PodScheduled,
        Self::SandboxReady,
        Self::Initialized,
        Self::PodReady,
        Self::EndpointReady,
        Self::DirectRead,
        Self::FirstRead,
        Self::FreshRead,
        Self::Terminating,
        Self::EndpointGone,
        Self::LastRead,
        Self::PodGone,
    ];

    /// The name in metrics, API and `wait --for`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::ClaimCreated => "claim_created",
            Self::ClaimProvisioning => "claim_provisioning",
            Self::ClaimBound => "claim_bound",
            Self::PodCreated => "pod_created",
            Self::PodScheduled => "pod_scheduled",
            Self::SandboxReady => "sandbox_ready",
            Self::Initialized => "initialized",
            Self::PodReady => "pod_ready",
            Self::EndpointReady => "endpoint_ready",
            Self::DirectRead => "direct_read",
            Self::FirstRead => "first_read",
            Self::FreshRead => "fresh_read",
            Self::Terminating => "terminating",
            Self::EndpointGone => "endpoint_gone",
            Self::LastRead => "last_read",
            Self::PodGone => "pod_gone",
        }
    }
}

/// What a replica did, in a sentence about it.
impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "was asked for",
            Self::ClaimCreated => "had its claim created",
            Self::ClaimProvisioning => "had its volume on the way",
            Self::ClaimBound => "had its claim bound",
            Self::PodCreated => "had its pod created",
            Self::PodScheduled => "had its pod scheduled",
            Self::SandboxReady => "had volumes and network",
            Self::Initialized => "was initialized",
            Self::PodReady => "had its pod ready",
            Self::EndpointReady => "was a ready endpoint",
            Self::DirectRead => "answered its first direct read",
            Self::FirstRead => "answered its first read",
            Self::FreshRead => "answered its first fresh read",
            Self::Terminating => "began to terminate",
            Self::EndpointGone => "was no endpoint any more",
            Self::LastRead => "answered its last read",
            Self::PodGone => "was gone",
        })
    }
}

impl ScalePhase {
    /// Every phase, in the order of their discriminants.
    pub const ALL: [Self; 14] = [
        Self::Provision,
        Self::Schedule,
        Self::Start,
        Self::Initialize,
        Self::BecomeReady,
        Self::Publish,
        Self::Route,
        Self::CatchUp,
        Self::ToReady,
        Self::ToFirstRead,
        Self::ToFreshRead,
        Self::Withdraw,
        Self::Drain,
        Self::Terminate,
    ];

    /// The name in metrics and API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Schedule => "schedule",
            Self::Start => "start",
            Self::Initialize => "initialize",
            Self::BecomeReady => "become_ready",
            Self::Publish => "publish",
            Self::Route => "route",
            Self::CatchUp => "catch_up",
            Self::ToReady => "to_ready",
            Self::ToFirstRead => "to_first_read",
            Self::ToFreshRead => "to_fresh_read",
            Self::Withdraw => "withdraw",
            Self::Drain => "drain",
            Self::Terminate => "terminate",
        }
    }

    /// The milestones between which it is.
    #[must_use]
    pub fn ends(self) -> (Milestone, Milestone) {
        match self {
            Self::Provision => (Milestone::ClaimProvisioning, Milestone::ClaimBound),
            Self::Schedule => (Milestone::PodCreated, Milestone::PodScheduled),
            Self::Start => (Milestone::PodScheduled, Milestone::SandboxReady),
            Self::Initialize => (Milestone::SandboxReady, Milestone::Initialized),
            Self::BecomeReady => (Milestone::Initialized, Milestone::PodReady),
            Self::Publish => (Milestone::PodReady, Milestone::EndpointReady),
            Self::Route => (Milestone::EndpointReady, Milestone::FirstRead),
            Self::CatchUp => (Milestone::FirstRead, Milestone::FreshRead),
            Self::ToReady => (Milestone::Requested, Milestone::PodReady),
            Self::ToFirstRead => (Milestone::Requested, Milestone::FirstRead),
            Self::ToFreshRead => (Milestone::Requested, Milestone::FreshRead),
            Self::Withdraw => (Milestone::Terminating, Milestone::EndpointGone),
            Self::Drain => (Milestone::Terminating, Milestone::LastRead),
            Self::Terminate => (Milestone::Terminating, Milestone::PodGone),
        }
    }
}

impl Dated {
    /// Seen as it happened.
    #[must_use]
    pub fn live(now: Moment) -> Self {
        Self { wall: now.wall, live: Some(now) }
    }

    /// Known afterwards, from a date that somebody else wrote.
    #[must_use]
    pub fn told(wall: Timestamp) -> Self {
        Self { wall, live: None }
    }
}

impl Milestones {
    /// When a milestone was reached, if it was and that is known.
    #[must_use]
    pub fn get(&self, milestone: Milestone) -> Option<Dated> {
        let Date { wall, live } = self.dates[self.place(milestone).ok()?].1;
        Some(Dated { wall, live: live.map(|elapsed| Moment { elapsed, wall }) })
    }

    /// Whether a milestone was reached, be it known when or not.
    #[must_use]
    pub fn has(&self, milestone: Milestone) -> bool {
        self.place(milestone).is_ok() || self.undated & bit(milestone) != 0
    }

    /// Those whose dates are known, in the order of [`Milestone::ALL`].
    pub fn reached(&self) -> impl Iterator<Item = (Milestone, Dated)> + '_ {
        Milestone::ALL.into_iter().filter_map(|milestone| Some((milestone, self.get(milestone)?)))
    }

    /// How long a phase took, if both of its ends were reached: measured if both were seen live, otherwise from dates
    /// in whole seconds. A phase whose end came first took no time: receipts of different watches may cross, a pod
    /// without init containers is initialized before it has a network, and its last read may precede its termination.
    #[must_use]
    pub fn duration(&self, phase: ScalePhase) -> Option<Duration> {
        self.measured(phase).or_else(|| {
            let (from, to) = phase.ends();
            let between = self.get(to)?.wall.duration_since(self.get(from)?.wall);
            Some(Duration::try_from(between).unwrap_or_default())
        })
    }

    /// How long a phase took, if both of its ends were seen as they happened.
    #[must_use]
    pub fn measured(&self, phase: ScalePhase) -> Option<Duration> {
        let (from, to) = phase.ends();
        Some(self.get(to)?.live?.since(self.get(from)?.live?))
    }

    /// Takes in that a milestone was reached, at a date or nobody knows when; says whether it was not yet.
    pub(crate) fn reach(&mut self, milestone: Milestone, date: Option<Dated>) -> bool {
        let new = !self.has(milestone);
        if new {
            match date {
                Some(date) => self.renew(milestone, date),
                None => self.undated |= bit(milestone),
            }
        }
        new
    }

    /// Dates a milestone of which it was only known that it was reached; says whether it was so.
    pub(crate) fn backfill(&mut self, milestone: Milestone, date: Dated) -> bool {
        let undated = self.undated & bit(milestone) != 0;
        if undated {
            self.undated &= !bit(milestone);
            self.renew(milestone, date);
        }
        undated
    }

    /// Dates a milestone that may be reached again and again, such as the last read.
    pub(crate) fn renew(&mut self, milestone: Milestone, date: Dated) {
        let date = Date { wall: date.wall, live: date.live.map(|live| live.elapsed) };
        match self.place(milestone) {
            Ok(at) => self.dates[at].1 = date,
            Err(at) => {
                // No room for what most of them never reach.
                self.dates.reserve_exact(1);
                self.dates.insert(at, (milestone, date));
            }
        }
    }

    /// Takes back that milestones were reached.
    pub(crate) fn forget(&mut self, milestones: &[Milestone]) {
        self.dates.retain(|(milestone, _)| !milestones.contains(milestone));
        for milestone in milestones {
            self.undated &= !bit(*milestone);
        }
    }

    /// Where a milestone's date is, or else would be.
    fn place(&self, milestone: Milestone) -> Result<usize, usize> {
        self.dates.binary_search_by_key(&milestone, |(milestone, _)| *milestone)
    }
}

fn bit(milestone: Milestone) -> u32 {
    1 << milestone as u32
}

/// Whether a fact was seen as it happened, or told by a list that was asked for afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// A watch told it.
    Live,
    /// A list told it: at the start, or after a watch was interrupted.
    Listed,
}

impl Receipt {
    /// The date of what was just received: the moment itself if it was seen live, else what the API server wrote, if
    /// anything.
    pub(crate) fn date(self, written: Option<Timestamp>, now: Moment) -> Option<Dated> {
        match self {
            Self::Live => Some(Dated::live(now)),
            Self::Listed => written.map(Dated::told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_the_order_of_their_discriminants() {
        for (index, milestone) in Milestone::ALL.into_iter().enumerate() {
            assert_eq!(milestone as usize, index);
        }
        for (index, phase) in ScalePhase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, index);
        }
    }

    #[test]
    fn only_what_was_seen_live_at_both_ends_is_measured() {
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::PodReady, Some(Dated::live(Moment::at(10.25))));
        milestones.reach(Milestone::EndpointReady, Some(Dated::live(Moment::at(10.5))));
        assert_eq!(milestones.measured(ScalePhase::Publish), Some(Duration::from_millis(250)));
        milestones.reach(Milestone::Initialized, Some(Dated::told(Timestamp::from_second(7).unwrap())));
        assert_eq!(milestones.measured(ScalePhase::BecomeReady), None);
        assert_eq!(milestones.duration(ScalePhase::BecomeReady), Some(Duration::from_millis(3250)));
        assert_eq!(milestones.duration(ScalePhase::Route), None);
    }

    #[test]
    fn receipts_that_cross_make_no_negative_phase() {
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::EndpointReady, Some(Dated::live(Moment::at(1.0))));
        milestones.reach(Milestone::PodReady, Some(Dated::live(Moment::at(1.5))));
        assert_eq!(milestones.measured(ScalePhase::Publish), Some(Duration::ZERO));
    }

    #[test]
    fn the_first_date_of_a_milestone_stays() {
        let mut milestones = Milestones::default();
        assert!(milestones.reach(Milestone::FirstRead, Some(Dated::live(Moment::at(1.0)))));
        assert!(!milestones.reach(Milestone::FirstRead, Some(Dated::live(Moment::at(2.0)))));
        assert_eq!(milestones.get(Milestone::FirstRead), Some(Dated::live(Moment::at(1.0))));
    }

    #[test]
    fn a_milestone_reached_nobody_knows_when_is_never_dated() {
        let mut milestones = Milestones::default();
        assert!(milestones.reach(Milestone::EndpointReady, None));
        assert!(!milestones.reach(Milestone::EndpointReady, Some(Dated::live(Moment::at(2.0)))));
        assert!(milestones.has(Milestone::EndpointReady));
        assert_eq!(milestones.get(Milestone::EndpointReady), None);
    }

    #[test]
    fn what_is_taken_back_may_be_reached_anew() {
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::PodReady, None);
        milestones.reach(Milestone::FirstRead, Some(Dated::told(Timestamp::from_second(7).unwrap())));
        milestones.forget(&[Milestone::PodReady, Milestone::FirstRead]);
        assert_eq!(milestones, Milestones::default());
    }
}
