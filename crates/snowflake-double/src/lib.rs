//! A Snowflake account that is none: for tests, for the demo, and for dry runs before a real account is touched.
//!
//! It says no where Snowflake says no. What it accepts is judged by the official clients, not by ours alone.
//!
//! [`Double::start`] gives a server and a handle. The account is set up by SQL scripts, as a real one is
//! ([`Double::run_script`]); clients sign in with the keys those scripts registered and ask through the SQL API. One
//! clock, passed in, rules tokens, views and results. What is not understood is an error, never an empty answer.
//!
//! ```text
//!  client ──▶ serve ──▶ api ──▶ auth ─────▶ account ◀── script
//!                        │                     ▲
//!                        └──▶ core ──▶ sql ──▶ views
//! ```

mod account;
mod api;
mod auth;
mod config;
mod core;
mod credits;
mod double;
mod failure;
mod faults;
mod jobs;
mod results;
mod script;
mod serve;
mod simulation;
mod sql;
mod views;

pub use auth::oauth::Consent;
pub use config::{DoubleConfig, Edition};
pub use credits::Credits;
pub use double::{Counts, Double, RowError, ScriptError};
pub use failure::SqlFailure;
pub use faults::{Fault, FaultRates};
pub use jobs::ExecutedStatement;
pub use results::{Column, Kind};
pub use simulation::{Oracle, Simulation, TrueEvent};
pub use views::store::RowId;
