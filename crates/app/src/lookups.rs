//! Lookup tables of content: what is in the files beside their specifications, and where it is looked up.

use std::sync::Arc;

use uncia_detection::Content;
use uncia_enrichment::{Association, Selector, TableFile};
use uncia_processing::SchemaSet;

/// Memory that a table may take for its rows.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The enabled tables. One that cannot be read is said, and stops no other.
pub(crate) fn tables(content: &Content, schemas: &SchemaSet, notice: &dyn Fn(String)) -> Vec<Association> {
    let mut tables = Vec::new();
    for (item, lookup) in content.lookups().filter(|(_, lookup)| lookup.enabled) {
        let schema = schemas.get(&lookup.schema).map(|schema| schema.table_schema().clone());
        let file = TableFile {
            name: &item.id,
            file: &lookup.data_file,
            text: &lookup.data,
            key: &lookup.key,
            schema: schema.as_deref(),
        };
        let table = match file.read(MOST_BYTES) {
            Ok(table) => Arc::new(table),
            Err(error) => {
                notice(format!("{}: lookup table {}: {error}", item.file, item.id));
                continue;
            }
        };
        let selectors = |texts: &[String]| texts.iter().map(|text| Selector::new(text)).collect();
        let of = lookup.associated.iter().map(|(log_type, texts)| (log_type.clone(), selectors(texts))).collect();
        tables.push(Association { table, source: None, any: Vec::new(), of });
    }
    tables
}
