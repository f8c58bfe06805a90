//! A table for DataFusion: the live files of one snapshot, read by DataFusion's own Parquet source.
//!
//! The files are those the snapshot lists, never what a directory holds: leftovers of lost commits are not data. Files
//! whose `p_event_time` bounds contradict the query are dropped before anything is opened, and row counts are exact, so
//! that `count(*)` reads nothing.
//!
//! Filters stay in a `FilterExec` above the scan. DataFusion 54.1 silently ignores predicates on struct fields that are
//! pushed into the Parquet reader when a file's struct differs from the table's, as it does after every nested
//! evolution; the reader gets the predicate for pruning row groups and pages by statistics only.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ColumnStatistics, DFSchema, DataFusionError, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_optimizer::pruning::PruningPredicate;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use uncia_model::fields;

use super::schema::{file_schema, table_schema};
use super::snapshots::Snapshot;
use crate::tables::LiveFile;

/// One snapshot of one table.
#[derive(Debug)]
pub(crate) struct LakeTable {
    snapshot: Snapshot,
    /// Names as in the files.
    file_schema: SchemaRef,
    /// Names folded, as SQL sees them; same columns in the same order.
    table_schema: SchemaRef,
}

impl LakeTable {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        let file_schema = file_schema(&snapshot.schema);
        let table_schema = table_schema(&snapshot.schema);
        Self { snapshot, file_schema, table_schema }
    }

    /// The filters as one expression over the files' names.
    fn predicate(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some(filter) = conjunction(filters.to_vec()) else { return Ok(None) };
        let renamed = filter.transform(|expr| {
            let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
            let index = self.table_schema.index_of(&column.name)?;
            let name = self.file_schema.field(index).name();
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))))
        })?;
        let schema = DFSchema::try_from(self.file_schema.as_ref().clone())?;
        state.create_physical_expr(renamed.data, &schema).map(Some)
    }

    fn statistics(&self, files: &[&LiveFile]) -> Statistics {
        let mut columns = vec![ColumnStatistics::new_unknown(); self.file_schema.fields().len()];
        if let Ok(event_time) = self.file_schema.index_of(fields::EVENT_TIME) {
            let inexact = |bound: Option<i64>| match bound {
                Some(micros) => Precision::Inexact(timestamp(micros)),
                None => Precision::Absent,
            };
            columns[event_time].min_value = inexact(files.iter().filter_map(|file| file.earliest).min());
            columns[event_time].max_value = inexact(files.iter().filter_map(|file| file.latest).max());
        }
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        Statistics {
            num_rows: Precision::Exact(rows as usize),
            total_byte_size: Precision::Inexact(bytes as usize),
            column_statistics: columns,
        }
    }

    /// Gives the scanned columns their folded names.
    fn folded(&self, scan: Arc<dyn ExecutionPlan>, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.table_schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all).iter().enumerate();
        let renamed = columns.map(|(position, &index)| {
            let source: Arc<dyn PhysicalExpr> =
                Arc::new(ColumnExpr::new(self.file_schema.field(index).name(), position));
            (source, self.table_schema.field(index).name().clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(renamed, scan)?))
    }
}

fn timestamp(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("+00:00".into()))
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.table_schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let predicate = self.predicate(state, filters)?;
        let files = match &predicate {
            Some(predicate) => prune(&self.snapshot.files, predicate, &self.file_schema)?,
            None => self.snapshot.files.iter().collect(),
        };
        if files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.table_schema.project(columns)?),
                None => self.table_schema.clone(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let statistics = self.statistics(&files);
        let partitioned = files.iter().map(|file| partitioned_file(file)).collect::<Result<Vec<_>>>()?;
        let groups = FileGroup::new(partitioned).split_files(state.config().target_partitions().max(1));
        let mut source = ParquetSource::new(self.file_schema.clone())
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_pushdown_filters(false);
        if let Some(predicate) = predicate {
            source = source.with_predicate(predicate);
        }
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        self.folded(DataSourceExec::from_data_source(config), projection)
    }
}

fn partitioned_file(file: &LiveFile) -> Result<PartitionedFile> {
    let location = object_store::path::Path::from_absolute_path(&file.path)
        .map_err(|error| DataFusionError::External(Box::new(error)))?;
    let mut partitioned = PartitionedFile::new("", file.bytes);
    partitioned.object_meta.location = location;
    Ok(partitioned)
}

/// The files that may hold a row the predicate wants.
fn prune<'a>(
    files: &'a [LiveFile],
    predicate: &Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
) -> Result<Vec<&'a LiveFile>> {
    let pruning = PruningPredicate::try_new(Arc::clone(predicate), schema.clone())?;
    let keep = pruning.prune(&Bounds(files))?;
    Ok(files.iter().zip(keep).filter_map(|(file, keep)| keep.then_some(file)).collect())
}

/// What the manifests tell of each file.
struct Bounds<'a>(&'a [LiveFile]);

impl Bounds<'_> {
    fn event_times(&self, column: &Column, bound: fn(&LiveFile) -> Option<i64>) -> Option<ArrayRef> {
        if column.name != fields::EVENT_TIME {
            return None;
        }
        let times: TimestampMicrosecondArray = self.0.iter().map(bound).collect();
        Some(Arc::new(times.with_timezone("+00:00")))
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.event_times(column, |file| file.earliest)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.event_times(column, |file| file.latest)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.0.iter().map(|file| Some(file.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
