//! What Uncia knows of Snowflake: how to sign in and ask by the documented SQL API, which audit views there are, and the
//! scripts with which an owner lets us in.
//!
//! No Snowflake crate stands behind it: key pairs, OAuth, access tokens and workload identity all go through one door, the
//! documented one, whose retries and handles are part of the promise that no row is lost (docs/adr/).

pub mod views;
