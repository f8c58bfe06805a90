//! The store: what Uncia knows besides the lake, in one SQLite database.
//!
//! ```text
//! BatchCommit ── one transaction ──▶ table pointers · batch row · progress · WAL position
//!                                    windows · alerts · outbox · counters · findings
//! ```
//!
//! [`Store::commit`] is the only way a batch becomes visible: either all of it is there or nothing. The Iceberg catalog
//! lives in the same database, in the layout that Java and PyIceberg share, so that moving a table's pointer is part of
//! that transaction and other engines can open the file as their catalog.
//!
//! One connection writes, a few read; readers see committed snapshots and wait for nobody. Time is always passed in.
//! Statements keep to SQL that PostgreSQL understands too, wherever that costs nothing.

mod alarms;
mod alerts;
mod catalog;
mod commit;
mod error;
mod facts;
mod keyring;
mod migrate;
mod number;
mod outbox;
mod posture;
mod progress;
mod pulls;
mod rule_cache;
mod schemas;
mod sealed;
mod store;
mod windows;

pub use alarms::StandingAlarm;
pub use alerts::{AlertFilter, AlertPage};
pub use catalog::CATALOG_NAME;
pub use commit::{BatchCommit, CommitOutcome, Counter, Progress};
pub use error::StoreError;
pub use facts::FORMAT_VERSION;
pub use keyring::{KeyEncryptionKey, Keyring, KeyringError};
pub use outbox::{Delivery, DeliveryState};
pub use posture::{FindingSpan, Judgement, NewViolation, Verdict, Violation};
pub use progress::SourceCounter;
pub use pulls::{HourCount, Known, PullNote, PullPosition, PullStatus, PulledRow, PulledTo, RowKey};
pub use rule_cache::{DEFAULT_EXPIRY_SECONDS, RELATIVE_EXPIRY_LIMIT, RuleCache, RuleCacheItem, expiry};
pub use schemas::SchemaRevision;
pub use sealed::{CredentialNote, SealedError, SealedName, Unsealed};
pub use store::Store;
