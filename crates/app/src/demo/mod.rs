//! What `uncia demo` plays.

pub(crate) mod story;
