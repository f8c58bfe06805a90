//! A lake in memory. A table's pointer spells the batches that were committed, so what a reader would see can be told from
//! the store alone.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use uncia_document::{Document, Ref, Timestamp};
use uncia_lake::{Lake, LakeError, QueryOutput, RowSink, TableInfo};
use uncia_model::{BatchId, PointerMove, TableRef, TableSchema, fields};
use uncia_store::Store;

pub(crate) struct FakeLake {
    store: Arc<Store>,
    /// Rows by staging: their `door`, or the reason of a failure, and their row id.
    staged: Mutex<HashMap<String, Vec<(String, String)>>>,
    stagings: AtomicUsize,
    /// Stagings that will still fail.
    pub(crate) failures: AtomicUsize,
}

impl FakeLake {
    pub(crate) fn new(store: Arc<Store>) -> Arc<Self> {
        Arc::new(Self { store, staged: Mutex::default(), stagings: AtomicUsize::new(0), failures: AtomicUsize::new(0) })
    }

    /// All committed rows of a table, sorted.
    pub(crate) async fn rows(&self, table: &str) -> Vec<(String, String)> {
        let pointers = self.store.pointers().await.unwrap();
        let pointer = pointers.into_iter().find(|(name, _)| name.to_string() == table).map(|(_, pointer)| pointer);
        let staged = self.staged.lock().unwrap();
        let mut rows: Vec<_> =
            pointer.iter().flat_map(|pointer| pointer.split('|').skip(1)).flat_map(|key| staged[key].clone()).collect();
        rows.sort();
        rows
    }
}

struct FakeSink {
    table: TableRef,
    rows: Vec<(String, String)>,
}

impl RowSink for FakeSink {
    fn append(&mut self, row: &Document) -> Result<(), LakeError> {
        let text = |name: &str| row.root().get(name).and_then(Ref::as_str).unwrap_or_default().to_owned();
        self.rows.push((text("door") + &text("reason"), text(fields::ROW_ID)));
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

#[async_trait]
impl Lake for FakeLake {
    async fn sink(&self, table: &TableRef, _: &Arc<TableSchema>) -> Result<Box<dyn RowSink>, LakeError> {
        Ok(Box::new(FakeSink { table: table.clone(), rows: Vec::new() }))
    }

    async fn stage_sinks(&self, _: BatchId, sinks: Vec<Box<dyn RowSink>>) -> Result<Vec<PointerMove>, LakeError> {
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(LakeError::Io { action: "write", path: "a data file".to_owned(), source });
        }
        let staging = self.stagings.fetch_add(1, Ordering::SeqCst);
        let mut moves = Vec::new();
        for sink in sinks {
            let FakeSink { table, rows } = *sink.into_any().downcast::<FakeSink>().unwrap();
            let key = format!("{staging}:{table}");
            self.staged.lock().unwrap().insert(key.clone(), rows);
            let from = self.store.pointer(&table).await.unwrap();
            let to = format!("{}|{key}", from.clone().unwrap_or_default());
            moves.push(PointerMove { table, from, to });
        }
        Ok(moves)
    }

    async fn query(&self, sql: &str) -> Result<QueryOutput, LakeError> {
        Err(LakeError::Sql(format!("this lake answers no questions: {sql}")))
    }

    async fn query_at(&self, sql: &str, _: Timestamp) -> Result<QueryOutput, LakeError> {
        self.query(sql).await
    }

    async fn tables(&self) -> Result<Vec<TableInfo>, LakeError> {
        Ok(Vec::new())
    }
}
