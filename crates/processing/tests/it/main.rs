//! Processing against the product's own schemas and against real logs.

mod content;
mod corpus;
mod manual;
mod sample_data;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uncia_processing::{SchemaError, SchemaSet};

/// The workspace's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every schema file under `content/schemas`.
fn load_content() -> (Arc<SchemaSet>, Vec<SchemaError>) {
    let mut files = Vec::new();
    collect(&root().join("content/schemas"), &mut files);
    files.sort();
    let named = files.into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).expect("a schema file can be read");
        (path.strip_prefix(root()).unwrap_or(&path).display().to_string(), text)
    });
    let (set, errors) = SchemaSet::load(named);
    (Arc::new(set), errors)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            files.push(path);
        }
    }
}
