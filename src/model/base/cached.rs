//! A value with a cached rendering, which every change of the value drops.

use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Cached<T, R> {
    value: T,
    /// Older than the value only after [`changes_later`](Self::changes_later).
    rendered: Option<Arc<R>>,
    /// Changed since the last [`changes_later`](Self::changes_later).
    busy: bool,
}

impl<T, R> Cached<T, R> {
    pub(crate) fn new(value: T) -> Self {
        Self { value, rendered: None, busy: false }
    }

    pub(crate) fn get(&self) -> &T {
        &self.value
    }

    /// Drops the rendering.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.rendered = None;
        self.busy = true;
        &mut self.value
    }

    /// Drops the rendering if `change` returns true.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut T) -> bool) {
        if change(&mut self.value) {
            self.rendered = None;
        }
    }

    /// For regular changes. A busy value changes again soon, so its rendering stays until then unless `change` returns
    /// true. Otherwise it would be rendered twice.
    pub(crate) fn changes_later(&mut self, change: impl FnOnce(&mut T) -> bool) {
        let shows = change(&mut self.value);
        if shows || !std::mem::take(&mut self.busy) {
            self.rendered = None;
        }
        self.busy = false;
    }

    pub(crate) fn rendered(&mut self, render: impl FnOnce(&T) -> R) -> Arc<R> {
        Arc::clone(self.rendered.get_or_insert_with(|| Arc::new(render(&self.value))))
    }
}
