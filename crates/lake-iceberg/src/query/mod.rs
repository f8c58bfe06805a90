//! SQL over the lake: Snowflake's dialect in, documents out.
//!
//! A query walks through these files in order:
//! [`statement`] (tokens, `p_occurs_*` macros, parser, read-only guard) → [`names`] (which tables are meant) →
//! [`snapshots`] (their newest committed files) → [`rewrite`] (Snowflake's AST to DataFusion's) → [`session`] (plan and
//! run, with [`path`] for nested access, [`functions`] and [`pattern`] for what DataFusion lacks and [`provider`] for the scans) →
//! [`output`] (columns to documents). Every failure that the author of a query can mend leaves through [`fault`].

mod fault;
mod functions;
mod names;
mod output;
mod path;
mod pattern;
mod provider;
mod rewrite;
mod schema;
mod session;
mod snapshots;
mod statement;
mod views;

pub(crate) use session::{QueryConfig, QueryEngine};

#[cfg(test)]
mod tests;
