//! Rows to Parquet files: one per partition, named after the batch, with what planning and searching need to skip it.
//!
//! A file's name is made of its partition and the batch's id. So a batch that is staged again after a crash writes over
//! the files that nobody refers to, instead of leaving more of them behind.
//!
//! Within a file rows are sorted by `p_event_time`. Each `p_any_*` list gets a bloom filter per row group, sized by the
//! values that really occur, since its readers ask for single values.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ahash::{AHashSet, RandomState};
use arrow::array::{Array as _, AsArray, RecordBatch, StringArray};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, PrimitiveType, Schema, Struct,
    Transform, Type,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;
use uncia_document::Timestamp;
use uncia_lake::LakeError;
use uncia_model::{BatchId, TableRef, fields};

use crate::columns::adapt;
use crate::commit::Prepared;
use crate::stage::TableRows;
use crate::storage::{LocalStorage, lake_error, local_path, location_of};

/// Rows that a reader takes or skips at once.
const ROW_GROUP_ROWS: usize = 128 * 1024;
const PAGE_ROWS: usize = 20_000;
const ZSTD_LEVEL: i32 = 3;
/// Rows that are put in order at once.
const SORTED_ROWS: usize = 16 * 1024;
/// Rows that stand in order already are written from where they are, if there are this many in a row on average.
const SHORTEST_RUN: usize = 256;
const DAY: i64 = 86_400_000_000;
const HOUR: i64 = 3_600_000_000;

/// Where a batch's rows of one table go.
pub(crate) struct DataWriter {
    pub(crate) table: TableRef,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) storage: LocalStorage,
    pub(crate) batch: BatchId,
}

impl DataWriter {
    /// Writes the rows. The files' names are durable after the storage is settled. Blocks.
    pub(crate) fn write(&self, rows: &TableRows) -> Result<Vec<DataFile>, LakeError> {
        let schema: SchemaRef = schema_to_arrow_schema(&self.prepared.schema).map_err(lake_error)?.into();
        let partitioning = self.partitioning()?;
        let mut batches = Vec::with_capacity(rows.batches.len());
        let mut order = Vec::with_capacity(rows.times.len());
        let mut times = rows.times.iter();
        for (place, batch) in rows.batches.iter().enumerate() {
            let times = times.by_ref().take(batch.num_rows()).enumerate();
            order.extend(times.map(|(row, &time)| Sorted { partition: partitioning.of(time), time, place, row }));
            // The table may have changed since the rows were collected.
            let is_current = batch.schema_ref() == &schema;
            batches.push(if is_current { batch.clone() } else { adapt(batch, &schema).map_err(|e| self.error(&e))? });
        }
        order.sort_unstable();
        let partitions = order.chunk_by(|a, b| a.partition == b.partition);
        partitions.map(|rows_of| self.write_partition(&partitioning, &schema, &batches, rows_of)).collect()
    }

    fn write_partition(
        &self,
        partitioning: &Partitioning,
        schema: &SchemaRef,
        batches: &[RecordBatch],
        order: &[Sorted],
    ) -> Result<DataFile, LakeError> {
        let encoded = encode(schema, batches, order).map_err(|e| LakeError::Engine(Box::new(e)))?;
        let partition = order[0].partition;
        let path = self.path(partitioning, partition);
        self.storage.put(&path, &encoded.bytes)?;
        self.data_file(&path, &encoded, partition)
    }

    /// `<table>/data/<day or hour>-<batch>.parquet`. No folders per partition: engines that are given a list of files take
    /// `name=value` folders for columns.
    fn path(&self, partitioning: &Partitioning, partition: Option<i32>) -> PathBuf {
        let name = match partition {
            Some(partition) => format!("{}-{}.parquet", partitioning.label(partition), self.batch),
            None => format!("{}.parquet", self.batch),
        };
        local_path(self.prepared.metadata.location()).join("data").join(name)
    }

    fn partitioning(&self) -> Result<Partitioning, LakeError> {
        let spec = self.prepared.metadata.default_partition_spec();
        let time = self.prepared.metadata.current_schema().field_id_by_name(fields::EVENT_TIME);
        match spec.fields() {
            [] => Ok(Partitioning::None),
            [field] if Some(field.source_id) == time && field.transform == Transform::Day => Ok(Partitioning::Day),
            [field] if Some(field.source_id) == time && field.transform == Transform::Hour => Ok(Partitioning::Hour),
            _ => Err(LakeError::Table {
                table: self.table.to_string(),
                message: "is partitioned by something else than the day or hour of p_event_time".into(),
            }),
        }
    }

    pub(crate) fn data_file(
        &self,
        path: &Path,
        encoded: &Encoded,
        partition: Option<i32>,
    ) -> Result<DataFile, LakeError> {
        let counts = ColumnCounts::of(&self.prepared.schema, &encoded.metadata);
        let offsets = encoded.metadata.row_groups().iter().filter_map(|group| group.file_offset()).collect();
        let partition = match partition {
            Some(value) => Struct::from_iter([Some(Literal::int(value))]),
            None => Struct::empty(),
        };
        let file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(location_of(path))
            .file_format(DataFileFormat::Parquet)
            .partition(partition)
            .partition_spec_id(self.prepared.metadata.default_partition_spec_id())
            .record_count(encoded.metadata.file_metadata().num_rows() as u64)
            .file_size_in_bytes(encoded.bytes.len() as u64)
            .column_sizes(counts.sizes)
            .value_counts(counts.values)
            .null_value_counts(counts.nulls)
            .lower_bounds(counts.lower)
            .upper_bounds(counts.upper)
            .split_offsets(Some(offsets))
            .sort_order_id(self.prepared.metadata.default_sort_order_id() as i32)
            .build();
        file.map_err(|e| LakeError::Engine(e.to_string().into()))
    }

    fn error(&self, error: &ArrowError) -> LakeError {
        LakeError::Table { table: self.table.to_string(), message: error.to_string() }
    }
}

/// A row's place in its file, and where it is now. Rows of one instant keep their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sorted {
    partition: Option<i32>,
    time: i64,
    place: usize,
    row: usize,
}

/// All rows, in the order that they are in.
pub(crate) fn as_they_stand(batches: &[RecordBatch]) -> Vec<Sorted> {
    let rows = batches.iter().enumerate().flat_map(|(place, batch)| (0..batch.num_rows()).map(move |row| (place, row)));
    rows.map(|(place, row)| Sorted { partition: None, time: 0, place, row }).collect()
}

/// The rows in that order, in pieces, so that no piece's texts outgrow Arrow's offsets and only one is in memory twice.
fn in_order<'a>(
    batches: &'a [RecordBatch],
    order: &'a [Sorted],
) -> Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + 'a> {
    let follows = |a: &Sorted, b: &Sorted| (a.place, a.row + 1) == (b.place, b.row);
    let runs = order.chunk_by(follows);
    if order.len() >= SHORTEST_RUN * runs.clone().count() {
        return Box::new(runs.map(|run| Ok(batches[run[0].place].slice(run[0].row, run.len()))));
    }
    let references: Vec<&RecordBatch> = batches.iter().collect();
    Box::new(order.chunks(SORTED_ROWS).map(move |piece| {
        let places: Vec<(usize, usize)> = piece.iter().map(|row| (row.place, row.row)).collect();
        interleave_record_batch(&references, &places)
    }))
}

/// How a table's rows are split over files.
#[derive(Clone, Copy)]
enum Partitioning {
    None,
    Day,
    Hour,
}

impl Partitioning {
    fn of(self, micros: i64) -> Option<i32> {
        match self {
            Self::None => None,
            Self::Day => Some(micros.div_euclid(DAY) as i32),
            Self::Hour => Some(micros.div_euclid(HOUR) as i32),
        }
    }

    /// `2026-11-21` or `2026-11-21T09`.
    fn label(self, partition: i32) -> String {
        let length = if matches!(self, Self::Day) { DAY } else { HOUR };
        let text = Timestamp::from_micros(i64::from(partition) * length).to_string();
        let (date, time) = text.split_once(' ').unwrap_or((&text, ""));
        match self {
            Self::Hour => format!("{date}T{}", &time[..2]),
            _ => date.to_owned(),
        }
    }
}

pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    metadata: ParquetMetaData,
}

/// The rows of that order as a file.
pub(crate) fn encode(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    order: &[Sorted],
) -> Result<Encoded, parquet::errors::ParquetError> {
    let properties = properties(schema, batches, order)?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema.clone(), Some(properties))?;
    for batch in in_order(batches, order) {
        writer.write(&batch?)?;
    }
    let metadata = writer.close()?;
    Ok(Encoded { bytes, metadata })
}

fn properties(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    order: &[Sorted],
) -> Result<WriterProperties, parquet::errors::ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        // No two rows share one, and they are random: a dictionary would be filled for nothing, bounds exclude nothing, and
        // digits are all there is to compress.
        .set_column_dictionary_enabled(ColumnPath::from(fields::ROW_ID), false)
        .set_column_statistics_enabled(ColumnPath::from(fields::ROW_ID), EnabledStatistics::None)
        .set_column_compression(ColumnPath::from(fields::ROW_ID), Compression::ZSTD(ZstdLevel::try_new(1)?));
    for (place, field) in schema.fields().iter().enumerate() {
        if !field.name().starts_with("p_any_") {
            continue;
        }
        let values = distinct_items(batches, order, place);
        if values == 0 {
            continue;
        }
        let path = ColumnPath::from(vec![field.name().clone(), "list".into(), "element".into()]);
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), 0.01)
            .set_column_bloom_filter_ndv(path, values);
    }
    Ok(properties.build())
}

/// Distinct texts in a list column.
fn distinct_items(batches: &[RecordBatch], order: &[Sorted], column: usize) -> u64 {
    let hasher = RandomState::new();
    let mut seen = AHashSet::new();
    let lists: Vec<_> = batches.iter().map(|batch| texts_of_lists(batch, column)).collect();
    for row in order {
        let Some((offsets, texts)) = lists[row.place] else { continue };
        let items = offsets[row.row] as usize..offsets[row.row + 1] as usize;
        seen.extend(items.map(|item| hasher.hash_one(texts.value(item))));
    }
    seen.len() as u64
}

/// Where each row's list begins among the texts, and these; `None` if there are none.
fn texts_of_lists(batch: &RecordBatch, column: usize) -> Option<(&[i32], &StringArray)> {
    let list = batch.column(column).as_list_opt::<i32>()?;
    let texts = list.values().as_string_opt::<i32>()?;
    (!texts.is_empty()).then(|| (list.value_offsets(), texts))
}

/// What a manifest says of a file's columns, by field id. Columns inside lists have sizes only, as Iceberg counts rows.
#[derive(Default)]
struct ColumnCounts {
    sizes: HashMap<i32, u64>,
    values: HashMap<i32, u64>,
    nulls: HashMap<i32, u64>,
    lower: HashMap<i32, Datum>,
    upper: HashMap<i32, Datum>,
}

impl ColumnCounts {
    fn of(table: &Schema, file: &ParquetMetaData) -> Self {
        let mut counts = Self::default();
        for column in file.row_groups().iter().flat_map(|group| group.columns()) {
            let descriptor = column.column_descr();
            let id = descriptor.self_type().get_basic_info().id();
            *counts.sizes.entry(id).or_default() += column.compressed_size() as u64;
            if descriptor.max_rep_level() > 0 {
                continue;
            }
            *counts.values.entry(id).or_default() += column.num_values() as u64;
            let Some(statistics) = column.statistics() else { continue };
            *counts.nulls.entry(id).or_default() += statistics.null_count_opt().unwrap_or_default();
            let kind = table.field_by_id(id).map(|field| &*field.field_type);
            let Some((lower, upper)) = kind.and_then(|kind| bounds(kind, statistics)) else { continue };
            widen(&mut counts.lower, id, lower, |new, old| new < old);
            widen(&mut counts.upper, id, upper, |new, old| new > old);
        }
        counts
    }
}

fn widen(bounds: &mut HashMap<i32, Datum>, id: i32, new: Datum, further: impl Fn(&Datum, &Datum) -> bool) {
    match bounds.get(&id) {
        Some(old) if !further(&new, old) => {}
        _ => {
            bounds.insert(id, new);
        }
    }
}

/// Bounds of integers and instants: exact, short, and what filters on logs ask for.
fn bounds(kind: &Type, statistics: &Statistics) -> Option<(Datum, Datum)> {
    match (kind, statistics) {
        (Type::Primitive(PrimitiveType::Timestamptz), Statistics::Int64(range)) => {
            Some((Datum::timestamptz_micros(*range.min_opt()?), Datum::timestamptz_micros(*range.max_opt()?)))
        }
        (Type::Primitive(PrimitiveType::Long), Statistics::Int64(range)) => {
            Some((Datum::long(*range.min_opt()?), Datum::long(*range.max_opt()?)))
        }
        (Type::Primitive(PrimitiveType::Int), Statistics::Int32(range)) => {
            Some((Datum::int(*range.min_opt()?), Datum::int(*range.max_opt()?)))
        }
        _ => None,
    }
}
