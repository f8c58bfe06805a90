//! The nouns of the walk: what passes from stage to stage, and nothing that does anything.
//!
//! ```text
//! Payload ─split─▶ Record ─process─▶ Event | Failure ─detect─▶ Match | DetectionError ─alert─▶ Alert ─deliver─▶ Delivery
//!                                     └────────── rows of lake tables ──────────┘
//! ```
//!
//! Invariants: no IO, no async; an id's text form is fixed here once; limits live in one table ([`limits`]); time comes
//! from a [`Clock`] that is passed in.

pub mod alarm;
pub mod alert;
pub mod clock;
pub mod detection;
pub mod event;
pub mod fields;
pub mod ids;
pub mod limits;
pub mod payload;
pub mod secret;
pub mod sql;
pub mod table;

pub use alarm::{Alarm, AlarmKind};
pub use alert::{Alert, AlertKind, AlertStatus, NewDelivery, Window, WindowKey};
pub use clock::{Clock, ManualClock, SystemClock};
pub use detection::{DetectionError, DetectionErrorKind, Match, Severity};
pub use event::{Event, Failure, FailureReason, HeadPlace, Origin};
pub use ids::{AlertId, BatchId, DestinationId, DetectionId, LogType, RowId, SourceId};
pub use payload::{Head, Payload, Record};
pub use secret::Secret;
pub use table::{Column, ColumnType, Database, PointerMove, TableRef, TableSchema};
