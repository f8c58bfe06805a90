//! Every bundled schema loads, and every sample in it becomes the event it names.

use uncia_document::Interner;
use uncia_processing::{Processor, check_sample};

#[test]
fn schemas_and_their_samples() {
    let (schemas, errors) = crate::load_content();
    let mut complaints: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    let mut samples = 0;
    for schema in schemas.iter() {
        if schema.samples().is_empty() {
            complaints.push(format!("{}: has no samples", schema.file()));
        }
        for sample in schema.samples() {
            samples += 1;
            if let Err(error) = check_sample(&mut processor, schema, sample) {
                complaints.push(format!("{}:{}: sample `{}`: {error}", schema.file(), sample.line, sample.name));
            }
        }
    }
    println!("{} schemas, {samples} samples", schemas.len());
    assert!(complaints.is_empty(), "{} complaints\n{}", complaints.len(), complaints.join("\n"));
}
