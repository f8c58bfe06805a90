//! Every limit of the walk, in one table.

use std::time::Duration;

/// One event. Panther's own limit ("Data Sources & Transports").
pub const MAX_EVENT_BYTES: usize = 15 * 1024 * 1024;
/// One HTTP request's body, as sent and after decompression.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;
/// Decompressed bytes per compressed byte; beyond it, and beyond [`MAX_INFLATED_BYTES`], a stream is taken for a bomb.
pub const MAX_INFLATE_RATIO: u64 = 200;
/// Decompressed bytes of one object.
pub const MAX_INFLATED_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Bytes of a failed record that its failure row shows; the whole of an oversized one is kept as a blob.
pub const MAX_FAILURE_PAYLOAD_BYTES: usize = 64 * 1024;
/// How long blobs of oversized records are kept.
pub const BLOB_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);
/// A rule's run on one event: the interpreter is interrupted …
pub const RULE_SOFT_LIMIT: Duration = Duration::from_secs(15);
/// … and, if it does not answer, its process killed.
pub const RULE_HARD_LIMIT: Duration = Duration::from_secs(17);
/// Titles, dedup strings and other generated texts, in characters.
pub const MAX_GENERATED_CHARS: usize = 1_000;
/// Alert context, in characters of JSON.
pub const MAX_ALERT_CONTEXT_CHARS: usize = 204_800;
/// Destinations that a rule may name.
pub const MAX_DESTINATIONS: usize = 10;
/// Dedup periods below this are raised to it, in minutes.
pub const MIN_DEDUP_PERIOD_MINUTES: u32 = 5;
