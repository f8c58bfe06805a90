//! Oversized records, kept whole: the failure row shows their head and names the blob.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use uncia_model::Failure;

use crate::walk::WalkError;

/// Writes the records that their failures ask to keep, durable when it returns. A replay writes the same file again.
pub(crate) fn keep(folder: &Path, failures: &[Failure]) -> Result<(), WalkError> {
    for failure in failures {
        let Some(name) = &failure.blob else { continue };
        let path = folder.join(name);
        write(folder, &path, &failure.payload).map_err(|source| WalkError::Blob { path, source })?;
    }
    Ok(())
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
