//! `uncia sources`: where events went, source by source.

use anyhow::Result;
use uncia_model::LogType;
use uncia_store::Store;

use crate::exit::Exit;
use crate::output::{Format, Rows};

/// Counts since the data directory was made. Rows without a log type count records that became none.
pub(crate) async fn sources(store: &Store, format: Format) -> Result<Exit> {
    let columns =
        ["source", "log_type", "events", "failures", "filtered", "oversized", "bytes", "filtered_bytes", "last_batch"];
    let mut rows = Rows::new(&columns);
    for counter in store.counters().await? {
        rows.rows.push(vec![
            counter.source.as_str().into(),
            counter.log_type.as_ref().map(LogType::as_str).into(),
            counter.events.into(),
            counter.failures.into(),
            counter.filtered.into(),
            counter.oversized.into(),
            counter.bytes.into(),
            counter.filtered_bytes.into(),
            uncia_document::Timestamp::from_micros(counter.last_micros).to_string().into(),
        ]);
    }
    rows.print(format)?;
    Ok(Exit::Ok)
}
