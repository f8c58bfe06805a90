//! The lake as its users see it: rows in, files and tables out. One binary, since each links separately.

mod evolution;
mod failure;
mod fixture;
mod history;
mod open_access;
mod read_back;
mod roundtrip;
