//! Reading tables: metadata and live data files of the newest committed snapshot, kept in memory while they are current.
//!
//! Metadata files and manifests never change once written. So a table is read again only when its pointer has moved, and
//! then only the manifests that the version read before did not have.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use iceberg::io::FileIO;
use iceberg::spec::{
    DataFile, Datum, Literal, ManifestContentType, ManifestFile, ManifestList, PrimitiveLiteral, TableMetadata,
    TableMetadataRef,
};
use uncia_lake::LakeError;
use uncia_model::{TableRef, TableSchema, fields};

use crate::catalog::Catalog;
use crate::schema;
use crate::storage::{lake_error, local_path};

/// A data file of a table's current snapshot.
#[derive(Clone, Debug)]
pub struct LiveFile {
    /// Absolute path on disk.
    pub path: PathBuf,
    pub rows: u64,
    pub bytes: u64,
    /// Bounds of `p_event_time` in microseconds since 1970, inclusive.
    pub earliest: Option<i64>,
    pub latest: Option<i64>,
    /// The day (or hour, in a table partitioned by hour) since 1970 that all rows are of.
    pub partition: Option<i32>,
}

/// A table as of one metadata file.
#[derive(Debug)]
pub struct LoadedTable {
    pub table: TableRef,
    /// Where its metadata stands: tables with the same location are the same in everything.
    pub location: String,
    pub metadata: TableMetadataRef,
    /// Columns in the product's own terms; JSON text columns have the type `Json`.
    pub schema: Arc<TableSchema>,
    pub files: Arc<Vec<LiveFile>>,
    /// The current snapshot's manifests, and the live files that each names.
    pub(crate) manifests: Vec<(ManifestFile, Arc<Vec<LiveFile>>)>,
}

impl LoadedTable {
    pub(crate) fn new(
        table: TableRef,
        location: String,
        metadata: TableMetadataRef,
        manifests: Vec<(ManifestFile, Arc<Vec<LiveFile>>)>,
    ) -> Self {
        let schema = Arc::new(schema::table_schema(&metadata));
        let files = Arc::new(manifests.iter().flat_map(|(_, files)| files.iter().cloned()).collect());
        Self { table, location, metadata, schema, files, manifests }
    }

    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Versions of a table kept in memory: the committed one, a staged one, and one that a query still reads.
const VERSIONS_KEPT: usize = 3;

/// All tables of a lake.
pub struct Tables {
    catalog: Arc<dyn Catalog>,
    io: FileIO,
    /// Newest last.
    versions: Mutex<HashMap<TableRef, Vec<Arc<LoadedTable>>>>,
}

impl Tables {
    pub(crate) fn new(catalog: Arc<dyn Catalog>, io: FileIO) -> Self {
        Self { catalog, io, versions: Mutex::default() }
    }

    /// The table as last committed; `None` if there is no such table.
    pub async fn load(&self, table: &TableRef) -> Result<Option<Arc<LoadedTable>>, LakeError> {
        let Some(location) = self.catalog.pointer(table).await? else { return Ok(None) };
        Ok(Some(self.load_at(table, location).await?))
    }

    /// All tables as last committed, sorted by name.
    pub async fn load_all(&self) -> Result<Vec<Arc<LoadedTable>>, LakeError> {
        let pointers: BTreeMap<TableRef, String> = self.catalog.pointers().await?.into_iter().collect();
        let mut tables = Vec::with_capacity(pointers.len());
        for (table, location) in pointers {
            tables.push(self.load_at(&table, location).await?);
        }
        Ok(tables)
    }

    /// All tables and their metadata locations, as of one moment.
    pub(crate) async fn committed(&self) -> Result<Vec<(TableRef, String)>, LakeError> {
        self.catalog.pointers().await
    }

    /// Remembers a version that was just written, so that nobody reads it back from disk.
    pub(crate) fn remember(&self, loaded: Arc<LoadedTable>) {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = versions.entry(loaded.table.clone()).or_default();
        kept.retain(|version| version.location != loaded.location);
        if kept.len() >= VERSIONS_KEPT {
            kept.remove(0);
        }
        kept.push(loaded);
    }

    /// The table as of one metadata file.
    pub(crate) async fn load_at(&self, table: &TableRef, location: String) -> Result<Arc<LoadedTable>, LakeError> {
        let kept = {
            let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
            versions.get(table).cloned().unwrap_or_default()
        };
        if let Some(current) = kept.iter().find(|version| version.location == location) {
            return Ok(current.clone());
        }
        let metadata = TableMetadata::read_from(&self.io, &location).await.map_err(lake_error)?;
        let known: HashMap<&str, &Arc<Vec<LiveFile>>> = kept
            .iter()
            .flat_map(|version| &version.manifests)
            .map(|(manifest, files)| (manifest.manifest_path.as_str(), files))
            .collect();
        let mut manifests = Vec::new();
        for manifest in read_manifest_list(&self.io, &metadata).await? {
            let files = match known.get(manifest.manifest_path.as_str()) {
                Some(&files) => files.clone(),
                None => Arc::new(read_manifest(&self.io, table, &metadata, &manifest).await?),
            };
            manifests.push((manifest, files));
        }
        let loaded = Arc::new(LoadedTable::new(table.clone(), location, Arc::new(metadata), manifests));
        self.remember(loaded.clone());
        Ok(loaded)
    }
}

async fn read_manifest_list(io: &FileIO, metadata: &TableMetadata) -> Result<Vec<ManifestFile>, LakeError> {
    let Some(snapshot) = metadata.current_snapshot() else { return Ok(Vec::new()) };
    let input = io.new_input(snapshot.manifest_list()).map_err(lake_error)?;
    let bytes = input.read().await.map_err(lake_error)?;
    let list = ManifestList::parse_with_version(&bytes, metadata.format_version()).map_err(lake_error)?;
    Ok(list.consume_entries().into_iter().collect())
}

async fn read_manifest(
    io: &FileIO,
    table: &TableRef,
    metadata: &TableMetadata,
    manifest: &ManifestFile,
) -> Result<Vec<LiveFile>, LakeError> {
    if manifest.content == ManifestContentType::Deletes {
        let message =
            "has delete files of another engine, which this one does not apply; rewrite the table there".into();
        return Err(LakeError::Table { table: table.to_string(), message });
    }
    let content = manifest.load_manifest(io).await.map_err(lake_error)?;
    let alive = content.entries().iter().filter(|entry| entry.is_alive());
    Ok(alive.map(|entry| live_file(metadata, entry.data_file())).collect())
}

/// What queries need to know of a data file.
pub(crate) fn live_file(metadata: &TableMetadata, file: &DataFile) -> LiveFile {
    let time = metadata.current_schema().field_id_by_name(fields::EVENT_TIME).unwrap_or_default();
    let partition = match file.partition().fields().first() {
        Some(Some(Literal::Primitive(PrimitiveLiteral::Int(value)))) => Some(*value),
        _ => None,
    };
    LiveFile {
        path: local_path(file.file_path()),
        rows: file.record_count(),
        bytes: file.file_size_in_bytes(),
        earliest: file.lower_bounds().get(&time).and_then(micros),
        latest: file.upper_bounds().get(&time).and_then(micros),
        partition,
    }
}

fn micros(bound: &Datum) -> Option<i64> {
    match bound.literal() {
        PrimitiveLiteral::Long(value) => Some(*value),
        _ => None,
    }
}
