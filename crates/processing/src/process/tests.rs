//! Records to events: classification, coercion, the normal form.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use uncia_document::{Interner, Timestamp};
use uncia_model::{Event, Failure, FailureReason, Origin, Payload, Record};

use super::{Processed, Processor};
use crate::schema::SchemaSet;

/// Stands in for a bug in the parser.
pub(crate) fn maybe_panic(record: &[u8]) {
    assert!(record != br#"{"panic":"now"}"#, "told to");
}

fn processor(schemas: &[&str]) -> Processor {
    let files = schemas.iter().enumerate().map(|(n, yaml)| (format!("{n}.yml"), (*yaml).to_owned()));
    let (set, errors) = SchemaSet::load(files);
    assert!(errors.is_empty(), "{errors:?}");
    Processor::new(Arc::new(set), Interner::new())
}

#[expect(clippy::result_large_err, reason = "a failure is a value")]
fn process(processor: &mut Processor, record: &[u8], log_types: &[&str]) -> Result<Event, Failure> {
    let origin = Origin { source: "s1".into(), source_label: "S".into(), key: "k".into(), place: Some("a.log".into()) };
    let bytes = Bytes::copy_from_slice(record);
    let log_types = log_types.iter().map(|&name| name.into()).collect();
    let payload = Payload { origin, bytes: bytes.clone(), received: Timestamp::from_micros(0), log_types, head: None };
    let mut out = Processed::default();
    processor.process(Record::alone(0, bytes), &payload, Timestamp::from_seconds(1_700_000_000, 0), &mut out);
    match out.failures.pop() {
        Some(failure) => Err(failure),
        None => Ok(out.events.pop().unwrap()),
    }
}

/// Why a record became no event.
pub(crate) fn outcome(schemas: &Arc<SchemaSet>, record: &str) -> Result<(), String> {
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    process(&mut processor, record.as_bytes(), &[]).map(drop).map_err(|failure| failure.message)
}

/// The event's own fields as JSON, or the failure's message.
fn own(processor: &mut Processor, record: &str) -> String {
    match process(processor, record.as_bytes(), &[]) {
        Ok(event) => {
            let json = event.document.to_json();
            let (own, _) = json.split_once("\"p_log_type\"").unwrap();
            format!("{}}}", own.trim_end_matches(','))
        }
        Err(failure) => failure.message,
    }
}

fn schema(fields: &str) -> String {
    format!("schema: Test.Log\nfields:\n  - {{name: id, type: string}}\n{fields}")
}

#[test]
fn coercions() {
    let mut processor = processor(&[&schema(
        "  - {name: s, type: string}\n  - {name: i16, type: smallint}\n  - {name: i32, type: int}\n  - {name: i64, type: bigint}\n  \
         - {name: f, type: float}\n  - {name: b, type: boolean}\n  - {name: t, type: timestamp, timeFormats: [rfc3339, unix]}\n  \
         - {name: a, type: array, element: {type: int}}\n  - {name: o, type: object, fields: [{name: x, type: int, required: true}]}\n  \
         - {name: j, type: json}\n",
    )]);
    for (value, expected) in [
        (r#""s":"x""#, r#""s":"x""#),
        (r#""s":"""#, r#""s":"""#),
        (r#""s":true"#, r#""s":"true""#),
        (r#""s":1e400"#, r#""s":"1e400""#),
        (r#""s":12345678901234567890123"#, r#""s":"12345678901234567890123""#),
        (r#""s":null"#, ""),
        (r#""s":{}"#, "field `s`: expected a string, found an object"),
        (r#""i16":32767"#, r#""i16":32767"#),
        (r#""i16":32768"#, "field `i16`: expected an integer from -32768 to 32767, found 32768"),
        (r#""i32":"12""#, r#""i32":12"#),
        (r#""i32":"+012""#, r#""i32":12"#),
        (r#""i32":"""#, ""),
        (r#""i32":1.0"#, "field `i32`: expected an integer, found 1.0"),
        (r#""i32":true"#, "field `i32`: expected an integer, found true"),
        (r#""i64":9223372036854775807"#, r#""i64":9223372036854775807"#),
        (r#""i64":9223372036854775808"#, "field `i64`: expected an integer, found 9223372036854775808"),
        (r#""f":2230.0"#, r#""f":2230.0"#),
        (r#""f":"1.50""#, r#""f":1.50"#),
        (r#""f":".5""#, r#""f":0.5"#),
        (r#""f":"NaN""#, r#"field `f`: expected a number, found "NaN""#),
        (r#""f":1e400"#, "field `f`: expected a number, found 1e400"),
        (r#""b":0"#, r#""b":false"#),
        (r#""b":"T""#, r#""b":true"#),
        (r#""b":"yes""#, r#"field `b`: expected a boolean, found "yes""#),
        (r#""b":2"#, "field `b`: expected a boolean, found 2"),
        (r#""b":"""#, ""),
        (r#""t":"2018-03-24T17:15:20.865716Z""#, r#""t":"2018-03-24 17:15:20.865716000""#),
        (r#""t":1521911720.865716"#, r#""t":"2018-03-24 17:15:20.865716000""#),
        (r#""t":"1521911720""#, r#""t":"2018-03-24 17:15:20.000000000""#),
        (r#""t":"""#, ""),
        (r#""t":"now""#, r#"field `t`: expected a timestamp in one of the schema's formats, found "now""#),
        (r#""a":[1,"2",null]"#, r#""a":[1,2,null]"#),
        (r#""a":[]"#, ""),
        (r#""a":[1,"x"]"#, r#"field `a[1]`: expected an integer, found "x""#),
        (r#""a":1"#, "field `a`: expected an array, found 1"),
        (r#""o":{"x":1,"y":null,"z.z":2}"#, r#""o":{"x":1,"z_z":2}"#),
        (r#""o":{}"#, "field `o.x`: required, but missing or null"),
        (r#""o":null"#, ""),
        (r#""o":[]"#, "field `o`: expected an object, found an array"),
        (r#""j":{"a":null,"b.c":[],"d":1e400}"#, r#""j":{"a":null,"b.c":[],"d":1e400}"#),
        (r#""j":"x""#, r#""j":"x""#),
    ] {
        let actual = own(&mut processor, &format!("{{\"id\":\"1\",{value}}}"));
        let actual = actual.strip_prefix("not Test.Log: ").unwrap_or(&actual);
        let expected = match expected {
            "" => r#"{"id":"1"}"#.to_owned(),
            _ if expected.starts_with('"') => format!("{{\"id\":\"1\",{expected}}}"),
            _ => expected.to_owned(),
        };
        assert_eq!(actual, expected, "{value}");
    }
}

#[test]
fn the_whole_event() {
    let mut processor = processor(&["
schema: Acme.Audit
fields:
  - {name: id.orig, type: string, indicators: [ip], required: true}
  - {name: updated, type: timestamp, timeFormat: rfc3339, isEventTime: true}
  - {name: created, type: timestamp, timeFormat: rfc3339, isEventTime: true}
  - {name: kind, type: string, rename: {from: type}}
  - {name: user, type: json, isEmbeddedJSON: true}
  - {name: user_name, type: string, copy: {from: who.name}, indicators: [username]}
  - {name: tags, type: array, element: {type: string, indicators: [domain]}}
  - {name: who, type: object, fields: [{name: name, type: string}]}
"]);
    let record = r#"{"created":"2020-01-01T00:00:00Z","id.orig":"10.0.0.1","type":"a","user":"{\"x\":[1,{}]}","@more":{"a":1},
        "gone":null,"p_log_type":"Fake.Log","who":{"name":"al\u00e9x"},"kind":"taken","tags":["b.example","a.example","b.example"],"user name":1}"#;
    let event = process(&mut processor, record.as_bytes(), &["Acme.Audit"]).unwrap();
    insta::assert_snapshot!(event.document.to_json(), @r#"{"created":"2020-01-01 00:00:00.000000000","id_orig":"10.0.0.1","kind":"a","user":{"x":[1,{}]},"at_sign_more":{"a":1},"_p_log_type":"Fake.Log","who":{"name":"aléx"},"kind_":"taken","tags":["b.example","a.example","b.example"],"user_name_":1,"user_name":"aléx","p_log_type":"Acme.Audit","p_row_id":"2c983c5738a07132b16b8bafb8901120","p_event_time":"2020-01-01 00:00:00.000000000","p_parse_time":"2023-11-14 22:13:20.000000000","p_schema_version":0,"p_source_id":"s1","p_source_label":"S","p_source_file":{"path":"a.log"},"p_any_ip_addresses":["10.0.0.1"],"p_any_domain_names":["a.example","b.example"],"p_any_usernames":["aléx"]}"#);
    assert_eq!(event.time.to_string(), "2020-01-01 00:00:00.000000000");
    let again = process(&mut processor, record.as_bytes(), &["Acme.Audit"]).unwrap();
    assert_eq!(again.document.to_json(), event.document.to_json());
}

#[test]
fn the_envelope_becomes_the_header() {
    let mut processor = processor(&[&schema("")]);
    let origin = Origin { source: "s".into(), source_label: "s".into(), key: "k".into(), place: None };
    let bytes = Bytes::from_static(br#"{"id":"1","p_header":"mine"}"#);
    let payload = Payload {
        origin,
        bytes: bytes.clone(),
        received: Timestamp::from_micros(0),
        log_types: Vec::new(),
        head: None,
    };
    let header = Some(r#"{"logGroup":"g","subscriptionFilters":["f"]}"#.into());
    let mut out = Processed::default();
    processor.process(Record { header, ..Record::alone(0, bytes) }, &payload, Timestamp::from_micros(0), &mut out);
    let event = out.events[0].document.to_json();
    assert!(
        event.contains(r#""p_header":{"logGroup":"g","subscriptionFilters":["f"]},"#)
            || event.ends_with(r#""p_header":{"logGroup":"g","subscriptionFilters":["f"]}}"#),
        "{event}"
    );
    assert!(event.contains(r#""_p_header":"mine""#), "{event}");
}

/// What a stream may hold and a double cannot: from the file's bytes to the event's JSON.
#[test]
fn literals_survive_from_stream_to_event() {
    let mut processor = processor(&[&schema("  - {name: j, type: json}\n  - {name: s, type: string}\n")]);
    let line = r#"{"id":12345678901234567890,"j":{"n":1e400,"big":[98765432109876543210,-0.0]},"s":1e400,"x":{"y":0.10},"s":2e500,"u":"\ud800|\ud83d\ude00"}"#;
    let expected = r#"{"id":"12345678901234567890","j":{"n":1e400,"big":[98765432109876543210,-0.0]},"s":"2e500","x":{"y":0.10},"u":"�|😀"}"#;
    let array = format!("[{line}]");
    let subscription = serde_json::json!({"messageType": "DATA_MESSAGE", "logEvents": [{"message": line}]}).to_string();
    for (stream, text) in [("lines", line), ("json", line), ("json_array", &*array), ("auto", &*subscription)] {
        let origin = Origin { source: "s".into(), source_label: "s".into(), key: "k".into(), place: None };
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let payload = Payload { origin, bytes, received: Timestamp::from_micros(0), log_types: Vec::new(), head: None };
        let records: Vec<_> = crate::Splitter::default().records(&payload, &stream.parse().unwrap()).collect();
        assert_eq!(records.len(), 1);
        let record = String::from_utf8(records[0].as_ref().unwrap().bytes.to_vec()).unwrap();
        assert_eq!(own(&mut processor, &record), expected, "{stream}");
    }
}

#[test]
fn event_time_goes_by_schema_order() {
    let mut processor = processor(&[&schema(
        "  - {name: first, type: timestamp, timeFormat: unix, isEventTime: true}\n  - {name: second, type: timestamp, timeFormat: unix, isEventTime: true}\n",
    )]);
    let mut time = |record: &str| process(&mut processor, record.as_bytes(), &[]).unwrap().time.seconds();
    assert_eq!(time(r#"{"second":2,"first":1}"#), 1);
    assert_eq!(time(r#"{"second":2,"first":null}"#), 2);
    assert_eq!(time(r#"{"id":"x"}"#), 1_700_000_000);
}

#[test]
fn embedded_json() {
    let mut processor = processor(&[&schema(
        "  - {name: o, type: object, isEmbeddedJSON: true, fields: [{name: x, type: int}]}\n  - {name: j, type: json, isEmbeddedJSON: true}\n",
    )]);
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    for (record, expected) in [
        (r#"{"o":"{\"x\":\"1\"}"}"#.to_owned(), r#"{"o":{"x":1}}"#.to_owned()),
        (r#"{"o":{"x":1}}"#.to_owned(), r#"{"o":{"x":1}}"#.to_owned()),
        (r#"{"id":1,"o":" "}"#.to_owned(), r#"{"id":"1"}"#.to_owned()),
        (
            r#"{"o":"{"}"#.to_owned(),
            "not Test.Log: field `o`: the string holds no JSON: unexpected end of input at byte 1".to_owned(),
        ),
        (r#"{"j":"{"}"#.to_owned(), r#"{"j":"{"}"#.to_owned()),
        (r#"{"j":"[1,\"é\"]"}"#.to_owned(), r#"{"j":[1,"é"]}"#.to_owned()),
        (format!("{{\"j\":\"{deep}\"}}"), format!("{{\"j\":\"{deep}\"}}")),
    ] {
        assert_eq!(own(&mut processor, &record), expected);
    }
}

#[test]
fn transformations_are_made_in_their_order() {
    let mut processor = processor(&[&schema(
        "  - {name: user, type: string, rename: {from: u.name}, mask: {type: redact, to: '***'}, indicators: [username]}
  - {name: again, type: string, copy: {from: user}, indicators: [username]}
  - {name: number, type: bigint, copy: {from: o.n}}
  - {name: inner, type: string, copy: {from: e.x.1}}
  - {name: both, type: string, concat: {separator: '/', paths: [again, gone, o.n, o]}}
  - {name: first, type: string, split: {from: both, separator: '/', index: 0}}
  - {name: last, type: string, split: {from: o.path, separator: '/', index: -1}}
  - {name: all, type: array, element: {type: string, indicators: [email]}, split: {from: o.path, separator: '/'}, mask: {type: md5}}
  - {name: none, type: string, split: {from: o.path, separator: '/', index: 9}}
  - {name: o, type: object, fields: [{name: n, type: string, rename: {from: N}}, {name: path, type: string}]}
  - {name: e, type: json, isEmbeddedJSON: true}
  - {name: secret, type: json, mask: {type: redact}, indicators: [email]}
",
    )]);
    for (record, expected) in [
        (
            r#"{"u.name":"ada","o":{"N":7,"path":"a/b@c"},"e":"{\"x\":[1,2]}","secret":{"mail":"a@b"}}"#,
            r#"{"user":"***","o":{"n":"7","path":"a/b@c"},"e":{"x":[1,2]},"secret":"REDACTED","again":"ada","number":7,"inner":"2","both":"ada/7/{\"N\":7,\"path\":\"a/b@c\"}","first":"ada","last":"b@c","all":["0cc175b9c0f1b6a831c399e269772661","a4c72505771e0162e7695ec1c249813c"]}"#,
        ),
        (r#"{"id":"1","o":null,"e":"no json"}"#, r#"{"id":"1","e":"no json"}"#),
        (
            r#"{"o":{"path":""},"id":2}"#,
            r#"{"o":{"path":""},"id":"2","both":"{\"path\":\"\"}","first":"{\"path\":\"\"}","last":"","all":["d41d8cd98f00b204e9800998ecf8427e"]}"#,
        ),
    ] {
        assert_eq!(own(&mut processor, record), expected);
    }
    let event = process(&mut processor, br#"{"u.name":"ada"}"#, &[]).unwrap();
    assert!(event.document.to_json().contains(r#""p_any_usernames":["***","ada"]"#));
}

#[test]
fn core_fields_are_filled_from_the_event() {
    let yaml = "
schema: Test.Udm
fields:
  - {name: clientIp, type: string}
  - {name: user, type: object, fields: [{name: '@mail', type: string, mask: {type: redact}}]}
  - {name: targets, type: array, element: {type: object, fields: [{name: arn, type: string}]}}
udm:
  - {name: source.ip, paths: [{path: gone}, {path: clientIp}]}
  - {name: user.email, paths: [{path: user.@mail}]}
  - {name: user.arns, paths: [{path: targets.arn}]}
  - {name: source.port, paths: [{path: extra.port}]}
";
    let mut processor = processor(&[yaml]);
    let mut udm = |record: &str| {
        let event = process(&mut processor, record.as_bytes(), &[]).unwrap();
        event.document.root().get("p_udm").map(|udm| udm.to_json())
    };
    assert_eq!(
        udm(r#"{"clientIp":"10.0.0.1","user":{"@mail":"a@b"},"targets":[{"arn":"x"},{},{"arn":"y"}],"extra":{"port":1}}"#).unwrap(),
        r#"{"source":{"ip":"10.0.0.1","port":1},"user":{"email":"REDACTED","arns":["x","y"]}}"#
    );
    assert_eq!(udm(r#"{"user":{"@mail":null},"targets":[]}"#), None);
}

/// Hundreds of schemas: the index must name the plans that a trial of all would have found.
#[test]
fn the_index_finds_what_trying_all_would() {
    let schemas: Vec<String> = (0..200)
        .map(|n| match n % 4 {
            0 => format!("schema: T.A{n}\nfields: [{{name: k{n}, type: string, required: true}}, {{name: id, type: string, required: true}}]"),
            1 => format!("schema: T.B{n}\nfields: [{{name: kind, type: string, required: true, validate: {{allow: [b{n}]}}}}, {{name: id, type: string}}]"),
            2 => format!("schema: T.C{n}\nfields: [{{name: c{n}, type: string}}, {{name: d{n}, type: int}}]"),
            _ => format!("schema: T.D{n}\nfields: [{{name: made, type: string, copy: {{from: x{n}.y}}}}]"),
        })
        .collect();
    let files: Vec<&str> = schemas.iter().map(String::as_str).collect();
    let mut processor = processor(&files);
    for n in 0..200 {
        let (record, expected) = match n % 4 {
            0 => (format!("{{\"k{n}\":1,\"id\":2}}"), format!("T.A{n}")),
            1 => (format!("{{\"kind\":\"b{n}\"}}"), format!("T.B{n}")),
            2 => (format!("{{\"d{n}\":3,\"other\":1}}"), format!("T.C{n}")),
            _ => (format!("{{\"x{n}\":{{\"y\":1}}}}"), format!("T.D{n}")),
        };
        assert_eq!(process(&mut processor, record.as_bytes(), &[]).unwrap().log_type.as_str(), expected);
    }
    let failure = process(&mut processor, br#"{"id":1,"kind":"x","d2":"y"}"#, &[]).unwrap_err();
    assert_eq!(
        failure.message,
        r#"none of 200 log types fits; the nearest is T.C2: field `d2`: expected an integer, found "y""#
    );
    assert_eq!(failure.candidates.len(), 20);
}

#[test]
fn events_carry_the_revision_of_their_schema() {
    let (mut set, _) = SchemaSet::load([("t.yml".to_owned(), schema(""))]);
    assert!(set.set_revision(&"Test.Log".into(), 7));
    assert!(!set.set_revision(&"Test.Other".into(), 7));
    let event = process(&mut Processor::new(Arc::new(set), Interner::new()), br#"{"id":1}"#, &[]).unwrap();
    assert_eq!(event.document.root().get("p_schema_version").unwrap().literal(), Some("7"));
}

const ALPHA: &str = "schema: T.Alpha\nfields: [{name: kind, type: string, required: true, validate: {allow: [alpha]}}, {name: n, type: int}]";
const BETA: &str =
    "schema: T.Beta\nfields: [{name: kind, type: string, required: true}, {name: n, type: int, required: true}]";
const LOOSE: &str = "schema: T.Loose\nfields: [{name: x, type: int}, {name: n, type: int}]";

#[test]
fn classification_is_by_strictness_then_name() {
    let mut processor = processor(&[LOOSE, BETA, ALPHA]);
    for (record, expected) in [
        (r#"{"kind":"alpha","n":1}"#, "T.Alpha"),
        (r#"{"kind":"beta","n":1}"#, "T.Beta"),
        (r#"{"n":1}"#, "T.Loose"),
        (r#"{"x":1,"kind":"beta"}"#, "T.Loose"),
        (r#"{"kind":"beta"}"#, "none of 3 log types fits: each lacks a required field or an allowed value"),
        (
            r#"{"n":"x"}"#,
            r#"none of 3 log types fits; the nearest is T.Loose: field `n`: expected an integer, found "x""#,
        ),
    ] {
        let actual = match process(&mut processor, record.as_bytes(), &[]) {
            Ok(event) => event.log_type.to_string(),
            Err(failure) => failure.message,
        };
        assert_eq!(actual, expected, "{record}");
    }
}

#[test]
fn failures_say_what_each_candidate_said() {
    let mut processor = processor(&[LOOSE, BETA, ALPHA]);
    let failure =
        process(&mut processor, br#"{"kind":"gamma","y":1}"#, &["T.Alpha", "T.Beta", "T.Gone", "T.Loose"]).unwrap_err();
    assert_eq!(failure.reason, FailureReason::NoSchemaMatched);
    assert_eq!(failure.payload, r#"{"kind":"gamma","y":1}"#);
    let said: Vec<String> = failure.candidates.iter().map(|(log_type, why)| format!("{log_type}: {why}")).collect();
    assert_eq!(
        said,
        [
            "T.Alpha: \"gamma\" is not in the `allow` list",
            "T.Beta: field `n`: required, but missing or null",
            "T.Loose: no field of this log type is in the record",
            "T.Gone: no schema describes this log type",
        ]
    );
    for (record, reason, message) in [
        (&b"oops"[..], FailureReason::NotJson, "not JSON: unexpected 'o' at byte 0"),
        (b"[1]", FailureReason::NotJson, "not a JSON object but an array"),
        (b"{\"a\":\"\xff\"}", FailureReason::InvalidUtf8, "invalid UTF-8 at byte 6"),
        (
            br#"{"panic":"now"}"#,
            FailureReason::ParserPanic,
            "the parser failed on this record, which is a bug: told to",
        ),
    ] {
        let failure = process(&mut processor, record, &[]).unwrap_err();
        assert_eq!((failure.reason, &*failure.message), (reason, message));
        assert_eq!(failure.payload, record);
    }
    assert_eq!(process(&mut processor, br#"{"n":1}"#, &[]).unwrap().log_type.as_str(), "T.Loose");
    let none = self::processor(&[]);
    assert_eq!(process(&mut { none }, b"{}", &[]).unwrap_err().message, "no schema is known");
}

#[test]
fn numbers_tell_log_types_apart() {
    let kind = |name: &str, number: u16| {
        let validate = format!("validate: {{allow: [{number}]}}");
        format!("schema: T.{name}\nfields:\n  - {{name: class, type: int, required: true, {validate}}}\n")
    };
    let mut processor = processor(&[&kind("Dns", 4003), &kind("Http", 4002)]);
    for (record, log_type) in [(r#"{"class":4002}"#, "T.Http"), (r#"{"class":"4003"}"#, "T.Dns")] {
        assert_eq!(process(&mut processor, record.as_bytes(), &[]).unwrap().log_type.as_str(), log_type, "{record}");
    }
    assert_eq!(
        own(&mut processor, r#"{"class":4001}"#),
        "none of 2 log types fits: each lacks a required field or an allowed value"
    );
}

#[test]
fn a_split_of_the_fields_own_key_takes_its_place() {
    let mut processor = processor(&[&schema(
        "  - {name: tags, type: array, element: {type: string}, split: {from: tags, separator: ','}}\n",
    )]);
    assert_eq!(own(&mut processor, r#"{"id":"1","tags":"a,b"}"#), r#"{"id":"1","tags":["a","b"]}"#);
}

#[test]
fn an_abbreviated_record_may_have_been_an_event() {
    let parser = "parser: {csv: {hasHeader: true}}";
    let fields =
        "  - {name: srcAddr, type: string, rename: {from: srcaddr}}\n  - {name: n, type: int, required: true}\n";
    let yaml = format!("schema: Test.Flow\n{parser}\nfields:\n{fields}");
    let (set, errors) = SchemaSet::load([("t.yml".to_owned(), yaml)]);
    assert!(errors.is_empty(), "{errors:?}");
    let mut processor = Processor::relaxed(Arc::new(set), Interner::new());
    for record in [r#"{"srcaddr":"::1"}"#, r#"{"srcAddr":"::1"}"#] {
        assert_eq!(own(&mut processor, record), r#"{"srcAddr":"::1"}"#, "{record}");
    }
}

#[test]
fn an_abbreviated_record_goes_to_who_misses_least() {
    let of = |name: &str, parser: &str, required: &str| {
        let field = |key: &str| format!("  - {{name: {key}, type: string, required: {}}}\n", required.contains(key));
        let fields: String = ["org", "group", "kind"].map(field).concat();
        (format!("{name}.yml"), format!("schema: Test.{name}\n{parser}fields:\n{fields}"))
    };
    // The stricter one would be first, and the parser of lines would take anything.
    let lines = "parser: {csv: {delimiter: ',', columns: [org, group, kind]}}\n";
    let files = [of("Group", "", "org group kind"), of("Org", "", "org kind"), of("Lines", lines, "org group kind")];
    let (set, errors) = SchemaSet::load(files);
    assert!(errors.is_empty(), "{errors:?}");
    let all = ["Test.Group", "Test.Org", "Test.Lines"];
    let mut processor = Processor::relaxed(Arc::new(set), Interner::new());
    for (record, log_type) in [(r#"{"kind":"k"}"#, "Test.Org"), (r#"{"kind":"k","group":"g"}"#, "Test.Group")] {
        assert_eq!(process(&mut processor, record.as_bytes(), &all).unwrap().log_type.as_str(), log_type, "{record}");
    }
    assert!(process(&mut processor, b"{}", &all).is_err());
}

#[test]
fn a_full_interner_changes_nothing() {
    let fields = "  - {name: a.b, type: string, rename: {from: x}}\n  - {name: n, type: int, required: true}\n";
    let record = br#"{"x":"1","n":"2","@y":3,"a.b":4}"#;
    let expected = process(&mut processor(&[&schema(fields)]), record, &[]).unwrap().document.to_json();
    let interner = Interner::new();
    for n in 0..1 << 16 {
        interner.intern(&format!("key {n}"));
    }
    let (set, _) = SchemaSet::load([("t.yml".to_owned(), schema(fields))]);
    let mut full = Processor::new(Arc::new(set), interner);
    assert_eq!(process(&mut full, record, &[]).unwrap().document.to_json(), expected);
}

#[test]
fn hostile_keys_cost_no_more_than_others() {
    // Every name changes, half of them end up alike.
    let members: Vec<String> =
        (0..40_000).map(|n| format!("\"@{}{}\":1", n / 2, if n % 2 == 0 { " " } else { "." })).collect();
    let record = format!("{{\"id\":1,\"deep\":{{}},{}}}", members.join(","));
    let event = process(&mut processor(&[&schema("")]), record.as_bytes(), &[]).unwrap();
    assert_eq!(event.document.root().get("at_sign_19999_").unwrap().literal(), Some("1"));
    assert_eq!(event.document.root().get("at_sign_19999__").unwrap().literal(), Some("1"));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[a-z0-9.:@/-]{0,12}".prop_map(Into::into),
        Just("{\"x\":1}".into()),
        Just("arn:aws:iam::123456789012:instance/i-1".into()),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            prop::collection::btree_map("s|i|t|a|o|j|e|x|y|a.b|a_b|p_row_id|tags|key|value|accountId", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

const WIDE: &str = "
schema: Test.Wide
fields:
  - {name: s, type: string, indicators: [ip, url, net_addr, hostname, mac, md5, aws_arn]}
  - {name: i, type: int}
  - {name: t, type: timestamp, timeFormats: [rfc3339, unix_auto, '%Y-%m-%d'], isEventTime: true}
  - {name: a, type: array, element: {type: object, fields: [{name: x, type: float}, {name: y, type: boolean}]}}
  - {name: o, type: object, fields: [{name: x, type: string}, {name: a_b, type: json, copy: {from: o.x}}]}
  - {name: j, type: json, indicators: [aws_auto, email]}
  - {name: e, type: json, isEmbeddedJSON: true}
  - {name: a_b, type: json, rename: {from: y}}
";

proptest! {
    /// Whatever the record, there is one event or one failure, its JSON parses, no name appears twice, and another
    /// processor with another history says the same.
    #[test]
    fn every_record_has_one_outcome(records in prop::collection::vec(json(), 1..6)) {
        let mut seasoned = processor(&[WIDE, LOOSE]);
        for record in &records {
            let bytes = serde_json::to_vec(record).unwrap();
            let first = process(&mut seasoned, &bytes, &[]);
            let second = process(&mut processor(&[LOOSE, WIDE]), &bytes, &[]);
            match (first, second) {
                (Ok(first), Ok(second)) => {
                    let text = first.document.to_json();
                    prop_assert_eq!(&text, &second.document.to_json());
                    let parsed = uncia_document::Parser::new(Interner::new()).parse(text.as_bytes()).unwrap();
                    prop_assert_eq!(parsed.to_json(), text);
                }
                (Err(first), Err(second)) => prop_assert_eq!(first.message, second.message),
                _ => prop_assert!(false, "two processors disagree on {}", record),
            }
        }
    }
}
