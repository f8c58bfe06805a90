//! Where bytes come in.
//!
//! [`http`] takes requests and answers when they are durable; [`files`] finds what `uncia ingest` was pointed at; [`watch`]
//! follows folders. All of them hand on bytes as received: cutting them into records is the next stage's work.
//!
//! Invariants: nothing is acknowledged before [`Intake::accept`] returned; an origin's key depends on the bytes' identity and
//! never on when or how they were read, so that reading again makes the same events.

pub mod files;
pub mod http;
pub mod intake;
pub mod secret;
pub mod silence;
pub mod snowflake;
pub mod stream;
pub mod watch;

pub use files::{AtRest, Body, FileInput, FileProblem, discover};
pub use http::HttpSourceConfig;
pub use intake::{Intake, IntakeError};
pub use silence::NoDataMinutes;
pub use snowflake::SnowflakeSourceConfig;
pub use stream::StreamConfig;
pub use watch::{WatchSourceConfig, Watcher};
