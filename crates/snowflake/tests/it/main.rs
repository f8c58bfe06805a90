//! The client against a small server that answers as it is told, one answer after the other.

#![expect(clippy::unwrap_used, reason = "these are tests, also where a function of theirs is no #[test]")]

mod answers;
mod script;
