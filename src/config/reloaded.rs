//! Values that are read again when their files change.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::file_stamp::FileStamp;

/// A change is detected within this time. Kubernetes takes up to a minute to update a mounted `ConfigMap` or Secret.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A failed read is repeated after this time even if no file has changed: another file that it needs may exist by then.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// A value and the files that it was read from. If a read fails, the value stays as it was.
#[derive(Debug)]
pub struct Reloaded<T> {
    value: T,
    /// As of the last read, even if it failed.
    files: Vec<FileStamp>,
    next_look: Instant,
    /// Time of the last read if it failed and no file has changed since.
    failed: Option<Instant>,
}

impl<T> Reloaded<T> {
    /// `files` are stamps from before `value` was read.
    pub fn new(value: T, files: Vec<FileStamp>) -> Self {
        Self { value, files, next_look: Instant::now(), failed: None }
    }

    pub fn value(&self) -> &T {
        &self.value
    }

    /// Whether the files must be read again. The read must follow this call: its stamps count as those of the read.
    pub fn is_due(&mut self) -> bool {
        let files: Vec<_> = self.files.iter().map(FileStamp::renewed).collect();
        let changed = files != self.files;
        self.files = files;
        if changed {
            self.failed = None;
        }
        changed || self.failed.is_some_and(|failed| failed.elapsed() >= RETRY_AFTER)
    }

    /// Waits until the files must be read again. Cancel-safe.
    pub async fn due(&mut self) {
        loop {
            sleep_until(self.next_look).await;
            self.next_look = Instant::now() + LOOK_EVERY;
            if self.is_due() {
                return;
            }
        }
    }

    /// Reads the files again if that is due, and [takes](Self::take) the result.
    pub fn look<E>(&mut self, read: impl FnOnce(&T) -> Result<T, E>) -> Option<Result<T, E>> {
        let read = if self.is_due() { read(&self.value) } else { return None };
        self.take(read)
    }

    /// Takes the result of a read. Returns the previous value or the error, or `None` if the same files have failed
    /// before.
    pub fn take<E>(&mut self, read: Result<T, E>) -> Option<Result<T, E>> {
        match read {
            Ok(value) => {
                self.failed = None;
                Some(Ok(std::mem::replace(&mut self.value, value)))
            }
            Err(error) => self.failed.replace(Instant::now()).is_none().then_some(Err(error)),
        }
    }

    /// For values that name their own files. The stamps are from before the read.
    pub fn follow(&mut self, files: impl FnOnce(&T) -> Vec<FileStamp>) {
        self.files = files(&self.value);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn read(path: &Path) -> Result<u8, String> {
        let text = fs::read_to_string(path).map_err(|error| error.kind().to_string())?;
        text.parse().map_err(|_| text)
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_reported_once_per_change_and_the_value_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let mut number = Reloaded::new(1, vec![FileStamp::of(&path)]);
        assert!(!number.is_due());

        fs::write(&path, "none").unwrap();
        assert_eq!(number.look(|_| read(&path)), Some(Err("none".to_owned())));
        assert!(!number.is_due(), "the file is the same");
        tokio::time::advance(RETRY_AFTER).await;
        assert!(number.is_due(), "another file that it needs may exist by now");
        assert_eq!(number.take(read(&path)), None);
        assert_eq!(*number.value(), 1);

        fs::remove_file(&path).unwrap();
        assert_eq!(number.look(|_| read(&path)), Some(Err("entity not found".to_owned())));
        fs::write(&path, "22").unwrap();
        assert_eq!(number.look(|_| read(&path)), Some(Ok(1)));
        assert_eq!((number.is_due(), *number.value()), (false, 22));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_during_a_read_is_found_by_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let mut number = Reloaded::new(1, vec![FileStamp::of(&path)]);
        fs::write(&path, "22").unwrap();
        number.due().await;
        let early = read(&path);
        fs::write(&path, "333").unwrap();
        number.take(early);
        let looked = Instant::now();
        number.due().await;
        assert_eq!(looked.elapsed(), LOOK_EVERY);
    }
}
