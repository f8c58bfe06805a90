//! What Uncia knows of Snowflake: how to sign in and ask by the documented SQL API, which audit views there are, and the
//! scripts with which an owner lets us in.
//!
//! ```text
//! Account ─▶ Connection ┐
//! TokenSource ──────────┴▶ Client ─ execute(Statement) ─▶ Answer ─ next_rows ─▶ cells ─ decode ─▶ JSON
//! ```
//!
//! No Snowflake crate stands behind it: key pairs, OAuth, access tokens and workload identity all go through one door, the
//! documented one, whose retries and handles are part of the promise that no row is lost (docs/adr/).

mod account;
mod answer;
pub mod auth;
pub mod check;
mod client;
mod connection;
pub mod decode;
mod error;
mod grants;
pub mod oauth;
pub mod rotation;
pub mod setup;
pub mod sql;
pub mod state;
mod statement;
pub mod vault;
pub mod views;
mod wire;

pub use account::{Account, AccountError};
pub use answer::Answer;
pub use client::Client;
pub use connection::{Connection, Pace};
pub use decode::{ColumnMeta, Kind};
pub use error::{AuthReason, Error};
pub use grants::DatabaseRole;
pub use statement::Statement;
pub use wire::Rows;
