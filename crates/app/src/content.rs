//! The content that comes with the binary: schemas and detections, embedded, replaced by what lies on disk.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use include_dir::{Dir, include_dir};
use uncia_detection::{Content, ContentRoot};
use uncia_processing::{SchemaError, SchemaSet};

use crate::config::Config;

static BUNDLED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../content");

/// Every known schema; what is wrong with a file is said, and the others load.
pub(crate) fn schemas(folders: &[PathBuf]) -> Result<(SchemaSet, Vec<SchemaError>)> {
    let (mut schemas, mut errors) = SchemaSet::load(bundled("schemas", &["yml", "yaml"]));
    for folder in folders {
        let (upper, found) = SchemaSet::load(on_disk(folder)?);
        errors.extend(found);
        errors.extend(schemas.overlay(upper));
    }
    Ok((schemas, errors))
}

/// Whether a file of a folder of schemas is one: files of tests lie beside them.
fn is_schema_file(path: &Path) -> bool {
    let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    let is_tests = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("_tests"));
    is_yaml && !is_tests
}

/// Schema files of a folder or one file.
pub(crate) fn on_disk(path: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    if path.is_file() {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(vec![(path.display().to_string(), text)]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read the folder {}", path.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() || is_schema_file(&path) {
            files.extend(on_disk(&path)?);
        }
    }
    Ok(files)
}

/// Bundled files below a folder, sorted by path.
pub(crate) fn bundled(folder: &str, extensions: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let Some(root) = BUNDLED.get_dir(folder) else { return files };
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let wanted = file.path().extension().is_some_and(|has| extensions.iter().any(|wanted| has == *wanted));
            if let (true, Some(text)) = (wanted, file.contents_utf8()) {
                files.push((file.path().display().to_string(), text.to_owned()));
            }
        }
    }
    files.sort();
    files
}

/// The detections that run: the bundled ones, then the configured folders, then those of the command line. Where two have
/// one id, the later one runs.
pub(crate) fn detections(config: &Config, more: &[PathBuf]) -> Result<Content> {
    let mut roots = Vec::new();
    if config.detections.bundled {
        let files = bundled("detections", &["yml", "yaml", "py"]).into_iter();
        let below = files.map(|(path, text)| (path.trim_start_matches("detections/").to_owned(), text.into_bytes()));
        roots.push(below.collect::<ContentRoot>());
    }
    for folder in config.detections.folders.iter().chain(more) {
        folder.metadata().with_context(|| format!("cannot read the detections in {}", folder.display()))?;
        roots.push(ContentRoot::from(folder.clone()));
    }
    Ok(Content::load(roots))
}
