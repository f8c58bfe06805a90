//! The manual's page on schemas: every example in it loads, and every sample in an example becomes the event it names.

use std::sync::Arc;

use uncia_document::Interner;
use uncia_processing::{Processor, SchemaSet, check_sample};

#[test]
fn examples_of_the_schema_language() {
    let path = crate::root().join("docs/manual/schemas.md");
    let page = std::fs::read_to_string(&path).expect("the page can be read");
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block);
    let files = blocks.enumerate().map(|(n, block)| (format!("schemas.md, example {}", n + 1), block.to_owned()));
    let (schemas, errors) = SchemaSet::load(files);
    let mut complaints: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let schemas = Arc::new(schemas);
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    for schema in schemas.iter() {
        if schema.samples().is_empty() {
            complaints.push(format!("{}: has no sample", schema.file()));
        }
        for sample in schema.samples() {
            if let Err(error) = check_sample(&mut processor, schema, sample) {
                complaints.push(format!("{}: sample `{}`: {error}", schema.file(), sample.name));
            }
        }
    }
    assert!(schemas.len() >= 9, "the page has examples");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
