//! `views.all_logs` and its kin: the standard `p_` columns of every table of some databases, one below the other.
//!
//! A table without one of the columns shows null there. `p_db_name` says which database a row is from, in the words of
//! published queries (`panther_logs`).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, cast, ident, lit};
use uncia_model::fields;

use super::provider::LakeTable;
use super::schema::timestamp_type;
use super::snapshots::Snapshot;

/// Columns that every view has, even over no table at all.
fn always() -> Vec<Field> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    vec![text(fields::LOG_TYPE), text(fields::ROW_ID), Field::new(fields::EVENT_TIME, timestamp_type(), true)]
}

pub(crate) fn union_of(snapshots: Vec<Snapshot>) -> Result<Arc<dyn TableProvider>> {
    let mut columns = always();
    let mut tables = Vec::new();
    for snapshot in snapshots {
        let database = format!("panther_{}", snapshot.table.database.as_str());
        let name = snapshot.table.to_string();
        let provider = LakeTable::new(snapshot);
        for field in provider.schema().fields() {
            let known = columns.iter().any(|column| column.name() == field.name());
            if field.name().starts_with("p_") && !known {
                columns.push(field.as_ref().clone());
            }
        }
        tables.push((database, name, Arc::new(provider)));
    }
    let mut union: Option<LogicalPlan> = None;
    for (database, name, provider) in tables {
        let schema = provider.schema();
        let scan = LogicalPlanBuilder::scan(name, provider_as_source(provider), None)?;
        let mut outputs = vec![lit(database).alias("p_db_name")];
        for column in &columns {
            let output = match schema.column_with_name(column.name()) {
                Some((_, field)) if field.data_type() == column.data_type() => ident(column.name()),
                Some(_) => cast(ident(column.name()), column.data_type().clone()).alias(column.name()),
                None => lit(ScalarValue::try_from(column.data_type())?).alias(column.name()),
            };
            outputs.push(output);
        }
        let branch = scan.project(outputs)?.build()?;
        union = Some(match union {
            None => branch,
            Some(before) => LogicalPlanBuilder::from(before).union(branch)?.build()?,
        });
    }
    let plan = match union {
        Some(plan) => plan,
        None => empty(&columns)?,
    };
    Ok(Arc::new(ViewTable::new(plan, None)))
}

fn empty(columns: &[Field]) -> Result<LogicalPlan> {
    let mut outputs = vec![lit("").alias("p_db_name")];
    for column in columns {
        outputs.push(lit(ScalarValue::try_from(column.data_type())?).alias(column.name()));
    }
    LogicalPlanBuilder::empty(true).project(outputs)?.limit(0, Some(0))?.build()
}
