//! A disk that fills up: the stage fails with the file's name, readers see what they saw, and nothing half written shows.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use uncia_lake::{Lake, LakeError};
use uncia_lake_iceberg::storage::{Disk, LocalDisk};
use uncia_model::ColumnType;

use crate::fixture::{Fixture, row, schema};
use crate::history::files;

const NO_SPACE: i32 = 28;

/// Takes so many bytes and no more; what does not fit is written in part, as a real disk does.
#[derive(Debug)]
struct SmallDisk {
    free: AtomicI64,
}

impl Disk for SmallDisk {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let before = self.free.fetch_sub(bytes.len() as i64, Ordering::SeqCst);
        let fits = before.clamp(0, bytes.len() as i64) as usize;
        LocalDisk.write(path, &bytes[..fits])?;
        if fits < bytes.len() { Err(io::Error::from_raw_os_error(NO_SPACE)) } else { Ok(()) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalDisk.rename(from, to)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        if self.free.load(Ordering::SeqCst) == 0 {
            return Err(io::Error::from_raw_os_error(NO_SPACE));
        }
        LocalDisk.sync_directory(path)
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_with_a_name() {
    let kinds = schema(vec![("text", ColumnType::String)]);
    let disk = Arc::new(SmallDisk { free: AtomicI64::new(i64::MAX) });
    let fixture = Fixture::on(disk.clone());
    fixture.land("one", &kinds, vec![row(1, json!({"text": "a"}))]).await;
    let before = files(fixture.directory.path());
    let used = {
        let free = disk.free.load(Ordering::SeqCst);
        fixture.stage("measure", &kinds, vec![row(2, json!({"text": "b"}))]).await.unwrap();
        free - disk.free.load(Ordering::SeqCst)
    };
    // At every length of what a stage writes: in the data file, the manifest, the list, the metadata, the directories.
    for step in 0..=20 {
        disk.free.store(used * step / 20, Ordering::SeqCst);
        let staged = fixture.stage(&format!("full {step}"), &kinds, vec![row(2, json!({"text": "b"}))]).await;
        let error = match staged {
            Err(error) => error,
            // Sizes differ by a few bytes from stage to stage.
            Ok(_) if step == 20 => break,
            Ok(_) => panic!("step {step} did not fail"),
        };
        let LakeError::Io { path, source, .. } = &error else { panic!("step {step}: {error:?}") };
        assert_eq!(source.raw_os_error(), Some(NO_SPACE), "step {step}");
        assert!(path.contains("/logs/test_events/"), "step {step}: {error}");
        assert!(!Path::new(path).is_file() || path.ends_with("data"), "step {step}: {path} shows");
        let hidden = files(fixture.directory.path()).into_iter().find(|name| name.ends_with(".tmp"));
        assert_eq!(hidden, None, "step {step} frees what it could not use");
        assert_eq!(fixture.info().await.unwrap().rows, 1);
    }
    disk.free.store(i64::MAX, Ordering::SeqCst);
    fixture.land("two", &kinds, vec![row(2, json!({"text": "b"}))]).await;
    assert_eq!(fixture.info().await.unwrap().rows, 2);
    assert!(files(fixture.directory.path()).is_superset(&before));
    assert_eq!(fixture.reopened().tables().await.unwrap()[0].rows, 2);
}
