//! Text records through whole schemas: what each parser and each option does, and that no input panics.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use uncia_document::{Interner, Timestamp};
use uncia_model::{Origin, Payload, Record};

use crate::process::{Processed, Processor};
use crate::schema::SchemaSet;
use crate::stream::{Splitter, StreamType};

const PARSERS: &[&str] = &[
    "{csv: {columns: [a, '', c], trimSpace: true, emptyValues: ['-'], skipPrefix: '#'}}",
    "{csv: {hasHeader: true, delimiter: \"\\t\"}}",
    "{csv: {hasHeader: true, columns: [a, b, c]}}",
    "{fastmatch: {match: ['%{a} [%{b}] \"%{c}\"', '%{a}: %{b}'], skipLines: 1, expandFields: {d: '%{a}-%{ b }'}}}",
    "{regex: {match: ['^%{IP:a} ', '%{WORD:b}( (?P<c>.*))?$'], emptyValues: ['']}}",
];

fn schema(parser: &str) -> String {
    let fields: String = ["a", "b", "c", "d"].map(|name| format!("  - {{name: {name}, type: string}}\n")).concat();
    format!("schema: Test.Text\nparser: {parser}\nfields:\n{fields}")
}

fn processor(parser: &str) -> Processor {
    let (set, errors) = SchemaSet::load([("t.yml".to_owned(), schema(parser))]);
    assert!(errors.is_empty(), "{errors:?}");
    Processor::new(Arc::new(set), Interner::new())
}

fn payload(text: &[u8]) -> Payload {
    let origin = Origin { source: "s".into(), source_label: "s".into(), key: "k".into(), place: None };
    let bytes = Bytes::copy_from_slice(text);
    Payload { origin, bytes, received: Timestamp::from_micros(0), log_types: vec!["Test.Text".into()], head: None }
}

fn records(payload: &Payload) -> Vec<Record> {
    Splitter::records(payload, &StreamType::Lines).filter_map(Result::ok).collect()
}

/// What became of each line: the event's own fields, the failure's message after `!`, or nothing.
fn outcomes(processor: &mut Processor, payload: &Payload, records: &[Record]) -> Vec<String> {
    let mut all = Vec::new();
    for record in records {
        let mut out = Processed::default();
        processor.process(record.clone(), payload, Timestamp::from_micros(0), &mut out);
        assert_eq!(out.events.len() + out.failures.len() + out.skipped as usize, 1);
        all.push(match (out.events.pop(), out.failures.pop()) {
            (Some(event), _) => {
                let json = event.document.to_json();
                let (own, _) = json.split_once("\"p_log_type\"").unwrap();
                format!("{}}}", own.trim_end_matches(','))
            }
            (None, Some(failure)) => format!("!{}", failure.message),
            (None, None) => String::new(),
        });
    }
    all
}

fn read(parser: &str, text: &str) -> Vec<String> {
    let payload = payload(text.as_bytes());
    outcomes(&mut processor(parser), &payload, &records(&payload))
}

#[test]
fn csv_without_a_header() {
    let parser = "{csv: {columns: [a, '', c]}}";
    for (line, expected) in [
        ("1,2,3", r#"{"a":"1","c":"3"}"#),
        ("1", r#"{"a":"1","c":""}"#),
        ("1,2,3,4", r#"{"a":"1","c":"3"}"#),
        (r#""a ""x"", b",,"c""#, r#"{"a":"a \"x\", b","c":"c"}"#),
        (r#"a "quoted" b,,"un"even""#, r#"{"a":"a \"quoted\" b","c":"un\"even"}"#),
        (r#""open, x"#, r#"{"a":"open, x","c":""}"#),
        (",,ü", r#"{"a":"","c":"ü"}"#),
        (r#""",,"""#, r#"{"a":"","c":""}"#),
    ] {
        assert_eq!(read(parser, line), [expected], "{line}");
    }
    assert_eq!(read("{csv: {columns: [a, b], delimiter: ' '}}", "1 2"), [r#"{"a":"1","b":"2"}"#]);
    let options = "{csv: {columns: [a, b, c], trimSpace: true, emptyValues: ['-', ''], skipPrefix: '#'}}";
    assert_eq!(read(options, "# x\n 1 , - ,\n"), ["", r#"{"a":"1"}"#]);
}

#[test]
fn csv_with_a_header() {
    let parser = "{csv: {hasHeader: true}}";
    assert_eq!(
        read(parser, "a,c,x\n1,2,3\n\n4,5\na,c,x\n6,7,8"),
        [
            "",
            r#"{"a":"1","c":"2","x":"3"}"#,
            "!not Test.Text: the line has 2 columns, the header has 3",
            "",
            r#"{"a":"6","c":"7","x":"8"}"#
        ]
    );
    assert_eq!(read("{csv: {hasHeader: true, columns: [a, b]}}", "x,y,z\n1,2\n"), ["", r#"{"a":"1","b":"2"}"#]);
    assert_eq!(
        read("{csv: {hasHeader: true, skipLines: 1, skipPrefix: '#'}}", "x\n# y\na\n1\n"),
        ["", "", "", r#"{"a":"1"}"#]
    );
    let mut processor = processor(parser);
    let payload = payload(b"1,2");
    let alone = [Record::alone(0, "1,2".into())];
    assert_eq!(
        outcomes(&mut processor, &payload, &alone),
        ["!not Test.Text: the first line of its file, which names the columns, is not known"]
    );
}

/// Threads and restarts see records in any order and from any place on.
#[test]
fn headers_do_not_depend_on_what_came_before() {
    let parser = "{csv: {hasHeader: true}}";
    let first = payload(b"a,b\n1,2\n3,4\n");
    let second = payload(b"b,a\n1,2\n");
    let (first_records, second_records) = (records(&first), records(&second));
    let expected = outcomes(&mut processor(parser), &first, &first_records);
    let mut seasoned = processor(parser);
    assert_eq!(outcomes(&mut seasoned, &first, &first_records[2..]), expected[2..]);
    assert_eq!(outcomes(&mut seasoned, &second, &second_records[1..]), [r#"{"b":"1","a":"2"}"#]);
    assert_eq!(outcomes(&mut seasoned, &first, &first_records), expected);
    let mut later = payload(b"5,6\n");
    later.head = Some(first.bytes.clone());
    assert_eq!(outcomes(&mut seasoned, &later, &records(&later)), [r#"{"a":"5","b":"6"}"#]);
}

#[test]
fn a_header_must_have_the_required_columns() {
    let yaml =
        "schema: Test.Csv\nparser: {csv: {hasHeader: true}}\nfields: [{name: a, type: string, required: true}]\n";
    let (set, _) = SchemaSet::load([("t.yml".to_owned(), yaml.to_owned())]);
    let mut payload = payload(b"Jan  1 00:00:00 host app: message\nJan  1 00:00:01 host app: message");
    payload.log_types.clear();
    let records = records(&payload);
    assert_eq!(
        outcomes(&mut Processor::new(Arc::new(set), Interner::new()), &payload, &records),
        ["!not Test.Csv: the file's header has no column `a`"; 2]
    );
}

#[test]
fn fastmatch() {
    for (pattern, line, expected) in [
        ("%{a} %{b}", "1 2 3", r#"{"a":"1","b":"2 3"}"#),
        ("x %{a}: %{b};", "x 1: 2; rest", r#"{"a":"1","b":"2"}"#),
        ("%{a} %{} %{b}", "1 2 3", r#"{"a":"1","b":"3"}"#),
        ("%{a} %{a}", "1 2", r#"{"a":"2"}"#),
        ("%{a}::%{b}", ":1::2", r#"{"a":":1","b":"2"}"#),
        ("%{a} \"%{b}\" %{c}", r#"1 "x \"y\" \u00e9\x41\n" 2"#, r#"{"a":"1","b":"x \"y\" éA\n","c":"2"}"#),
        ("%{a} \"%{b}\" %{c}", r#"1 "x y" 2"#, r#"{"a":"1","b":"x y","c":"2"}"#),
        ("%{a} \"%{b}\" %{c}", r#"1 "a \q" \"#, r#"{"a":"1","b":"a \\q","c":"\\"}"#),
        ("%{a} '%{b}'\n", r"1 'it\'s'", r#"{"a":"1","b":"it's"}"#),
        ("%{a} %{b}", "1", "!not Test.Text: the line does not match the pattern"),
        ("x%{a}", "y", "!not Test.Text: the line does not match the pattern"),
    ] {
        let parser = format!("{{fastmatch: {{match: [{}]}}}}", serde_json::Value::from(pattern));
        assert_eq!(read(&parser, line), [expected], "{pattern} {line}");
    }
    let parser = "{fastmatch: {match: ['<%{a}> %{b}', '%{a}=%{c}'], trimSpace: true, emptyValues: ['-'], skipLines: 1, \
                  expandFields: {d: '%{a}/%{ b }', e: '%{b}', f: '%{d}!'}}}";
    assert_eq!(
        read(parser, "first\n<1> -\n2= 3 \nno\n"),
        [
            "",
            r#"{"a":"1","d":"1/","f":"1/!"}"#,
            r#"{"a":"2","c":"3","d":"2/","f":"2/!"}"#,
            "!not Test.Text: the line matches none of 2 patterns"
        ]
    );
}

#[test]
fn regex() {
    let parser = "{regex: {match: ['^%{IP:a} ', '%{PAIR}'], patternDefinitions: {PAIR: '%{WORD:@b}=(?P<c>\\d+)?'}}}";
    for (line, expected) in [
        ("10.0.0.1 x=12", r#"{"a":"10.0.0.1","at_sign_b":"x","c":"12"}"#),
        ("::1 x=", r#"{"a":"::1","at_sign_b":"x","c":""}"#),
        ("host x=1", "!not Test.Text: the line does not match the expression"),
    ] {
        assert_eq!(read(parser, line), [expected], "{line}");
    }
    // Linear time whatever the expression.
    let slow = "{regex: {match: ['^(?P<a>(x+x+)+y)$']}}";
    assert_eq!(read(slow, &"x".repeat(20_000)).len(), 1);
}

#[test]
fn text_and_json_side_by_side() {
    let json = "schema: Test.Json\nfields: [{name: a, type: string, required: true}]\n".to_owned();
    let text = "schema: Test.Text\nparser: {fastmatch: {match: ['%{a} %{b}']}}\nfields: [{name: a, type: string, required: true}]\n";
    let files = [("j.yml".to_owned(), json), ("t.yml".to_owned(), text.to_owned())];
    let (set, errors) = SchemaSet::load(files);
    assert!(errors.is_empty(), "{errors:?}");
    let mut processor = Processor::new(Arc::new(set), Interner::new());
    let mut payload = payload(b"{\"a\": \"1\"}\n1 2\n{\"b\": 2}\n{oops: 1}\nword\n");
    payload.log_types.clear();
    let outcomes = outcomes(&mut processor, &payload, &records(&payload));
    assert_eq!(
        outcomes,
        [
            r#"{"a":"1"}"#,
            r#"{"a":"1","b":"2"}"#,
            "!none of 2 log types fits; the nearest is Test.Json: field `a`: required, but missing or null",
            r#"{"a":"{oops:","b":"1}"}"#,
            "!none of 2 log types fits; the nearest is Test.Text: the line does not match the pattern",
        ]
    );
}

#[test]
fn many_pairs_cost_no_more_than_few() {
    let columns: Vec<String> = (0..60_000).map(|n| format!("c{}", n / 2)).collect();
    let parser = format!("{{csv: {{columns: [a, {}]}}}}", columns.join(", "));
    let line = vec!["x"; 60_001].join(",");
    assert!(read(&parser, &line)[0].starts_with(r#"{"a":"x","c0":"x""#));
}

proptest! {
    /// No bytes panic, and a record's outcome depends on the record and its stream alone.
    #[test]
    fn any_bytes(text in "([a-c0-9 ,:;=\"'\\\\\\[\\]<>%#\t\n.é]|10\\.0\\.0\\.1|\\\\u00|\"\"){0,60}", noise in prop::collection::vec(any::<u8>(), 0..40)) {
        for parser in PARSERS {
            let mut seasoned = processor(parser);
            for bytes in [text.as_bytes(), &noise] {
                let payload = payload(bytes);
                let records = records(&payload);
                let all = outcomes(&mut seasoned, &payload, &records);
                let backwards: Vec<Record> = records.iter().rev().cloned().collect();
                let mut again = outcomes(&mut processor(parser), &payload, &backwards);
                again.reverse();
                prop_assert_eq!(all, again);
            }
        }
    }
}
