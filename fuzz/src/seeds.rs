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
        "schema: Fuzz.Syslog\nparser: {native: {name: syslog}}\nfields:\n  - {name: hostname, type: string}\n  - {name: b, type: string, rename: {from: appname}}\n  - {name: message, type: string}\n",
        &[
            "<34>1 2003-10-11T22:14:15.003Z host bux - ID47 [x@1 a=\"b\\\"c\"] text",
            "<34>Oct 11 22:14:15 host bux[12]: text",
        ],
    ),
    (
        "keyvalue",
        "schema: Fuzz.Pairs\nparser: {native: {name: keyvalue}}\nfields:\n  - {name: a, type: string}\n  - {name: b, type: string}\n",
        &["<14>Jan 1 a=1 b=bux c=\"x \\\"y\\\"\"", "[b='bux', a=(1)]", "a==b"],
    ),
    (
        "cef",
        "schema: Fuzz.Cef\nparser: {native: {name: cef}}\nfields:\n  - {name: name, type: string}\n  - {name: b, type: string}\n  - {name: msg, type: string}\n",
        &["<14>host CEF:0|v|p\\|q|1|c|n|5|b=bux msg=a text \\= with\\nmore", "CEF:0|v|p|1|c|n|5|b=bux"],
    ),
    (
        "leef",
        "schema: Fuzz.Leef\nparser: {native: {name: leef}}\nfields:\n  - {name: eventId, type: string}\n  - {name: a, type: string}\n  - {name: b, type: string}\n",
        &["LEEF:1.0|v|p|1|e|a=1\tb=bux", "<1>h LEEF:2.0|v|p|1|e|x5e|a=1^b=bux", "LEEF:2.0|v|p|1|e|^|b=bux"],
    ),
    (
        "auditd",
        "schema: Fuzz.Auditd\nparser: {native: {name: auditd}}\nfields:\n  - {name: type, type: string}\n  - {name: timestamp, type: timestamp, timeFormats: [unix], isEventTime: true}\n  - {name: b, type: string}\n",
        &[
            "type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e b=\"bux\"",
            "type=USER_LOGIN msg=audit(1.5:1): pid=1 msg='op=login b=bux res=success'\u{1d}UID=\"root\"",
        ],
    ),
    (
        "zeek",
        "schema: Fuzz.Zeek\nparser: {native: {name: zeek}}\nfields:\n  - {name: ts, type: timestamp, timeFormats: [unix], isEventTime: true}\n  - {name: b, type: string}\n  - {name: l, type: array, element: {type: string}}\n",
        &[
            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tx\n#fields\tts\tb\tl\n#types\ttime\tstring\tset[string]\n1.5\tbux\ta,b\n2\t\\x09\t(empty)\n-\t-\t-\n",
            "#separator ;\n#fields;b\nbux\n#close;1\n",
        ],
    ),
    (
        "vpcflow",
        "schema: Fuzz.Flow\nparser: {native: {name: vpcflow}}\nfields:\n  - {name: version, type: int}\n  - {name: b, type: string}\n  - {name: srcaddr, type: string, indicators: [ip]}\n",
        &["version b srcaddr\n2 bux 10.0.0.1\n2 - ::1\n", "2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 4 5 6 ACCEPT OK\n"],
    ),
    (
        "windows_event",
        "schema: Fuzz.Windows\nparser: {native: {name: windows_event}}\nfields:\n  - {name: EventID, type: string}\n  - {name: b, type: string}\n  - {name: ExtraEventData, type: json}\n",
        &[
            "<Event><System><b>bux</b></System></Event>",
            "<Event xmlns='http://x'><System><Provider Name='p'/><EventID Qualifiers='0'>1</EventID><b>bux</b></System><EventData><Data Name='n'>v</Data><Data>w</Data></EventData><RenderingInfo><Message>m.\nx</Message></RenderingInfo></Event>",
            "{\"Event\":{\"System\":{\"EventID\":\"1\",\"b\":\"bux\"},\"EventData\":{\"Data\":[{\"Name\":\"n\",\"#text\":\"v\"}]}}}",
        ],
    ),
    (
        "coercion",
        "schema: Fuzz.Coerce\nfields:\n  - {name: b, type: string, indicators: [ip, url, net_addr, hostname, mac, md5, sha1, sha256, aws_arn, email, domain]}\n  - {name: i, type: smallint}\n  - {name: l, type: bigint}\n  - {name: f, type: float}\n  - {name: o, type: boolean}\n  - {name: t, type: timestamp, timeFormats: [rfc3339, unix, '%Y-%m-%d %H:%M:%S'], isEventTime: true}\n  - {name: a, type: array, element: {type: object, fields: [{name: x, type: float}]}}\n  - {name: j, type: json, indicators: [aws_auto]}\n  - {name: e, type: json, isEmbeddedJSON: true}\n  - {name: c, type: string, copy: {from: j.x}}\n  - {name: d, type: json, rename: {from: y}}\n",
        &[
            "{\"b\":\"bux\"}",
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
        "json_array" => texts(&[
            "\u{1}{\"x\":[{}],\"a\":[0,[\"bux\",{\"k\":\"bux\"}],2]}",
            "\u{4}{\"a\":[[],[1,2]]}{\"a\":[[],[]]}",
        ]),
        "cloudwatch_logs" => texts(&[
            "\u{1}{\"messageType\":\"CONTROL_MESSAGE\"}{\"owner\":\"1\",\"logGroup\":\"g\",\"logEvents\":[{\"message\":\"bux\"},{\"message\":\"{}\"}]}",
        ]),
        "xml" => texts(&[
            "\u{1}<?xml version='1.0'?><es><!-- x --><e k='bux'/>\n<e><k>bux</k></e></es>",
            "\u{5}<e k='bux'><![CDATA[<a>]]></e><e>&amp;&#65;</e>",
        ]),
        "xml_root" => {
            texts(&["\u{1}<r><a><e k='bux'/>text<e/></a></r>", "\u{2}<!DOCTYPE a [<!ENTITY x 'y'>]><a><b/></a>"])
        }
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
            let named = |schema: &str| schema.split_once('\n').map(|(_, rest)| format!("schema: Fuzz.Bux\n{rest}"));
            let own: Vec<Vec<u8>> =
                PARSERS.iter().filter_map(|(_, schema, _)| named(schema)).map(String::into_bytes).collect();
            own.into_iter().chain([b"schema: Fuzz.Bux\nfields: [{name: a, type: string}]\n".to_vec()]).collect()
        }
        "infer" => texts(&[
            "{\"bux\":1,\"t\":\"2025-03-04T10:05:00Z\",\"l\":[1,{\"k\":true}]}\n{\"bux\":\"007\",\"time\":1741082700,\"@x y\":{}}",
            "{\"ip\":\"10.0.0.1\",\"n\":1.5}\n{\"ip\":\"::1\",\"n\":12345678901234567890,\"N\":null}",
        ]),
        "infer_rows" => texts(&["time,user,b\n2025-03-04 10:05:00,ana,bux\n,\"q\"\"q\",1\n", "a;b\n1;bux\n"]),
        "discovery" => texts(&[
            "{\"d\":\"x\",\"bux\":1,\"o\":{\"i\":1,\"n\":[1]},\"l\":[{\"i\":2,\"m\":\"2025-03-04T10:05:00Z\"}],\"j\":{\"x\":1}}\n{\"d\":\"y\",\"bux\":\"text\"}",
            "{\"d\":\"x\",\"@a b\":{\"k\":1.5},\"D\":\"z\",\"p_x\":1}",
        ]),
        #[cfg(feature = "columnar")]
        "parquet" => vec![parquet()],
        #[cfg(feature = "columnar")]
        "avro" => vec![avro()],
        "processor" => samples(),
        _ => Vec::new(),
    }
}

/// The records of the bundled schemas' samples, the small ones.
fn samples() -> Vec<Vec<u8>> {
    let (schemas, _) = SchemaSet::load(bundled());
    let records =
        schemas.iter().flat_map(|schema| schema.samples()).map(|sample| sample.raw.trim().as_bytes().to_vec());
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

/// Two rows of two columns.
#[cfg(feature = "columnar")]
fn parquet() -> Vec<u8> {
    let texts = arrow::array::StringArray::from(vec!["bux", "x"]);
    let numbers = arrow::array::Int64Array::from(vec![Some(1), None]);
    let columns: [(&str, arrow::array::ArrayRef); 2] =
        [("b", std::sync::Arc::new(texts)), ("n", std::sync::Arc::new(numbers))];
    let batch = arrow::record_batch::RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a schema it knows");
    writer.write(&batch).expect("memory takes all");
    writer.close().expect("memory takes all");
    bytes
}

/// Two rows, the second with nothing in its union.
#[cfg(feature = "columnar")]
fn avro() -> Vec<u8> {
    let schema = r#"{"type":"record","name":"r","fields":[{"name":"b","type":"string"},{"name":"n","type":["null","long"]},
        {"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"m","type":{"type":"map","values":"bytes"}}]}"#;
    let schema = apache_avro::Schema::parse_str(schema).expect("a schema");
    let mut writer = apache_avro::Writer::new(&schema, Vec::new());
    for (text, number) in [("bux", Some(7)), ("x", None)] {
        let mut row = apache_avro::types::Record::new(&schema).expect("a record's schema");
        row.put("b", text);
        row.put("n", number.map(|number: i64| number));
        row.put("t", apache_avro::types::Value::TimestampMicros(1));
        row.put("m", std::collections::HashMap::from([("k".to_owned(), apache_avro::types::Value::Bytes(vec![1]))]));
        writer.append(row).expect("memory takes all");
    }
    writer.into_inner().expect("memory takes all")
}
