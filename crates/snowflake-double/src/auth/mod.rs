//! Who is at the door: key-pair tokens, access tokens, OAuth and workload tokens, and the network policy before any of them.

pub(crate) mod bearer;
pub(crate) mod integration;
pub(crate) mod jwt;
pub(crate) mod oauth;

use rand::RngExt as _;
use rand::distr::Alphanumeric;

/// Letters and digits nobody can guess.
pub(crate) fn random_text(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) user: String,
    /// The token is good for this role only.
    pub(crate) bound_role: Option<String>,
    /// Roles that the integration behind the token never gives.
    pub(crate) blocked_roles: Vec<String>,
}

/// An answer that is no result: an HTTP status, a code, a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}
