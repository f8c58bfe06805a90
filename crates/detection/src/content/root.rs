//! Where content comes from: a folder on disk or files in memory, and which of its files are content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One body of content in the layout of panther-analysis.
#[derive(Clone, Debug)]
pub enum ContentRoot {
    /// A folder, or one YAML file.
    Disk(PathBuf),
    /// Files that come with the binary: path below the root, with `/`, and bytes.
    Memory(BTreeMap<String, Vec<u8>>),
}

impl From<PathBuf> for ContentRoot {
    fn from(path: PathBuf) -> Self {
        Self::Disk(path)
    }
}

impl From<&Path> for ContentRoot {
    fn from(path: &Path) -> Self {
        Self::Disk(path.to_owned())
    }
}

impl FromIterator<(String, Vec<u8>)> for ContentRoot {
    fn from_iter<T: IntoIterator<Item = (String, Vec<u8>)>>(files: T) -> Self {
        Self::Memory(files.into_iter().collect())
    }
}

/// A YAML file that may be content.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// As people see it.
    pub(super) shown: String,
    /// Disk: the file. Memory: its path below the root.
    path: PathBuf,
    pub(super) text: Result<String, String>,
    /// Found beside the root rather than in it: only its globals and data models count.
    pub(super) supporting: bool,
}

/// Folders of a repository in the usual layout; the rest of such a repository is not content.
const LAYOUT: [&str; 8] =
    ["data_models", "global_helpers", "lookup_tables", "rules", "packs", "policies", "queries", "scheduled_prompts"];
const NOT_CONTENT: [&str; 3] = ["dependabot.yml", "package.json", "package-lock.json"];
/// Supporting folders, looked for above a root that is a part of a repository.
const SUPPORTING: [&str; 2] = ["global_helpers", "data_models"];
const LEVELS_ABOVE: usize = 4;

impl ContentRoot {
    /// The YAML files in the order of their paths; a folder that cannot be read is an error that names it.
    pub(super) fn candidates(&self) -> Result<Vec<Candidate>, (String, String)> {
        match self {
            Self::Memory(files) => Ok(in_memory(files)),
            Self::Disk(path) => on_disk(path),
        }
    }

    /// The file that a YAML file names, relative to it.
    pub(super) fn beside(&self, yaml: &Candidate, name: &str) -> Result<String, String> {
        let path = yaml.path.parent().unwrap_or(Path::new("")).join(name);
        let bytes = match self {
            Self::Disk(_) => std::fs::read(&path).map_err(|error| error.to_string())?,
            Self::Memory(files) => {
                let path = path.to_string_lossy();
                files.get(path.as_ref()).cloned().ok_or_else(|| "no such file".to_owned())?
            }
        };
        String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
    }
}

fn in_memory(files: &BTreeMap<String, Vec<u8>>) -> Vec<Candidate> {
    let is_layout = files.keys().any(|path| path.split_once('/').is_some_and(|(first, _)| in_layout(first)));
    let mut found = Vec::new();
    for (path, bytes) in files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let hidden = path.split('/').any(|part| part.starts_with('.') || part == "__pycache__");
        if hidden || !is_yaml(name) || (is_layout && !folder.is_empty() && !in_layout(folder)) {
            continue;
        }
        let text = String::from_utf8(bytes.clone()).map_err(|_| "not UTF-8 text".to_owned());
        found.push(Candidate { shown: path.clone(), path: path.into(), text, supporting: false });
    }
    found
}

fn on_disk(root: &Path) -> Result<Vec<Candidate>, (String, String)> {
    let about = std::fs::metadata(root).map_err(|error| (root.display().to_string(), error.to_string()))?;
    let mut found = Vec::new();
    if about.is_file() {
        found.push(candidate(root, false));
    } else {
        let is_layout = LAYOUT.iter().any(|name| root.join(name).is_dir());
        walk(root, is_layout, false, &mut found);
    }
    let supporting = supporting_folders(root);
    let known: Vec<PathBuf> = found.iter().filter_map(|file| file.path.canonicalize().ok()).collect();
    for folder in supporting {
        let mut files = Vec::new();
        walk(&folder, false, true, &mut files);
        files.retain(|file| file.path.canonicalize().is_ok_and(|path| !known.contains(&path)));
        found.extend(files);
    }
    Ok(found)
}

/// A part of a repository, such as its `rules/okta_rules`, needs the repository's globals and data models.
pub(super) fn supporting_folders(root: &Path) -> Vec<PathBuf> {
    let Ok(root) = root.canonicalize() else { return Vec::new() };
    let has_some = |folder: &Path| SUPPORTING.iter().any(|name| folder.join(name).is_dir());
    if has_some(&root) {
        return Vec::new();
    }
    let Some(above) = root.ancestors().skip(1).take(LEVELS_ABOVE).find(|folder| has_some(folder)) else {
        return Vec::new();
    };
    SUPPORTING.iter().map(|name| above.join(name)).filter(|folder| folder.is_dir()).collect()
}

/// A folder or link that cannot be followed is a candidate too, with the reason in place of its text.
fn walk(root: &Path, is_layout: bool, supporting: bool, found: &mut Vec<Candidate>) {
    let visible = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || name == "__pycache__")
    };
    let entries = walkdir::WalkDir::new(root).follow_links(true).sort_by_file_name();
    for entry in entries.into_iter().filter_entry(visible) {
        let path = match &entry {
            Ok(entry) if !entry.file_type().is_file() => continue,
            Ok(entry) => entry.path(),
            Err(error) => error.path().unwrap_or(root),
        };
        if entry.is_ok() && !path.file_name().is_some_and(|name| is_yaml(&name.to_string_lossy())) {
            continue;
        }
        let above = path.parent().and_then(|folder| folder.strip_prefix(root).ok()).unwrap_or(Path::new(""));
        let above = above.to_string_lossy();
        if is_layout && !above.is_empty() && !in_layout(&above) {
            continue;
        }
        let mut file = candidate(path, supporting);
        if let Err(error) = &entry {
            file.text = Err(error.to_string());
        }
        found.push(file);
    }
}

fn candidate(path: &Path, supporting: bool) -> Candidate {
    let text = std::fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()));
    Candidate { shown: path.display().to_string(), path: path.to_owned(), text, supporting }
}

/// The patterns of Panther's tool: `*rules*`, `*/packs` and so on, on the folder's path below the root.
fn in_layout(folder: &str) -> bool {
    let last = folder.rsplit('/').next().unwrap_or(folder);
    ["data_models", "lookup_tables", "rules", "policies", "queries", "scheduled_prompts"]
        .iter()
        .any(|name| folder.contains(name))
        || last == "global_helpers"
        || last == "packs"
}

fn is_yaml(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    !name.starts_with('.') && !NOT_CONTENT.contains(&name) && extension.starts_with('y') && extension.ends_with("ml")
}
