//! What gzip NDJSON costs at least with the usual tools: inflate, parse each line with serde_json, write it again.
//!
//! The peer of `./x bench process`. Takes `NAME=FILE[:…]` and prints one line of JSON for each, in the manner of our side.

use std::io::BufRead;

const PASSES: usize = 2;

fn main() {
    for argument in std::env::args().skip(1) {
        let (name, rest) = argument.split_once('=').expect("NAME=FILE");
        let file = rest.rsplit_once(':').map_or(rest, |(file, _)| file);
        let gzip = std::fs::read(file).expect("the file can be read");
        let (bytes, events) = pass(&gzip);
        let mut least = f64::INFINITY;
        for _ in 0..PASSES {
            let before = thread_cpu_seconds();
            pass(&gzip);
            least = least.min(thread_cpu_seconds() - before);
        }
        println!("{}", serde_json::json!({"name": name, "bytes": bytes, "events": events, "cpu_seconds": least}));
    }
}

fn pass(gzip: &[u8]) -> (usize, usize) {
    let inflate = flate2::bufread::MultiGzDecoder::new(gzip);
    let mut reader = std::io::BufReader::with_capacity(512 * 1024, inflate);
    let (mut line, mut json) = (Vec::new(), Vec::new());
    let (mut bytes, mut events) = (0, 0);
    while reader.read_until(b'\n', &mut line).expect("the file is sound") > 0 {
        let value: serde_json::Value = serde_json::from_slice(&line).expect("the file is NDJSON");
        json.clear();
        serde_json::to_writer(&mut json, &value).expect("memory takes all writes");
        bytes += line.len();
        events += 1;
        line.clear();
    }
    (bytes, events)
}

/// CPU seconds, user and system, that the kernel counted for this thread.
fn thread_cpu_seconds() -> f64 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts threads' time");
    let nanoseconds: u64 =
        line.split(' ').next().and_then(|word| word.parse().ok()).expect("the first word is a number");
    nanoseconds as f64 / 1e9
}
