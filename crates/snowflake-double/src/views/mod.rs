//! The views of `ACCOUNT_USAGE`: their columns, their rows, and what of them can be seen at a time.

pub(crate) mod catalog;
pub(crate) mod cell;
mod columns;
pub(crate) mod derived;
pub(crate) mod frame;
pub(crate) mod store;
