//! Where each table's current metadata stands: the one thing about tables that is not a file.
//!
//! The lake only reads pointers. They move in the store's transaction, together with everything else a batch commits,
//! so no method here changes one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use uncia_lake::LakeError;
use uncia_model::{PointerMove, TableRef};
use uncia_store::Store;

/// The tables' metadata pointers, as last committed.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The table's metadata location (`file:///…/v3-….metadata.json`), if the table exists.
    async fn pointer(&self, table: &TableRef) -> Result<Option<String>, LakeError>;

    /// All tables with their metadata locations.
    async fn pointers(&self) -> Result<Vec<(TableRef, String)>, LakeError>;
}

/// A catalog that forgets, for tests and for lakes that live as long as a process.
#[derive(Debug, Default)]
pub struct MemoryCatalog {
    pointers: Mutex<BTreeMap<TableRef, String>>,
}

impl MemoryCatalog {
    /// Makes all moves, or none if one of them was made on another metadata location; says whether it did.
    pub fn apply(&self, moves: &[PointerMove]) -> bool {
        let mut pointers = self.pointers.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |step: &PointerMove| pointers.get(&step.table) == step.from.as_ref();
        if !moves.iter().all(fits) {
            return false;
        }
        pointers.extend(moves.iter().map(|step| (step.table.clone(), step.to.clone())));
        true
    }
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn pointer(&self, table: &TableRef) -> Result<Option<String>, LakeError> {
        Ok(self.pointers.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned())
    }

    async fn pointers(&self) -> Result<Vec<(TableRef, String)>, LakeError> {
        let pointers = self.pointers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(pointers.iter().map(|(table, location)| (table.clone(), location.clone())).collect())
    }
}

/// The store keeps the pointers in the JDBC catalog's layout, so other engines open its file as their catalog.
#[async_trait]
impl Catalog for Store {
    async fn pointer(&self, table: &TableRef) -> Result<Option<String>, LakeError> {
        Store::pointer(self, table).await.map_err(|e| LakeError::Engine(Box::new(e)))
    }

    async fn pointers(&self) -> Result<Vec<(TableRef, String)>, LakeError> {
        Store::pointers(self).await.map_err(|e| LakeError::Engine(Box::new(e)))
    }
}
