//! The crate as others use it: content from memory and disk; the engine against real worker processes, whose extension is
//! built on first use into the same target directory.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "the whole crate is tests")]

mod content;
mod corpus;
mod differential;
mod escapes;
mod functions;
mod hostile;
mod oracle;
mod own;
mod paths;
mod simple;
mod small_rules;
mod testing;
mod workers;
mod zygote;
