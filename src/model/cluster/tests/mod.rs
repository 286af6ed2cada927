//! Milestones and scale events, told as stories.

mod builders;
mod claims;
mod endpoints;
mod orders;
mod outages;
mod pending;
mod properties;
mod reach;
mod reached;
mod replacements;
mod scaling;
mod simulation;
mod size;
mod volumes;
