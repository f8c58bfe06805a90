//! What a query needs of the tables: their names, and the schema and live files of a newest committed snapshot.

use std::sync::Arc;

use async_trait::async_trait;
use uncia_lake::LakeError;
use uncia_model::{TableRef, TableSchema};

use crate::tables::{LiveFile, Tables};

/// A table as one query sees it, from planning to its last row.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) table: TableRef,
    pub(crate) schema: Arc<TableSchema>,
    pub(crate) files: Arc<Vec<LiveFile>>,
}

/// The committed tables. Loading one twice in a row must be cheap: every query asks anew.
#[async_trait]
pub(crate) trait Snapshots: Send + Sync {
    /// All tables and where their metadata stands, read at one moment: what one transaction committed is seen as a whole.
    async fn pointers(&self) -> Result<Vec<(TableRef, String)>, LakeError>;

    async fn load(&self, table: &TableRef, location: &str) -> Result<Snapshot, LakeError>;
}

#[async_trait]
impl Snapshots for Tables {
    async fn pointers(&self) -> Result<Vec<(TableRef, String)>, LakeError> {
        self.committed().await
    }

    async fn load(&self, table: &TableRef, location: &str) -> Result<Snapshot, LakeError> {
        let loaded = self.load_at(table, location.to_owned()).await?;
        Ok(Snapshot {
            table: loaded.table.clone(),
            schema: Arc::clone(&loaded.schema),
            files: Arc::clone(&loaded.files),
        })
    }
}
