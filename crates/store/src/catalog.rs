//! The Iceberg catalog: which metadata file is each table's current one.
//!
//! The tables are those of the JDBC catalog that Java and PyIceberg share
//! (<https://iceberg.apache.org/docs/latest/jdbc/>), so `pyiceberg` opens the store's file as a catalog of type `sql`.

use sqlx::{Row, Sqlite, Transaction};
use uncia_model::{Database, PointerMove, TableRef};

use crate::{Store, StoreError};

/// The name under which other engines open the catalog.
pub const CATALOG_NAME: &str = "uncia";

impl Store {
    /// The metadata location of a table, if it exists.
    pub async fn pointer(&self, table: &TableRef) -> Result<Option<String>, StoreError> {
        let action = "read a table's pointer";
        let mut snapshot = self.read(action).await?;
        let location: Option<Option<String>> = sqlx::query_scalar(
            "SELECT metadata_location FROM iceberg_tables \
             WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?",
        )
        .bind(CATALOG_NAME)
        .bind(table.database.as_str())
        .bind(&*table.name)
        .fetch_optional(&mut *snapshot)
        .await
        .map_err(self.failed(action))?;
        Ok(location.flatten())
    }

    /// All tables with their metadata locations, by name, as one snapshot: batches are there wholly or not at all.
    pub async fn pointers(&self) -> Result<Vec<(TableRef, String)>, StoreError> {
        let action = "read the tables' pointers";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows = sqlx::query(
            "SELECT table_namespace, table_name, metadata_location FROM iceberg_tables \
             WHERE catalog_name = ? AND metadata_location IS NOT NULL ORDER BY table_namespace, table_name",
        )
        .bind(CATALOG_NAME)
        .fetch_all(&mut *snapshot)
        .await
        .map_err(failed)?;
        let mut pointers = Vec::with_capacity(rows.len());
        for row in rows {
            // Another engine may have made namespaces of its own in this catalog; they are no part of the lake.
            let Some(database) = Database::parse(row.try_get(0).map_err(failed)?) else { continue };
            let name: &str = row.try_get(1).map_err(failed)?;
            pointers.push((TableRef::new(database, name), row.try_get(2).map_err(failed)?));
        }
        Ok(pointers)
    }
}

/// Moves one pointer if it still is where the move expects it; `false` if it is not.
pub(crate) async fn move_pointer(
    transaction: &mut Transaction<'static, Sqlite>,
    step: &PointerMove,
) -> Result<bool, sqlx::Error> {
    let namespace = step.table.database.as_str();
    let moved = match &step.from {
        Some(from) => {
            sqlx::query(
                "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? \
                 WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?",
            )
            .bind(&step.to)
            .bind(from)
            .bind(CATALOG_NAME)
            .bind(namespace)
            .bind(&*step.table.name)
            .bind(from)
            .execute(&mut **transaction)
            .await?
        }
        None => {
            sqlx::query(
                "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) \
                 VALUES (?, ?, 'exists', 'true') ON CONFLICT DO NOTHING",
            )
            .bind(CATALOG_NAME)
            .bind(namespace)
            .execute(&mut **transaction)
            .await?;
            sqlx::query(
                "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, \
                 previous_metadata_location, iceberg_type) VALUES (?, ?, ?, ?, NULL, 'TABLE') ON CONFLICT DO NOTHING",
            )
            .bind(CATALOG_NAME)
            .bind(namespace)
            .bind(&*step.table.name)
            .bind(&step.to)
            .execute(&mut **transaction)
            .await?
        }
    };
    Ok(moved.rows_affected() == 1)
}
