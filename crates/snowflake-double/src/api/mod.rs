//! The doors: SQL API v2, and more to come beside it.

pub(crate) mod answer;
pub(crate) mod connector;
pub(crate) mod oauth;
pub(crate) mod request;
pub(crate) mod router;
pub(crate) mod statements;
