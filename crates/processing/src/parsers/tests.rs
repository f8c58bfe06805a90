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
    "{native: {name: syslog}}",
    "{native: {name: keyvalue}}",
    "{native: {name: keyvalue, delimiter: ',', separator: ':'}}",
    "{native: {name: cef}}",
    "{native: {name: leef}}",
    "{native: {name: auditd}}",
    "{native: {name: zeek}}",
    "{native: {name: vpcflow}}",
    "{native: {name: windows_event}}",
    "{xml: {}}",
    "{script: {function: \"def parse(log):\\n  return {'a': log, 'b': [len(log)]}\"}}",
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
    Splitter::default().records(payload, &StreamType::Lines).filter_map(Result::ok).collect()
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

/// The first line's event, of a payload received on 2024-01-15.
fn native(parser: &str, line: &str) -> String {
    let mut payload = payload(line.as_bytes());
    payload.received = Timestamp::from_seconds(1_705_312_800, 0);
    let yaml = format!(
        "schema: Test.Text\nparser: {parser}\nfields:\n{}",
        ["message", "a", "type", "name", "version", "x", "System"]
            .map(|name| format!("  - {{name: {name}, type: string}}\n"))
            .concat()
    );
    let (set, errors) = SchemaSet::load([("t.yml".to_owned(), yaml)]);
    assert!(errors.is_empty(), "{errors:?}");
    let mut processor = Processor::new(Arc::new(set), Interner::new());
    outcomes(&mut processor, &payload, &records(&payload)).concat()
}

#[test]
fn syslog() {
    for (line, expected) in [
        (
            r#"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App\"x\]"][b@1 k="v"] An application event"#,
            r#"{"priority":"165","facility":"20","severity":"5","version":"1","timestamp":"2003-10-11T22:14:15.003Z","hostname":"mymachine.example.com","appname":"evntslog","msgid":"ID47","structured_data":"{\"exampleSDID@32473\":{\"iut\":\"3\",\"eventSource\":\"App\\\"x]\"},\"b@1\":{\"k\":\"v\"}}","message":"An application event"}"#,
        ),
        (
            "<34>1 2003-10-11T22:14:15.003Z host su - - - 'su root' failed",
            r#"{"priority":"34","facility":"4","severity":"2","version":"1","timestamp":"2003-10-11T22:14:15.003Z","hostname":"host","appname":"su","message":"'su root' failed"}"#,
        ),
        (
            "<34>Oct 11 22:14:15 mymachine su[231]: 'su root' failed for lonvick on /dev/pts/8",
            r#"{"priority":"34","facility":"4","severity":"2","timestamp":"2023-10-11T22:14:15.000000000Z","hostname":"mymachine","appname":"su","procid":"231","message":"'su root' failed for lonvick on /dev/pts/8"}"#,
        ),
        (
            "Jan  5 01:02:03 host CRON: x: y",
            r#"{"timestamp":"2024-01-05T01:02:03.000000000Z","hostname":"host","appname":"CRON","message":"x: y"}"#,
        ),
        (
            "<13>Jan 16 2021 01:02:03.999: %ASA-6-302013: Built connection",
            r#"{"priority":"13","facility":"1","severity":"5","timestamp":"2021-01-16T01:02:03.000000000Z","appname":"%ASA-6-302013","message":"Built connection"}"#,
        ),
        (
            "<13>2024-01-02T03:04:05+01:00 host app: hi",
            r#"{"priority":"13","facility":"1","severity":"5","timestamp":"2024-01-02T02:04:05.000000000Z","hostname":"host","appname":"app","message":"hi"}"#,
        ),
        ("<13>just words", r#"{"priority":"13","facility":"1","severity":"5","message":"just words"}"#),
        ("just words", "!not Test.Text: neither a syslog priority nor a time is at the line's beginning"),
        ("<34>1 2003 host su - - - x", "!not Test.Text: no RFC 5424 time: 2003"),
    ] {
        assert_eq!(native("{native: {name: syslog}}", line), expected, "{line}");
    }
}

#[test]
fn key_value_formats() {
    let plain = "{native: {name: keyvalue}}";
    for (parser, line, expected) in [
        (
            plain,
            r#"<190>date=2020-01-01 a="b \"c\" d" x='y z' e= f=1, g=[2]"#,
            r#"{"date":"2020-01-01","a":"b \"c\" d","x":"y z","e":"","f":"1","g":"[2]"}"#,
        ),
        (plain, "prefix text: a=1 words b=2", r#"{"a":"1","b":"2"}"#),
        (plain, "nothing here", "!not Test.Text: no `key=value` is in the line"),
        (plain, "x\u{2000}a=1\u{3000}b=2\u{85}", r#"{"a":"1","b":"2"}"#),
        ("{native: {name: keyvalue, delimiter: '|', separator: ': '}}", "a: 1 2|b: \"x\"|c", r#"{"a":"1 2","b":"x"}"#),
        (
            "{native: {name: cef}}",
            r"Sep 19 08:26:10 host CEF:0|Security|threat\|manager|1.0|100|detected a \\ in message|10|src=10.0.0.1 act=blocked a \= dst=1.1.1.1 msg=two\nlines",
            r#"{"version":"0","deviceVendor":"Security","deviceProduct":"threat|manager","deviceVersion":"1.0","deviceEventClassId":"100","name":"detected a \\ in message","severity":"10","src":"10.0.0.1","act":"blocked a =","dst":"1.1.1.1","msg":"two\nlines","syslogHeader":"Sep 19 08:26:10 host"}"#,
        ),
        ("{native: {name: cef}}", "CEF:0|a|b|c", "!not Test.Text: the CEF header ends before `deviceVersion`"),
        (
            "{native: {name: leef}}",
            "<13>x LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=10.0.1.8^dst=10.0.0.5^msg=a b",
            r#"{"leefVersion":"2.0","vendor":"Lancope","product":"StealthWatch","version":"1.0","eventId":"41","src":"10.0.1.8","dst":"10.0.0.5","msg":"a b","syslogHeader":"<13>x"}"#,
        ),
        (
            "{native: {name: leef}}",
            "LEEF:1.0|Microsoft|MSExchange|4.0 SP1|15345|src=10.50.1.1\tdst=2.10.20.20\tsev=5",
            r#"{"leefVersion":"1.0","vendor":"Microsoft","product":"MSExchange","version":"4.0 SP1","eventId":"15345","src":"10.50.1.1","dst":"2.10.20.20","sev":"5"}"#,
        ),
        (
            "{native: {name: auditd}}",
            "node=web type=USER_LOGIN msg=audit(1364481363.243:24287): pid=1 auid=4294967295 msg='op=login acct=\"root\" exe=\"/usr/sbin/sshd\" res=failed'\u{1d}AUID=\"unset\"",
            r#"{"node":"web","type":"USER_LOGIN","timestamp":"1364481363.243","sequence":"24287","pid":"1","auid":"4294967295","op":"login","acct":"root","exe":"/usr/sbin/sshd","res":"failed","AUID":"unset"}"#,
        ),
        ("{native: {name: auditd}}", "type=X", "!not Test.Text: no `msg=audit(` is in the line"),
    ] {
        assert_eq!(native(parser, line), expected, "{line}");
    }
}

#[test]
fn zeek() {
    let head = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tx\n\
                #fields\ta\tid.orig_h\tnames\tb\tc\n#types\ttime\taddr\tset[string]\tstring\tstring\n";
    let text = format!(
        "{head}1.5\t10.0.0.1\tx,y\\x2cz\ta\\x09b\t-\n2\t::1\t(empty)\t(empty)\tz\nshort\n{{\"a\":\"json\"}}\n#close\n"
    );
    assert_eq!(
        read("{native: {name: zeek}}", &text)[7..],
        [
            r#"{"a":"1.5","id_orig_h":"10.0.0.1","names":["x","y,z"],"b":"a\tb","_path":"x"}"#,
            r#"{"a":"2","id_orig_h":"::1","names":[],"b":"","c":"z","_path":"x"}"#,
            "!not Test.Text: the line has 1 columns, the header has 5",
            r#"{"a":"json"}"#,
            "",
        ]
    );
    assert_eq!(read("{native: {name: zeek}}", "a\tb"), ["!not Test.Text: no `#fields` line is at the file's head"]);
}

#[test]
fn vpc_flow() {
    let flow = "2 123456789010 eni-1 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK";
    assert_eq!(
        native("{native: {name: vpcflow}}", flow),
        r#"{"version":"2","account-id":"123456789010","interface-id":"eni-1","srcaddr":"172.31.16.139","dstaddr":"172.31.16.21","srcport":"20641","dstport":"22","protocol":"6","packets":"20","bytes":"4249","start":"1418530010","end":"1418530070","action":"ACCEPT","log-status":"OK"}"#
    );
    assert_eq!(
        native("{native: {name: vpcflow}}", "version vpc-id srcaddr\n5 vpc-1 -\n"),
        r#"{"version":"5","vpc-id":"vpc-1"}"#
    );
    assert_eq!(
        native("{native: {name: vpcflow}}", "Jan 1 host app: hi"),
        "!not Test.Text: the line has 5 words, a flow of this format has 14"
    );
}

#[test]
fn xml() {
    assert_eq!(native("{xml: {}}", "<e a='1'><x>2</x></e>"), r#"{"a":"1","x":"2"}"#);
    assert!(native("{xml: {}}", "<e").starts_with("!not Test.Text: not XML: "));
}

#[test]
fn scripts() {
    let script = |body: &str| {
        let source = format!("def parse(log):\n{}", body.lines().map(|line| format!("  {line}\n")).collect::<String>());
        format!("{{script: {{function: {}}}}}", serde_json::Value::from(source))
    };
    for (body, line, expected) in [
        ("return {'a': log.split(' ')[1], 'b': len(log)}", "x y", r#"{"a":"y","b":"3"}"#),
        ("return json.decode(log)", r#"{"a":1,"c":null}"#, r#"{"a":"1"}"#),
        (
            "x = json.decode(log)\nx['b'] = x['l'][0] + '|' + str(type(x['l'][1]))\nreturn x",
            r#"{"a":123456789012345678901234,"l":[-1e400,18446744073709551615]}"#,
            r#"{"a":"123456789012345678901234","l":["-1e+400",18446744073709551615],"b":"-1e+400|int"}"#,
        ),
        ("return {'a': base64.decode(log), 'b': base64.encode(log)}", "aGk=", r#"{"a":"hi","b":"YUdrPQ=="}"#),
        ("return {'a': json.encode({'x': [1, True, None]})}", "x", r#"{"a":"{\"x\":[1,true,null]}"}"#),
        ("return {}", "x", "!not Test.Text: the script returned an empty dictionary"),
        ("return log", "x", "!not Test.Text: the script returned no dictionary but a string"),
        ("return {'a': log[9]}", "x", "!"),
        ("for a in range(100000):\n  for b in range(100000):\n    pass\nreturn {'a': 1}", "x", "!"),
        ("x = []\nfor a in range(900000):\n  x.append(log * 2000)\nreturn {'a': len(x)}", "x", "!"),
        ("return parse(log)", "x", "!"),
    ] {
        let found = read(&script(body), line).concat();
        assert!(
            if expected == "!" { found.starts_with("!not Test.Text: the script failed: ") } else { found == expected },
            "{body}: {found}"
        );
    }
    // Nothing is kept from record to record.
    let counting =
        "{script: {function: \"seen = []\\ndef parse(log):\\n  seen.append(log)\\n  return {'a': len(seen)}\"}}";
    assert!(read(counting, "x").concat().starts_with("!not Test.Text: the script failed: "));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// No bytes panic, and a record's outcome depends on the record and its stream alone.
    #[test]
    fn any_bytes(text in "([a-c0-9 ,:;=\"'\\\\\\[\\]<>%#\t\n.é\u{2000}\u{85}]|10\\.0\\.0\\.1|\\\\u00|\"\"){0,60}", noise in prop::collection::vec(any::<u8>(), 0..40)) {
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
