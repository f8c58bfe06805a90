//! Rows that come and go in the table of a view, committed with the batch that tells of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use uncia_document::Document;
use uncia_lake::{Lake, LakeError};
use uncia_model::{BatchId, PointerMove, RowId, TableRef, TableSchema};
use uncia_store::{PulledRow, PulledTo};

use crate::batch::RawBatch;
use crate::input::End;

/// What a snapshot changes in its table.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) table: TableRef,
    pub(crate) schema: Arc<TableSchema>,
    pub(crate) added: Vec<Document>,
    pub(crate) gone: HashSet<RowId>,
    /// The columns that the snapshot has, as the store remembers them.
    pub(crate) columns: Vec<PulledRow>,
    /// `None` if more of the snapshot is to come.
    pub(crate) taken: Option<PulledTo>,
}

/// The exchanges that the batch completes.
pub(crate) fn of(raw: &RawBatch) -> Vec<Arc<Exchange>> {
    let complete = raw.pieces.iter().filter(|piece| piece.complete);
    let exchange = complete.filter_map(|piece| match &piece.end {
        End::Rows { exchange: Some(exchange), .. } => Some(exchange.clone()),
        _ => None,
    });
    exchange.collect()
}

/// Stages them, one move for each table.
pub(crate) async fn stage(
    lake: &dyn Lake,
    batch: BatchId,
    exchanges: &[Arc<Exchange>],
) -> Result<Vec<PointerMove>, LakeError> {
    let mut tables: BTreeMap<&TableRef, Vec<Arc<Exchange>>> = BTreeMap::new();
    for exchange in exchanges {
        tables.entry(&exchange.table).or_default().push(exchange.clone());
    }
    let mut moves = Vec::new();
    for (table, exchanges) in tables {
        let gone: HashSet<RowId> = exchanges.iter().flat_map(|exchange| exchange.gone.iter().copied()).collect();
        let mut sink = lake.sink(table, &exchanges[0].schema).await?;
        let append = move || {
            let mut rows = exchanges.iter().flat_map(|exchange| &exchange.added);
            rows.try_for_each(|row| sink.append(row)).map(|()| sink)
        };
        let appended = tokio::task::spawn_blocking(append).await;
        let sink = appended.map_err(|error| LakeError::Engine(Box::new(error)))??;
        moves.extend(lake.stage_exchange(batch, sink, &gone).await?);
    }
    Ok(moves)
}
