//! Notifications as log lines.

use crate::model::{Notification, Severity, Subject};

pub fn write(notification: &Notification) {
    /// A macro, because tracing fixes each line's level and fields at compile time.
    macro_rules! line {
        ($($field:tt)*) => {
            match notification.notice.severity() {
                Severity::Info => tracing::info!($($field)* "{}", notification.notice),
                Severity::Warning => tracing::warn!($($field)* "{}", notification.notice),
            }
        };
    }
    match &notification.subject {
        Subject::Target(target) => line!(target = %target,),
        Subject::StatefulSet(set) => line!(statefulset = %set,),
        Subject::Kubernetes | Subject::Configuration => line!(),
    }
}
