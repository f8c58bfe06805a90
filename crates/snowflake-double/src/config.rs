//! How the account is called and how the double behaves where Snowflake's behaviour depends on time and size.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uncia_model::{Clock, SystemClock};

/// What a customer bought: Standard has no `ACCESS_HISTORY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    Standard,
    Enterprise,
}

/// The account to play.
#[derive(Clone)]
pub struct DoubleConfig {
    pub organization: String,
    pub account: String,
    pub locator: String,
    pub region: String,
    pub edition: Edition,
    /// The one clock of everything: tokens, views, handles, dates of answers.
    pub clock: Arc<dyn Clock>,
    /// Rows in a partition of a result.
    pub rows_per_partition: usize,
    /// How long statements that read views keep their warehouse busy, for the credits.
    pub statement_time: Duration,
    /// A statement that takes longer is answered 202. Statements take no time unless they are told to.
    pub sync_limit: Duration,
    /// How long results can be fetched.
    pub retention: Duration,
    /// Results beyond this many bytes together are forgotten, oldest first.
    pub result_bytes: usize,
}

impl Default for DoubleConfig {
    fn default() -> Self {
        Self {
            organization: "UNCIATEST".to_owned(),
            account: "MAIN".to_owned(),
            locator: "XY12345".to_owned(),
            region: "AWS_EU_CENTRAL_1".to_owned(),
            edition: Edition::Enterprise,
            clock: Arc::new(SystemClock),
            rows_per_partition: 10_000,
            statement_time: Duration::from_secs(2),
            sync_limit: Duration::from_secs(45),
            retention: Duration::from_secs(24 * 3600),
            result_bytes: 256 << 20,
        }
    }
}

impl fmt::Debug for DoubleConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DoubleConfig")
            .field("organization", &self.organization)
            .field("account", &self.account)
            .field("edition", &self.edition)
            .finish_non_exhaustive()
    }
}
