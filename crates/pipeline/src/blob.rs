//! What a failure's row does not hold: oversized records whole, and the first lines of streams, which may name the columns
//! of their records. The row names the blob.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use uncia_model::{BatchId, Failure, HeadPlace};

use crate::walk::WalkError;

/// Writes what a batch's failures ask to keep, durable when it returns, and notes where. A replay writes the same files
/// again.
pub(crate) fn keep(folder: &Path, batch: BatchId, failures: &mut [Failure]) -> Result<(), WalkError> {
    for failure in failures.iter() {
        let Some(name) = &failure.blob else { continue };
        keep_one(folder, name, &failure.payload)?;
    }
    keep_heads(folder, batch, failures)
}

/// The heads of all streams of a batch in one blob: a batch may hold a thousand small requests.
fn keep_heads(folder: &Path, batch: BatchId, failures: &mut [Failure]) -> Result<(), WalkError> {
    let blob = batch.to_string();
    let mut bytes = Vec::new();
    // Records of a stream share one head.
    let mut starts = HashMap::new();
    for failure in failures {
        let Some(head) = &failure.head else { continue };
        let start = *starts.entry(Arc::as_ptr(head)).or_insert_with(|| {
            bytes.extend_from_slice(&head.lines);
            (bytes.len() - head.lines.len()) as u64
        });
        failure.head_place = Some(HeadPlace { blob: blob.clone(), start });
    }
    if bytes.is_empty() { Ok(()) } else { keep_one(folder, &blob, &bytes) }
}

fn keep_one(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), WalkError> {
    let path = folder.join(name);
    write(folder, &path, bytes).map_err(|source| WalkError::Blob { path, source })
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let fresh = path.with_extension("tmp");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}
