//! Stories of milestones and scale events.

mod builders;
mod clients;
mod endpoints;
mod hosts;
mod members;
mod milestone_status;
mod orders;
mod outages;
mod owners;
mod properties;
mod pvc_waits;
mod pvcs;
mod reach;
mod replacements;
mod scaling;
mod simulation;
mod size;
mod volumes;
