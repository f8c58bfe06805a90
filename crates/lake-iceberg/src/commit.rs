//! A table's next metadata: the same table with more columns, with the files of one batch, or with some files replaced.
//!
//! A commit writes one manifest of the new files, a manifest list that names it beside the old ones, and a metadata file
//! with the new snapshot. None of them is seen before the catalog's pointer moves. The snapshot's summary carries the
//! batch's id, by which a batch that is already in the table is known.
//!
//! Manifests would grow by one per commit, and readers read them all; so small ones are merged when there are many.
//! Snapshots beyond [`SNAPSHOTS_KEPT`] are dropped from the metadata, which every commit writes in full. The files that
//! only they referred to stay on disk until a vacuum removes them: no commit can know who still reads them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use iceberg::MetadataLocation;
use iceberg::TableUpdate;
use iceberg::io::FileIO;
use iceberg::spec::{
    DataFile, FormatVersion, MAIN_BRANCH, ManifestFile, ManifestListWriter, ManifestWriter, ManifestWriterBuilder,
    NullOrder, Operation, Schema, SchemaRef, Snapshot, SnapshotReference, SnapshotRetention, SnapshotSummaryCollector,
    SortDirection, SortField, SortOrder, Summary, TableMetadata, TableMetadataBuilder, TableMetadataRef, Transform,
    UnboundPartitionSpec,
};
use uncia_lake::LakeError;
use uncia_model::{BatchId, ColumnType, Database, TableRef, TableSchema, fields};
use uuid::Uuid;

use crate::schema::{COMMENT, JSON_COLUMNS, JsonPaths, Widening, json_paths, json_property, with_extra};
use crate::storage::{lake_error, local_path};
use crate::tables::{LiveFile, LoadedTable, live_file};

/// Snapshot summary: the batch whose files the snapshot added.
pub const BATCH_ID: &str = "uncia.batch-id";
/// Older snapshots leave the metadata.
const SNAPSHOTS_KEPT: usize = 100;
/// So many small manifests are merged into one …
const MANIFESTS_TO_MERGE: usize = 50;
/// … where one with more files is not small.
const SMALL_MANIFEST_FILES: usize = 1_000;
/// Earlier metadata files that the metadata names.
const METADATA_VERSIONS_KEPT: &str = "20";

/// A table made ready for rows of given schemas.
pub(crate) struct Prepared {
    /// The table as it is, or a new one without a snapshot.
    pub(crate) metadata: TableMetadataRef,
    /// Its columns with those that were missing.
    pub(crate) schema: SchemaRef,
    pub(crate) json: JsonPaths,
    /// What makes them the table's.
    updates: Vec<TableUpdate>,
}

/// Prepares a table, which is created if there is no base, and widened if the schemas have more columns.
pub(crate) fn prepare(
    table: &TableRef,
    location: &str,
    base: Option<&LoadedTable>,
    wanted: &[Arc<TableSchema>],
) -> Result<Prepared, LakeError> {
    let fails = |message: &str| LakeError::Table { table: table.to_string(), message: message.into() };
    let metadata = match base {
        Some(base) => base.metadata.clone(),
        None => {
            let has_time = |schema: &&Arc<TableSchema>| {
                schema.columns.iter().any(|c| c.name == fields::EVENT_TIME && c.kind == ColumnType::Timestamp)
            };
            let first = wanted.first().filter(has_time).ok_or_else(|| fails("its schema has no p_event_time"))?;
            Arc::new(created(table.database, location, first).map_err(lake_error)?)
        }
    };
    widened(metadata, wanted).map_err(lake_error)
}

fn created(database: Database, location: &str, wanted: &TableSchema) -> iceberg::Result<TableMetadata> {
    let mut widening = Widening { json: JsonPaths::new(), last_id: 0, changed: false };
    let columns = widening.widen(&[], &with_extra(wanted), "");
    let schema = Schema::builder().with_fields(columns).build()?;
    let time = schema.field_id_by_name(fields::EVENT_TIME).unwrap_or_default();
    let mut spec = UnboundPartitionSpec::builder();
    // A snapshot is read as a whole, and its rows come from many years.
    if database != Database::Lookups {
        // Days, not hours: a batch of files from the past spans many hours, and each partition it touches is a file.
        spec = spec.add_partition_field(time, "p_event_time_day", Transform::Day)?;
    }
    let by_time = SortField {
        source_id: time,
        transform: Transform::Identity,
        direction: SortDirection::Ascending,
        null_order: NullOrder::First,
    };
    let order = SortOrder::builder().with_order_id(1).with_sort_field(by_time).build(&schema)?;
    let properties = HashMap::from([
        (COMMENT.to_owned(), wanted.description.clone()),
        (JSON_COLUMNS.to_owned(), json_property(&widening.json)),
        ("write.metadata.previous-versions-max".to_owned(), METADATA_VERSIONS_KEPT.to_owned()),
        ("write.parquet.compression-codec".to_owned(), "zstd".to_owned()),
    ]);
    let location = location.to_owned();
    let builder = TableMetadataBuilder::new(schema, spec.build(), order, location, FormatVersion::V2, properties)?;
    Ok(builder.build()?.metadata)
}

fn widened(metadata: TableMetadataRef, wanted: &[Arc<TableSchema>]) -> iceberg::Result<Prepared> {
    let mut widening = Widening { json: json_paths(&metadata), last_id: metadata.last_column_id(), changed: false };
    let mut columns = metadata.current_schema().as_struct().fields().to_vec();
    for schema in wanted {
        columns = widening.widen(&columns, &with_extra(schema), "");
    }
    if !widening.changed {
        let schema = metadata.current_schema().clone();
        return Ok(Prepared { metadata, schema, json: widening.json, updates: Vec::new() });
    }
    let newest = metadata.schemas_iter().map(|schema| schema.schema_id()).max().unwrap_or_default();
    let schema = Schema::builder().with_schema_id(newest + 1).with_fields(columns).build()?;
    let properties = HashMap::from([(JSON_COLUMNS.to_owned(), json_property(&widening.json))]);
    let updates = vec![
        TableUpdate::AddSchema { schema: schema.clone() },
        TableUpdate::SetCurrentSchema { schema_id: schema.schema_id() },
        TableUpdate::SetProperties { updates: properties },
    ];
    Ok(Prepared { metadata, schema: Arc::new(schema), json: widening.json, updates })
}

fn apply(
    metadata: &TableMetadata,
    location: Option<String>,
    updates: Vec<TableUpdate>,
) -> iceberg::Result<TableMetadata> {
    let builder = metadata.clone().into_builder(location);
    let builder = updates.into_iter().try_fold(builder, |builder, update| update.apply(builder))?;
    Ok(builder.build()?.metadata)
}

/// Whether a batch's rows are in the table already.
pub(crate) fn has_batch(base: &LoadedTable, batch: BatchId) -> bool {
    let id = batch.to_string();
    let in_history = base.metadata.snapshots().any(|snapshot| {
        let said = snapshot.summary().additional_properties.get(BATCH_ID);
        said.is_some_and(|said| *said == id)
    });
    // A snapshot may be dropped while its files live; their names carry the batch.
    let named =
        |file: &LiveFile| file.path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|s| s.ends_with(&id));
    in_history || base.files.iter().any(named)
}

/// One batch's files to be added to a table.
pub(crate) struct Append<'a> {
    pub(crate) io: &'a FileIO,
    pub(crate) table: &'a TableRef,
    pub(crate) base: Option<&'a LoadedTable>,
    /// What the files were written on.
    pub(crate) prepared: &'a Prepared,
    pub(crate) batch: BatchId,
    pub(crate) now_ms: i64,
}

impl Append<'_> {
    /// Writes the commit's files and returns the table as it will be. Names are durable after the storage is settled.
    pub(crate) async fn write(self, files: Vec<DataFile>) -> Result<LoadedTable, LakeError> {
        self.write_files(files, &HashSet::new()).await.map_err(lake_error)
    }

    /// The same, with the files in place of others that the table has.
    pub(crate) async fn write_instead(
        self,
        files: Vec<DataFile>,
        gone: &HashSet<PathBuf>,
    ) -> Result<LoadedTable, LakeError> {
        self.write_files(files, gone).await.map_err(lake_error)
    }

    async fn write_files(self, files: Vec<DataFile>, gone: &HashSet<PathBuf>) -> iceberg::Result<LoadedTable> {
        let metadata = &*self.prepared.metadata;
        // Ids are random, not counted: two attempts at one version must not share one.
        let commit = Uuid::new_v4();
        let snapshot_id = (commit.as_u64_pair().0 >> 1) as i64;
        let sequence = metadata.next_sequence_number();
        let parent = metadata.current_snapshot_id();
        let summary = self.summary(&files, gone);
        let live: Vec<LiveFile> = files.iter().map(|file| live_file(metadata, file)).collect();

        let mut manifests = Vec::new();
        if !files.is_empty() {
            let mut added = self.manifest(commit, snapshot_id, 0)?;
            for file in files {
                added.add_file(file, sequence)?;
            }
            let added = numbered(added.write_manifest_file().await?, sequence);
            manifests.push((added, Arc::new(live)));
        }
        manifests.extend(match gone.is_empty() {
            true => self.carried_manifests(commit, snapshot_id, sequence).await?,
            false => self.manifests_without(gone, commit, snapshot_id, sequence).await?,
        });

        let list = format!("{}/metadata/snap-{snapshot_id}-0-{commit}.avro", metadata.location());
        let output = self.io.new_output(&list)?.writer().await?;
        let mut writer = ManifestListWriter::v2(output, snapshot_id, parent, sequence);
        writer.add_manifests(manifests.iter().map(|(manifest, _)| manifest.clone()))?;
        writer.close().await?;

        let snapshot = Snapshot::builder()
            .with_snapshot_id(snapshot_id)
            .with_parent_snapshot_id(parent)
            .with_sequence_number(sequence)
            .with_timestamp_ms(self.now_ms.max(metadata.last_updated_ms()))
            .with_manifest_list(list)
            .with_summary(summary)
            .with_schema_id(self.prepared.schema.schema_id())
            .build();
        let branch = SnapshotReference::new(snapshot_id, SnapshotRetention::branch(None, None, None));
        let mut updates = self.prepared.updates.clone();
        updates.extend([
            TableUpdate::AddSnapshot { snapshot },
            TableUpdate::SetSnapshotRef { ref_name: MAIN_BRANCH.into(), reference: branch },
            TableUpdate::RemoveSnapshots { snapshot_ids: expired(metadata) },
        ]);
        let previous = self.base.map(|base| base.location.clone());
        let metadata = apply(metadata, previous.clone(), updates)?;
        let location = match previous {
            Some(previous) => MetadataLocation::from_str(&previous)?.with_next_version().with_new_metadata(&metadata),
            None => MetadataLocation::new_with_metadata(metadata.location(), &metadata),
        };
        metadata.write_to(self.io, &location).await?;
        Ok(LoadedTable::new(self.table.clone(), location.to_string(), Arc::new(metadata), manifests))
    }

    /// The base's manifests, small ones merged if there are many.
    async fn carried_manifests(
        &self,
        commit: Uuid,
        snapshot_id: i64,
        sequence: i64,
    ) -> iceberg::Result<Vec<(ManifestFile, Arc<Vec<LiveFile>>)>> {
        let Some(base) = self.base else { return Ok(Vec::new()) };
        let is_small = |entry: &(ManifestFile, Arc<Vec<LiveFile>>)| entry.1.len() < SMALL_MANIFEST_FILES;
        let (small, mut carried): (Vec<_>, Vec<_>) = base.manifests.iter().cloned().partition(is_small);
        if small.len() < MANIFESTS_TO_MERGE {
            return Ok(base.manifests.clone());
        }
        let mut merged = self.manifest(commit, snapshot_id, 1)?;
        for (manifest, _) in &small {
            let content = manifest.load_manifest(self.io).await?;
            for entry in content.entries().iter().filter(|entry| entry.is_alive()) {
                let added_by = entry.snapshot_id().unwrap_or(manifest.added_snapshot_id);
                let number = entry.sequence_number().unwrap_or(manifest.sequence_number);
                merged.add_existing_file(entry.data_file().clone(), added_by, number, Some(number))?;
            }
        }
        let merged = numbered(merged.write_manifest_file().await?, sequence);
        let files = small.iter().flat_map(|(_, files)| files.iter().cloned()).collect();
        carried.push((merged, Arc::new(files)));
        Ok(carried)
    }

    /// The base's manifests; those that name files that are gone are written anew and say so.
    async fn manifests_without(
        &self,
        gone: &HashSet<PathBuf>,
        commit: Uuid,
        snapshot_id: i64,
        sequence: i64,
    ) -> iceberg::Result<Vec<(ManifestFile, Arc<Vec<LiveFile>>)>> {
        let Some(base) = self.base else { return Ok(Vec::new()) };
        let mut carried = Vec::with_capacity(base.manifests.len());
        for (place, (manifest, live)) in base.manifests.iter().enumerate() {
            if !live.iter().any(|file| gone.contains(&file.path)) {
                carried.push((manifest.clone(), live.clone()));
                continue;
            }
            let mut fresh = self.manifest(commit, snapshot_id, place + 1)?;
            let content = manifest.load_manifest(self.io).await?;
            for entry in content.entries().iter().filter(|entry| entry.is_alive()) {
                let added_by = entry.snapshot_id().unwrap_or(manifest.added_snapshot_id);
                let number = entry.sequence_number().unwrap_or(manifest.sequence_number);
                let file = entry.data_file().clone();
                if gone.contains(&local_path(file.file_path())) {
                    fresh.add_delete_file(file, number, Some(number))?;
                } else {
                    fresh.add_existing_file(file, added_by, number, Some(number))?;
                }
            }
            let fresh = numbered(fresh.write_manifest_file().await?, sequence);
            let kept = live.iter().filter(|file| !gone.contains(&file.path)).cloned().collect();
            carried.push((fresh, Arc::new(kept)));
        }
        Ok(carried)
    }

    fn manifest(&self, commit: Uuid, snapshot_id: i64, number: usize) -> iceberg::Result<ManifestWriter> {
        let metadata = &self.prepared.metadata;
        let output = self.io.new_output(format!("{}/metadata/{commit}-m{number}.avro", metadata.location()))?;
        let spec = metadata.default_partition_spec().as_ref().clone();
        let schema = self.prepared.schema.clone();
        Ok(ManifestWriterBuilder::new(output, Some(snapshot_id), schema, spec).build_v2_data())
    }

    fn summary(&self, files: &[DataFile], gone: &HashSet<PathBuf>) -> Summary {
        let mut added = SnapshotSummaryCollector::default();
        let (schema, spec) = (&self.prepared.schema, self.prepared.metadata.default_partition_spec());
        for file in files {
            added.add_file(file, schema.clone(), spec.clone());
        }
        let base = self.base.map(|base| base.files.as_slice()).unwrap_or_default();
        let (removed, before): (Vec<&LiveFile>, Vec<&LiveFile>) =
            base.iter().partition(|file| gone.contains(&file.path));
        let records: u64 = files.iter().map(DataFile::record_count).sum();
        let bytes: u64 = files.iter().map(DataFile::file_size_in_bytes).sum();
        let mut properties = added.build();
        for (name, total) in [
            ("total-data-files", (before.len() + files.len()) as u64),
            ("total-records", before.iter().map(|file| file.rows).sum::<u64>() + records),
            ("total-files-size", before.iter().map(|file| file.bytes).sum::<u64>() + bytes),
            ("total-delete-files", 0),
            ("total-position-deletes", 0),
            ("total-equality-deletes", 0),
        ] {
            properties.insert(name.to_owned(), total.to_string());
        }
        let operation = if removed.is_empty() { Operation::Append } else { Operation::Overwrite };
        if !removed.is_empty() {
            let rows: u64 = removed.iter().map(|file| file.rows).sum();
            properties.insert("deleted-data-files".to_owned(), removed.len().to_string());
            properties.insert("deleted-records".to_owned(), rows.to_string());
        }
        properties.insert(BATCH_ID.to_owned(), self.batch.to_string());
        Summary { operation, additional_properties: properties }
    }
}

/// The manifest with the sequence numbers that writing the list gives it.
fn numbered(mut manifest: ManifestFile, sequence: i64) -> ManifestFile {
    manifest.sequence_number = sequence;
    if manifest.min_sequence_number < 0 {
        manifest.min_sequence_number = sequence;
    }
    manifest
}

/// The snapshots that are too old once one is added.
fn expired(metadata: &TableMetadata) -> Vec<i64> {
    let mut by_age: Vec<(i64, i64)> =
        metadata.snapshots().map(|snapshot| (snapshot.sequence_number(), snapshot.snapshot_id())).collect();
    by_age.sort_unstable();
    let kept_of_old = SNAPSHOTS_KEPT - 1;
    let excess = by_age.len().saturating_sub(kept_of_old);
    by_age[..excess].iter().map(|&(_, id)| id).collect()
}
