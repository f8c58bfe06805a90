//! Inference over whole records, and its laws.

use proptest::prelude::*;
use uncia_document::{Interner, Parser};

use super::*;
use crate::schema::SchemaSet;

fn inferred(records: &[&str]) -> InferredSchema {
    let mut parser = Parser::new(Interner::new());
    let mut inference = Inference::new();
    for record in records {
        inference.add(parser.parse(record.as_bytes()).unwrap().root());
    }
    inference.finish("Custom.Sample", None).unwrap()
}

#[test]
fn a_schema_of_everything() {
    let schema = inferred(&[
        r#"{"eventTime":"2025-03-04T10:05:00Z","n":1,"f":1,"b":true,"s":"x","ip":"10.0.0.1","o":{"a":1,"b":null},"l":[1,2],"m":1,"e":{},"ea":[],"created_at":1741082700,"Z":{"q":[{"k":"v"},{"j":1}]},"big":12345678901234567890}"#,
        r#"{"eventTime":"2025-03-04T10:05:01Z","n":2,"f":1.5,"b":false,"s":"y","ip":"::1","o":{"a":2,"c":"d"},"l":[],"m":"x","created_at":1741082701,"big":1}"#,
    ]);
    assert_eq!(schema.notes, Vec::<String>::new());
    insta::assert_snapshot!(schema.text, @r"
    schema: Custom.Sample
    fields:
      - name: Z
        type: object
        fields:
          - name: q
            required: true
            type: array
            element:
              type: object
              fields:
                - name: j
                  type: bigint
                - name: k
                  type: string
      - name: b
        required: true
        type: boolean
      - name: big
        required: true
        type: string
      - name: created_at
        required: true
        type: timestamp
        timeFormats:
          - unix
      - name: eventTime
        required: true
        type: timestamp
        timeFormats:
          - rfc3339
        isEventTime: true
      - name: f
        required: true
        type: float
      - name: ip
        required: true
        type: string
        indicators:
          - ip
      - name: l
        required: true
        type: array
        element:
          type: bigint
      - name: m
        required: true
        type: json
      - name: 'n'
        required: true
        type: bigint
      - name: o
        required: true
        type: object
        fields:
          - name: a
            required: true
            type: bigint
          - name: c
            type: string
      - name: s
        required: true
        type: string
    ");
}

#[test]
fn maps_with_data_for_keys_are_json() {
    let members: Vec<String> = (0..201).map(|n| format!("\"k{n}\":1")).collect();
    let record = format!("{{\"map\":{{{}}},\"small\":{{\"a\":1}}}}", members.join(","));
    let text = inferred(&[&record]).text;
    assert!(text.contains("- name: map\n    required: true\n    type: json\n"), "{text}");
    assert!(text.contains("- name: small\n    required: true\n    type: object\n"), "{text}");
}

#[test]
fn columns_that_cannot_be_are_said() {
    let schema =
        inferred(&[r#"{"user":"a","User":"b","p_log_type":"X","o":{"@x":1,"at_sign_x":2}}"#, r#"{"user":"a"}"#]);
    assert_eq!(
        schema.notes,
        [
            "`User` is left out: `user` has the same column",
            "`o.at_sign_x` is left out: `@x` has the same column",
            "`p_log_type` is left out: names that begin with `p_` are the product's own",
        ]
    );
}

#[test]
fn nothing_to_learn_from() {
    let mut parser = Parser::new(Interner::new());
    let mut inference = Inference::new();
    inference.add(parser.parse(b"{\"a\":null,\"b\":{},\"c\":[]}").unwrap().root());
    assert_eq!(inference.finish("Custom.Sample", None), Err(InferenceError::NoFields));
}

#[test]
fn rows_with_a_header() {
    let format = RowFormat::of_header(b"time,user,bytes,note").unwrap();
    let mut inference = Inference::new();
    for line in ["2025-03-04 10:05:00,ana,12,", "2025-03-04 10:05:01,bob,7,x"] {
        let row = format.row(line.as_bytes()).unwrap();
        inference.add_row(row.iter().map(|(name, cell)| (*name, cell.as_str())));
    }
    insta::assert_snapshot!(inference.finish("Custom.Rows", Some(&format)).unwrap().text, @r"
    schema: Custom.Rows
    parser:
      csv:
        delimiter: ','
        hasHeader: true
        emptyValues:
          - ''
    fields:
      - name: bytes
        required: true
        type: bigint
      - name: note
        type: string
      - name: time
        required: true
        type: timestamp
        timeFormats:
          - '%Y-%m-%d %H:%M:%S'
        isEventTime: true
      - name: user
        required: true
        type: string
    ");
}

/// Records over few keys, so that kinds meet at the same places.
fn record() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        prop_oneof![
            "[a-z]{0,3}",
            "[0-9]{1,17}",
            Just("2025-03-04T10:05:00Z".to_owned()),
            Just("10.0.0.1".to_owned()),
            Just("true".to_owned())
        ]
        .prop_map(Into::into),
    ];
    let key = prop_oneof![
        "[a-d]",
        Just("time".to_owned()),
        Just("userId".to_owned()),
        Just("@x y".to_owned()),
        Just("A".to_owned())
    ];
    let value = leaf.prop_recursive(3, 12, 3, {
        let key = key.clone();
        move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
                prop::collection::vec((key.clone(), inner), 0..4)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        }
    });
    prop::collection::vec((key, value), 0..5)
        .prop_map(|members| serde_json::Value::Object(members.into_iter().collect()))
}

proptest! {
    /// Every record becomes an event of the schema that was inferred from all of them.
    #[test]
    fn the_schema_takes_its_samples(records in prop::collection::vec(record(), 1..6)) {
        let texts: Vec<String> = records.iter().map(ToString::to_string).collect();
        let mut parser = Parser::new(Interner::new());
        let mut inference = Inference::new();
        for text in &texts {
            inference.add(parser.parse(text.as_bytes()).unwrap().root());
        }
        let Ok(schema) = inference.finish("Custom.Sample", None) else { return Ok(()) };
        let (set, errors) = SchemaSet::load([("inferred".to_owned(), schema.text.clone())]);
        prop_assert!(errors.is_empty(), "{:?}\n{}", errors, schema.text);
        let set = std::sync::Arc::new(set);
        for text in &texts {
            let said = crate::process::tests::outcome(&set, text);
            // A record without any known field is nobody's, whatever its schema.
            let is_good = said.as_ref().err().is_none_or(|why| why.contains("no field of this log type"));
            prop_assert!(is_good, "{:?}\n{}\n{}", said, text, schema.text);
        }
    }

    /// Shapes learnt apart and merged say what one would have learnt.
    #[test]
    fn merging_is_learning(records in prop::collection::vec(record(), 1..8), cut in 0_usize..8) {
        let mut parser = Parser::new(Interner::new());
        let (mut whole, mut first, mut second) = (Inference::new(), Inference::new(), Inference::new());
        for (place, record) in records.iter().enumerate() {
            let document = parser.parse(record.to_string().as_bytes()).unwrap();
            whole.add(document.root());
            if place < cut { first.add(document.root()) } else { second.add(document.root()) }
        }
        first.root.merge(second.root);
        prop_assert_eq!(first.finish("Custom.Sample", None), whole.finish("Custom.Sample", None));
    }
}
