//! A hash over the sources that make the extension. Two build scripts compile this file: the extension's own, and the
//! main process's, so that both know it without either linking the other.

use std::fs;
use std::path::{Path, PathBuf};

/// Relative to the workspace's crates.
const SOURCES: [&str; 3] = ["pyworker/src", "document/src", "ruleir/src"];

pub(crate) fn emit() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for source in SOURCES {
        let directory = crates.join(source);
        println!("cargo::rerun-if-changed={}", directory.display());
        for file in files(&directory) {
            let bytes = fs::read(&file).expect("a source that was just listed can be read");
            for byte in file.file_name().unwrap_or_default().as_encoded_bytes().iter().chain(&bytes) {
                // FNV-1a: no secret, only a difference.
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    }
    println!("cargo::rustc-env=UNCIA_EXTENSION_BUILD={hash:016x}");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the extension's sources lie beside this crate");
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| path.is_file()).collect();
    files.sort();
    files
}
