//! Lookup tables in memory, read from the lake's snapshots: at the start, and whenever a snapshot has changed one.
//!
//! Events land as they are; what rules see of them, and the rows of their matches, end with what the tables know. A batch is
//! enriched by one set of tables, as it is judged by one generation of detections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use uncia_document::{Document, Interner, Member, Parser, Ref, Scratch, write_key};
use uncia_enrichment::{Association, Case, Enricher, LookupTable, Selector, TableBuilder};
use uncia_lake::{Lake, LakeError};
use uncia_model::sql::literal;
use uncia_model::{Database, Event, LogType, SourceId, TableRef, fields};
use uncia_snowflake::state::{StateLookup, StateView};

use crate::walk::Walk;

/// Memory that a table may take for its rows.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The tables that the next batch is enriched with.
#[derive(Default)]
pub struct Lookups(Mutex<Loaded>);

#[derive(Default)]
struct Loaded {
    associations: BTreeMap<String, Association>,
    /// Of content.
    custom: Vec<Association>,
    enricher: Arc<Enricher>,
}

impl Lookups {
    /// What they are now.
    #[must_use]
    pub fn get(&self) -> Arc<Enricher> {
        self.lock().enricher.clone()
    }

    /// Takes these tables of content in place of earlier ones.
    pub fn load_content(&self, custom: Vec<Association>) {
        let mut loaded = self.lock();
        loaded.custom = custom;
        loaded.renew();
    }

    /// Takes the newest snapshot of a view of a source.
    pub async fn load_state(
        &self,
        lake: &dyn Lake,
        source: &SourceId,
        label: &str,
        view: &StateView,
    ) -> Result<(), LakeError> {
        let Some(lookup) = view.lookup else { return Ok(()) };
        let table = TableRef::new(Database::Lookups, LogType::from(view.log_type).table_name());
        if !lake.tables().await?.iter().any(|info| info.table == table) {
            return Ok(());
        }
        let name = format!("{}_{}", label.to_lowercase().replace(' ', "_"), lookup.name);
        let loaded = state_table(lake, &name, source, &table, &lookup).await?;
        self.put(name, loaded.map(|table| association(table, source, &lookup)));
        Ok(())
    }

    /// Puts a table in the place of the one of its name; `None` takes it away.
    fn put(&self, name: String, association: Option<Association>) {
        let mut loaded = self.lock();
        match association {
            Some(association) => loaded.associations.insert(name, association),
            None => loaded.associations.remove(&name),
        };
        loaded.renew();
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    fn renew(&mut self) {
        let all = self.associations.values().chain(&self.custom).cloned();
        self.enricher = Arc::new(Enricher::new(all.collect()));
    }
}

impl Walk {
    /// Has all further batches enriched with the newest snapshot of a view.
    pub async fn load_state(&self, source: &SourceId, label: &str, view: &StateView) -> Result<(), LakeError> {
        self.lookups().load_state(&**self.lake(), source, label, view).await
    }
}

/// `None` if the table is too large for memory.
async fn state_table(
    lake: &dyn Lake,
    name: &str,
    source: &SourceId,
    table: &TableRef,
    lookup: &StateLookup,
) -> Result<Option<LookupTable>, LakeError> {
    let only = lookup.only.map(|(column, values)| {
        let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
        format!(" AND {column} IN ({})", values.join(", "))
    });
    let source_is = format!("{} = {}", fields::SOURCE_ID, literal(source.as_str()));
    let sql = format!("SELECT * FROM {table} WHERE {source_is}{}", only.unwrap_or_default());
    let mut answer = lake.query(&sql).await?;
    let mut builder = TableBuilder::new(name, Case::Folded, MOST_BYTES);
    while let Some(row) = answer.rows.next().await {
        let row = row?;
        let keys: Vec<String> = lookup.keys.iter().filter_map(|key| key_of(row.root(), key)).collect();
        if let Err(full) = builder.add(keys.iter().map(String::as_str), &row_text(row.root())) {
            tracing::warn!(source.id = %source, "{full}");
            return Ok(None);
        }
    }
    Ok(Some(builder.finish()))
}

fn association(table: LookupTable, source: &SourceId, lookup: &StateLookup) -> Association {
    let selectors = |texts: &[&str]| texts.iter().map(|text| Selector::new(text)).collect();
    Association {
        table: Arc::new(table),
        source: Some(source.clone()),
        any: selectors(lookup.indicators),
        of: lookup.selectors.iter().map(|(log_type, texts)| (LogType::from(*log_type), selectors(texts))).collect(),
    }
}

/// A column, or several with dots between.
fn key_of(row: Ref<'_>, key: &str) -> Option<String> {
    let cells: Option<Vec<&str>> = key.split('.').map(|column| row.get(column)?.as_str()).collect();
    cells.map(|cells| cells.join("."))
}

/// The row without standard fields and nulls.
fn row_text(row: Ref<'_>) -> String {
    let mut json = vec![b'{'];
    for ((_, name), value) in row.members() {
        if name.starts_with("p_") || value.is_null() {
            continue;
        }
        if json.len() > 1 {
            json.push(b',');
        }
        write_key(name, &mut json);
        value.write_json(&mut json);
    }
    json.push(b'}');
    String::from_utf8(json).expect("documents hold UTF-8 only")
}

/// Appends what the tables know to the text of an event's object.
pub(crate) fn append(enricher: &Enricher, log_type: &LogType, source: &SourceId, event: Ref<'_>, json: &mut Vec<u8>) {
    json.pop();
    let before = json.len();
    if before > 1 {
        json.push(b',');
    }
    write_key(fields::ENRICHMENT, json);
    if !enricher.enrich_into(log_type, source, event, json) {
        json.truncate(before);
    }
    json.push(b'}');
}

/// Lays the enrichment beside the members of events that are kept for what was found of them.
pub(crate) fn enrich_found(enricher: &Enricher, source: &SourceId, events: &mut [Event], interner: &Arc<Interner>) {
    let Some(log_type) = events.first().map(|event| event.log_type.clone()) else { return };
    if !enricher.concerns(&log_type) {
        return;
    }
    let mut parser = Parser::new(interner.clone());
    for event in events {
        let found = enricher.enrich(&log_type, source, event.document.root());
        let Some(found) = found.and_then(|json| parser.parse(&json).ok()) else { continue };
        with_member(&mut event.document, interner, fields::ENRICHMENT, found.root());
    }
}

fn with_member(document: &mut Document, interner: &Interner, name: &str, value: Ref<'_>) {
    let value = document.import(value);
    let mut scratch = Scratch { members: document.members(document.root().value()).to_vec(), items: Vec::new() };
    let key = document.push_key(interner, name);
    scratch.members.push(Member { key, value });
    let root = document.close_object(&mut scratch, 0);
    document.set_root(root);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_the_last_member() {
        let mut table = TableBuilder::new("t", Case::Exact, 1_000);
        table.add(["1"], "{}").unwrap();
        let any = vec![Selector::new("a"), Selector::new("b")];
        let table = Arc::new(table.finish());
        let enricher = Enricher::new(vec![Association { table, source: None, any, of: Vec::new() }]);
        let (log_type, source) = (LogType::from("T.T"), SourceId::from("s"));
        for (event, enrichment) in [
            ("{}", None),
            (r#"{"a":2,"c":{}}"#, None),
            (r#"{"a":1}"#, Some(r#"{"t":{"a":{"p_match":"1"}}}"#)),
            (r#"{"c":{},"a":[1],"b":1}"#, Some(r#"{"t":{"a":[{"p_match":"1"}],"b":{"p_match":"1"}}}"#)),
        ] {
            let interner = Interner::new();
            let mut parser = Parser::new(interner.clone());
            let mut document = parser.parse(event.as_bytes()).unwrap();
            let expected = match enrichment {
                None => event.to_owned(),
                Some(text) => format!("{},\"p_enrichment\":{text}}}", event.strip_suffix('}').unwrap()),
            };
            let mut json = event.as_bytes().to_vec();
            append(&enricher, &log_type, &source, document.root(), &mut json);
            assert_eq!(String::from_utf8(json).unwrap(), expected);
            let found = enricher.enrich(&log_type, &source, document.root());
            assert_eq!(found.is_some(), enrichment.is_some());
            if let Some(found) = found {
                let value = parser.parse(&found).unwrap();
                with_member(&mut document, &interner, fields::ENRICHMENT, value.root());
                assert_eq!(document.to_json(), expected);
            }
        }
    }

    #[test]
    fn rows_and_their_keys() {
        let row = r#"{"DB":"D","S":"P","N":"OUT","X":null,"p_row_id":"1","L":[1,{"a":null}]}"#;
        let document = Parser::new(Interner::new()).parse(row.as_bytes()).unwrap();
        assert_eq!(row_text(document.root()), r#"{"DB":"D","S":"P","N":"OUT","L":[1,{"a":null}]}"#);
        assert_eq!(key_of(document.root(), "DB.S.N").as_deref(), Some("D.P.OUT"));
        assert_eq!(key_of(document.root(), "DB.X"), None);
    }
}
