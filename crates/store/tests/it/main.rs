//! The store as the walk uses it.

#![expect(clippy::unwrap_used, reason = "these are tests, also where a function of theirs is no #[test]")]

mod alarms;
mod alerts;
mod commit;
mod opening;
mod outbox;
mod rule_cache;
mod shape;
