//! What is known of the names in an event, laid beside it before detections judge it.
//!
//! ```text
//! LookupTable (rows by key) ─┐
//! Association (what is looked up where) ─▶ Enricher ─ enrich(event) ─▶ {"<table>": {"<selector>": row | [rows]}}
//! ```
//!
//! Rules find it as `p_enrichment`. The layout is the one that published rules read: the outer key is the table's name, the
//! inner one the selector as it is written, and each row says in `p_match` which value it was found by. A selector whose
//! value is a list gives a list of rows.
//!
//! An enricher never changes; who loads a table makes a new one and puts it in its place between two batches. Nothing here
//! does IO.

mod enricher;
mod file;
mod selector;
mod table;

pub use enricher::{Association, Enricher};
pub use file::{FileError, TableFile};
pub use selector::Selector;
pub use table::{Case, LookupTable, TableBuilder, TableFull};
