//! The shares as bars, each with marks for its expected share and its interval.

use ratatui::text::{Line, Span};

use super::{
    Palette,
    text::{columns, cut, fit},
};
use crate::api::{Replica, Routing, Target};

/// Minimum width that shows every column.
const EVERY_COLUMN: usize = 76;

const FIGURES_WIDTH: usize = 52;

/// Width of the column of reads, and the minimum width that shows it.
const READS_WIDTH: usize = 9;
const WITH_READS: usize = 90;

/// The shares of the client connections and of the client reads, and the minimum width that shows them.
const CLIENTS_WIDTH: usize = 26;
const WITH_CLIENTS: usize = 108;

const FEW_FIGURES_WIDTH: usize = 7;

/// A heading and one line per replica. If `room` is too small, the last line says how many are missing.
pub(super) fn lines(target: &Target<'_>, width: usize, room: usize, palette: Palette) -> Vec<Line<'static>> {
    let every_column = width >= EVERY_COLUMN;
    let longest = target.replicas.iter().map(|replica| columns(&replica.replica)).max().unwrap_or(0);
    let name_width = longest.clamp(7, if every_column { 18 } else { 10 });
    let with_reads = width >= WITH_READS;
    let with_clients = width >= WITH_CLIENTS && target.replicas.iter().any(|replica| replica.clients.is_some());
    let figures_width = if every_column { FIGURES_WIDTH } else { FEW_FIGURES_WIDTH };
    let figures_width = figures_width + if with_reads { READS_WIDTH } else { 0 };
    let figures_width = figures_width + if with_clients { CLIENTS_WIDTH } else { 0 };
    let bar_width = width.saturating_sub(name_width + figures_width + 2);
    let full = full_scale(target);
    let clients = |connections: &str, reads: &str| {
        if with_clients { format!(" {connections:>12} {reads:>12}") } else { String::new() }
    };
    let (bars, figures) = if every_column {
        let figures = format!(
            "{:>7} {:>10} {:>10} {:>7} {:>6} {:>7}",
            "█ share", "┃ expected", "─ interval", "lag", "serves", "routed"
        );
        ("", if with_reads { format!("{figures} {:>8}", "reads") } else { figures })
    } else {
        ("█ share  ┃ expected  ─ interval", format!("{:>7}", "share"))
    };
    let figures = figures + &clients("client conn.", "client reads");
    let head = format!("{} {} {figures}", fit("replica", name_width), fit(bars, bar_width));
    let mut lines = vec![Line::styled(head, palette.heading())];
    let replicas = target.replicas.len();
    let shown = if replicas < room { replicas } else { room.saturating_sub(2) };
    for replica in target.replicas.iter().take(shown) {
        let figures = if every_column {
            figures_of(target, replica, with_reads)
        } else {
            format!("{:>7}", percent(replica.share))
        };
        let of = replica.clients.unwrap_or_default();
        let figures = figures + &clients(&percent(of.connection_share), &percent(of.read_share));
        lines.push(Line::from(vec![
            Span::styled(fit(&replica.replica, name_width), palette.strong()),
            Span::raw(" "),
            Span::styled(bar(replica, bar_width, full), palette.bar()),
            Span::raw(format!(" {figures}")),
        ]));
    }
    if shown < replicas {
        lines.push(Line::styled(cut(&format!("… and {} more", replicas - shown), width), palette.dim()));
    }
    lines
}

/// The share at the right end of the bars: 1.25 times the largest one.
fn full_scale(target: &Target<'_>) -> f64 {
    let of = |replica: &Replica<'_>| replica.share.unwrap_or(0.0).max(replica.expected_share);
    let longest = target.replicas.iter().map(of).fold(0.0, f64::max);
    (longest * 1.25).clamp(0.01, 1.0)
}

#[expect(clippy::cast_precision_loss, reason = "a screen has few columns")]
fn bar(replica: &Replica<'_>, width: usize, full: f64) -> String {
    let share = replica.share.unwrap_or(0.0);
    let interval = replica.share_lower.zip(replica.share_upper);
    let cell = |index: usize| {
        let (from, to) = (index as f64 / width as f64 * full, (index + 1) as f64 / width as f64 * full);
        let middle = f64::midpoint(from, to);
        let last = index + 1 == width;
        let expected = replica.expected_share;
        if expected > 0.0 && ((from..to).contains(&expected) || (last && expected >= to)) {
            '┃'
        } else if middle <= share {
            '█'
        } else if interval.is_some_and(|(lower, upper)| (lower..=upper).contains(&middle)) {
            '─'
        } else {
            ' '
        }
    };
    (0..width).map(cell).collect()
}

fn figures_of(target: &Target<'_>, replica: &Replica<'_>, with_reads: bool) -> String {
    let interval = match replica.share_lower.zip(replica.share_upper) {
        Some((lower, upper)) => format!("{:.0}–{:.0} %", lower * 100.0, upper * 100.0),
        None => "-".to_owned(),
    };
    let lag = replica.lag_seconds.map_or_else(|| "-".to_owned(), |lag| format!("{lag:.1} s"));
    let serves = yes_or_no(replica.pod_probe_up);
    let endpoint = |routing: &Routing<'_>| {
        routing.endpoints.iter().any(|endpoint| endpoint.replica == replica.replica && endpoint.routed)
    };
    let routed = yes_or_no(target.routing.as_ref().map(endpoint));
    let (share, expected) = (percent(replica.share), percent(Some(replica.expected_share)));
    let figures = format!("{share:>7} {expected:>10} {interval:>10} {lag:>7} {serves:>6} {routed:>7}");
    if with_reads { format!("{figures} {:>8}", replica.reads) } else { figures }
}

fn yes_or_no(is: Option<bool>) -> &'static str {
    match is {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    }
}

fn percent(part: Option<f64>) -> String {
    part.map_or_else(|| "-".to_owned(), |part| format!("{:.1}%", part * 100.0))
}
