//! What `uncia demo` plays.

pub(crate) mod account;
pub(crate) mod story;
