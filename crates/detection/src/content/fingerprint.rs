//! Whether content on disk has changed, told by names, sizes and times alone.
//!
//! Asked every second or so of thousands of files: reading them would cost too much, and a change that leaves size, times
//! and inode as they were is no edit.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::root::supporting_folders;

/// Endings of content, the rows of lookup tables among it.
const KINDS: &[&str] = &["py", "yml", "yaml", "csv", "json", "jsonl", "ndjson"];

/// Of all files below the roots, and beside them, that may be content. Two that differ mean that something was edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    #[must_use]
    pub fn of(roots: &[PathBuf]) -> Self {
        let mut hasher = DefaultHasher::new();
        for root in roots {
            add(root, &mut hasher);
            for folder in supporting_folders(root) {
                add(&folder, &mut hasher);
            }
        }
        Self(hasher.finish())
    }
}

fn add(root: &Path, hasher: &mut DefaultHasher) {
    let hidden = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() > 0 && (name.starts_with('.') || name == "__pycache__")
    };
    let entries = walkdir::WalkDir::new(root).follow_links(true).sort_by_file_name();
    for entry in entries.into_iter().filter_entry(|entry| !hidden(entry)) {
        let Ok(entry) = entry else {
            // What cannot be looked at is a state too.
            hasher.write_u8(0);
            continue;
        };
        let extension = entry.path().extension().unwrap_or_default();
        if !entry.file_type().is_file() || !KINDS.iter().any(|kind| extension == *kind) {
            continue;
        }
        entry.path().hash(hasher);
        if let Ok(about) = entry.metadata() {
            let changed = [(about.mtime(), about.mtime_nsec()), (about.ctime(), about.ctime_nsec())];
            (about.len(), about.ino(), changed).hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_edit_shows() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let roots = [folder.path().to_owned()];
        let mut seen = vec![Fingerprint::of(&roots)];
        let mut changed = |what: &str| {
            let now = Fingerprint::of(&roots);
            assert!(!seen.contains(&now), "{what} does not show");
            seen.push(now);
        };
        fs::write(at("a.yml"), "one").unwrap();
        changed("a new file");
        fs::write(at("a.yml"), "one more").unwrap();
        changed("an edit");
        fs::write(at("b.py"), "one").unwrap();
        changed("Python");
        fs::write(at("new"), "two").unwrap();
        fs::rename(at("new"), at("b.py")).unwrap();
        changed("a file put in another's place");
        fs::create_dir(at("rules")).unwrap();
        fs::rename(at("a.yml"), at("rules/a.yml")).unwrap();
        changed("a file moved");
        fs::remove_file(at("b.py")).unwrap();
        changed("a file removed");

        let before = Fingerprint::of(&roots);
        fs::write(at("notes.txt"), "not content").unwrap();
        fs::write(at(".a.yml.swp"), "an editor's").unwrap();
        assert_eq!(Fingerprint::of(&roots), before);
    }
}
