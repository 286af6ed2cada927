//! Panes that take the whole screen: every target, the details of one target, the log, the keys.

use ratatui::text::{Line, Span};

use super::{
    Palette, Screen,
    look::KEYS,
    panels::marked,
    sign,
    text::{columns, cut, fit, wrapped},
};
use crate::api::{Failure, Replica, Target, TargetSummary};

/// One line per target. The selected one is marked and always visible.
pub(super) fn overview(screen: &Screen<'_>, width: usize, room: usize, palette: Palette) -> Vec<Line<'static>> {
    let targets = &screen.content.targets;
    let longest = targets.iter().map(|target| columns(&target.target)).max().unwrap_or(0);
    let name_width = longest.clamp(6, (width / 3).max(6));
    let mut lines: Vec<_> = screen.stale.iter().flat_map(|text| marked("! ", text, width, 3, palette)).collect();
    let head = format!("  {} {:>8} {:>6}  status", fit("target", name_width), "probes", "failed");
    lines.push(Line::styled(cut(&head, width), palette.heading()));
    let room = room.saturating_sub(lines.len()).max(1);
    let selected = screen.look.place.checked_rem(targets.len()).unwrap_or(0);
    let first = (selected + 1).saturating_sub(room);
    for (place, target) in targets.iter().enumerate().skip(first).take(room) {
        let (mark, style) = sign(target.headline.as_deref(), target.verdict.as_deref(), palette);
        let TargetSummary { target: name, headline, reason, probes, failures, .. } = target;
        let reason = headline.as_deref().or(reason.as_deref()).unwrap_or_default();
        let rest = format!(" {} {probes:>8} {failures:>6}  {reason}", fit(name, name_width));
        let rest = cut(&rest, width.saturating_sub(1));
        let rest_style = if place == selected { palette.selected() } else { palette.plain() };
        lines.push(Line::from(vec![Span::styled(mark, style), Span::styled(rest, rest_style)]));
    }
    lines
}

pub(super) fn details(target: &Target<'_>, width: usize, palette: Palette) -> Vec<Line<'static>> {
    let heading = |text: &str| Line::styled(cut(text, width), palette.heading());
    let mut lines = vec![heading("replicas")];
    let basis = target.share_basis.iter().flat_map(|basis| wrapped(basis, width));
    lines.extend(basis.map(|row| Line::styled(row, palette.dim())));
    for replica in &target.replicas {
        lines.push(Line::styled(cut(&identity(replica), width), palette.strong()));
        if let Some(why) = &replica.why {
            lines.extend(marked("  ", why, width, usize::MAX, palette));
        }
        for condition in &replica.conditions {
            lines.extend(marked("  ! ", &condition.text, width, usize::MAX, palette));
        }
    }
    lines.push(heading("notices"));
    for notice in &target.notices {
        lines.extend(marked("! ", notice, width, usize::MAX, palette));
    }
    lines.push(heading("last failures"));
    for failure in &target.last_failures {
        let time = failure.time.0.strftime("%H:%M:%S.%3f");
        let Failure { reason, error, advice, .. } = failure;
        lines.extend(marked("- ", &format!("{time} {reason}: {error}; {advice}"), width, usize::MAX, palette));
    }
    lines
}

fn identity(replica: &Replica<'_>) -> String {
    let mut parts = vec![replica.replica.to_string()];
    parts.extend(replica.role.iter().map(ToString::to_string));
    parts.extend(replica.server_id.map(|id| format!("server_id {id}")));
    parts.extend(replica.version.iter().map(|version| format!("version {version}")));
    parts.extend(replica.stale_reads.map(|reads| format!("stale reads {reads}")));
    parts.join("  ")
}

pub(super) fn log(screen: &Screen<'_>, width: usize, room: usize, palette: Palette) -> Vec<Line<'static>> {
    if screen.log.is_empty() {
        return vec![Line::styled(cut("no log lines yet", width), palette.dim())];
    }
    let rows: Vec<_> = screen.log.iter().rev().flat_map(|line| wrapped(line, width).into_iter().rev()).collect();
    let above = screen.look.scroll.min(rows.len().saturating_sub(room));
    rows.into_iter().skip(above).take(room).rev().map(Line::raw).collect()
}

pub(super) fn help(width: usize, palette: Palette) -> Vec<Line<'static>> {
    const KEYS_WIDTH: usize = 18;
    let mut lines = vec![Line::styled(cut("keys", width), palette.heading())];
    for (key, what) in KEYS {
        lines.push(Line::from(vec![
            Span::styled(fit(key, KEYS_WIDTH), palette.strong()),
            Span::raw(cut(what, width.saturating_sub(KEYS_WIDTH))),
        ]));
    }
    lines
}

/// The rows from `first` on, or the last screenful if `first` is beyond it.
pub(super) fn scrolled(lines: Vec<Line<'static>>, first: usize, room: usize) -> Vec<Line<'static>> {
    let first = first.min(lines.len().saturating_sub(room));
    lines.into_iter().skip(first).collect()
}
