//! The schemas in force: those of the files, with what discovery has added since.
//!
//! A batch is processed by one revision. Between batches new fields are noted in the store and come into force, without a
//! restart. Rows may land in a table that is already wider than the schema they were processed by: columns are filled by
//! their names, so nothing of them depends on which came first.

use std::sync::{Arc, Mutex, PoisonError};

use uncia_processing::{Discovery, Observed, Observer, Revision, SchemaSet};
use uncia_store::{SchemaRevision, Store, StoreError};

/// What one batch is processed by.
pub(crate) struct InForce {
    pub(crate) schemas: Arc<SchemaSet>,
    pub(crate) observer: Observer,
}

/// The schemas, as they grow.
pub(crate) struct GrowingSchemas {
    in_force: Mutex<Arc<InForce>>,
    discovery: Mutex<Discovery>,
}

/// The revisions that the store knows.
pub async fn discovered(store: &Store) -> Result<Vec<Revision>, StoreError> {
    let revisions = store.schema_revisions().await?.into_iter();
    let read = |revision: SchemaRevision| match serde_json::from_str(&revision.added) {
        Ok(added) => Some(Revision { log_type: revision.log_type, number: revision.number, added }),
        Err(error) => {
            tracing::error!("cannot read revision {} of {}: {error}", revision.number, revision.log_type);
            None
        }
    };
    Ok(revisions.filter_map(read).collect())
}

impl GrowingSchemas {
    /// Begins with the schemas of the files and what was discovered before.
    pub(crate) fn new(of_files: &SchemaSet, revisions: &[Revision]) -> Self {
        let schemas = Arc::new(of_files.revised(revisions));
        let discovery = Mutex::new(Discovery::new(&schemas, revisions));
        let observer = Observer::new(&schemas);
        Self { in_force: Mutex::new(Arc::new(InForce { schemas, observer })), discovery }
    }

    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hears what a thread saw.
    pub(crate) fn absorb(&self, observed: Observed) {
        self.discovery.lock().unwrap_or_else(PoisonError::into_inner).absorb(observed);
    }

    /// Notes in the store what has been seen often enough, and brings it into force.
    pub(crate) async fn grow(&self, store: &Store, now_micros: i64) -> Result<(), StoreError> {
        let in_force = self.in_force();
        if in_force.observer.is_idle() {
            return Ok(());
        }
        let due = self.discovery.lock().unwrap_or_else(PoisonError::into_inner).due(&in_force.schemas);
        if due.is_empty() {
            return Ok(());
        }
        let noted = due.iter().map(|revision| SchemaRevision {
            log_type: revision.log_type.clone(),
            number: revision.number,
            added: serde_json::to_string(&revision.added).expect("fields of schemas have a JSON form"),
        });
        store.add_schema_revisions(&noted.collect::<Vec<_>>(), now_micros).await?;
        for revision in &due {
            let Revision { log_type, number, added } = revision;
            tracing::info!("{log_type} has {} new fields, revision {number}", added.len());
        }
        let schemas = Arc::new(in_force.schemas.revised(&due));
        let observer = Observer::new(&schemas);
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(InForce { schemas, observer });
        Ok(())
    }
}
