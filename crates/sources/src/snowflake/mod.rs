//! Snowflake accounts, whose audit views are pulled.
//!
//! A view shows rows late (up to three hours), sometimes very late, and some rows change. So each run reads a window that
//! reaches back behind the one before, once a day much further, and takes only rows that are new to the store. The store
//! gets a row's key in the transaction that makes the row visible; a crash at any moment repeats a window, never a row. And
//! since the keys say how many rows of an hour are there, hours of which nothing is missing are counted, not read again.

mod config;
pub mod cost;
mod counts;
mod pull;
mod rows;
mod state;
mod statements;
mod window;

pub use config::{SignInConfig, SnowflakeSourceConfig, SnowflakeSourceError};
pub use pull::{AccountPuller, Parcel, PullError, Pulled};
pub use rows::RowError;
pub use state::StateAnswer;
