//! The walk, in one place: from bytes to rows, alerts and deliveries.
//!
//! ```text
//!  files, stdin ──▶ Input ─┐          ┌────────── collect ─────────┐   ┌▶ lake.stage ─┐
//!  HTTP ─▶ WAL ───▶ Input ─┴▶ Batcher ─▶ process ─▶ detect ─▶ sinks ─▶ land           ├▶ store.commit ─▶ outbox ─▶ deliver
//!                    (input)   (batch)   (process)  (detect)   (lake)    └▶ admit ──────┘      (walk)
//! ```
//!
//! - A [`batch::RawBatch`] is a run of records with the progress it stands for. It is walked as a whole: its rows, its
//!   alerts and its progress become visible in one store transaction, or not at all.
//! - Failures are values: an unreadable record becomes a row of `monitor.classification_failures`, a failing rule a row
//!   of `rule_errors` and an alert. Only the store, the lake or the disk can stop a batch, and then nothing is lost: its
//!   input is still in its file or in the WAL, and its progress has not moved.
//! - An event is landed before its progress moves; nothing is acknowledged before it is durable.
//!
//! Beside it runs what the clock starts ([`scheduled`]): correlation rules and scheduled queries read the lake, and what they
//! find is committed the same way.
//!
//! This crate knows no SQL engine and no Python: it is given a [`uncia_lake::Lake`] and an engine.

pub mod alarm;
pub mod batch;
mod blob;
mod cache;
mod collect;
mod detect;
mod enrich;
mod filter;
mod generation;
pub mod history;
pub mod input;
pub mod intake;
mod land;
pub mod posture;
mod process;
pub mod pull;
mod replay;
pub mod scheduled;
mod schemas;
pub mod serve;
pub mod state;
pub mod summary;
mod walk;
mod watch;

pub use batch::{BatchLimits, Batcher};
pub use cache::StoreCache;
pub use detect::Detections;
pub use enrich::Lookups;
pub use filter::SourceFilters;
pub use generation::Generation;
pub use input::Input;
pub use replay::{FailureSelection, ReplayError};
pub use scheduled::{Ran, Scheduler};
pub use schemas::discovered;
pub use summary::Summary;
pub use walk::{Parts, Walk, WalkError};
pub use watch::stream_type;
