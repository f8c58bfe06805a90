//! Schemas from what strangers send: inference from samples, and fields discovered while data flows.

use std::sync::Arc;

use bytes::Bytes;
use uncia_document::{Interner, Parser, Timestamp};
use uncia_processing::{
    Discovery, Inference, Observed, Observer, Processed, Processor, RowFormat, SchemaSet, Splitter, StreamType,
};

use crate::plant;
use crate::targets::{Target, check, payload, run};

/// A record without any known field is nobody's, whatever its schema.
const NOBODYS: &str = "no field of this log type";

/// The schema inferred from records takes all of them.
pub(crate) struct Infer;

impl Target for Infer {
    fn run(&self, data: &[u8]) {
        let lines = Bytes::copy_from_slice(data);
        let records: Vec<_> =
            Splitter::default().records(&payload(lines), &StreamType::Lines).flatten().take(16).collect();
        let mut parser = Parser::new(Interner::new());
        let mut inference = Inference::new();
        let mut learnt = Vec::new();
        for record in &records {
            if let Ok(document) = parser.parse(&record.bytes)
                && document.root().is_object()
            {
                inference.add(document.root());
                learnt.push(record.bytes.to_vec());
            }
        }
        let Ok(schema) = inference.finish("Custom.Fuzz", None) else { return };
        let (schemas, errors) = SchemaSet::load([("inferred.yml".to_owned(), schema.text.clone())]);
        assert!(errors.is_empty(), "{errors:?}\n{}", schema.text);
        let mut processor = Processor::new(Arc::new(schemas), Interner::new());
        for record in learnt {
            let processed = run(&mut processor, record);
            for failure in &processed.failures {
                assert!(failure.message.contains(NOBODYS), "{}\n{}", failure.message, schema.text);
            }
        }
        for name in schema.text.lines().filter_map(|line| line.trim_start().strip_prefix("- name: ")) {
            plant::bug(name.as_bytes(), b"buy");
        }
    }
}

/// Rows under a header, and the schema inferred from them, which loads.
pub(crate) struct InferRows;

impl Target for InferRows {
    fn run(&self, data: &[u8]) {
        let mut lines = data.split(|&byte| byte == b'\n');
        let Some(format) = lines.next().and_then(RowFormat::of_header) else { return };
        let mut inference = Inference::new();
        for row in lines.filter_map(|line| format.row(line)) {
            inference.add_row(row.iter().map(|(name, cell)| (*name, cell.as_str())));
            row.iter().for_each(|(_, cell)| plant::bug(cell.as_bytes(), b"buy"));
        }
        let Ok(schema) = inference.finish("Custom.Fuzz", Some(&format)) else { return };
        let (_, errors) = SchemaSet::load([("inferred.yml".to_owned(), schema.text.clone())]);
        assert!(errors.is_empty(), "{errors:?}\n{}", schema.text);
    }
}

const GROWING: &str = "schema: Custom.Fuzz\nfieldDiscoveryEnabled: true\nfields:\n  - {name: d, type: string}\n  - \
    {name: o, type: object, fields: [{name: i, type: bigint}]}\n  - {name: l, type: array, element: {type: object, \
    fields: [{name: i, type: bigint}]}}\n  - {name: j, type: json}\n";

/// A discovered field refuses no record that was taken before it was there.
pub(crate) struct Grow;

impl Target for Grow {
    fn run(&self, data: &[u8]) {
        let (schemas, _) = SchemaSet::load([("fuzz.yml".to_owned(), GROWING.to_owned())]);
        let lines = payload(Bytes::copy_from_slice(data));
        let records: Vec<_> = Splitter::default().records(&lines, &StreamType::Lines).flatten().take(16).collect();
        let mut discovery = Discovery::new(&schemas, &[]);
        let (observer, mut observed) = (Observer::new(&schemas), Observed::default());
        let mut processor = Processor::new(Arc::new(schemas.clone()), Interner::new());
        let mut taken = Vec::new();
        for record in records {
            let mut processed = Processed::default();
            processor.process(record.clone(), &lines, Timestamp::from_micros(0), &mut processed);
            check(&processed);
            for event in &processed.events {
                observer.observe(event, &record.bytes, &mut observed);
                taken.push(record.bytes.to_vec());
            }
        }
        discovery.absorb(observed);
        let revisions = discovery.due(&schemas);
        for added in revisions.iter().flat_map(|revision| &revision.added) {
            plant::bug(added.field["name"].as_str().unwrap_or_default().as_bytes(), b"buy");
        }
        let mut processor = Processor::new(Arc::new(schemas.revised(&revisions)), Interner::new());
        for record in taken {
            let processed = run(&mut processor, record);
            assert!(processed.failures.is_empty(), "{}", processed.failures[0].message);
        }
    }
}
