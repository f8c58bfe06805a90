//! The lake on Iceberg tables: events become Parquet files that any engine can read, SQL comes out.
//!
//! ```text
//! rows ─sink, columns─▶ RecordBatch ─writer─▶ data file ─commit─▶ manifest, list, metadata ─▶ PointerMove ─▶ the store
//!                                                                                                           │ moves
//! QueryOutput ◀─query─ DataFusion over the live files ◀─tables─ metadata ◀─catalog─ pointer ◀───────────────┘
//! ```
//!
//! The format is Iceberg v2, Parquet with zstd, one table per log type below `<warehouse>/<database>/<table>/`. The
//! `iceberg` crate is used for metadata only; reading data is DataFusion's, committing our own, since its transactions can
//! append but not replace, and since one transaction of the store must move the pointers of many tables.
//!
//! Invariants: nothing outside this crate names Arrow, Parquet, Iceberg or DataFusion; staging never changes what a reader
//! sees; files are complete and durable before anything refers to them; a batch lands once however often it is staged.

pub mod catalog;
mod columns;
mod commit;
mod exchange;
mod query;
mod remove;
pub mod rows;
mod schema;
mod sink;
mod stage;
pub mod storage;
pub mod tables;
mod vacuum;
mod writer;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uncia_document::{Interner, Timestamp};
use uncia_lake::{Lake, LakeError, QueryOutput, RowSink, TableInfo};
use uncia_model::{BatchId, Clock, PointerMove, RowId, SystemClock, TableRef, TableSchema};

pub use catalog::{Catalog, MemoryCatalog};
pub use commit::BATCH_ID;
pub use schema::JSON_COLUMNS;
pub use vacuum::Vacuumed;

use query::{QueryConfig, QueryEngine};
use stage::Stager;
use storage::{Disk, LocalDisk, LocalStorage};
use tables::{LoadedTable, Tables};

/// A lake in a directory; see the crate's header.
pub struct IcebergLake {
    stager: Stager,
    tables: Arc<Tables>,
    query: QueryEngine,
}

impl IcebergLake {
    /// Opens the lake below a path, which need not exist yet; made absolute, it becomes part of the tables' locations.
    pub fn open(warehouse: &Path, catalog: Arc<dyn Catalog>) -> Result<Self, LakeError> {
        Self::open_with(warehouse, catalog, Arc::new(SystemClock), Arc::new(LocalDisk))
    }

    /// Opens the lake with a clock and a disk of the caller's.
    pub fn open_with(
        warehouse: &Path,
        catalog: Arc<dyn Catalog>,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, LakeError> {
        let warehouse = std::path::absolute(warehouse).map_err(|source| LakeError::Io {
            action: "make absolute",
            path: warehouse.display().to_string(),
            source,
        })?;
        let storage = LocalStorage::new(disk);
        let io = storage.file_io();
        let tables = Arc::new(Tables::new(catalog, io.clone()));
        let query = QueryEngine::new(tables.clone(), Interner::new(), clock.clone(), QueryConfig::default())?;
        let stager = Stager { warehouse, storage, io, tables: tables.clone(), clock };
        Ok(Self { stager, query, tables })
    }

    /// Removes files that no table refers to and that are older than the grace, which must be longer than any stage takes
    /// to be committed and any query to run.
    pub async fn vacuum(&self, grace: Duration) -> Result<Vacuumed, LakeError> {
        vacuum::vacuum(&self.tables, &self.stager.io, &self.stager.clock, grace).await
    }

    /// The tables, for readers that want files and not SQL.
    #[must_use]
    pub fn snapshots(&self) -> &Arc<Tables> {
        &self.tables
    }
}

#[async_trait]
impl Lake for IcebergLake {
    async fn sink(&self, table: &TableRef, schema: &Arc<TableSchema>) -> Result<Box<dyn RowSink>, LakeError> {
        self.stager.sink(table, schema).await
    }

    async fn stage_sinks(&self, batch: BatchId, sinks: Vec<Box<dyn RowSink>>) -> Result<Vec<PointerMove>, LakeError> {
        self.stager.stage(batch, sinks).await
    }

    async fn stage_removal(
        &self,
        batch: BatchId,
        table: &TableRef,
        rows: &HashSet<RowId>,
    ) -> Result<Option<PointerMove>, LakeError> {
        self.stager.stage_removal(batch, table, rows).await
    }

    async fn stage_exchange(
        &self,
        batch: BatchId,
        added: Box<dyn RowSink>,
        gone: &HashSet<RowId>,
    ) -> Result<Option<PointerMove>, LakeError> {
        self.stager.stage_exchange(batch, added, gone).await
    }

    async fn query(&self, sql: &str) -> Result<QueryOutput, LakeError> {
        self.query.query(sql, None).await
    }

    async fn query_at(&self, sql: &str, now: Timestamp) -> Result<QueryOutput, LakeError> {
        self.query.query(sql, Some(now)).await
    }

    async fn tables(&self) -> Result<Vec<TableInfo>, LakeError> {
        let tables = self.tables.load_all().await?;
        Ok(tables.iter().map(|table| table_info(table)).collect())
    }
}

fn table_info(table: &LoadedTable) -> TableInfo {
    TableInfo {
        table: table.table.clone(),
        schema: (*table.schema).clone(),
        rows: table.rows(),
        files: table.files.len() as u64,
        bytes: table.bytes(),
        data_files: table.files.iter().map(|file| file.path.display().to_string()).collect(),
    }
}
