//! Queries, answered by DataFusion over what can be seen at the time.

mod bounds;
mod constant;
pub(crate) mod encode;
pub(crate) mod engine;
pub(crate) mod fold;
mod functions;
pub(crate) mod rewrite;
