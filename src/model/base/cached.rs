//! A value and what was rendered of it, which nobody can forget to drop when the value changes.

use std::sync::Arc;

/// A value that changes now and then, and what views were last shown of it.
#[derive(Debug)]
pub(crate) struct Cached<T, R> {
    value: T,
    /// Of the value as it is now, unless [`changes_later`](Self::changes_later) has said that it may be of before.
    rendered: Option<Arc<R>>,
    /// It was changed since the last time that it was to change later.
    busy: bool,
}

impl<T, R> Cached<T, R> {
    pub(crate) fn new(value: T) -> Self {
        Self { value, rendered: None, busy: false }
    }

    pub(crate) fn get(&self) -> &T {
        &self.value
    }

    /// The value to change: what was rendered is no longer shown.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.rendered = None;
        self.busy = true;
        &mut self.value
    }

    /// The same for a change that says itself whether it shows.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut T) -> bool) {
        if change(&mut self.value) {
            self.rendered = None;
        }
    }

    /// The same for what comes regularly: a value that changed since the last time will do so again soon, and unless
    /// `change` says that this must show, what was rendered stays until then. Otherwise each would be rendered twice.
    pub(crate) fn changes_later(&mut self, change: impl FnOnce(&mut T) -> bool) {
        let shows = change(&mut self.value);
        if shows || !std::mem::take(&mut self.busy) {
            self.rendered = None;
        }
        self.busy = false;
    }

    /// What views are to show of it.
    pub(crate) fn rendered(&mut self, render: impl FnOnce(&T) -> R) -> Arc<R> {
        Arc::clone(self.rendered.get_or_insert_with(|| Arc::new(render(&self.value))))
    }
}
