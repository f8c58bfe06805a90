//! Files of the lake, on a local disk that may lose power at any moment.
//!
//! A file appears under its name complete or not at all: bytes go to a hidden neighbour, are synced, and the neighbour is
//! renamed. That the *name* survives is the directory's business; directories are synced once per stage, by
//! [`LocalStorage::settle`], and nothing refers to a staged file before that. Iceberg's own local storage does neither
//! (it writes in place and never syncs), which is why this one exists.
//!
//! Readers use positioned reads and share a file without a lock.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use iceberg::io::{
    FileIO, FileIOBuilder, FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig,
    StorageFactory,
};
use serde::{Deserialize, Serialize};
use uncia_lake::LakeError;

/// What writing needs of a file system: the seam at which tests make it fail.
pub trait Disk: Debug + Send + Sync {
    /// Creates or replaces a file and makes its content durable; the name need not be yet.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// The machine's file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// An IO error with what was tried and where; it travels inside Iceberg's errors and is found again by [`lake_error`].
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
struct DiskError {
    action: &'static str,
    path: String,
    source: io::Error,
}

impl DiskError {
    fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.display().to_string(), source }
    }
}

impl From<DiskError> for LakeError {
    fn from(DiskError { action, path, source }: DiskError) -> Self {
        Self::Io { action, path, source }
    }
}

impl From<DiskError> for iceberg::Error {
    fn from(error: DiskError) -> Self {
        Self::new(iceberg::ErrorKind::Unexpected, error.to_string()).with_source(error)
    }
}

/// Iceberg's error as the lake's; one that a file caused says which file.
pub(crate) fn lake_error(error: iceberg::Error) -> LakeError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(disk) = current.downcast_ref::<DiskError>() {
            let source = match disk.source.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(disk.source.kind(), disk.source.to_string()),
            };
            return LakeError::Io { action: disk.action, path: disk.path.clone(), source };
        }
        cause = current.source();
    }
    LakeError::Engine(Box::new(error))
}

/// The path of a location; locations are `file://` and an absolute path, unescaped, as other engines write them.
pub(crate) fn local_path(location: &str) -> PathBuf {
    PathBuf::from(location.strip_prefix("file://").unwrap_or(location))
}

/// The location of an absolute path.
pub(crate) fn location_of(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// Storage on a local disk; see the module's header.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LocalStorage {
    #[serde(skip, default = "machine_disk")]
    disk: Arc<dyn Disk>,
    /// Directories with names that are not durable yet.
    #[serde(skip)]
    unsettled: Arc<Mutex<BTreeSet<PathBuf>>>,
}

fn machine_disk() -> Arc<dyn Disk> {
    Arc::new(LocalDisk)
}

impl LocalStorage {
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, unsettled: Arc::default() }
    }

    /// Iceberg's handle on this storage.
    pub(crate) fn file_io(&self) -> FileIO {
        FileIOBuilder::new(Arc::new(self.clone())).build()
    }

    /// Makes a file appear complete. Its name is durable after [`Self::settle`].
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), LakeError> {
        self.place(path, bytes).map_err(LakeError::from)
    }

    /// Makes the names of all files put so far durable.
    pub(crate) fn settle(&self) -> Result<(), LakeError> {
        // Held while syncing: whoever finds the set empty must know that his directories are done, not being done.
        let mut unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(directory) = unsettled.first().cloned() {
            self.disk.sync_directory(&directory).map_err(DiskError::new("sync", &directory))?;
            unsettled.remove(&directory);
        }
        Ok(())
    }

    fn place(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        self.create_directories(directory)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hidden = directory.join(format!(".{name}.tmp"));
        let placed = self
            .disk
            .write(&hidden, bytes)
            .map_err(DiskError::new("write", path))
            .and_then(|()| self.disk.rename(&hidden, path).map_err(DiskError::new("rename to", path)));
        if placed.is_err() {
            // A full disk wants its bytes back; if this fails too, the hidden name keeps readers away.
            let _ = fs::remove_file(&hidden);
            return placed;
        }
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_path_buf());
        Ok(())
    }

    fn create_directories(&self, directory: &Path) -> Result<(), DiskError> {
        let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.is_dir()).collect();
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(DiskError::new("create directory", path)(error));
                }
                _ => {}
            }
            let parent = path.parent().unwrap_or(Path::new("/")).to_path_buf();
            self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).insert(parent);
        }
        Ok(())
    }
}

/// Runs file work where blocking does no harm.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DiskError> + Send + 'static,
) -> iceberg::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|e| iceberg::Error::new(iceberg::ErrorKind::Unexpected, "file work stopped").with_source(e))??)
}

#[async_trait]
#[typetag::serde(name = "uncia-local")]
impl Storage for LocalStorage {
    async fn exists(&self, path: &str) -> iceberg::Result<bool> {
        Ok(fs::exists(local_path(path)).map_err(DiskError::new("look for", Path::new(path)))?)
    }

    async fn metadata(&self, path: &str) -> iceberg::Result<FileMetadata> {
        let path = local_path(path);
        let size = fs::metadata(&path).map_err(DiskError::new("read", &path))?.len();
        Ok(FileMetadata { size })
    }

    async fn read(&self, path: &str) -> iceberg::Result<Bytes> {
        let path = local_path(path);
        blocking(move || fs::read(&path).map(Bytes::from).map_err(DiskError::new("read", &path))).await
    }

    async fn reader(&self, path: &str) -> iceberg::Result<Box<dyn FileRead>> {
        let path = local_path(path);
        let file = File::open(&path).map_err(DiskError::new("open", &path))?;
        Ok(Box::new(LocalReader { file: Arc::new(file), path }))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> iceberg::Result<()> {
        let (storage, path) = (self.clone(), local_path(path));
        blocking(move || storage.place(&path, &bytes)).await
    }

    async fn writer(&self, path: &str) -> iceberg::Result<Box<dyn FileWrite>> {
        Ok(Box::new(LocalWriter { storage: self.clone(), path: local_path(path), bytes: BytesMut::new() }))
    }

    async fn delete(&self, path: &str) -> iceberg::Result<()> {
        let path = local_path(path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DiskError::new("delete", &path)(error).into()),
            _ => Ok(()),
        }
    }

    async fn delete_prefix(&self, path: &str) -> iceberg::Result<()> {
        let path = local_path(path);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DiskError::new("delete", &path)(error).into()),
            _ => Ok(()),
        }
    }

    async fn delete_stream(&self, mut paths: BoxStream<'static, String>) -> iceberg::Result<()> {
        while let Some(path) = paths.next().await {
            self.delete(&path).await?;
        }
        Ok(())
    }

    fn new_input(&self, path: &str) -> iceberg::Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> iceberg::Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

#[typetag::serde(name = "uncia-local")]
impl StorageFactory for LocalStorage {
    fn build(&self, _config: &StorageConfig) -> iceberg::Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

struct LocalReader {
    file: Arc<File>,
    path: PathBuf,
}

#[async_trait]
impl FileRead for LocalReader {
    async fn read(&self, range: Range<u64>) -> iceberg::Result<Bytes> {
        let (file, path) = (self.file.clone(), self.path.clone());
        blocking(move || {
            let mut buffer = vec![0; (range.end - range.start) as usize];
            file.read_exact_at(&mut buffer, range.start).map_err(DiskError::new("read", &path))?;
            Ok(Bytes::from(buffer))
        })
        .await
    }
}

/// Collects a file's bytes and puts them at once. Only manifests come this way: they are small.
struct LocalWriter {
    storage: LocalStorage,
    path: PathBuf,
    bytes: BytesMut,
}

#[async_trait]
impl FileWrite for LocalWriter {
    async fn write(&mut self, bytes: Bytes) -> iceberg::Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn close(&mut self) -> iceberg::Result<()> {
        let (storage, path, bytes) = (self.storage.clone(), self.path.clone(), self.bytes.split().freeze());
        blocking(move || storage.place(&path, &bytes)).await
    }
}
