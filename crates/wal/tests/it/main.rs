//! The log against a disk that loses, tears, reorders, fills up and rots.

#![expect(clippy::unwrap_used, reason = "these are tests, also where a function of theirs is no #[test]")]

mod crashes;
mod damage;
mod faults;
mod life;
mod shape;
