//! Streams to records, whole and in chunks of any size.

use std::io::{Read, Write as _};

use bytes::Bytes;
use proptest::prelude::*;
use uncia_document::Timestamp;
use uncia_model::limits::MAX_EVENT_BYTES;
use uncia_model::{Failure, FailureReason, Origin, Payload, Record};

use super::feed::Feed;
use super::{Records, Splitter, StreamType};

fn origin() -> Origin {
    Origin { source: "s".into(), source_label: "s".into(), key: "k".into(), place: None }
}

fn payload(bytes: impl Into<Bytes>) -> Payload {
    Payload {
        origin: origin(),
        bytes: bytes.into(),
        received: Timestamp::from_micros(0),
        log_types: Vec::new(),
        head: None,
    }
}

/// Records as text, failures as `!reason message [payload]`.
fn show(items: impl Iterator<Item = Result<Record, Failure>>) -> Vec<String> {
    items
        .enumerate()
        .map(|(place, item)| match item {
            Ok(record) => {
                assert_eq!(record.ordinal, place as u64);
                String::from_utf8_lossy(&record.bytes).into_owned()
            }
            Err(failure) => {
                let shown = String::from_utf8_lossy(&failure.payload[..failure.payload.len().min(40)]).into_owned();
                format!("!{} {} [{shown}]", failure.reason.as_str(), failure.message)
            }
        })
        .collect()
}

fn split(stream: &str, bytes: impl Into<Bytes>) -> Vec<String> {
    show(Splitter::default().records(&payload(bytes), &stream.parse().unwrap()))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.into_inner().unwrap()
}

fn zip(members: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        if let Some(folder) = name.strip_suffix('/') {
            writer.add_directory(folder, options).unwrap();
            continue;
        }
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Gives at most so many bytes at a time.
struct Trickle<'a>(std::io::Cursor<&'a [u8]>, usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = out.len().min(self.1);
        self.0.read(&mut out[..count])
    }
}

/// Read from outside, so many bytes at a time.
fn read_from(bytes: &[u8], stream: &StreamType, step: usize) -> Vec<String> {
    let bytes: &'static [u8] = Box::leak(bytes.to_vec().into_boxed_slice());
    let reader = Box::new(Trickle(std::io::Cursor::new(bytes), step));
    let mut records = Splitter::default().read(&payload(""), reader, Some(bytes.len() as u64), stream);
    let shown = show(records.by_ref());
    assert!(records.take_error().is_none());
    shown
}

#[test]
fn streams() {
    for (stream, bytes, expected) in [
        ("lines", "a\r\n\n  b \nc", &["a", "b", "c"][..]),
        ("lines", "", &[]),
        ("lines", "\n \n", &[]),
        ("lines", "\u{feff}{}\n", &["{}"]),
        ("json", "{\"a\":\"}\\\"\"} [1]\n\"x\"12 true{}", &["{\"a\":\"}\\\"\"}", "[1]", "\"x\"", "12", "true", "{}"]),
        ("json", "{\n \"a\": {}\n}\n{}", &["{\n \"a\": {}\n}", "{}"]),
        ("json", "{\"a\":", &["{\"a\":"]),
        ("json_array", "[{\"a\":[1]}, 2 ,\"x]\"]", &["{\"a\":[1]}", "2", "\"x]\""]),
        ("json_array", "[]", &[]),
        ("json_array", "[1][2]", &["1", "2"]),
        ("json_array", "{}", &["!envelope_error expected a JSON array, at byte 0 [{}]"]),
        (
            "json_array",
            "[1,{\"a\":",
            &["1", "!envelope_error the input ends within an element of the JSON array, at byte 3 [,{\"a\":]"],
        ),
        (
            "json_array:Records",
            "{\"x\":{\"Records\":[0]},\"Records\":[1,2],\"y\":[3]}\n{\"Records\":[4]}",
            &["1", "2", "4"],
        ),
        ("json_array:Records", "{\"\\u0052ecords\":[1]}", &["1"]),
        (
            "json_array:Records",
            "{\"Records\":null}",
            &["!envelope_error no array at `Records` in this JSON value, at byte 16 [{\"Records\":null}]"],
        ),
        ("json_array:a.1.b", "{\"a\":[{\"b\":[0]},{\"b\":[1]},{\"b\":[2]}]}", &["1"]),
        (
            "json_array:Records",
            "{\"Records\" [1]}",
            &["!envelope_error expected `:` after a key, at byte 11 [{\"Records\" [1]}]"],
        ),
        ("auto", "{\"Records\":[{\"a\":1},{\"a\":2}]}", &["{\"a\":1}", "{\"a\":2}"]),
        ("auto", "[\n{\"a\":1},\n{\"a\":2}\n]", &["{\"a\":1}", "{\"a\":2}"]),
        ("auto", "{\"a\":1}\n{\"b\n{\"c\":1}", &["{\"a\":1}", "{\"b", "{\"c\":1}"]),
        ("auto", "PAR1....", &["!decompress_error Parquet is not opened here []"]),
        (
            "auto",
            "Rar!\u{1a}\u{7}",
            &[
                "!decompress_error rar is not supported: send plain text, gzip, zstd, bzip2, framed snappy, zip, Parquet or Avro []",
            ],
        ),
        ("xml", "<e><a>1</a></e>\n<e><a>2</a></e>", &["{\"a\":\"1\"}", "{\"a\":\"2\"}"]),
        (
            "auto",
            "<?xml version='1.0'?><es><!-- x --><e a='>'/>\n<e><e>2</e></e></es>",
            &["{\"a\":\">\"}", "{\"e\":\"2\"}"],
        ),
        (
            "xml:b",
            "<a>x<b><c>1</c><c>2</c></b><b><d f='3'/></b></a>",
            &["{\"#text\":\"1\"}", "{\"#text\":\"2\"}", "{\"f\":\"3\"}"],
        ),
        ("xml:b", "<a/>", &["!envelope_error no XML element `b`, at byte 4 [<a/>]"]),
        (
            "xml",
            "<es><e><x></e>text<e>2</e><e>",
            &[
                "!envelope_error malformed XML near byte 6: ill-formed document: expected `</x>`, but `</e>` was found [<e><x></e>]",
                "!envelope_error no XML element but text [text]",
                "{\"#text\":\"2\"}",
                "!envelope_error the XML ends within element `e` [<e>]",
                "!envelope_error the input ends within the XML element `es`, at byte 29 []",
            ],
        ),
        ("xml", "</a>", &["!envelope_error an end tag without its start tag, at byte 0 [</a>]"]),
        ("xml", "", &[]),
        (
            "cloudwatch_logs",
            "{\"messageType\":\"CONTROL_MESSAGE\"}{\"logEvents\":[{\"message\":\"a\\nb\"},{\"message\":\"{}\"}]}\n{}{\"logEvents\":[{\"message\":\"c\"}]}",
            &["a\nb", "{}", "!envelope_error no CloudWatch Logs document: it has no array `logEvents` [{}]", "c"],
        ),
        ("auto", "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"message\":\"c\"}]}", &["c"]),
        ("auto", "ELF\0\n", &["!invalid_utf8 binary data: a NUL byte at byte 3 of the stream [ELF\0\n]"]),
    ] {
        assert_eq!(split(stream, bytes), expected, "{stream} {bytes:?}");
    }
}

#[test]
fn packed_streams() {
    let expected = ["{\"a\":1}", "{\"a\":2}"];
    let text = b"{\"a\":1}\n{\"a\":2}\n".as_slice();
    let (first, second) = text.split_at(11);
    for packed in [
        gzip(text),
        zstd(text),
        [gzip(first), gzip(second)].concat(),
        [zstd(first), zstd(second)].concat(),
        [gzip(text), vec![0; 100]].concat(),
        gzip(&gzip(text)),
        gzip(&zstd(text)),
        zstd(&gzip(text)),
        bzip2(text),
        [bzip2(first), bzip2(second)].concat(),
        snappy(text),
        gzip(&snappy(text)),
        zip(&[("a.log", text)], zip::CompressionMethod::Deflated),
        zip(&[("d/", b""), ("d/.x", b"x"), ("a", first), ("b", b""), ("c", second)], zip::CompressionMethod::Stored),
        zip(&[("a", &gzip(first)), ("b", &bzip2(second))], zip::CompressionMethod::Stored),
        gzip(&zip(&[("a.log", text)], zip::CompressionMethod::Deflated)),
        "\u{feff}{\"a\":1}\n{\"a\":2}\n".encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ] {
        let shown = split("auto", packed.clone());
        let whole = shown.concat();
        assert_eq!(whole.replace("}{", "}\n{"), expected.join("\n"), "{shown:?}");
        assert_eq!(shown, read_from(&packed, &StreamType::Auto, 7));
    }
    assert!(split("auto", gzip(&gzip(&gzip(text))))[0].starts_with("!decompress_error packed more than twice"));
}

#[test]
fn one_bad_member_of_a_zip_is_one_failure() {
    let mut packed =
        zip(&[("a", b"one\n"), ("b", b"two two two two\n"), ("c", b"three")], zip::CompressionMethod::Stored);
    let place = packed.windows(3).position(|bytes| bytes == b"two").unwrap();
    packed[place] = b'T';
    let shown = split("lines", packed);
    assert_eq!((&*shown[0], &*shown[1], &*shown[3]), ("one", "Two two two two", "three"));
    assert!(shown[2].starts_with("!decompress_error b: the zip stream is damaged near byte"), "{}", shown[2]);
    assert!(shown[2].contains("the checksum is wrong"), "{}", shown[2]);
    assert_eq!(shown.len(), 4);
}

#[test]
fn errors_of_reading_are_no_failures() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("no such luck"));
            }
            self.0 -= 1;
            out[..4].copy_from_slice(b"one\n");
            Ok(4)
        }
    }
    let mut records = Splitter::default().read(&payload(""), Box::new(Failing(3)), None, &StreamType::Lines);
    let found: Vec<_> = records.by_ref().collect();
    assert!(found.iter().all(Result::is_ok), "{found:?}");
    assert_eq!(records.take_error().unwrap().to_string(), "no such luck");
}

#[test]
fn envelope_fields_become_the_header() {
    let text = "{\"owner\":\"1\",\"logGroup\":\"g\",\"x\":1,\"logEvents\":[{\"message\":\"a\"}]}";
    for (stream, header) in [
        ("cloudwatch_logs:retain_envelope_fields", Some("{\"owner\":\"1\",\"logGroup\":\"g\"}")),
        ("cloudwatch_logs", None),
    ] {
        let records: Vec<_> = Splitter::default().records(&payload(text), &stream.parse().unwrap()).collect();
        assert_eq!(records[0].as_ref().unwrap().header.as_deref(), header);
    }
}

#[test]
fn a_cut_off_stream_keeps_the_records_before_the_cut() {
    let lines: String = (0..100_000).map(|n| format!("{{\"n\":{n},\"hash\":{}}}\n", n * 7919 % 10_007)).collect();
    for packed in [
        gzip(lines.as_bytes()),
        zstd(lines.as_bytes()),
        snappy(lines.as_bytes()),
        zip(&[("a", lines.as_bytes())], zip::CompressionMethod::Deflated),
    ] {
        let half = packed.len() / 2;
        let cut = Bytes::from(packed).split_to(half);
        let items: Vec<_> = Splitter::default().records(&payload(cut), &StreamType::Auto).collect();
        let good = items.iter().filter(|item| item.is_ok()).count();
        assert!(good > 1_000, "{good}");
        assert_eq!(items.len(), good + 1);
        let failure = items.last().unwrap().as_ref().unwrap_err();
        assert_eq!(failure.reason, FailureReason::DecompressError);
        assert!(
            failure.message.contains(&format!("is cut off: its {half} bytes end before it does")),
            "{}",
            failure.message
        );
        assert_eq!(failure.ordinal, good as u64);
        assert!(lines.contains(std::str::from_utf8(&failure.payload).unwrap()));
    }
}

#[test]
fn damage_and_trailing_bytes_are_told() {
    let text = b"{\"a\":1}\n{\"a\":2}\n";
    let trailing = [gzip(text), b"garbage".to_vec()].concat();
    let shown = split("auto", trailing);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown[2].contains("more bytes after the end of the gzip stream"), "{shown:?}");
    let mut damaged = gzip(text);
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    let shown = split("auto", damaged);
    assert!(shown.last().unwrap().contains("the gzip stream is damaged near byte"), "{shown:?}");
}

#[test]
fn bombs_are_refused() {
    let line = "x".repeat(1024 * 1024 - 1) + "\n";
    let items: Vec<_> =
        Splitter::default().records(&payload(zstd(line.repeat(300).as_bytes())), &StreamType::Lines).collect();
    let failure = items.last().unwrap().as_ref().unwrap_err();
    assert_eq!(failure.reason, FailureReason::DecompressError);
    assert!(failure.message.starts_with("unpacks to more than 200 times its size"), "{}", failure.message);
    assert!((250..290).contains(&items.len()), "{}", items.len());
}

#[test]
fn oversized_records_are_kept_whole_and_the_others_pass() {
    let long = "x".repeat(20_000_000);
    for (stream, text, size) in [
        ("lines", format!("a\n{long}\nb\n"), long.len()),
        ("json", format!("{{}}\n{{\"a\":\"{long}\"}}\n{{}}"), long.len() + 8),
        ("json_array", format!("[1,\"{long}\",2]"), long.len() + 2),
    ] {
        for bytes in [Bytes::from(text.clone()), gzip(text.as_bytes()).into()] {
            let items: Vec<_> = Splitter::default().records(&payload(bytes), &stream.parse().unwrap()).collect();
            assert_eq!(items.len(), 3);
            assert!(items[0].is_ok() && items[2].is_ok());
            let failure = items[1].as_ref().unwrap_err();
            assert_eq!(failure.reason, FailureReason::TooLarge);
            assert_eq!((failure.payload.len(), failure.size, failure.ordinal), (size, size as u64, 1));
            assert_eq!(failure.message, format!("the record has {size} bytes; the limit is {MAX_EVENT_BYTES}"));
            assert_eq!(failure.blob.as_deref(), Some(&*failure.row_id.to_string()));
        }
    }
}

#[test]
fn records_beyond_all_bounds_are_counted() {
    const MANY: usize = 100 * 1024 * 1024;
    let text = ["a\n", &"x".repeat(MANY), "\nb\n"].concat();
    let items: Vec<_> = Splitter::default().records(&payload(zstd(text.as_bytes())), &StreamType::Lines).collect();
    assert_eq!(items.len(), 3);
    let failure = items[1].as_ref().unwrap_err();
    assert_eq!((failure.reason, failure.size), (FailureReason::TooLarge, MANY as u64));
    assert!(failure.payload.len() >= 32 * 1024 * 1024 && failure.payload.len() < MANY);
    assert_eq!(items[2].as_ref().unwrap().bytes, "b");
}

/// The stream in pieces of these sizes, over and over.
fn in_pieces(stream: &StreamType, bytes: &[u8], sizes: &[usize]) -> Vec<String> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for &size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    show(Records::new(origin(), Timestamp::from_micros(0), Feed::Pieces(pieces.into_iter()), stream))
}

fn stream_type() -> impl Strategy<Value = StreamType> {
    prop::sample::select(vec![
        "auto",
        "lines",
        "json",
        "json_array",
        "json_array:Records",
        "json_array:a.1",
        "cloudwatch_logs",
        "xml",
        "xml:a",
    ])
    .prop_map(|text| text.parse().unwrap())
}

/// Text that looks like JSON from afar.
fn jsonish() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        " ",
        "1",
        "true",
        "\"Records\"",
        "\"a\":",
        "{\"a\":1}\n",
        "{\"Records\":[",
        "[{\"b\":\"x\"},",
        "é",
        "\r\n",
        "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[",
        "{\"message\":\"x\"}",
        "<a>",
        "<a b='",
        "'/>",
        "<b>",
        "</a>",
        "</b>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?xml?>",
        ">",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn pieces_do_not_matter(stream in stream_type(), text in jsonish(), sizes in prop::collection::vec(1_usize..9, 1..5)) {
        let whole = in_pieces(&stream, text.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(&in_pieces(&stream, text.as_bytes(), &sizes), &whole);
        prop_assert_eq!(&read_from(text.as_bytes(), &stream, sizes[0]), &whole);
        prop_assert_eq!(&split(&stream.to_string(), zip(&[("a", text.as_bytes())], zip::CompressionMethod::Deflated)).len(), &whole.len());
    }

    #[test]
    fn no_bytes_panic(stream in stream_type(), bytes in prop::collection::vec(any::<u8>(), 0..200), magic in 0_usize..9) {
        let magic: &[u8] = [
            &[][..],
            &[0x1f, 0x8b, 8, 0],
            &[0x28, 0xb5, 0x2f, 0xfd],
            b"BZh11AY&SY",
            b"\xff\x06\0\0sNaPpY",
            b"PK\x03\x04\x14\0\x08\0\x08\0",
            b"PK\x03\x04\x14\0\0\0\x08\0aaaa\0\0\0\0\x80\0\0\0\x80\0\0\0\x01\0\0\0x",
            b"\xff\xfe",
            b"<",
        ][magic];
        let _ = show(Splitter::default().records(&payload([magic, &bytes].concat()), &stream));
    }

    #[test]
    fn elements_come_back(values in prop::collection::vec("[a-z\\[\\]{}\",: \\\\é]{0,8}", 0..8), pretty in any::<bool>()) {
        let records: Vec<serde_json::Value> = values.iter().map(|text| serde_json::json!({"k": text})).collect();
        let envelope = serde_json::json!({"x": [{"Records": 1}], "Records": &records});
        let text = if pretty { serde_json::to_string_pretty(&envelope) } else { serde_json::to_string(&envelope) }.unwrap();
        let found: Vec<serde_json::Value> =
            split("json_array:Records", text).iter().map(|record| serde_json::from_str(record).unwrap()).collect();
        prop_assert_eq!(found, records);
    }
}

#[test]
fn records_of_lines_know_the_first_lines() {
    let heads = |payload: &Payload, stream: &StreamType| -> Vec<Option<(String, Option<u64>)>> {
        let records = Splitter::default().records(payload, stream).map(Result::unwrap);
        records
            .map(|record| record.head.map(|head| (String::from_utf8(head.lines.to_vec()).unwrap(), head.first)))
            .collect()
    };
    let own = Some(("a,b\n1,2".to_owned(), Some(0)));
    assert_eq!(heads(&payload("a,b\n1,2"), &StreamType::Lines), [own.clone(), own]);
    let mut later = payload("3,4\n5,6\n");
    later.head = Some("a,b\n1,2\n3".into());
    let earlier = Some(("a,b\n1,2".to_owned(), None));
    assert_eq!(heads(&later, &StreamType::Auto), [earlier.clone(), earlier]);
    assert_eq!(heads(&payload("{}{}"), &StreamType::Json), [None, None]);
}
