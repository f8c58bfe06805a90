//! SQL integers are signed; our counts are not.

/// A count as the database keeps it. Counts beyond 2^63 do not occur; they would stick at the top.
pub(crate) fn to_sql(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count as read back; a negative one, which only a foreign hand can have written, reads as 0.
pub(crate) fn from_sql(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
