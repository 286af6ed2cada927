//! The state of the terminal's user interface, and the keys that change it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub place: usize,
    pub pane: Pane,
    pub paused: bool,
    pub help: bool,
    /// Rows of a list above the top of the screen.
    pub scroll: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// One line per target; only with several targets.
    Overview,
    #[default]
    Target,
    Scaling,
    Details,
    Log,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    Changed,
    Quit,
}

pub(super) const SIGNS: [(&str, &str); 5] = [
    ("● ▲ ◆ ○", "balanced, unbalanced, undecided, no verdict yet"),
    ("█ ┃ ─", "share of the reads, expected share, interval of the share"),
    ("serves", "the replica answered its last pod probe"),
    ("routed", "the Service routes to the replica from here"),
    ("! -", "notice, failed probe"),
];

pub(super) const KEYS: [(&str, &str); 8] = [
    ("q, Ctrl-C", "quit"),
    ("Tab, Shift-Tab", "next or previous view: shares, scale events, details, log"),
    ("← →", "previous or next target"),
    ("↑ ↓, PgUp PgDn", "scroll, or select a target"),
    ("Enter", "open the selected target"),
    ("Esc", "back"),
    ("p", "pause the display; probing continues"),
    ("?", "show or hide this help"),
];

impl Pane {
    const ALL: [Self; 5] = [Self::Overview, Self::Target, Self::Scaling, Self::Details, Self::Log];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Overview => "targets",
            Self::Target => "shares",
            Self::Scaling => "scale events",
            Self::Details => "details",
            Self::Log => "log",
        }
    }

    /// The pane `by` places further. Skips the overview unless there are several targets.
    fn step(self, by: usize, several: bool) -> Self {
        let panes = &Self::ALL[usize::from(!several)..];
        let at = panes.iter().position(|pane| *pane == self).unwrap_or(0);
        panes[(at + by) % panes.len()]
    }
}

impl Look {
    pub fn at(targets: usize) -> Self {
        let pane = if targets > 1 { Pane::Overview } else { Pane::Target };
        Self { pane, ..Self::default() }
    }

    pub fn press(&mut self, key: KeyEvent, targets: usize) -> Option<Pressed> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let several = targets > 1;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Some(Pressed::Quit),
            KeyCode::Char(_) if control => return None,
            KeyCode::Char('q' | 'Q') => return Some(Pressed::Quit),
            KeyCode::Char('?') => self.help = !self.help,
            KeyCode::Char('p' | 'P' | ' ') => self.paused = !self.paused,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Esc => self.open(if several { Pane::Overview } else { Pane::Target }),
            KeyCode::Tab => self.open(self.pane.step(1, several)),
            KeyCode::BackTab => self.open(self.pane.step(Pane::ALL.len() - 1 - usize::from(!several), several)),
            KeyCode::Enter if self.pane == Pane::Overview => self.open(Pane::Target),
            KeyCode::Right if several => self.choose((self.place + 1) % targets),
            KeyCode::Left if several => self.choose((self.place + targets - 1) % targets),
            KeyCode::Down if self.pane == Pane::Overview => self.choose((self.place + 1).min(targets - 1)),
            KeyCode::Up if self.pane == Pane::Overview => self.choose(self.place.saturating_sub(1)),
            KeyCode::Down => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(10),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(10),
            _ => return None,
        }
        Some(Pressed::Changed)
    }

    fn open(&mut self, pane: Pane) {
        self.pane = pane;
        self.scroll = 0;
        self.help = false;
    }

    fn choose(&mut self, place: usize) {
        self.place = place;
        self.scroll = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(look: &mut Look, targets: usize, codes: &[KeyCode]) {
        for code in codes {
            assert_eq!(look.press(KeyEvent::from(*code), targets), Some(Pressed::Changed), "{code:?}");
        }
    }

    #[test]
    fn several_targets_start_with_the_list() {
        let mut look = Look::at(3);
        assert_eq!(look.pane, Pane::Overview);
        pressed(&mut look, 3, &[KeyCode::Down, KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
        assert_eq!((look.pane, look.place), (Pane::Target, 2));
        pressed(&mut look, 3, &[KeyCode::Right]);
        assert_eq!(look.place, 0, "after the last target comes the first");
        pressed(&mut look, 3, &[KeyCode::BackTab, KeyCode::BackTab]);
        assert_eq!(look.pane, Pane::Log);
    }

    #[test]
    fn one_target_has_no_list() {
        let mut look = Look::at(1);
        for pane in [Pane::Scaling, Pane::Details, Pane::Log, Pane::Target] {
            pressed(&mut look, 1, &[KeyCode::Tab]);
            assert_eq!(look.pane, pane);
        }
        pressed(&mut look, 1, &[KeyCode::BackTab, KeyCode::Esc]);
        assert_eq!(look.pane, Pane::Target);
        assert_eq!(look.press(KeyCode::Right.into(), 1), None);
    }

    #[test]
    fn q_and_control_c_quit_and_other_control_keys_do_nothing() {
        let mut look = Look::default();
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        assert_eq!(look.press(control('c'), 0), Some(Pressed::Quit));
        assert_eq!(look.press(control('q'), 0), None);
        assert_eq!(look.press(KeyCode::Char('q').into(), 0), Some(Pressed::Quit));
    }
}
