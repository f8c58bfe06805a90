//! The crate as others use it: content from memory and disk; the engine against real worker processes, whose extension is
//! built on first use into the same target directory.

mod content;
mod corpus;
mod functions;
mod hostile;
mod workers;
