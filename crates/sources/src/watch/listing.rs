//! What files there are, and reading parts of them.

use std::collections::HashSet;
use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use uncia_document::Timestamp;
use walkdir::WalkDir;

use super::WatchSourceConfig;
use crate::files::Body;

/// A file's place in its file system, the same under every name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Node {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// The device, unless its number is handed out at mount time (btrfs, overlay, network) and says nothing tomorrow.
    pub(super) fn stable_device(self) -> u64 {
        let major = (self.device >> 8 & 0xfff) | (self.device >> 32 & 0xffff_f000);
        if major == 0 { 0 } else { self.device }
    }
}

/// A file as the listing saw it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) path: PathBuf,
    pub(super) node: Node,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
}

impl Seen {
    /// Up to `len` bytes from `offset`; an error of kind `NotFound` if the path leads to another file by now.
    pub(super) async fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut file = tokio::fs::File::open(&self.path).await?;
        if Node::of(&file.metadata().await?) != self.node {
            return Err(io::ErrorKind::NotFound.into());
        }
        file.seek(SeekFrom::Start(offset)).await?;
        let mut bytes = Vec::with_capacity(len);
        file.take(len as u64).read_to_end(&mut bytes).await?;
        Ok(bytes.into())
    }

    /// The bytes from a place on, hashed and to be read later.
    pub(super) async fn body(&self, offset: u64) -> io::Result<Body> {
        let file = tokio::fs::File::open(&self.path).await?;
        if Node::of(&file.metadata().await?) != self.node {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = file.into_std().await;
        tokio::task::spawn_blocking(move || Body::of(file, offset)).await.map_err(io::Error::other)?
    }
}

#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Oldest change first, so that a rotated file comes before the one that took its name.
    pub(super) seen: Vec<Seen>,
    pub(super) problems: Vec<String>,
}

/// Lists the files to follow.
pub(super) async fn list(config: &WatchSourceConfig) -> Listing {
    let config = config.clone();
    let listed = tokio::task::spawn_blocking(move || walk(&config)).await;
    listed.unwrap_or_else(|error| Listing { problems: vec![format!("listing failed: {error}")], ..Listing::default() })
}

fn walk(config: &WatchSourceConfig) -> Listing {
    let mut listing = Listing::default();
    let mut met = HashSet::new();
    for root in &config.paths {
        let entries = WalkDir::new(root).follow_links(true).into_iter();
        let visible = |entry: &walkdir::DirEntry| entry.depth() == 0 || !hidden(entry.path());
        for entry in entries.filter_entry(visible) {
            let metadata = entry.and_then(|entry| Ok((entry.metadata()?, entry)));
            let (metadata, entry) = match metadata {
                Ok(found) => found,
                Err(error) => {
                    let path = error.path().unwrap_or(root).display().to_string();
                    let io: io::Error = error.into();
                    listing.problems.push(format!("{path}: cannot be looked at: {io}"));
                    continue;
                }
            };
            if !metadata.is_file() || !wanted(config, entry.path()) {
                continue;
            }
            let node = Node::of(&metadata);
            if !met.insert(node) {
                continue;
            }
            let modified = Timestamp::from_seconds(metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap_or(0));
            listing.seen.push(Seen { path: entry.into_path(), node, size: metadata.len(), modified });
        }
    }
    listing.seen.sort_by(|a, b| (a.modified.micros, &a.path).cmp(&(b.modified.micros, &b.path)));
    listing
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn hidden(path: &Path) -> bool {
    name(path).starts_with('.')
}

fn wanted(config: &WatchSourceConfig, path: &Path) -> bool {
    let name = name(path);
    let fits = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, &name));
    (config.include.is_empty() || fits(&config.include)) && !fits(&config.exclude)
}

/// `*` stands for any text, everything else for itself.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*.gz", "a.log.gz", true),
            ("*.gz", "a.gz.log", false),
            ("a.log", "a.log", true),
            ("a.log", "a.log.1", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*", "", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn anonymous_devices_have_no_name() {
        let node = |device| Node { device, inode: 1 };
        assert_eq!(node(0x2c).stable_device(), 0);
        assert_eq!(node(0x801).stable_device(), 0x801);
    }
}
