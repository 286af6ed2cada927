//! What any cluster shows.

mod anew;
mod scaling;
