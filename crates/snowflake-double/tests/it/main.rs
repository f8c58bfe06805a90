//! The double over HTTP: what it lets in, what it refuses, and with which answer.

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
