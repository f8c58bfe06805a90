//! A table that holds the newest snapshot of something: rows come for rows that go, in one move, and readers outside see
//! the same.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::StreamExt as _;
use proptest::prelude::*;
use serde_json::json;
use uncia_lake::{Lake, LakeError};
use uncia_lake_iceberg::IcebergLake;
use uncia_model::{BatchId, ColumnType, Database, PointerMove, RowId, TableRef, TableSchema};

use crate::fixture::{Fixture, HastyDisk, row, schema};

/// Which value each object has.
type State = BTreeMap<u8, u8>;

fn kinds() -> Arc<TableSchema> {
    schema(vec![("n", ColumnType::Int), ("value", ColumnType::Int), ("p_row_id", ColumnType::String)])
}

fn table() -> TableRef {
    TableRef::new(Database::Lookups, "test_state")
}

fn id(n: u8, value: u8) -> RowId {
    RowId::of(&"s".into(), &format!("{n}={value}"), 0, 0)
}

async fn exchange(
    lake: &IcebergLake,
    batch: &str,
    before: &State,
    after: &State,
) -> Result<Option<PointerMove>, LakeError> {
    let mut added = lake.sink(&table(), &kinds()).await.unwrap();
    for (&n, &value) in after.iter().filter(|(n, value)| before.get(n) != Some(value)) {
        // Of very different years: a snapshot is not cut by days.
        let seconds = i64::from(n) * 40_000_000;
        added.append(&row(seconds, json!({"n": n, "value": value, "p_row_id": id(n, value).to_string()}))).unwrap();
    }
    let gone = before.iter().filter(|(n, value)| after.get(n) != Some(value)).map(|(&n, &value)| id(n, value));
    lake.stage_exchange(BatchId::of(&[batch]), added, &gone.collect::<HashSet<_>>()).await
}

async fn there(lake: &IcebergLake) -> Vec<(u8, u8)> {
    if lake.tables().await.unwrap().is_empty() {
        return Vec::new();
    }
    let answer = lake.query("SELECT n, value FROM lookups.test_state ORDER BY n").await.unwrap();
    let number = |row: &uncia_document::Document, name| row.root().get(name).unwrap().as_i64().unwrap() as u8;
    answer.rows.map(|row| row.map(|row| (number(&row, "n"), number(&row, "value"))).unwrap()).collect().await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_the_newest_state(
        states in prop::collection::vec(prop::collection::btree_map(0..12_u8, 0..3_u8, 0..12), 1..24)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::on(Arc::new(HastyDisk));
            let mut before = State::new();
            for (place, after) in states.into_iter().enumerate() {
                let batch = place.to_string();
                let step = exchange(&fixture.lake, &batch, &before, &after).await.unwrap();
                assert_eq!(step.is_none(), before == after, "a move for a change, and only then");
                assert_eq!(there(&fixture.lake).await, before.clone().into_iter().collect::<Vec<_>>(), "unseen before");
                if let Some(step) = step {
                    assert!(fixture.catalog.apply(&[step]));
                    let again = exchange(&fixture.lake, &batch, &before, &after).await.unwrap();
                    assert!(again.is_none(), "an exchange lands once");
                }
                assert_eq!(there(&fixture.lake).await, after.clone().into_iter().collect::<Vec<_>>());
                before = after;
            }
            let cold = fixture.reopened();
            assert_eq!(there(&cold).await, before.into_iter().collect::<Vec<_>>());
            if let Some(info) = cold.tables().await.unwrap().first() {
                assert!(info.files <= 16, "{} files", info.files);
            }
        });
    }
}
