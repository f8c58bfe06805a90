//! What `uncia ingest` was pointed at: files, folders, standard input.
//!
//! A file is its own durable copy, known by its content: `blake3:<hex>` of its bytes as they are on disk. The same file under
//! another name is the same origin, so ingesting a folder again adds only what is new.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use uncia_document::Timestamp;
use uncia_model::{LogType, Origin, Payload, SourceId};
use walkdir::WalkDir;

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileInput {
    pub kind: FileKind,
    /// As it was given or found; shown to people.
    pub path: PathBuf,
    /// Bytes on disk; 0 for what has no size before it is read.
    pub size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    File,
    /// A pipe, such as a shell's `<(…)`.
    Stream,
    Stdin,
}

/// A path that gives nothing to read, and why.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    #[error("{}: there is no such file or folder", path.display())]
    NotFound { path: PathBuf },
    #[error("{}: cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}: neither a file nor a folder", path.display())]
    NotAFile { path: PathBuf },
    #[error("{}: the folder holds no logs ({ignored} hidden or empty files ignored); name a file, or a folder with files in it", path.display())]
    NoLogs { path: PathBuf, ignored: usize },
    #[error("{}: ignored, empty", path.display())]
    Empty { path: PathBuf },
    #[error("{}: ignored, hidden; name it to have it read", path.display())]
    Hidden { path: PathBuf },
}

impl FileProblem {
    /// Whether the user asked for something that cannot be done; else it is only worth a word.
    #[must_use]
    pub fn is_error(&self) -> bool {
        !matches!(self, Self::Empty { .. } | Self::Hidden { .. })
    }
}

/// Everything to read under the paths, and what is not read.
///
/// In the order of the paths; a folder's files by name, so that every run reads in the same order. `-` is standard input.
/// A file that is reached twice is read once.
#[must_use]
pub fn discover(paths: &[PathBuf]) -> (Vec<FileInput>, Vec<FileProblem>) {
    let mut found = Found::default();
    for path in paths {
        if path.as_os_str() == "-" {
            found.stdin();
            continue;
        }
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => found.folder(path),
            Ok(metadata) => found.named(path, &metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                found.problems.push(FileProblem::NotFound { path: path.clone() });
            }
            Err(error) => found.problems.push(FileProblem::Unreadable { path: path.clone(), error }),
        }
    }
    (found.inputs, found.problems)
}

#[derive(Default)]
struct Found {
    inputs: Vec<FileInput>,
    problems: Vec<FileProblem>,
    seen: HashSet<PathBuf>,
}

impl Found {
    fn stdin(&mut self) {
        if self.seen.insert(PathBuf::from("-")) {
            self.inputs.push(FileInput { kind: FileKind::Stdin, path: PathBuf::from("-"), size: 0 });
        }
    }

    /// A file that the user named: hidden or not, it is meant.
    fn named(&mut self, path: &Path, metadata: &Metadata) {
        let kind = metadata.file_type();
        if kind.is_fifo() || kind.is_char_device() {
            self.inputs.push(FileInput { kind: FileKind::Stream, path: path.to_owned(), size: 0 });
        } else if !metadata.is_file() {
            self.problems.push(FileProblem::NotAFile { path: path.to_owned() });
        } else if metadata.len() == 0 {
            self.problems.push(FileProblem::Empty { path: path.to_owned() });
        } else {
            self.file(path, metadata.len());
        }
    }

    fn folder(&mut self, folder: &Path) {
        let before = (self.inputs.len(), self.problems.len());
        let mut again = 0;
        let mut walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(folder).to_owned();
                    self.problems.push(FileProblem::Unreadable { path, error: error.into() });
                    continue;
                }
            };
            let hidden = entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
            if hidden {
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
                self.problems.push(FileProblem::Hidden { path: entry.into_path() });
                continue;
            }
            if !entry.file_type().is_file() {
                continue;
            }
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            if size == 0 {
                self.problems.push(FileProblem::Empty { path: entry.into_path() });
            } else if !self.file(entry.path(), size) {
                again += 1;
            }
        }
        let ignored = self.problems[before.1..].iter().filter(|problem| !problem.is_error()).count();
        if self.inputs.len() == before.0 && again == 0 {
            self.problems.push(FileProblem::NoLogs { path: folder.to_owned(), ignored });
        }
    }

    /// False if the file is among the inputs already.
    fn file(&mut self, path: &Path, size: u64) -> bool {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let fresh = self.seen.insert(real);
        if fresh {
            self.inputs.push(FileInput { kind: FileKind::File, path: path.to_owned(), size });
        }
        fresh
    }
}

impl FileInput {
    /// Opens it for reading.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self.kind {
            FileKind::Stdin => Box::new(io::stdin()),
            FileKind::File | FileKind::Stream => Box::new(File::open(&self.path)?),
        })
    }

    /// What people see as the place: `-` is called `stdin`.
    #[must_use]
    pub fn place(&self) -> Arc<str> {
        match self.kind {
            FileKind::Stdin => Arc::from("stdin"),
            FileKind::File | FileKind::Stream => Arc::from(self.path.to_string_lossy().as_ref()),
        }
    }

    /// The whole of it as a payload of a source, known by its content.
    pub fn payload(
        &self,
        source: &SourceId,
        label: &Arc<str>,
        log_types: &[LogType],
        received: Timestamp,
    ) -> io::Result<Payload> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
        self.open()?.read_to_end(&mut bytes)?;
        let origin = Origin {
            source: source.clone(),
            source_label: label.clone(),
            key: key_of(&bytes),
            place: Some(self.place()),
        };
        Ok(Payload { origin, bytes: Bytes::from(bytes), received, log_types: log_types.to_vec(), head: None })
    }
}

/// The origin key of a content.
#[must_use]
pub fn key_of(content: &[u8]) -> Arc<str> {
    spelled(blake3::hash(content))
}

/// The origin key of a content that is read piece by piece.
pub fn key_of_reader(reader: &mut dyn Read) -> io::Result<Arc<str>> {
    let mut hasher = blake3::Hasher::new();
    io::copy(reader, &mut hasher)?;
    Ok(spelled(hasher.finalize()))
}

fn spelled(hash: blake3::Hash) -> Arc<str> {
    Arc::from(format!("blake3:{}", hash.to_hex()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shown(root: &Path, paths: &[&str]) -> String {
        let paths: Vec<_> = paths.iter().map(|&path| if path == "-" { path.into() } else { root.join(path) }).collect();
        let (inputs, problems) = discover(&paths);
        let inputs = inputs.iter().map(|input| format!("{:?} {} {}", input.kind, input.path.display(), input.size));
        let problems =
            problems.iter().map(|problem| format!("{}{problem}", if problem.is_error() { "! " } else { "" }));
        let lines: Vec<_> = inputs.chain(problems).collect();
        lines.join("\n").replace(&format!("{}/", root.display()), "").replace(&root.display().to_string(), ".")
    }

    #[test]
    fn what_is_read_and_what_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["logs/b", "logs/2024/a", "logs/.git", "bare/.cache"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        for (path, text) in [
            ("logs/z.json", "{}"),
            ("logs/a.log", "one line"),
            ("logs/2024/a/c.gz", "c"),
            ("logs/b/empty", ""),
            ("logs/.hidden", "h"),
            ("logs/.git/config", "c"),
            ("bare/.cache/x", "x"),
            ("bare/nothing", ""),
        ] {
            fs::write(root.join(path), text).unwrap();
        }
        std::os::unix::fs::symlink(root.join("logs/z.json"), root.join("logs/b/link")).unwrap();
        insta::assert_snapshot!(shown(root, &["logs", "-", "-"]), @"
        File logs/2024/a/c.gz 1
        File logs/a.log 8
        File logs/b/link 2
        Stdin - 0
        logs/.git: ignored, hidden; name it to have it read
        logs/.hidden: ignored, hidden; name it to have it read
        logs/b/empty: ignored, empty
        ");
        insta::assert_snapshot!(shown(root, &["logs/.hidden", "logs/z.json", "logs/./z.json", "logs/b/empty"]), @"
        File logs/.hidden 1
        File logs/z.json 2
        logs/b/empty: ignored, empty
        ");
        insta::assert_snapshot!(shown(root, &["bare", "missing", "logs/b"]), @"
        File logs/b/link 2
        bare/.cache: ignored, hidden; name it to have it read
        bare/nothing: ignored, empty
        ! bare: the folder holds no logs (2 hidden or empty files ignored); name a file, or a folder with files in it
        ! missing: there is no such file or folder
        logs/b/empty: ignored, empty
        ");
    }

    #[test]
    fn content_is_the_identity() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "one\n").unwrap();
        let (inputs, _) = discover(&[path]);
        let label = Arc::from("Ingest");
        let payload = inputs[0].payload(&"ingest".into(), &label, &[], Timestamp::from_micros(0)).unwrap();
        assert_eq!(payload.bytes, "one\n");
        assert_eq!(payload.origin.key, key_of_reader(&mut &b"one\n"[..]).unwrap());
        assert_eq!(payload.origin.key, key_of(b"one\n"));
        assert_ne!(payload.origin.key, key_of(b"one"));
        assert_eq!(payload.origin.key.len(), "blake3:".len() + 64);
    }
}
