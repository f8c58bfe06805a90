//! The lake as its users see it: rows in, files and tables out. One binary, since each links separately.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod evolution;
mod exchange;
mod failure;
mod fixture;
mod history;
mod open_access;
mod read_back;
mod roundtrip;
