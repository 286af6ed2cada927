//! The terminal view, for screens of 80 by 24 or more; smaller screens show the most important parts.

mod content;
#[cfg(test)]
mod fuzz;
mod lists;
mod look;
mod panels;
mod session;
mod shares;
#[cfg(test)]
mod tests;
mod text;

use jiff::Timestamp;
use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::{Line, Span, Text as Lines},
};

pub use content::Content;
pub use look::{Look, Pane, Pressed};
pub use session::{Session, restore};

pub(super) use text::{columns, escaped};

use text::{cut, within, wrapped};

use crate::api::Target;

const SIDE_BY_SIDE: u16 = 64;

const TAPE_WIDTH: u16 = 32;

/// Rows that the tape and the scale events get before notices and PVCs get any.
const MIDDLE_ROWS: usize = 5;

/// The same during a scale event.
const SCALING_ROWS: usize = 7;

const EVERY_PART: usize = 18;

const HEAD_FROM: u16 = 9;

#[derive(Clone, Copy, Debug)]
pub struct Screen<'a> {
    pub content: &'a Content<'a>,
    pub look: &'a Look,
    pub now: Timestamp,
    /// Why the content is out of date, if it is.
    pub stale: Option<&'a str>,
    pub page: Option<&'a str>,
    /// Oldest first.
    pub log: &'a [String],
    pub colour: bool,
}

#[derive(Clone, Copy, Debug)]
struct Palette {
    colour: bool,
}

struct Rows {
    area: Rect,
}

pub fn draw(frame: &mut Frame<'_>, screen: &Screen<'_>) {
    let palette = Palette { colour: screen.colour };
    let mut rows = Rows { area: frame.area() };
    let width = usize::from(rows.area.width);
    if rows.area.height >= HEAD_FROM {
        put(frame, rows.top(1), vec![headline(screen, width, palette)]);
    }
    if rows.area.height >= 4 {
        put(frame, rows.bottom(1), vec![Line::styled(keys(screen, width), palette.dim())]);
    }
    if screen.look.help {
        put(frame, rows.area, lists::help(width, palette));
        return;
    }
    match (screen.look.pane, &screen.content.target) {
        (Pane::Log, _) => put(frame, rows.area, lists::log(screen, width, rows.area.height.into(), palette)),
        (Pane::Overview, _) => {
            put(frame, rows.area, lists::overview(screen, width, rows.area.height.into(), palette));
        }
        (_, None) => {
            let waiting = screen.stale.unwrap_or("Waiting for data.");
            put(frame, rows.area, wrapped(waiting, width).into_iter().map(Line::raw).collect());
        }
        (Pane::Target, Some(target)) => draw_target(frame, rows, target, screen, palette),
        (Pane::Scaling, Some(_)) => {
            let lines = panels::all_scaling(screen.content, screen.now, width, palette);
            put(frame, rows.area, lists::scrolled(lines, screen.look.scroll, rows.area.height.into()));
        }
        (Pane::Details, Some(target)) => {
            let lines = lists::details(target, width, palette);
            put(frame, rows.area, lists::scrolled(lines, screen.look.scroll, rows.area.height.into()));
        }
    }
}

fn draw_target(frame: &mut Frame<'_>, mut rows: Rows, target: &Target<'_>, screen: &Screen<'_>, palette: Palette) {
    let (width, height) = (usize::from(rows.area.width), usize::from(rows.area.height));
    let every_part = height >= EVERY_PART;
    let running = screen.content.scale_events.first().is_some_and(|event| event.finished.is_none());
    for (text, style, rows_max) in sentences(screen, target, palette) {
        // A small screen shows nothing else.
        let rows_max = if height > HEAD_FROM.into() { rows_max } else { usize::MAX };
        rows.put_top(frame, within(&text, width, rows_max).into_iter().map(|row| Line::styled(row, style)).collect());
    }
    if let (Some(caption), true) = (&screen.content.caption, every_part) {
        let lines = within(caption, width, 2).into_iter().map(|row| Line::styled(row, palette.caption()));
        rows.put_top(frame, lines.collect());
    }
    let room = usize::from(rows.area.height);
    let below = if every_part { MIDDLE_ROWS } else { 0 };
    rows.put_top(frame, shares::lines(target, width, room.saturating_sub(below), palette));
    if let Some(evidence) = &target.evidence {
        let text = format!("evidence: {evidence}");
        rows.put_top(frame, vec![Line::styled(cut(&text, width), palette.dim())]);
    }

    let middle_rows = if running { SCALING_ROWS } else { MIDDLE_ROWS };
    let room = usize::from(rows.area.height).saturating_sub(middle_rows);
    let mut notices = panels::notices(target, width, if room > 2 * EVERY_PART { 5 } else { 2 }, palette);
    notices.truncate(room.div_ceil(2));
    let pvcs = panels::pvcs(target, screen.now, width, room - notices.len(), palette);
    let mut below = Rows { area: rows.bottom(length(notices.len() + pvcs.len()).min(length(room))) };
    below.put_top(frame, notices);
    below.put_top(frame, pvcs);

    let mut middle = rows.area;
    let wide = middle.width >= SIDE_BY_SIDE;
    if wide || !running {
        let tape_width = if wide { TAPE_WIDTH } else { middle.width };
        let area = Rect { width: tape_width, ..middle };
        put(frame, area, panels::tape(target, usize::from(tape_width).saturating_sub(1), palette));
    }
    if wide {
        middle.x += TAPE_WIDTH;
        middle.width -= TAPE_WIDTH;
    }
    if wide || running {
        let (width, height) = (middle.width.into(), middle.height.into());
        put(frame, middle, panels::scaling(screen.content, screen.now, width, height, palette));
    }
}

fn headline(screen: &Screen<'_>, width: usize, palette: Palette) -> Line<'static> {
    let Screen { content, look, .. } = screen;
    let of = match content.targets.len() {
        0 | 1 => String::new(),
        targets => format!(" ({} of {targets})", look.place % targets + 1),
    };
    let name = content
        .target
        .as_ref()
        .filter(|_| look.pane != Pane::Overview)
        .map(|target| format!("  {}{of}", cut(&target.target, 40.min(width / 2))));
    let paused = if look.paused { "  PAUSED" } else { "" };
    let left = format!("readscope{}  {}{paused}", name.unwrap_or_default(), look.pane.title());
    let left = cut(&left, width);
    let gap = width.saturating_sub(columns(&left));
    let time = screen.now.strftime("%H:%M:%S UTC").to_string();
    let with_page = screen.page.map(|page| format!("{page}  {time}"));
    // The most complete variant that fits.
    let right = with_page.into_iter().chain([time]).find(|right| columns(right) + 2 <= gap).unwrap_or_default();
    let between = " ".repeat(gap.saturating_sub(columns(&right)));
    Line::from(vec![Span::styled(left, palette.strong()), Span::raw(between), Span::styled(right, palette.dim())])
}

fn keys(screen: &Screen<'_>, width: usize) -> String {
    let several = screen.content.targets.len() > 1;
    let targets = if several { "  ←→ target" } else { "" };
    let rows = match screen.look.pane {
        Pane::Target => "",
        Pane::Overview => "  ↑↓ select  Enter open",
        Pane::Scaling | Pane::Details | Pane::Log => "  ↑↓ scroll",
    };
    let next = if screen.look.paused { "p resume" } else { "p pause" };
    cut(&format!("q quit  Tab next{targets}{rows}  {next}  ? help"), width)
}

/// Each with the most rows that it takes. The advice is at the end of the headline.
fn sentences(screen: &Screen<'_>, target: &Target<'_>, palette: Palette) -> Vec<(String, Style, usize)> {
    let (mark, style) = sign(target.headline.as_deref(), target.verdict.as_deref(), palette);
    let headline = target.headline.as_deref().or(target.reason.as_deref()).unwrap_or("No verdict yet");
    let warning = screen.stale.map(|text| (format!("! {text}"), palette.bad(), 3));
    let verdict = target.reason.as_deref().filter(|reason| !headline.starts_with(reason));
    let verdict = verdict.map(|reason| (format!("  {reason}"), palette.dim(), 2));
    warning.into_iter().chain([(format!("{mark} {headline}"), style, 5)]).chain(verdict).collect()
}

/// Each headline has its own sign, so that it is readable without colour.
fn sign(headline: Option<&str>, verdict: Option<&str>, palette: Palette) -> (&'static str, Style) {
    match headline.and_then(|headline| headline.split_once(": ")).map(|(word, _)| word) {
        Some("Down") => ("✕", palette.bad()),
        Some("Degraded") => ("■", palette.bad()),
        Some("Unknown") => ("◆", palette.unsure()),
        _ => verdict_style(verdict, palette),
    }
}

/// Each verdict has its own sign, so that it is readable without colour.
fn verdict_style(verdict: Option<&str>, palette: Palette) -> (&'static str, Style) {
    match verdict {
        Some("balanced") => ("●", palette.good()),
        Some("unbalanced") => ("▲", palette.bad()),
        Some(_) => ("◆", palette.unsure()),
        None => ("○", palette.dim()),
    }
}

fn put(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
    frame.render_widget(Lines::from(lines), area);
}

fn length(rows: usize) -> u16 {
    u16::try_from(rows).unwrap_or(u16::MAX)
}

impl Rows {
    fn top(&mut self, rows: u16) -> Rect {
        let height = rows.min(self.area.height);
        let taken = Rect { height, ..self.area };
        self.area.y += height;
        self.area.height -= height;
        taken
    }

    fn bottom(&mut self, rows: u16) -> Rect {
        let height = rows.min(self.area.height);
        self.area.height -= height;
        Rect { y: self.area.bottom(), height, ..self.area }
    }

    fn put_top(&mut self, frame: &mut Frame<'_>, lines: Vec<Line<'static>>) {
        let area = self.top(length(lines.len()));
        put(frame, area, lines);
    }
}

impl Palette {
    fn coloured(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn good(self) -> Style {
        self.coloured(Color::Green).add_modifier(Modifier::BOLD)
    }

    fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn unsure(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    fn caption(self) -> Style {
        self.coloured(Color::Magenta)
    }

    fn bar(self) -> Style {
        self.coloured(Color::Cyan)
    }

    fn heading(self) -> Style {
        self.coloured(Color::Blue).add_modifier(Modifier::UNDERLINED)
    }

    fn selected(self) -> Style {
        self.strong().add_modifier(Modifier::REVERSED)
    }

    #[expect(clippy::unused_self, reason = "as its neighbours")]
    fn plain(self) -> Style {
        Style::new()
    }

    #[expect(clippy::unused_self, reason = "as its neighbours")]
    fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    #[expect(clippy::unused_self, reason = "as its neighbours")]
    fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}
