//! The milestones of one replica, and the phases between them.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::model::base::{Moment, named_enum};

named_enum! {
    /// The order is partial: under `WaitForFirstConsumer` the pod exists before its PVC is provisioned, and a replica may
    /// answer a pod probe before its pod is ready.
    pub enum Milestone {
        /// The subject, and the noun phrase of log, terminal and documentation.
        fn description() -> (Subject, &'static str);

        /// `spec.replicas` changed.
        Requested = "requested": (Subject::Request, "replica requested"),
        /// The first PVC of the replica was created.
        PvcCreated = "pvc_created": (Subject::Pvc, "PVC created"),
        /// Provisioning of the first PVC could start: a node was selected, or the PVC was created and does not wait for
        /// one.
        PvcProvisioning = "pvc_provisioning": (Subject::Pvc, "volume provisioning started"),
        /// The last PVC of the replica was bound.
        PvcBound = "pvc_bound": (Subject::Pvc, "PVC bound"),
        PodCreated = "pod_created": (Subject::StartingPod, "pod created"),
        PodScheduled = "pod_scheduled": (Subject::StartingPod, "pod scheduled"),
        /// Volumes are mounted and the pod network exists.
        SandboxReady = "sandbox_ready": (Subject::StartingPod, "volumes and network ready"),
        Initialized = "initialized": (Subject::StartingPod, "initialized"),
        PodReady = "pod_ready": (Subject::StartingPod, "pod ready"),
        /// The pod is a ready endpoint of the Service.
        EndpointReady = "endpoint_ready": (Subject::StartingPod, "endpoint ready"),
        /// First pod probe that was answered.
        DirectRead = "direct_read": (Subject::StartingPod, "first pod probe answered"),
        /// First read through the Service.
        FirstRead = "first_read": (Subject::StartingPod, "first read"),
        /// First read through the Service that was not stale.
        FreshRead = "fresh_read": (Subject::StartingPod, "first fresh read"),
        /// First client connection after the first read.
        FirstClient = "first_client": (Subject::StartingPod, "first client connection"),
        /// At least half of the expected share of the client connections.
        ClientShare = "client_share": (Subject::StartingPod, "share of client connections reached"),
        Terminating = "terminating": (Subject::StoppingPod, "pod terminating"),
        /// The pod stopped being a ready endpoint of the Service.
        EndpointGone = "endpoint_gone": (Subject::StoppingPod, "endpoint removed"),
        /// Last read through the Service.
        LastRead = "last_read": (Subject::StoppingPod, "last read"),
        PodGone = "pod_gone": (Subject::StoppingPod, "pod gone"),
    }
}

named_enum! {
    /// The time between two milestones. Phases may overlap and are never summed.
    pub enum ScalePhase {
        /// The milestones at which the phase begins and ends.
        pub fn ends() -> (Milestone, Milestone);

        Provision = "provision": (Milestone::PvcProvisioning, Milestone::PvcBound),
        Schedule = "schedule": (Milestone::PodCreated, Milestone::PodScheduled),
        Start = "start": (Milestone::PodScheduled, Milestone::SandboxReady),
        Initialize = "initialize": (Milestone::SandboxReady, Milestone::Initialized),
        BecomeReady = "become_ready": (Milestone::Initialized, Milestone::PodReady),
        Publish = "publish": (Milestone::PodReady, Milestone::EndpointReady),
        Route = "route": (Milestone::EndpointReady, Milestone::FirstRead),
        CatchUp = "catch_up": (Milestone::FirstRead, Milestone::FreshRead),
        Fill = "fill": (Milestone::FirstRead, Milestone::ClientShare),
        ToReady = "to_ready": (Milestone::Requested, Milestone::PodReady),
        ToFirstRead = "to_first_read": (Milestone::Requested, Milestone::FirstRead),
        ToFreshRead = "to_fresh_read": (Milestone::Requested, Milestone::FreshRead),
        Withdraw = "withdraw": (Milestone::Terminating, Milestone::EndpointGone),
        Drain = "drain": (Milestone::Terminating, Milestone::LastRead),
        Terminate = "terminate": (Milestone::Terminating, Milestone::PodGone),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MilestoneTime {
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

/// A [`MilestoneTime`] in half the size, because there are thousands of pods and PVCs. A live moment has the same wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    wall: Timestamp,
    live: Option<Duration>,
}

/// What a milestone is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Request,
    Pvc,
    StartingPod,
    StoppingPod,
}

impl Milestone {
    pub(super) fn subject(self) -> Subject {
        self.description().0
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description().1)
    }
}

impl MilestoneTime {
    pub fn live(now: Moment) -> Self {
        Self { wall: now.wall, live: Some(now) }
    }

    /// From a time that the API server or a list gave later.
    pub fn written(wall: Timestamp) -> Self {
        Self { wall, live: None }
    }
}

impl Milestones {
    /// `None` if the milestone was not reached or its date is unknown.
    pub fn get(&self, milestone: Milestone) -> Option<MilestoneTime> {
        let Date { wall, live } = self.dates[self.place(milestone).ok()?].1;
        Some(MilestoneTime { wall, live: live.map(|elapsed| Moment { elapsed, wall }) })
    }

    pub fn has(&self, milestone: Milestone) -> bool {
        self.place(milestone).is_ok() || self.undated & bit(milestone) != 0
    }

    /// The milestones with a known date, in the order of [`Milestone::ALL`].
    pub fn reached(&self) -> impl Iterator<Item = (Milestone, MilestoneTime)> + '_ {
        Milestone::ALL.into_iter().filter_map(|milestone| Some((milestone, self.get(milestone)?)))
    }

    /// Measured if both ends were seen live, otherwise from dates in whole seconds. The duration is zero if the end
    /// came first: watch events of different watches may cross, a pod without init containers is initialized before it
    /// has a network, and the last read may precede the termination.
    pub fn duration(&self, phase: ScalePhase) -> Option<Duration> {
        self.measured(phase).or_else(|| {
            let (from, to) = phase.ends();
            let between = self.get(to)?.wall.duration_since(self.get(from)?.wall);
            Some(Duration::try_from(between).unwrap_or_default())
        })
    }

    pub fn measured(&self, phase: ScalePhase) -> Option<Duration> {
        let (from, to) = phase.ends();
        Some(self.get(to)?.live?.since(self.get(from)?.live?))
    }

    /// Records a milestone, without a date if that is unknown; returns whether it is new.
    pub(crate) fn reach(&mut self, milestone: Milestone, date: Option<MilestoneTime>) -> bool {
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
    pub(crate) fn backfill(&mut self, milestone: Milestone, date: MilestoneTime) -> bool {
        let undated = self.undated & bit(milestone) != 0;
        if undated {
            self.undated &= !bit(milestone);
            self.renew(milestone, date);
        }
        undated
    }

    /// Sets the date of a milestone that repeats, such as the last read.
    pub(crate) fn renew(&mut self, milestone: Milestone, date: MilestoneTime) {
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

    /// Removes the milestones of an earlier pod or PVC.
    pub(super) fn forget(&mut self, subject: Subject) {
        self.dates.retain(|(milestone, _)| milestone.subject() != subject);
        for milestone in Milestone::ALL.into_iter().filter(|milestone| milestone.subject() == subject) {
            self.undated &= !bit(milestone);
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
pub enum Seen {
    Live,
    /// A list at the start, or after a watch was interrupted.
    Listed,
}

impl Seen {
    /// `now` if seen live, otherwise the time that the API server wrote.
    pub(crate) fn date(self, written: Option<Timestamp>, now: Moment) -> Option<MilestoneTime> {
        match self {
            Self::Live => Some(MilestoneTime::live(now)),
            Self::Listed => written.map(MilestoneTime::written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_need_live_times_at_both_ends() {
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::PodReady, Some(MilestoneTime::live(Moment::at(10.25))));
        milestones.reach(Milestone::EndpointReady, Some(MilestoneTime::live(Moment::at(10.5))));
        assert_eq!(milestones.measured(ScalePhase::Publish), Some(Duration::from_millis(250)));
        milestones.reach(Milestone::Initialized, Some(MilestoneTime::written(Timestamp::from_second(7).unwrap())));
        assert_eq!(milestones.measured(ScalePhase::BecomeReady), None);
        assert_eq!(milestones.duration(ScalePhase::BecomeReady), Some(Duration::from_millis(3250)));
        assert_eq!(milestones.duration(ScalePhase::Route), None);
    }

    #[test]
    fn crossing_watch_events_make_no_negative_phase() {
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::EndpointReady, Some(MilestoneTime::live(Moment::at(1.0))));
        milestones.reach(Milestone::PodReady, Some(MilestoneTime::live(Moment::at(1.5))));
        assert_eq!(milestones.measured(ScalePhase::Publish), Some(Duration::ZERO));
    }

    #[test]
    fn the_first_date_of_a_milestone_stays() {
        let mut milestones = Milestones::default();
        assert!(milestones.reach(Milestone::FirstRead, Some(MilestoneTime::live(Moment::at(1.0)))));
        assert!(!milestones.reach(Milestone::FirstRead, Some(MilestoneTime::live(Moment::at(2.0)))));
        assert_eq!(milestones.get(Milestone::FirstRead), Some(MilestoneTime::live(Moment::at(1.0))));
    }

    #[test]
    fn a_milestone_at_an_unknown_time_stays_undated() {
        let mut milestones = Milestones::default();
        assert!(milestones.reach(Milestone::EndpointReady, None));
        assert!(!milestones.reach(Milestone::EndpointReady, Some(MilestoneTime::live(Moment::at(2.0)))));
        assert!(milestones.has(Milestone::EndpointReady));
        assert_eq!(milestones.get(Milestone::EndpointReady), None);
    }

    #[test]
    fn forgotten_milestones_can_be_reached_again() {
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::PodReady, None);
        milestones.reach(Milestone::FirstRead, Some(MilestoneTime::written(Timestamp::from_second(7).unwrap())));
        milestones.forget(Subject::Pvc);
        assert!(milestones.has(Milestone::PodReady) && milestones.has(Milestone::FirstRead));
        milestones.forget(Subject::StartingPod);
        assert_eq!(milestones, Milestones::default());
    }
}
