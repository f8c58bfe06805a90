//! Fields discovered in events, and what becomes of later ones.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use uncia_document::{Interner, Timestamp};
use uncia_model::{Origin, Payload, Record};

use super::*;
use crate::process::{Processed, Processor};

const DOOR: &str = "schema: Custom.Door\nfieldDiscoveryEnabled: true\nfields:\n  - {name: door, type: string, required: true}\n  - {name: who, type: object, fields: [{name: id, type: string}]}\n  - {name: raw, type: json}\n  - {name: l, type: array, element: {type: object, fields: [{name: a, type: int}]}}\n";

struct Site {
    schemas: Arc<SchemaSet>,
    discovery: Discovery,
}

impl Site {
    fn new(schema: &str) -> Self {
        let (schemas, errors) = SchemaSet::load([("s.yml".to_owned(), schema.to_owned())]);
        assert!(errors.is_empty(), "{errors:?}");
        Self { discovery: Discovery::new(&schemas, &[]), schemas: Arc::new(schemas) }
    }

    /// Processes records, and publishes what is due behind them. The events' own members are returned.
    fn take(&mut self, records: &[&str]) -> Vec<String> {
        let observer = Observer::new(&self.schemas);
        let mut processor = Processor::new(self.schemas.clone(), Interner::new());
        let mut observed = Observed::default();
        let mut events = Vec::new();
        for record in records {
            let origin = Origin { source: "s".into(), source_label: "s".into(), key: "k".into(), place: None };
            let bytes = Bytes::copy_from_slice(record.as_bytes());
            let time = Timestamp::from_micros(0);
            let payload = Payload { origin, bytes: bytes.clone(), received: time, log_types: Vec::new(), head: None };
            let mut processed = Processed::default();
            processor.process(Record::alone(0, bytes), &payload, time, &mut processed);
            let event = processed.events.pop().unwrap_or_else(|| panic!("{:?}", processed.failures));
            observer.observe(&event, record.as_bytes(), &mut observed);
            let json = event.document.to_json();
            let any = json.split_once("\"p_any_").map_or(String::new(), |(_, any)| format!(" any_{any}"));
            let (own, _) = json.split_once(",\"p_log_type\"").unwrap();
            events.push(format!("{own}}}{any}"));
        }
        self.discovery.absorb(observed);
        let due = self.discovery.due(&self.schemas);
        self.schemas = Arc::new(self.schemas.revised(&due));
        events
    }

    fn columns(&self) -> Vec<String> {
        let schema = self.schemas.iter().next().unwrap();
        let columns = schema.table_schema().columns.iter().filter(|column| !column.name.starts_with("p_"));
        columns.map(|column| format!("{} {:?}", column.name, column.kind)).collect()
    }
}

#[test]
fn new_members_become_columns() {
    let mut site = Site::new(DOOR);
    let record = r#"{"door":"d","n":1,"@x":"10.0.0.1","at":"2024-01-01T00:00:00Z","who":{"id":"1","Group":"g"},"raw":{"z":1},"l":[{"a":1,"b":true}],"o":{"k":[1.5]},"m":{"a b":1},"123456789012":1,"p_x":1,"DOOR":"D","e":{}}"#;
    let before = site.take(&[record]);
    insta::assert_snapshot!(site.columns().join("\n"), @r#"
    door String
    who Struct([Column { name: "id", kind: String, required: false, doc: None }, Column { name: "Group", kind: String, required: false, doc: None }])
    raw Json
    l List(Struct([Column { name: "a", kind: Int, required: false, doc: None }, Column { name: "b", kind: Bool, required: false, doc: None }]))
    at Timestamp
    at_sign_x String
    m Json
    n Long
    o Struct([Column { name: "k", kind: List(Double), required: false, doc: None }])
    "#);
    // Rules see the same names and values; only instants are in the normal form now, and indicators are found.
    let after = site.take(&[record]);
    let normal = before[0].replace("2024-01-01T00:00:00Z", "2024-01-01 00:00:00.000000000");
    assert_eq!(after[0], format!("{normal} any_ip_addresses\":[\"10.0.0.1\"]}}"));
}

#[test]
fn values_of_other_kinds_refuse_nothing_and_stay() {
    let mut site = Site::new(DOOR);
    site.take(&[r#"{"door":"d","n":1,"o":{"k":1},"s":"x","b":true,"t":"2024-01-01T00:00:00Z","l2":[1]}"#]);
    for record in [
        r#"{"door":"d","n":"many","o":[1],"s":5,"b":"true","t":"soon","l2":{"x":1}}"#,
        r#"{"door":"d","n":1.5,"o":{"k":"text"},"s":{},"b":0,"t":17,"l2":["x"]}"#,
        r#"{"door":"d","n":"","o":"","s":"","b":"","t":"","l2":""}"#,
    ] {
        assert_eq!(site.take(&[record]), [record]);
    }
}

#[test]
fn a_discovered_field_does_not_claim_records() {
    let yaml = "schema: Custom.Loose\nfieldDiscoveryEnabled: true\nfields:\n  - {name: door, type: string}\n";
    let mut site = Site::new(yaml);
    site.take(&[r#"{"door":"d","window":"w"}"#]);
    let message = crate::process::tests::outcome(&site.schemas, r#"{"window":"w"}"#).unwrap_err();
    assert!(message.contains("no field of this log type is in the record"), "{message}");
}

#[test]
fn managed_schemas_wait_and_others_do_not_discover() {
    let managed = DOOR.replace("Custom.Door", "Acme.Door");
    let mut site = Site::new(&managed);
    for _ in 0..4 {
        site.take(&[r#"{"door":"d","n":1}"#; 4]);
    }
    assert_eq!(site.columns().len(), 4);
    site.take(&[r#"{"door":"d","n":1.5}"#; 4]);
    assert_eq!(site.columns()[4], "n Double");
    let mut closed = Site::new(&DOOR.replace("fieldDiscoveryEnabled: true\n", ""));
    closed.take(&[r#"{"door":"d","n":1}"#]);
    assert_eq!(closed.columns().len(), 4);
}

#[test]
fn caps() {
    let mut site = Site::new(DOOR);
    let members = |from: usize, to: usize| (from..to).map(|n| format!("\"k_{n}_x\":1")).collect::<Vec<_>>().join(",");
    site.take(&[&format!("{{\"door\":\"d\",\"map\":{{{}}},\"who\":{{{}}}}}", members(0, 201), members(0, 250))]);
    let columns = site.columns();
    assert_eq!(columns[4], "map Json");
    assert_eq!(columns[1].matches("name:").count(), MAX_MEMBERS);
    for n in 0..20 {
        site.take(&[&format!("{{\"door\":\"d\",{}}}", members(n * 100, n * 100 + 100))]);
    }
    let discovered = site.columns().len() - 4 + MAX_MEMBERS - 1;
    assert_eq!(discovered, MAX_DISCOVERED);
}

#[test]
fn revisions_survive_as_json_and_continue() {
    let mut site = Site::new(DOOR);
    let record = r#"{"door":"d","n":1,"who":{"g":"x"}}"#;
    let observer = Observer::new(&site.schemas);
    let mut observed = Observed::default();
    let mut parser = uncia_document::Parser::new(Interner::new());
    let event = Event {
        log_type: "Custom.Door".into(),
        row_id: uncia_model::RowId::of(&"s".into(), "k", 0, 0),
        time: Timestamp::from_micros(0),
        parse_time: Timestamp::from_micros(0),
        document: parser.parse(record.as_bytes()).unwrap(),
        raw_bytes: 0,
    };
    observer.observe(&event, record.as_bytes(), &mut observed);
    site.discovery.absorb(observed);
    let due = site.discovery.due(&site.schemas);
    let kept = serde_json::to_string(&due).unwrap();
    assert_eq!(
        serde_json::from_str::<Json>(&kept).unwrap(),
        json!([{"log_type": "Custom.Door", "number": 1, "added": [
            {"path": [], "field": {"name": "n", "type": "bigint"}},
            {"path": ["who"], "field": {"name": "g", "type": "string"}},
        ]}])
    );
    let read: Vec<Revision> = serde_json::from_str(&kept).unwrap();
    let standard = crate::schema::standard_columns().len();
    assert_eq!(read, due);
    assert_eq!(site.schemas.revised(&read).iter().next().unwrap().table_schema().columns.len(), 4 + 1 + standard);
    assert_eq!(Discovery::new(&site.schemas, &read).log_types[&LogType::from("Custom.Door")].revision, 1);
    // A file that has gained the field itself, and one that has lost the parent.
    let (own, _) =
        SchemaSet::load([("s.yml".to_owned(), "schema: Custom.Door\nfields: [{name: N, type: string}]".to_owned())]);
    assert_eq!(own.revised(&read).iter().next().unwrap().table_schema().columns.len(), 1 + standard);
}
