//! Processor time, user and system, a probe. Machines are shared and get slower and faster by themselves, so two
//! clients are only ever compared in slices that follow each other, and what counts is the median of the ratios.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// One client that takes probes.
pub(crate) struct Client<'a> {
    /// How many probes make one slice: enough for some tenths of a second.
    pub(crate) slice: u32,
    /// Takes so many probes.
    pub(crate) take: Box<dyn FnMut(u32) + 'a>,
    /// Where its processor time is counted.
    pub(crate) place: Place,
}

/// Whose processor time it is.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    ThisProcess,
    /// Children that have ended.
    Children,
}

/// Two clients side by side.
pub(crate) struct Comparison {
    /// Seconds a probe, the median.
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    /// Ours by theirs: the median, and the quartiles around it.
    pub(crate) ratio: f64,
    pub(crate) quartiles: (f64, f64),
}

impl Client<'_> {
    /// The processor time a probe of one slice, in seconds.
    pub(crate) fn measure(&mut self) -> f64 {
        let before = used(self.place);
        (self.take)(self.slice);
        used(self.place).saturating_sub(before).as_secs_f64() / f64::from(self.slice)
    }
}

/// Compares by slices: ours, theirs, theirs, ours, and so on.
pub(crate) fn compare(ours: &mut Client<'_>, theirs: &mut Client<'_>, pairs: usize) -> Comparison {
    // What is made once (caches, connections of other ports, code read from disk) belongs to no probe.
    ours.measure();
    theirs.measure();
    let measured: Vec<(f64, f64)> = (0..pairs)
        .map(|pair| {
            if pair % 2 == 0 {
                let ours = ours.measure();
                (ours, theirs.measure())
            } else {
                let theirs = theirs.measure();
                (ours.measure(), theirs)
            }
        })
        .collect();
    let ratios: Vec<f64> = measured.iter().map(|(ours, theirs)| ours / theirs).collect();
    Comparison {
        ours: quantile(measured.iter().map(|(ours, _)| *ours), 2),
        theirs: quantile(measured.iter().map(|(_, theirs)| *theirs), 2),
        ratio: quantile(ratios.iter().copied(), 2),
        quartiles: (quantile(ratios.iter().copied(), 1), quantile(ratios.iter().copied(), 3)),
    }
}

/// The value below which so many quarters of the values are: 2 is the median.
pub(crate) fn quantile(values: impl IntoIterator<Item = f64>, quarters: usize) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    // Between two values where it falls between them.
    let (low, high) = (last * quarters / 4, (last * quarters).div_ceil(4));
    f64::midpoint(values[low], values[high])
}

fn used(place: Place) -> Duration {
    let who = match place {
        Place::ThisProcess => UsageWho::RUSAGE_SELF,
        Place::Children => UsageWho::RUSAGE_CHILDREN,
    };
    let usage = getrusage(who).expect("the kernel counts this process");
    duration(usage.user_time()) + duration(usage.system_time())
}

fn duration(time: TimeVal) -> Duration {
    let part = |count: i64| u64::try_from(count).expect("processor time is not negative");
    Duration::from_secs(part(time.tv_sec())) + Duration::from_micros(part(time.tv_usec()))
}
