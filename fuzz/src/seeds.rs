//! What the targets begin with: small, and near to what their parsers read.

use std::io::Write as _;
use std::path::Path;

use uncia_processing::SchemaSet;

use crate::targets::bundled;

/// Schemas that use a parser, and records for it. The field `b` is where the planted bug looks.
pub(crate) const PARSERS: &[(&str, &str, &[&str])] = &[
    (
        "csv",
        "schema: Fuzz.Csv\nparser: {csv: {delimiter: ',', columns: [a, b, '', n]}}\nfields:\n  - {name: a, type: string}\n  - {name: b, type: string}\n  - {name: n, type: bigint}\n",
        &["1,bux,x,7", "\"a\"\"b\",\"b\nu\",,1", "a", "a,b\"c,d,"],
    ),
    (
        "csv_header",
        "schema: Fuzz.Csv\nparser: {csv: {hasHeader: true, trimSpace: true}}\nfields:\n  - {name: a, type: string}\n  - {name: b, type: string}\n",
        &["a,b\n1,bux\n2,\"x\"\n", "b\nbu\n"],
    ),
    (
        "fastmatch",
        "schema: Fuzz.Match\nparser: {fastmatch: {match: ['%{a} [%{b}] \"%{c}\" %{n}', '<%{a}>%{b}'], emptyValues: ['-'], expandFields: {d: '%{a}/%{b}'}}}\nfields:\n  - {name: a, type: string}\n  - {name: b, type: string}\n  - {name: c, type: string}\n  - {name: d, type: string}\n  - {name: n, type: float}\n",
        &["x [bux] \"a \\\"q\\\" \\u0041 \\x41\" 1.5", "<1>bux", "- [-] \"-\" -"],
    ),
    (
        "regex",
        "schema: Fuzz.Regex\nparser: {regex: {match: ['^%{WORD:a} ', '%{NOTSPACE:b}( %{IP:ip})?$'], emptyValues: ['']}}\nfields:\n  - {name: a, type: string}\n  - {name: b, type: string}\n  - {name: ip, type: string, indicators: [ip]}\n",
        &["word bux 10.0.0.1", "word bux", "a b c"],
    ),
    (
        "script",
        "schema: Fuzz.Script\nparser:\n  script:\n    function: |\n      def parse(log):\n          event = json.decode(log) if log.startswith('{') else {}\n          parts = log.split('|')\n          if len(parts) > 1:\n              event['b'] = parts[1]\n          return event\nfields:\n  - {name: a, type: string}\n  - {name: b, type: string}\n",
        &["a|bux|c", "{\"a\":\"x\",\"b\":\"bux\"}", "{\"a\":1e400}"],
    ),
    (
        "xml_record",
        "schema: Fuzz.Xml\nparser: {xml: {}}\nfields:\n  - {name: a, type: json}\n  - {name: b, type: string}\n",
        &["<e a='1'><b>bux</b></e>", "<e><b><![CDATA[bux]]></b><a/><a>&#65;&lt;</a></e>"],
    ),
    (
        "syslog",
        "schema: Fuzz.Syslog\nparser: {native: {name: Syslog}}\nfields:\n  - {name: hostname, type: string}\n  - {name: b, type: string, rename: {from: appname}}\n  - {name: message, type: string}\n",
        &[
            "<34>1 2003-10-11T22:14:15.003Z host bux - ID47 [x@1 a=\"b\\\"c\"] text",
            "<34>Oct 11 22:14:15 host bux[12]: text",
        ],
    ),
    (
        "coercion",
        "schema: Fuzz.Coerce\nfields:\n  - {name: b, type: string, indicators: [ip, url, net_addr, hostname, mac, md5, sha1, sha256, aws_arn, email, domain]}\n  - {name: i, type: smallint}\n  - {name: l, type: bigint}\n  - {name: f, type: float}\n  - {name: o, type: boolean}\n  - {name: t, type: timestamp, timeFormats: [rfc3339, unix, '%Y-%m-%d %H:%M:%S'], isEventTime: true}\n  - {name: a, type: array, element: {type: object, fields: [{name: x, type: float}]}}\n  - {name: j, type: json, indicators: [aws_auto]}\n  - {name: e, type: json, isEmbeddedJSON: true}\n  - {name: c, type: string, copy: {from: j.x}}\n  - {name: d, type: json, rename: {from: y}}\n",
        &[
            "{\"b\":\"bux\",\"i\":\"7\",\"l\":12345678901234567890,\"t\":1.5}",
            "{\"b\":\"arn:aws:iam::123456789012:user/x\",\"j\":{\"x\":1e400,\"accountId\":\"123456789012\"},\"e\":\"[1,{}]\",\"y\":\"\\ud800\"}",
            "{\"a\":[{\"x\":\"1.5\"}],\"o\":\"T\",\"t\":\"2020-01-01T00:00:00.5+01:00\",\"b\":\"http://[::1]:8/x\",\"b\":1}",
        ],
    ),
];

/// Writes a target's seeds into a folder.
pub(crate) fn write(target: &str, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (place, seed) in of(target).iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{place}")), seed)?;
    }
    Ok(())
}

fn of(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    if let Some((.., records)) = PARSERS.iter().find(|(name, ..)| *name == target) {
        return texts(records);
    }
    match target {
        "document" => texts(&[
            "{\"k\":[1,\"bux\",{\"k\":null}],\"n\":-1.5e400,\"n\":12345678901234567890}",
            "[\"\\ud800\\udc00\\ud800 \\u0041\\n\",true,[],{}]",
        ]),
        // The first byte is how many bytes come at a time.
        "auto" => texts(&[
            "\u{1}{\"k\":\"bux\"}\n{\"b\":2}\n",
            "\u{2}{\"Records\":[{\"k\":\"bux\"},{}]}",
            "\u{3}<es><e k=\"bux\"/></es>",
            "\u{4}{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"message\":\"bux\"}]}",
            "\u{5}[{\"k\":\"bux\"}]",
        ]),
        "lines" => texts(&["\u{1}one\r\n\n bux \nthree", "\u{9}\u{feff}bux\n"]),
        "json" => texts(&["\u{1}{\"k\":\"bux\"} [1]\"x\"12 true", "\u{3}{\n\"k\": {}\n}\n{}"]),
        "json_array" => texts(&["\u{1}{\"x\":[{}],\"a\":[0,[\"bux\",{\"k\":\"bux\"}],2]}", "\u{4}{\"a\":[[],[1,2]]}{\"a\":[[],[]]}"]),
        "cloudwatch_logs" => texts(&[
            "\u{1}{\"messageType\":\"CONTROL_MESSAGE\"}{\"owner\":\"1\",\"logGroup\":\"g\",\"logEvents\":[{\"message\":\"bux\"},{\"message\":\"{}\"}]}",
        ]),
        "xml" => texts(&[
            "\u{1}<?xml version='1.0'?><es><!-- x --><e k='bux'/>\n<e><k>bux</k></e></es>",
            "\u{5}<e k='bux'><![CDATA[<a>]]></e><e>&amp;&#65;</e>",
        ]),
        "xml_root" => texts(&["\u{1}<r><a><e k='bux'/>text<e/></a></r>", "\u{2}<!DOCTYPE a [<!ENTITY x 'y'>]><a><b/></a>"]),
        "inflate" => packed(b"one\nbux\n{\"a\":1}\n"),
        "time" => texts(&[
            "rfc3339\n2076-01-02T03:04:05.678+01:00",
            "unix\n1700000000.5",
            "unix_auto\n1700000000000",
            "%Y-%m-%d %H:%M:%S.%f %z\n2076-01-02 03:04:05.678 +0100",
            "%a, %d %b %y %I:%M %p %Z\nFri, 02 Jan 26 03:04 PM UTC",
            "%G-W%V-%u %j %s%n%%\n2076-W01-1 001 1700000000 %",
        ]),
        "schema" => {
            let own: Vec<Vec<u8>> = PARSERS.iter().map(|(_, schema, _)| schema.replace("Fuzz.", "Fuzz.Bu").into()).collect();
            own.into_iter().chain([b"schema: Fuzz.Bux\nfields: [{name: a, type: string}]\n".to_vec()]).collect()
        }
        "processor" => samples(),
        _ => Vec::new(),
    }
}

/// The records of the bundled schemas' samples, the small ones.
fn samples() -> Vec<Vec<u8>> {
    let (schemas, _) = SchemaSet::load(bundled());
    let records = schemas.iter().flat_map(|schema| schema.samples()).map(|sample| sample.raw.trim().as_bytes().to_vec());
    records.filter(|record| record.len() < 1_500).collect()
}

fn packed(text: &[u8]) -> Vec<Vec<u8>> {
    let gzip = |level, text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory takes all")
    };
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    let bzip2 = bzip2.write_all(text).and_then(|()| bzip2.finish()).expect("memory takes all");
    let mut snappy = snap::write::FrameEncoder::new(Vec::new());
    snappy.write_all(text).expect("memory takes all");
    let snappy = snappy.into_inner().expect("memory takes all");
    vec![
        gzip(0, text),
        gzip(6, text),
        gzip(6, &gzip(0, text)),
        zstd::stream::encode_all(text, 1).expect("memory takes all"),
        bzip2,
        snappy,
        zip(text),
        text.iter().flat_map(|byte| [*byte, 0]).fold(vec![0xff, 0xfe], |mut bytes, byte| {
            bytes.push(byte);
            bytes
        }),
    ]
}

/// One member, stored.
fn zip(text: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(text);
    let mut bytes = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(crc.sum().to_le_bytes());
    for _ in 0..2 {
        bytes.extend((text.len() as u32).to_le_bytes());
    }
    bytes.extend(b"\x05\0\0\0a.log");
    bytes.extend(text);
    bytes.extend(b"PK\x01\x02");
    bytes
}
