//! Notifications as log lines.

use crate::model::{Notification, Severity, Subject};

pub fn news(news: &Notification) {
    /// A macro, because tracing fixes each line's level and fields at compile time.
    macro_rules! line {
        ($($field:tt)*) => {
            match news.notice.severity() {
                Severity::Info => tracing::info!($($field)* "{}", news.notice),
                Severity::Warning => tracing::warn!($($field)* "{}", news.notice),
            }
        };
    }
    match &news.subject {
        Subject::Target(target) => line!(target = %target,),
        Subject::StatefulSet(set) => line!(statefulset = %set,),
        Subject::Kubernetes | Subject::Configuration => line!(),
    }
}
