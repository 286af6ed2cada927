//! What any cluster shows.

mod recreation;
mod scaling;
