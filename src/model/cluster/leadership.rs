//! Of several readscopes with one Lease, the leader counts what happens once, and writes Kubernetes Events.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{change::Problem, notice::ClusterNotice};
use crate::model::base::{Moment, ObjectName};

/// What a follower has seen stays countable for this time. A Lease ends 15 s after its leader is gone, but the API server may
/// be away for longer.
const HELD_FOR: Duration = Duration::from_secs(900);

/// Limit of what a follower keeps: the phases of a scale event by 500 replicas.
const HELD_MAX: usize = 5000;

#[derive(Clone, Debug, PartialEq)]
pub enum Leadership {
    Leads {
        lease: ObjectName,
        /// The previous leader has counted what happened until then.
        since: Timestamp,
        /// Without a renewal before this moment, another readscope may lead afterwards.
        until: Moment,
    },
    Follows {
        lease: ObjectName,
        /// Absent before the first look at the Lease, and after its release.
        leader: Option<Arc<str>>,
    },
    /// The Lease cannot be read or written.
    Failed { lease: ObjectName, problem: Problem },
}

impl Leadership {
    /// What the log says when this state begins.
    pub fn notice(&self) -> Option<ClusterNotice> {
        Some(match self {
            Self::Leads { lease, .. } => ClusterNotice::Leads { lease: lease.clone() },
            Self::Follows { lease, leader } => ClusterNotice::Follows { lease: lease.clone(), leader: leader.clone()? },
            Self::Failed { lease, problem } => {
                ClusterNotice::LeaseFailed { lease: lease.clone(), problem: problem.clone() }
            }
        })
    }

    pub fn leads(&self, now: Moment) -> bool {
        matches!(self, Self::Leads { until, .. } if now.elapsed < until.elapsed)
    }
}

/// Holds back what only the leader may count or write.
#[derive(Debug)]
pub struct Held<T> {
    /// Absent without a Lease: nothing is held back.
    leadership: Option<Leadership>,
    held: VecDeque<(Moment, T)>,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { leadership: None, held: VecDeque::new() }
    }
}

impl<T> Held<T> {
    pub fn leadership(&self) -> Option<&Leadership> {
        self.leadership.as_ref()
    }

    /// Returns `item` if this readscope leads, and keeps it otherwise.
    pub fn pass(&mut self, item: T, now: Moment) -> Option<T> {
        if self.leadership.as_ref().is_none_or(|leadership| leadership.leads(now)) {
            return Some(item);
        }
        self.held.retain(|(at, _)| now.since(*at) <= HELD_FOR);
        if self.held.len() == HELD_MAX {
            self.held.pop_front();
        }
        self.held.push_back((now, item));
        None
    }

    /// Returns what no leader has counted, if this readscope leads now. Events up to `margin` before the previous leader
    /// ended are returned as well.
    pub fn change(&mut self, leadership: Leadership, margin: Duration, now: Moment) -> Vec<T> {
        let released = match &leadership {
            Leadership::Leads { since, .. } => {
                let after = since.checked_sub(margin).unwrap_or(*since);
                let is_open = |at: Moment| at.wall > after && now.since(at) <= HELD_FOR;
                self.held.drain(..).filter(|(at, _)| is_open(*at)).map(|(_, item)| item).collect()
            }
            Leadership::Follows { .. } | Leadership::Failed { .. } => Vec::new(),
        };
        self.leadership = Some(leadership);
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::START.after(Duration::from_secs(seconds))
    }

    fn lease() -> ObjectName {
        ObjectName::new("readscope", "readscope")
    }

    fn leads(since: u64, until: u64) -> Leadership {
        Leadership::Leads { lease: lease(), since: at(since).wall, until: at(until) }
    }

    fn follows() -> Leadership {
        Leadership::Follows { lease: lease(), leader: Some("other".into()) }
    }

    #[test]
    fn without_a_lease_nothing_is_held_back() {
        let mut held = Held::default();
        assert_eq!(held.pass(1, at(0)), Some(1));
    }

    #[test]
    fn a_follower_that_takes_over_counts_what_the_leader_did_not() {
        let mut held = Held::default();
        assert!(held.change(follows(), Duration::ZERO, at(100)).is_empty());
        for second in [110, 120, 130] {
            assert_eq!(held.pass(second, at(second)), None);
        }
        assert_eq!(held.change(leads(115, 150), Duration::ZERO, at(140)), [120, 130]);
        assert_eq!(held.pass(145, at(145)), Some(145));
        assert!(held.change(leads(115, 160), Duration::ZERO, at(146)).is_empty(), "each is counted once");
    }

    #[test]
    fn a_leader_that_was_suspended_counts_nothing_before_it_leads_again() {
        let mut held = Held::default();
        held.change(leads(0, 10), Duration::ZERO, at(0));
        assert_eq!(held.pass(9, at(9)), Some(9));
        assert_eq!(held.pass(10, at(10)), None, "another may lead by now");
        held.change(follows(), Duration::ZERO, at(11));
        assert_eq!(held.pass(12, at(12)), None);
        assert_eq!(held.change(leads(11, 30), Duration::ZERO, at(20)), [12]);
    }

    #[test]
    fn a_margin_returns_more() {
        let mut held = Held::default();
        held.change(follows(), Duration::ZERO, at(100));
        held.pass(110, at(110));
        held.pass(120, at(120));
        assert_eq!(held.change(leads(125, 150), Duration::from_secs(10), at(130)), [120]);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut held = Held::default();
        held.change(follows(), Duration::ZERO, at(0));
        for item in 0..2 * HELD_MAX {
            held.pass(item, at(1));
        }
        assert_eq!(held.held.len(), HELD_MAX);
        held.pass(0, at(902));
        assert_eq!(held.held.len(), 1, "too old to count");
        assert!(held.change(leads(0, 2000), Duration::ZERO, at(1803)).is_empty());
    }
}
