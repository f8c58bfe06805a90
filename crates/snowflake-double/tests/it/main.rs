//! The double over HTTP: what it lets in, what it refuses, and with which answer.

mod client;
mod scripts;
mod sign_in;
mod statements;
