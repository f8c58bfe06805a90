//! The double over HTTP: what it lets in, what it refuses, and with which answer.

#![expect(clippy::unwrap_used, reason = "in tests a failure is a failure")]
#![expect(clippy::print_stdout, reason = "says when the official clients are left out")]

mod client;
mod costs;
mod faults;
mod oauth;
mod official;
mod results;
mod scripts;
mod sign_in;
mod simulation;
mod statements;
