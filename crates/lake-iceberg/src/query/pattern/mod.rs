//! Row patterns, the matter of `MATCH_RECOGNIZE`: rows of a partition in order, and a regular expression over their symbols.
//!
//! ```text
//!  text ─ parse ─▶ Node ─ Program ─▶ steps ─ search over rows ─▶ entries ─ MatchRows (a window function) ─▶ list column
//! ```
//!
//! Whether a row has a symbol depends on the rows alone, never on the match so far, as in Snowflake. So the search need not
//! try and turn back: it takes time in proportion to rows times steps, whatever the pattern. What the rest of the clause asks for
//! (measures, rows shown) is plain SQL over the entries, which [the rewrite](super::rewrite) writes.

mod function;
mod parse;
mod program;
mod search;

pub(crate) use function::MatchRows;
pub(crate) use parse::{parse, symbol_name};
pub(crate) use program::Program;
pub(crate) use search::{Recogniser, Skip};

#[cfg(test)]
mod tests;
