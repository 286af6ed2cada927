//! Since when claims are bound, as their volumes tell it: of those that were bound while nobody watched them.
//!
//! A claim does not say it. Volumes belong to the whole cluster and come by a watch of their own, so a date may be received
//! before the claim that it is for; of all other volumes nothing is kept.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::objects::Volume;
use crate::model::base::ObjectName;

/// Dates of so many claims that are not known, or not known to be bound, are kept.
const WAITING_MAX: usize = 10_000;

/// Dates that wait for their claim to be received, or to be received as bound.
#[derive(Debug, Default)]
pub(super) struct Volumes(BTreeMap<ObjectName, (Arc<str>, Timestamp)>);

impl Volumes {
    /// Takes in what a volume says of a claim that is not known to be bound.
    pub(super) fn applied(&mut self, volume: Volume) {
        let Volume { claim, claim_uid, bound } = volume;
        match bound {
            None => self.forget(&claim),
            Some(bound) if self.0.len() < WAITING_MAX => {
                self.0.insert(claim, (claim_uid, bound));
            }
            Some(_) => {}
        }
    }

    /// Since when the claim of this name and uid is bound, if its volume told; said once.
    pub(super) fn take(&mut self, claim: &ObjectName, uid: &str) -> Option<Timestamp> {
        let (of, bound) = self.0.remove(claim)?;
        (*of == *uid).then_some(bound)
    }

    /// The claim is gone, or has no volume any more.
    pub(super) fn forget(&mut self, claim: &ObjectName) {
        self.0.remove(claim);
    }

    /// Keeps what is said of these claims alone.
    pub(super) fn retain(&mut self, is_awaited: impl Fn(&ObjectName) -> bool) {
        self.0.retain(|claim, _| is_awaited(claim));
    }
}
