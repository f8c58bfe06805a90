//! Matches become alerts, alerts become deliveries.
//!
//! ```text
//! Match | DetectionError ─Deduplicator::admit─▶ Alert + Window + NewDelivery ─(store, one transaction)─▶ outbox
//!                                                                       outbox ─Deliverer─▶ Destination
//! ```
//!
//! Invariants: [`dedup`] does no IO and reads no clock, so a replay of the same batches makes the same alerts; a delivery
//! exists only as a row of the outbox, written with its alert; one destination never waits for another.

pub mod alarm;
pub mod dedup;
pub mod deliver;
pub mod destinations;
pub mod facts;
pub mod notification;
pub mod route;

mod distinct;

pub use dedup::{Admitted, Assigned, Deduplicator, Judged};
pub use deliver::{Attempt, Deliverer, Outbox, OutboxError};
pub use destinations::{DeliveryError, Destination, DestinationConfig};
pub use facts::{Facts, RuleFacts};
pub use notification::Notification;
pub use route::{Route, Routes};
