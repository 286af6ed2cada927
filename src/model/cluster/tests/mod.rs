//! Milestones and scale events, told as stories.

mod builders;
mod claim_waits;
mod claims;
mod endpoints;
mod milestone_status;
mod orders;
mod outages;
mod properties;
mod reach;
mod replacements;
mod scaling;
mod simulation;
mod size;
mod volumes;
