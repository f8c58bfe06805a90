//! What `uncia ingest` was pointed at: files, folders, standard input.
//!
//! A file is its own durable copy, known by its content: `blake3:<hex>` of its bytes as they are on disk. The same file under
//! another name is the same origin, so ingesting a folder again adds only what is new. The identity must be known before
//! the first record is, so a file that is too large to be held is read twice: to hash it, and to take it in. What cannot
//! be read twice, a pipe, is put aside in a file without a name first.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{FileExt as _, FileTypeExt};
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

    /// Reads it once: it is known by its content from then on. `spool` is a folder for what cannot be read twice.
    pub fn at_rest(&self, spool: &Path) -> io::Result<AtRest> {
        let held = |bytes: Vec<u8>| {
            let key = key_of(&bytes);
            AtRest { key, bytes: bytes.into(), body: None }
        };
        let begin = |reader: &mut dyn Read| -> io::Result<Vec<u8>> {
            let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0).min(HELD_BYTES));
            reader.take(HELD_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        if self.kind == FileKind::File {
            let mut file = File::open(&self.path)?;
            let bytes = begin(&mut file)?;
            return if bytes.len() <= HELD_BYTES { Ok(held(bytes)) } else { Body::of(file, 0).map(AtRest::of) };
        }
        let mut pipe = self.open()?;
        let mut piece = begin(&mut pipe)?;
        if piece.len() <= HELD_BYTES {
            return Ok(held(piece));
        }
        std::fs::create_dir_all(spool)?;
        let mut file = tempfile::tempfile_in(spool)?;
        while !piece.is_empty() {
            file.write_all(&piece)?;
            piece.clear();
            (&mut pipe).take(HELD_BYTES as u64).read_to_end(&mut piece)?;
        }
        Body::of(file, 0).map(AtRest::of)
    }
}

/// Files up to this are held in memory.
pub(crate) const HELD_BYTES: usize = 8 * 1024 * 1024;
/// Read at once of a file that is not held.
const BODY_BUFFER: usize = 256 * 1024;

/// A file whose content is known.
#[derive(Debug)]
pub struct AtRest {
    /// The origin key of its content.
    pub key: Arc<str>,
    bytes: Bytes,
    /// Where its bytes are read from, if they are not held.
    pub body: Option<Body>,
}

impl AtRest {
    fn of(body: Body) -> Self {
        Self { key: spelled(body.hash), bytes: Bytes::new(), body: Some(body) }
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.body.as_ref().map_or(self.bytes.len() as u64, |body| body.size)
    }

    /// As a payload of a source. It holds the bytes unless there is a body to read them from.
    #[must_use]
    pub fn payload(
        &self,
        source: &SourceId,
        label: &Arc<str>,
        place: Arc<str>,
        log_types: &[LogType],
        received: Timestamp,
    ) -> Payload {
        let origin =
            Origin { source: source.clone(), source_label: label.clone(), key: self.key.clone(), place: Some(place) };
        Payload { origin, bytes: self.bytes.clone(), received, log_types: log_types.to_vec(), head: None }
    }
}

/// The bytes of an open file from a place on, as they were when they were hashed.
#[derive(Clone, Debug)]
pub struct Body {
    file: Arc<File>,
    start: u64,
    pub size: u64,
    hash: blake3::Hash,
}

impl Body {
    /// Hashes the file from `start` to the end it has now. What is appended later is not part of it.
    pub(crate) fn of(file: File, start: u64) -> io::Result<Self> {
        let size = file.metadata()?.len().saturating_sub(start);
        let file = Arc::new(file);
        let mut hasher = blake3::Hasher::new();
        let mut reader =
            io::BufReader::with_capacity(BODY_BUFFER, Region { file: file.clone(), at: start, left: size });
        io::copy(&mut reader, &mut hasher)?;
        Ok(Self { file, start, size, hash: hasher.finalize() })
    }

    /// The origin key of the bytes.
    #[must_use]
    pub fn key(&self) -> Arc<str> {
        spelled(self.hash)
    }

    /// Reads the bytes; an error at the end if they are not what was hashed.
    #[must_use]
    pub fn reader(&self) -> Box<dyn Read + Send> {
        let region = Region { file: self.file.clone(), at: self.start, left: self.size };
        Box::new(Unchanged { region, hasher: blake3::Hasher::new(), expected: self.hash })
    }
}

/// A part of a file, read without moving the file's own place.
struct Region {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Region {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let count = self.file.read_at(&mut out[..wanted], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Hashes once more what is read, as it is what the records are made of.
struct Unchanged {
    region: Region,
    hasher: blake3::Hasher,
    expected: blake3::Hash,
}

impl Read for Unchanged {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.region.read(out)?;
        self.hasher.update(&out[..count]);
        if count == 0 && !out.is_empty() && self.hasher.finalize() != self.expected {
            return Err(io::Error::other("the file was changed while it was read"));
        }
        Ok(count)
    }
}

/// The origin key of a content.
#[must_use]
pub fn key_of(content: &[u8]) -> Arc<str> {
    spelled(blake3::hash(content))
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
        let at_rest = inputs[0].at_rest(folder.path()).unwrap();
        let payload =
            at_rest.payload(&"ingest".into(), &"Ingest".into(), "a.log".into(), &[], Timestamp::from_micros(0));
        assert_eq!(payload.bytes, "one\n");
        assert_eq!(payload.origin.key, key_of(b"one\n"));
        assert_ne!(payload.origin.key, key_of(b"one"));
        assert_eq!(payload.origin.key.len(), "blake3:".len() + 64);
    }

    #[test]
    fn large_files_are_read_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let content = "0123456789abcdef\n".repeat(HELD_BYTES / 17 + 1);
        fs::write(&path, &content).unwrap();
        let (inputs, _) = discover(std::slice::from_ref(&path));
        let at_rest = inputs[0].at_rest(folder.path()).unwrap();
        assert_eq!((&*at_rest.key, at_rest.size()), (&*key_of(content.as_bytes()), content.len() as u64));
        let body = at_rest.body.unwrap();
        let mut read = String::new();
        body.reader().read_to_string(&mut read).unwrap();
        assert!(read == content);

        // What is appended is not part of it; what is changed is told.
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"more").unwrap();
        assert_eq!(io::copy(&mut body.reader(), &mut io::sink()).unwrap(), content.len() as u64);
        file.set_len(content.len() as u64 - 1).unwrap();
        let error = io::copy(&mut body.reader(), &mut io::sink()).unwrap_err();
        assert_eq!(error.to_string(), "the file was changed while it was read");
    }

    #[test]
    fn pipes_are_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let content = "line\n".repeat(HELD_BYTES / 2);
        let writer = std::thread::spawn({
            let (path, content) = (path.clone(), content.clone());
            move || fs::write(path, content).unwrap()
        });
        let (inputs, _) = discover(&[path]);
        let spool = folder.path().join("spool");
        let at_rest = inputs[0].at_rest(&spool).unwrap();
        writer.join().unwrap();
        assert_eq!(at_rest.key, key_of(content.as_bytes()));
        let mut read = String::new();
        at_rest.body.unwrap().reader().read_to_string(&mut read).unwrap();
        assert!(read == content);
        assert_eq!(fs::read_dir(spool).unwrap().count(), 0);
    }
}
