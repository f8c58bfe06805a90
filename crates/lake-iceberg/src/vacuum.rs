//! Removing files that no table refers to: superseded metadata, manifests of dropped snapshots, leftovers of crashes.
//!
//! Every commit supersedes a metadata file that lists all snapshots, so without this their bytes grow with the square of
//! the commits. A file goes only if nothing that the committed metadata still names leads to it, and if it is older than
//! the grace: a stage whose pointer has not moved yet, and a reader that has just planned its query, both hold files that
//! the catalog does not lead to.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use iceberg::io::FileIO;
use iceberg::spec::ManifestList;
use uncia_lake::LakeError;
use uncia_model::Clock;

use crate::storage::{lake_error, local_path};
use crate::tables::{LoadedTable, Tables};

/// What a vacuum removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vacuumed {
    pub files: u64,
    pub bytes: u64,
}

/// Removes unreferenced files of all tables that are older than the grace.
pub(crate) async fn vacuum(
    tables: &Tables,
    io: &FileIO,
    clock: &Arc<dyn Clock>,
    grace: Duration,
) -> Result<Vacuumed, LakeError> {
    let grace_micros = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
    let before = clock.now().micros.saturating_sub(grace_micros);
    let mut total = Vacuumed::default();
    for table in tables.load_all().await? {
        let referenced = referenced(&table, io).await.map_err(lake_error)?;
        let directory = local_path(table.metadata.location());
        let removed = tokio::task::spawn_blocking(move || sweep(&directory, &referenced, before)).await;
        let removed = removed.map_err(|e| LakeError::Engine(Box::new(e)))??;
        total.files += removed.files;
        total.bytes += removed.bytes;
    }
    Ok(total)
}

/// Every file that a table's committed metadata leads to, in the past that it keeps too.
async fn referenced(table: &LoadedTable, io: &FileIO) -> iceberg::Result<HashSet<PathBuf>> {
    let mut files = HashSet::from([local_path(&table.location)]);
    files.extend(table.metadata.metadata_log().iter().map(|entry| local_path(&entry.metadata_file)));
    files.extend(table.files.iter().map(|file| file.path.clone()));
    let read: HashSet<&str> = table.manifests.iter().map(|(manifest, _)| manifest.manifest_path.as_str()).collect();
    for snapshot in table.metadata.snapshots() {
        files.insert(local_path(snapshot.manifest_list()));
        let bytes = io.new_input(snapshot.manifest_list())?.read().await?;
        let list = ManifestList::parse_with_version(&bytes, table.metadata.format_version())?;
        for manifest in list.entries() {
            let is_new = files.insert(local_path(&manifest.manifest_path));
            if !is_new || read.contains(manifest.manifest_path.as_str()) {
                continue;
            }
            let content = manifest.load_manifest(io).await?;
            let alive = content.entries().iter().filter(|entry| entry.is_alive());
            files.extend(alive.map(|entry| local_path(entry.file_path())));
        }
    }
    Ok(files)
}

fn sweep(directory: &Path, referenced: &HashSet<PathBuf>, before_micros: i64) -> Result<Vacuumed, LakeError> {
    let fails = |action: &'static str, path: &Path| {
        let path = path.display().to_string();
        move |source| LakeError::Io { action, path, source }
    };
    let mut removed = Vacuumed::default();
    for part in ["data", "metadata"] {
        let part = directory.join(part);
        let entries = match fs::read_dir(&part) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(fails("list", &part))?,
        };
        for entry in entries {
            let path = entry.map_err(fails("list", &part))?.path();
            let metadata = fs::symlink_metadata(&path).map_err(fails("look at", &path))?;
            let changed = metadata.modified().map_err(fails("look at", &path))?;
            let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
            let is_young = i64::try_from(changed).unwrap_or(i64::MAX) >= before_micros;
            if !metadata.is_file() || is_young || referenced.contains(&path) {
                continue;
            }
            fs::remove_file(&path).map_err(fails("remove", &path))?;
            removed.files += 1;
            removed.bytes += metadata.len();
        }
    }
    Ok(removed)
}
