//! The panels below the shares, most important lines first, cut at the end when space runs out.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use ratatui::text::{Line, Span};

use super::{
    Content, Palette,
    text::{columns, cut, fit, within},
};
use crate::{
    api::{Pvc, ScaleEvent, Target, Time},
    model::cluster::{ClusterNotice, Milestone},
};

const PVC_COLUMNS: usize = 9 + 9 + 13 + 13 + 6;

/// Minimum width that shows every column of a PVC.
const EVERY_PVC_COLUMN: usize = 100;

/// The column to drop on a narrower screen.
const ACCESS_MODES: usize = 4;

/// The last reads, newest first: time, `server_id`, replica, in the format of the lab's loop.
pub(super) fn tape(target: &Target<'_>, width: usize, palette: Palette) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(cut("time         server_id replica", width), palette.heading())];
    lines.extend(target.last_reads.iter().flatten().map(|read| {
        let time = read.time.0.strftime("%H:%M:%S.%3f");
        Line::raw(cut(&format!("{time} {:>9} {}", read.server_id, read.replica), width))
    }));
    lines
}

pub(super) fn scaling(
    content: &Content<'_>,
    now: Timestamp,
    width: usize,
    room: usize,
    palette: Palette,
) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(cut("scale events", width), palette.heading())];
    let Some((event, before)) = content.scale_events.split_first() else {
        lines.push(Line::raw(cut("no scale events yet", width)));
        return lines;
    };
    lines.push(headline(event, now, width, palette));
    let reached = milestones(event, width);
    let hidden = reached.len().saturating_sub(room.saturating_sub(lines.len()));
    lines.extend(reached.into_iter().skip(hidden));
    lines.extend(before.iter().map(|event| headline(event, now, width, palette)));
    lines
}

pub(super) fn all_scaling(content: &Content<'_>, now: Timestamp, width: usize, palette: Palette) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for event in &content.scale_events {
        lines.push(headline(event, now, width, palette));
        lines.extend(milestones(event, width));
    }
    if lines.is_empty() {
        lines.push(Line::raw(cut("no scale events yet", width)));
    }
    lines
}

fn headline(event: &ScaleEvent<'_>, now: Timestamp, width: usize, palette: Palette) -> Line<'static> {
    let ScaleEvent { from, to, started: Time(started), finished, .. } = *event;
    let (notice, style) = match finished {
        Some(Time(finished)) => {
            let lasted = finished.duration_since(started).try_into().ok();
            (ClusterNotice::ScaleOver { from, to, lasted }, palette.strong())
        }
        None => (ClusterNotice::ScaleBegan { from, to }, palette.unsure()),
    };
    let running = if finished.is_some() { String::new() } else { format!(" for {}", since(started, now)) };
    let what = format!("{} {notice}{running}", started.strftime("%H:%M:%S"));
    let with_set = format!("{what}  {}", event.statefulset);
    Line::styled(cut(if columns(&with_set) <= width { &with_set } else { &what }, width), style)
}

fn milestones(event: &ScaleEvent<'_>, width: usize) -> Vec<Line<'static>> {
    let mut reached = Vec::new();
    for member in &event.replicas {
        for (name, Time(time)) in &member.milestones {
            let milestone = Milestone::from_name(name);
            let reused = milestone == Some(Milestone::Requested) && member.pvc_reused == Some(true);
            let what = milestone.map_or_else(|| name.to_string(), |milestone| milestone.to_string());
            let note = if reused { ", PVC reused" } else { "" };
            let text = format!("{:>8}  {}: {what}{note}", since(event.started.0, *time), member.replica);
            reached.push((*time, milestone, text));
        }
    }
    reached.sort();
    reached.into_iter().map(|(_, _, text)| Line::raw(cut(&text, width))).collect()
}

/// Conditions and notices except those that the headline names already, each in at most `rows_max` rows, and the last failure.
pub(super) fn notices(target: &Target<'_>, width: usize, rows_max: usize, palette: Palette) -> Vec<Line<'static>> {
    let headline = target.headline.as_deref().unwrap_or_default();
    let is_named = |notice: &Cow<'_, str>| target.reason.as_ref() == Some(notice) || headline.contains(&**notice);
    let conditions = target.replicas.iter().flat_map(|replica| &replica.conditions).map(|condition| &condition.text);
    // The headline has only one advice.
    let conditions = conditions.filter(|text| !headline.contains(text.split("; ").next().unwrap_or_default()));
    let mut lines = Vec::new();
    for notice in conditions.chain(target.notices.iter().filter(|notice| !is_named(notice))) {
        lines.extend(marked("! ", notice, width, rows_max, palette));
    }
    if let (Some(failure), true) = (target.last_failures.first(), lines.is_empty()) {
        let time = failure.time.0.strftime("%H:%M:%S");
        let text = format!("last failure {time} ({}): {}", failure.reason, failure.error);
        lines.push(Line::styled(cut(&text, width), palette.dim()));
    }
    lines
}

pub(super) fn marked(
    mark: &'static str,
    text: &str,
    width: usize,
    rows_max: usize,
    palette: Palette,
) -> Vec<Line<'static>> {
    let indent = mark.chars().count();
    let rows = within(text, width.saturating_sub(indent), rows_max);
    let row = |(index, row): (usize, String)| {
        let before = if index == 0 { mark.to_owned() } else { " ".repeat(indent) };
        Line::from(vec![Span::styled(before, palette.unsure()), Span::raw(row)])
    };
    rows.into_iter().enumerate().map(row).collect()
}

/// The PVCs, as `kubectl get pvc` shows them. PVCs without a volume come first when space runs out.
pub(super) fn pvcs(
    target: &Target<'_>,
    now: Timestamp,
    width: usize,
    room: usize,
    palette: Palette,
) -> Vec<Line<'static>> {
    let Some(pvcs) = target.pvcs.as_ref().filter(|pvcs| !pvcs.is_empty() && room > 1) else { return Vec::new() };
    let every_column = width >= EVERY_PVC_COLUMN;
    let names = width.saturating_sub(PVC_COLUMNS + 2) + if every_column { 0 } else { 13 };
    let (name, volume) = (names / 2, names - names / 2);
    let row = |cells: [&str; 7]| {
        let widths = [name, 8, volume, 8, 12, 12, 6];
        let cells = cells.iter().zip(widths).enumerate().filter(|(place, _)| every_column || *place != ACCESS_MODES);
        let cells: Vec<_> = cells.map(|(_, (cell, width))| fit(cell, width)).collect();
        cut(cells.join(" ").trim_end(), width)
    };
    let head = row(["NAME", "STATUS", "VOLUME", "CAPACITY", "ACCESS MODES", "STORAGECLASS", "AGE"]);
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let of = |pvc: &Pvc<'_>| {
        let age = pvc.created.map(|Time(created)| age(now.duration_since(created))).unwrap_or_default();
        let [volume, capacity, modes, class] =
            [&pvc.volume, &pvc.capacity, &pvc.access_modes, &pvc.storage_class].map(text);
        Line::raw(row([&pvc.pvc, &pvc.phase, &volume, &capacity, &modes, &class, &age]))
    };
    let mut pvcs: Vec<_> = pvcs.iter().collect();
    if pvcs.len() >= room {
        pvcs.sort_by_key(|pvc| pvc.phase == "Bound");
    }
    [Line::styled(head, palette.heading())].into_iter().chain(pvcs.into_iter().map(of)).take(room).collect()
}

fn since(from: Timestamp, to: Timestamp) -> String {
    format!("{:.1} s", to.duration_since(from).as_secs_f64())
}

/// Formats an age as `kubectl` does: the largest unit, plus the next one while the first is small.
fn age(age: SignedDuration) -> String {
    let seconds = age.as_secs().max(0);
    let both = |first: i64, unit: char, second: i64, smaller: char| match second {
        0 => format!("{first}{unit}"),
        _ => format!("{first}{unit}{second}{smaller}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => both(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => both(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => both(days, 'd', hours % 24, 'h'),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_the_format_of_kubectl() {
        let ages = [(119, "119s"), (120, "2m"), (125, "2m5s"), (10_799, "179m"), (10_800, "3h"), (11_000, "3h3m")];
        let later = [(30_000, "8h"), (180_000, "2d2h"), (172_800, "2d"), (700_000, "8d"), (-5, "0s")];
        for (seconds, text) in ages.into_iter().chain(later) {
            assert_eq!(age(SignedDuration::from_secs(seconds)), text);
        }
    }
}
