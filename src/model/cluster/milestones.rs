//! The milestones of one replica, and the phases between them.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::model::base::Moment;

/// The order is partial: under `WaitForFirstConsumer` the pod exists before its PVC is provisioned, and a replica may
/// answer a pod probe before its pod is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Milestone {
    /// `spec.replicas` changed.
    Requested,
    /// The first PVC of the replica was created.
    PvcCreated,
    /// Provisioning of the first PVC could start: a node was selected, or the PVC was created and does not wait for
    /// one.
    PvcProvisioning,
    /// The last PVC of the replica was bound.
    PvcBound,
    PodCreated,
    PodScheduled,
    /// Volumes are mounted and the pod network exists.
    SandboxReady,
    Initialized,
    PodReady,
    /// The pod is a ready endpoint of the Service.
    EndpointReady,
    /// First pod probe that was answered.
    DirectRead,
    /// First read through the Service.
    FirstRead,
    /// First read through the Service that was not stale.
    FreshRead,
    Terminating,
    /// The pod stopped being a ready endpoint of the Service.
    EndpointGone,
    /// Last read through the Service.
    LastRead,
    PodGone,
}

/// The time between two milestones. Phases may overlap and are never summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScalePhase {
    /// From the start of provisioning of a new PVC to its binding.
    Provision,
    /// From the creation of the pod to its node.
    Schedule,
    /// From the node to mounted volumes and network.
    Start,
    /// From mounted volumes and network to the end of the init containers.
    Initialize,
    /// From the end of the init containers to the ready pod.
    BecomeReady,
    /// From the ready pod to the ready endpoint.
    Publish,
    /// From the ready endpoint to the first read.
    Route,
    /// From the first read to the first fresh read.
    CatchUp,
    ToReady,
    ToFirstRead,
    ToFreshRead,
    /// From the start of termination to the removal of the endpoint.
    Withdraw,
    /// From the start of termination to the last read.
    Drain,
    /// From the start of termination to the end of the pod.
    Terminate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated {
    /// The clock of readscope if seen live, otherwise the time that the API server wrote, or the time of the list if
    /// the API has none.
    pub wall: Timestamp,
    /// Time of receipt if seen live. Only live dates are used for measured intervals.
    pub live: Option<Moment>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Milestones {
    /// Milestones with a known date, ascending.
    dates: Vec<(Milestone, Date)>,
    /// One bit per milestone that was reached at an unknown time. A later moment does not date it.
    undated: u32,
}

/// A [`Dated`] in half the size, because there are thousands of pods and PVCs. A live moment has the same wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    wall: Timestamp,
    live: Option<Duration>,
}

impl Milestone {
    /// In the order of the discriminants.
    pub const ALL: [Self; 17] = [
        Self::Requested,
        Self::PvcCreated,
        Self::PvcProvisioning,
        Self::PvcBound,
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
            Self::PvcCreated => "pvc_created",
            Self::PvcProvisioning => "pvc_provisioning",
            Self::PvcBound => "pvc_bound",
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

/// The noun phrase of log, terminal and documentation.
impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "replica requested",
            Self::PvcCreated => "PVC created",
            Self::PvcProvisioning => "volume provisioning started",
            Self::PvcBound => "PVC bound",
            Self::PodCreated => "pod created",
            Self::PodScheduled => "pod scheduled",
            Self::SandboxReady => "volumes and network ready",
            Self::Initialized => "initialized",
            Self::PodReady => "pod ready",
            Self::EndpointReady => "endpoint ready",
            Self::DirectRead => "first pod probe answered",
            Self::FirstRead => "first read",
            Self::FreshRead => "first fresh read",
            Self::Terminating => "pod terminating",
            Self::EndpointGone => "endpoint removed",
            Self::LastRead => "last read",
            Self::PodGone => "pod gone",
        })
    }
}

impl ScalePhase {
    /// In the order of the discriminants.
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

    /// The milestones at which the phase begins and ends.
    #[must_use]
    pub fn ends(self) -> (Milestone, Milestone) {
        match self {
            Self::Provision => (Milestone::PvcProvisioning, Milestone::PvcBound),
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
    #[must_use]
    pub fn live(now: Moment) -> Self {
        Self { wall: now.wall, live: Some(now) }
    }

    /// From a time that the API server or a list gave later.
    #[must_use]
    pub fn told(wall: Timestamp) -> Self {
        Self { wall, live: None }
    }
}

impl Milestones {
    /// `None` if the milestone was not reached or its date is unknown.
    #[must_use]
    pub fn get(&self, milestone: Milestone) -> Option<Dated> {
        let Date { wall, live } = self.dates[self.place(milestone).ok()?].1;
        Some(Dated { wall, live: live.map(|elapsed| Moment { elapsed, wall }) })
    }

    #[must_use]
    pub fn has(&self, milestone: Milestone) -> bool {
        self.place(milestone).is_ok() || self.undated & bit(milestone) != 0
    }

    /// The milestones with a known date, in the order of [`Milestone::ALL`].
    pub fn reached(&self) -> impl Iterator<Item = (Milestone, Dated)> + '_ {
        Milestone::ALL.into_iter().filter_map(|milestone| Some((milestone, self.get(milestone)?)))
    }

    /// Measured if both ends were seen live, otherwise from dates in whole seconds. The duration is zero if the end
    /// came first: watch events of different watches may cross, a pod without init containers is initialized before it
    /// has a network, and the last read may precede the termination.
    #[must_use]
    pub fn duration(&self, phase: ScalePhase) -> Option<Duration> {
        self.measured(phase).or_else(|| {
            let (from, to) = phase.ends();
            let between = self.get(to)?.wall.duration_since(self.get(from)?.wall);
            Some(Duration::try_from(between).unwrap_or_default())
        })
    }

    #[must_use]
    pub fn measured(&self, phase: ScalePhase) -> Option<Duration> {
        let (from, to) = phase.ends();
        Some(self.get(to)?.live?.since(self.get(from)?.live?))
    }

    /// Records a milestone, without a date if that is unknown; returns whether it is new.
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

    /// Dates a milestone that has no date; returns whether it was reached without one.
    pub(crate) fn backfill(&mut self, milestone: Milestone, date: Dated) -> bool {
        let undated = self.undated & bit(milestone) != 0;
        if undated {
            self.undated &= !bit(milestone);
            self.renew(milestone, date);
        }
        undated
    }

    /// Sets the date of a milestone that repeats, such as the last read.
    pub(crate) fn renew(&mut self, milestone: Milestone, date: Dated) {
        let date = Date { wall: date.wall, live: date.live.map(|live| live.elapsed) };
        match self.place(milestone) {
            Ok(at) => self.dates[at].1 = date,
            Err(at) => {
                // Most pods and PVCs never reach most milestones.
                self.dates.reserve_exact(1);
                self.dates.insert(at, (milestone, date));
            }
        }
    }

    /// Removes milestones that belong to an earlier pod or PVC.
    pub(crate) fn forget(&mut self, milestones: &[Milestone]) {
        self.dates.retain(|(milestone, _)| !milestones.contains(milestone));
        for milestone in milestones {
            self.undated &= !bit(*milestone);
        }
    }

    /// The index of the milestone in `dates`, or where to insert it.
    fn place(&self, milestone: Milestone) -> Result<usize, usize> {
        self.dates.binary_search_by_key(&milestone, |(milestone, _)| *milestone)
    }
}

fn bit(milestone: Milestone) -> u32 {
    1 << milestone as u32
}

/// Whether a watch event or a list delivered a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    Live,
    /// A list at the start, or after a watch was interrupted.
    Listed,
}

impl Receipt {
    /// `now` if seen live, otherwise the time that the API server wrote.
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
