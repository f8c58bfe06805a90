//! Following files under a clock that is told the time, with marks kept in memory.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use super::*;

#[derive(Default)]
struct Stored(Mutex<HashMap<String, u64>>);

#[async_trait]
impl Marks for Stored {
    async fn mark(&self, _: &SourceId, key: &str) -> Result<Option<u64>, MarksError> {
        Ok(self.0.lock().unwrap().get(key).copied())
    }
}

struct Bench {
    folder: tempfile::TempDir,
    watcher: Watcher,
    stored: Stored,
    second: i64,
}

impl Bench {
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), settings);
        Self { folder, watcher: Watcher::new(config), stored: Stored::default(), second: 0 }
    }

    fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join(name)).unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    /// Looks after some seconds; what was taken, as `offset: text`, without landing it.
    async fn look(&mut self, after: i64) -> Vec<Taken> {
        self.second += after;
        let scan = self.watcher.scan(Timestamp::from_seconds(self.second, 0), &self.stored).await.unwrap();
        assert_eq!(scan.problems, Vec::<String>::new());
        scan.taken
    }

    async fn land(&mut self, after: i64) -> Vec<String> {
        let taken = self.look(after).await;
        for taken in &taken {
            self.stored.0.lock().unwrap().insert(taken.mark.key.to_string(), taken.mark.offset);
        }
        texts(&taken)
    }

    /// The process dies and another one begins.
    fn restart(&mut self) {
        self.watcher = Watcher::new(self.watcher.config.clone());
    }
}

fn config(folder: &Path, settings: &str) -> WatchSourceConfig {
    let text = format!("id = 'w'\npaths = [{:?}]\nquiet_seconds = 10\n{settings}", folder.to_str().unwrap());
    toml::from_str(&text).unwrap()
}

fn texts(taken: &[Taken]) -> Vec<String> {
    taken.iter().map(|taken| String::from_utf8_lossy(&taken.payload.bytes).into_owned()).collect()
}

fn keys(taken: &[Taken]) -> Vec<String> {
    taken.iter().map(|taken| taken.payload.origin.key.to_string()).collect()
}

#[tokio::test]
async fn complete_lines_at_once_the_rest_when_quiet() {
    let mut bench = Bench::new("");
    bench.append("a.log", "one\ntwo\nthr");
    assert_eq!(bench.land(0).await, ["one\ntwo\n"]);
    bench.append("a.log", "ee\nfour");
    assert_eq!(bench.land(5).await, ["three\n"]);
    assert!(bench.land(9).await.is_empty());
    assert_eq!(bench.land(1).await, ["four"]);
    assert!(bench.land(100).await.is_empty());
    bench.append("a.log", "\nfive\n");
    assert_eq!(bench.land(1).await, ["\nfive\n"]);
}

#[tokio::test]
async fn what_was_not_landed_comes_again_under_the_same_key() {
    let mut bench = Bench::new("");
    bench.append("a.log", "one\n");
    assert_eq!(bench.land(0).await, ["one\n"]);
    bench.append("a.log", "two\n");
    let lost = bench.look(1).await;
    bench.restart();
    bench.append("a.log", "three\n");
    let again = bench.look(1).await;
    assert_eq!((texts(&lost), texts(&again)), (vec!["two\n".to_owned()], vec!["two\nthree\n".to_owned()]));
    assert_eq!(keys(&lost), keys(&again));
    assert!(keys(&again)[0].ends_with(":4"), "{:?}", keys(&again));
}

#[tokio::test]
async fn rotated_renamed_and_cut() {
    let mut bench = Bench::new("");
    let path = |bench: &Bench, name: &str| bench.folder.path().join(name);
    bench.append("a.log", "one\n");
    assert_eq!(bench.land(0).await, ["one\n"]);

    bench.append("a.log", "two\n");
    fs::rename(path(&bench, "a.log"), path(&bench, "a.log.1")).unwrap();
    bench.append("a.log", "one\nnew\n");
    let mut taken = bench.land(1).await;
    taken.sort();
    assert_eq!(taken, ["one\nnew\n", "two\n"]);

    // cut with the same beginning, then with another
    for (text, expected) in [("one\n", "one\n"), ("other and longer\nthan before\n", "other and longer\nthan before\n")]
    {
        fs::write(path(&bench, "a.log"), text).unwrap();
        assert_eq!(bench.land(1).await, [expected]);
    }
    bench.restart();
    assert!(bench.land(1).await.is_empty());
    let marks: BTreeMap<_, _> = bench.stored.0.lock().unwrap().clone().into_iter().collect();
    assert_eq!(marks.values().sum::<u64>(), 8 + 8 + 4 + 29);
}

#[tokio::test]
async fn documents_and_compressed_files_wait_and_are_known_by_content() {
    let mut bench = Bench::new("");
    let document = "{\n  \"Records\": [\n    {\"a\": 1}\n  ]\n}\n";
    bench.append("trail.json", &document[..20]);
    assert!(bench.look(0).await.is_empty());
    bench.append("trail.json", &document[20..]);
    bench.append("a.gz", [0x1f, 0x8b, 8, 0, b'\n', 1, 2]);
    assert!(bench.look(9).await.is_empty());
    assert!(bench.look(9).await.is_empty());
    let taken = bench.look(1).await;
    assert_eq!(taken.len(), 2);
    let mut expected = [files::key_of(document.as_bytes()), files::key_of(&[0x1f, 0x8b, 8, 0, b'\n', 1, 2])];
    expected.sort();
    let mut found = keys(&taken);
    found.sort();
    assert_eq!(found, expected.map(|key| key.to_string()));
}

#[tokio::test]
async fn names_choose_files() {
    let mut bench = Bench::new("include = ['*.log*']\nexclude = ['*.gz']");
    for name in ["a.log", "a.log.1", "a.log.2.gz", "b.txt", ".a.log"] {
        bench.append(name, format!("{name}\n"));
    }
    let mut taken = bench.land(0).await;
    taken.sort();
    assert_eq!(taken, ["a.log\n", "a.log.1\n"]);
}

#[tokio::test]
async fn long_files_come_in_pieces_of_whole_lines() {
    let mut bench = Bench::new("");
    let line = format!("{}\n", "x".repeat(999_999));
    bench.append("a.log", line.repeat(20));
    let taken = bench.look(0).await;
    let sizes: Vec<_> = taken.iter().map(|taken| taken.payload.bytes.len()).collect();
    assert_eq!(sizes, [8_000_000, 8_000_000, 4_000_000]);
    assert!(taken.iter().all(|taken| taken.payload.bytes.ends_with(b"x\n")));
    let offsets: Vec<_> = taken.iter().map(|taken| taken.mark.offset).collect();
    assert_eq!(offsets, [8_000_000, 16_000_000, 20_000_000]);

    // A line longer than a piece is not cut while it can still be an event.
    bench.append("b.log", format!("{}\nnext\n", "y".repeat(12_000_000)));
    let taken = bench.look(1).await;
    assert_eq!(taken.iter().map(|taken| taken.payload.bytes.len()).sum::<usize>(), 12_000_006);
    assert_eq!(taken.len(), 1);
}

#[tokio::test]
async fn missing_folders_are_told() {
    let mut watcher = Watcher::new(config(Path::new("/no/such/folder"), ""));
    let scan = watcher.scan(Timestamp::from_seconds(0, 0), &Stored::default()).await.unwrap();
    assert!(scan.taken.is_empty());
    assert!(scan.problems[0].starts_with("/no/such/folder: cannot be looked at: "), "{:?}", scan.problems);
}

#[tokio::test]
async fn later_parts_carry_the_first_lines() {
    let mut bench = Bench::new("");
    bench.append("a.csv", "x,y\n1,2\n");
    let first = bench.look(60).await;
    assert_eq!(first[0].payload.head, None);
    bench.append("a.csv", "3,4\n");
    let later = bench.look(60).await;
    assert_eq!(&*later[0].payload.bytes, b"3,4\n");
    assert!(later[0].payload.head.as_ref().unwrap().starts_with(b"x,y\n1,2\n"));
}

#[tokio::test]
async fn large_whole_files_are_not_held() {
    let mut bench = Bench::new("stream = 'json'");
    let text = format!("{{\"a\":\"{}\"}}\n", "x".repeat(files::HELD_BYTES));
    bench.append("a.json", &text);
    assert!(bench.look(0).await.is_empty());
    let taken = bench.look(10).await;
    assert_eq!(keys(&taken), [files::key_of(text.as_bytes()).to_string()]);
    assert!(taken[0].payload.bytes.is_empty());
    assert_eq!(taken[0].mark.offset, text.len() as u64);
    let mut read = String::new();
    std::io::Read::read_to_string(&mut taken[0].body.as_ref().unwrap().reader(), &mut read).unwrap();
    assert!(read == text);
}
