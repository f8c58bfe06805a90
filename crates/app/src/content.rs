//! The content that comes with the binary: schemas and detections, embedded, replaced by what lies on disk.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use include_dir::{Dir, include_dir};
use uncia_detection::{Content, ContentRoot, ControlSet};
use uncia_processing::{SchemaError, SchemaSet};

use crate::config::Config;

static BUNDLED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../content");

/// The bundled schemas, read once, without the samples that prove them.
static BUNDLED_SCHEMAS: LazyLock<(SchemaSet, Vec<SchemaError>)> = LazyLock::new(|| {
    let files = bundled("schemas", &["yml", "yaml"]);
    SchemaSet::load(files.into_iter().map(|(name, text)| (name, without_samples(&text))))
});

/// A schema file without its top-level `samples`, half of the text: nobody asks a running product for them.
fn without_samples(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut in_samples = false;
    for line in text.split_inclusive('\n') {
        let starts_key = line.starts_with(|c: char| c.is_ascii_alphabetic());
        if starts_key {
            in_samples = line.starts_with("samples:");
        }
        if !in_samples {
            kept.push_str(line);
        }
    }
    kept
}

/// Every known schema, the bundled ones without their samples; what is wrong with a file is said, and the others load.
pub(crate) fn schemas(folders: &[PathBuf]) -> Result<(SchemaSet, Vec<SchemaError>)> {
    laid_over(BUNDLED_SCHEMAS.clone(), folders)
}

/// Every known schema with its samples.
pub(crate) fn schemas_with_samples(folders: &[PathBuf]) -> Result<(SchemaSet, Vec<SchemaError>)> {
    laid_over(SchemaSet::load(bundled("schemas", &["yml", "yaml"])), folders)
}

fn laid_over(
    (mut schemas, mut errors): (SchemaSet, Vec<SchemaError>),
    folders: &[PathBuf],
) -> Result<(SchemaSet, Vec<SchemaError>)> {
    for folder in folders {
        let (upper, found) = SchemaSet::load(on_disk(folder)?);
        errors.extend(found);
        errors.extend(schemas.overlay(upper));
    }
    Ok((schemas, errors))
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
}

/// Whether a file holds tests of schemas: they lie beside them.
pub(crate) fn is_test_file(path: &Path) -> bool {
    is_yaml(path) && path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("_tests"))
}

/// Files of tests in a folder and below, or the one file.
pub(crate) fn test_files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(if is_test_file(path) { vec![path.to_owned()] } else { Vec::new() });
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read the folder {}", path.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        files.extend(test_files(&path)?);
    }
    Ok(files)
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
        if path.is_dir() || (is_yaml(&path) && !is_test_file(&path)) {
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

/// The controls that are used: the bundled ones, then the configured folders, then those of the command line. Where two
/// have one id, the later one counts.
pub(crate) fn controls(config: &Config, more: &[PathBuf]) -> Result<ControlSet> {
    let mut files = Vec::new();
    if config.posture.bundled {
        files = bundled("posture", &["yml", "yaml"]);
    }
    for folder in config.posture.folders.iter().chain(more) {
        files.extend(on_disk(folder)?);
    }
    let mut set = ControlSet::load(files);
    set.controls.retain(|control| !config.posture.disabled.contains(&control.id));
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_schemas_are_the_same_without_their_samples() {
        let (bare, errors) = schemas(&[]).unwrap();
        let (full, _) = schemas_with_samples(&[]).unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(bare.len(), full.len());
        for (bare, full) in bare.iter().zip(full.iter()) {
            assert_eq!((bare.log_type(), bare.table_schema()), (full.log_type(), full.table_schema()));
            assert!(bare.samples().is_empty() && !full.samples().is_empty(), "{}", full.log_type());
        }
    }
}
