//! Tables with what is looked up in them, and what an event gets of it.

use std::collections::HashSet;
use std::sync::Arc;

use ahash::AHashMap;
use uncia_document::{Ref, write_key};
use uncia_model::{LogType, SourceId};

use crate::selector::Selector;
use crate::table::LookupTable;

/// So many rows are laid beside an event for one selector: a role may have thousands of grants.
const MOST_ROWS: usize = 100;

/// A table and the fields that are looked up in it.
#[derive(Clone, Debug)]
pub struct Association {
    pub table: Arc<LookupTable>,
    /// The source that the table tells of. Its own events are looked up in its own tables alone.
    pub source: Option<SourceId>,
    /// Of events of any log type.
    pub any: Vec<Selector>,
    /// Of events of one log type, besides.
    pub of: Vec<(LogType, Vec<Selector>)>,
}

/// All tables.
#[derive(Debug, Default)]
pub struct Enricher {
    associations: Vec<Association>,
    /// For log types with selectors of their own: by place of the association.
    of: AHashMap<LogType, Vec<(usize, Vec<Selector>)>>,
    /// For all others.
    any: Vec<(usize, Vec<Selector>)>,
    sources: HashSet<SourceId>,
}

impl Enricher {
    #[must_use]
    pub fn new(associations: Vec<Association>) -> Self {
        let with_any = || associations.iter().map(|association| association.any.clone());
        let mut of: AHashMap<LogType, Vec<Vec<Selector>>> = AHashMap::new();
        for (place, association) in associations.iter().enumerate() {
            for (log_type, selectors) in &association.of {
                let all = of.entry(log_type.clone()).or_insert_with(|| with_any().collect());
                all[place].extend(selectors.iter().cloned());
            }
        }
        let used = |all: Vec<Vec<Selector>>| -> Vec<(usize, Vec<Selector>)> {
            all.into_iter().enumerate().filter(|(_, selectors)| !selectors.is_empty()).collect()
        };
        let any = used(with_any().collect());
        let of = of.into_iter().map(|(log_type, all)| (log_type, used(all))).collect();
        let sources = associations.iter().filter_map(|association| association.source.clone()).collect();
        Self { associations, of, any, sources }
    }

    /// Names and rows of the tables.
    pub fn tables(&self) -> impl Iterator<Item = &LookupTable> {
        self.associations.iter().map(|association| &*association.table)
    }

    /// Whether events of the log type are looked up at all.
    #[must_use]
    pub fn concerns(&self, log_type: &LogType) -> bool {
        self.of.get(log_type).map_or(!self.any.is_empty(), |all| !all.is_empty())
    }

    /// The text of the event's `p_enrichment`; `None` if nothing is found.
    #[must_use]
    pub fn enrich(&self, log_type: &LogType, source: &SourceId, event: Ref<'_>) -> Option<Vec<u8>> {
        let mut json = Vec::new();
        self.enrich_into(log_type, source, event, &mut json).then_some(json)
    }

    /// Appends the same to a text; it stays as it is if nothing is found.
    pub fn enrich_into(&self, log_type: &LogType, source: &SourceId, event: Ref<'_>, json: &mut Vec<u8>) -> bool {
        let groups = self.of.get(log_type).unwrap_or(&self.any);
        if groups.is_empty() {
            return false;
        }
        let is_own = self.sources.contains(source);
        let begin = json.len();
        json.push(b'{');
        for (place, selectors) in groups {
            let association = &self.associations[*place];
            if is_own && association.source.as_ref().is_some_and(|of| of != source) {
                continue;
            }
            let before = json.len();
            if before > begin + 1 {
                json.push(b',');
            }
            write_key(association.table.name(), json);
            if !write_found(&association.table, selectors, event, json) {
                json.truncate(before);
            }
        }
        if json.len() == begin + 1 {
            json.truncate(begin);
            return false;
        }
        json.push(b'}');
        true
    }
}

/// Writes `{"<selector>": row | [rows], …}`; false if no selector finds a row.
fn write_found(table: &LookupTable, selectors: &[Selector], event: Ref<'_>, json: &mut Vec<u8>) -> bool {
    let begin = json.len();
    json.push(b'{');
    for selector in selectors {
        let before = json.len();
        if before > begin + 1 {
            json.push(b',');
        }
        write_key(selector.as_str(), json);
        let list = json.len();
        json.push(b'[');
        let mut count = 0;
        let many = selector.values(event, &mut |value| {
            for row in table.get(value).take(MOST_ROWS.saturating_sub(count)) {
                if count > 0 {
                    json.push(b',');
                }
                count += 1;
                write_matched(row, value, json);
            }
        });
        match count {
            0 => json.truncate(before),
            // One row of one value is no list.
            1 if !many => {
                json.remove(list);
            }
            _ => json.push(b']'),
        }
    }
    json.push(b'}');
    json.len() > begin + 2
}

/// The row with the value it was found by as its last member.
fn write_matched(row: &str, value: &str, json: &mut Vec<u8>) {
    let open = row.strip_suffix('}').unwrap_or("{");
    json.extend_from_slice(open.as_bytes());
    if open != "{" {
        json.push(b',');
    }
    write_key("p_match", json);
    write_key(value, json);
    // A key is a text and a colon.
    json.pop();
    json.push(b'}');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uncia_document::{Interner, Parser};

    use super::*;
    use crate::table::{Case, TableBuilder};

    fn users(name: &str, source: Option<&str>, rows: &[(&str, &str)]) -> Association {
        let mut builder = TableBuilder::new(name, Case::Folded, 10_000);
        for (user, email) in rows {
            let row = json!({"NAME": user, "EMAIL": email, "of": name}).to_string();
            builder.add([*user, *email], &row).unwrap();
        }
        Association {
            table: Arc::new(builder.finish()),
            source: source.map(SourceId::from),
            any: vec![Selector::new("p_any_usernames"), Selector::new("p_any_emails")],
            of: vec![(LogType::from("T.Login"), vec![Selector::new("$.who.name")])],
        }
    }

    fn enriched(enricher: &Enricher, log_type: &str, source: &str, event: &Value) -> Option<Value> {
        let document = Parser::new(Interner::new()).parse(event.to_string().as_bytes()).unwrap();
        let found = enricher.enrich(&log_type.into(), &source.into(), document.root());
        found.map(|json| serde_json::from_slice(&json).unwrap())
    }

    #[test]
    fn the_layout_that_rules_read() {
        let enricher = Enricher::new(vec![users("prod_users", None, &[("DANA", "d@x.org"), ("Q\"", "q")])]);
        let event = json!({"who": {"name": "dana"}, "p_any_usernames": ["nobody", "DANA", "q\""]});
        let row = |user: &str, email: &str, by: &str| json!({"NAME": user, "EMAIL": email, "of": "prod_users", "p_match": by});
        assert_eq!(
            enriched(&enricher, "T.Login", "s", &event),
            Some(json!({"prod_users": {
                "p_any_usernames": [row("DANA", "d@x.org", "DANA"), row("Q\"", "q", "q\"")],
                "who.name": row("DANA", "d@x.org", "dana"),
            }}))
        );
        let other = enriched(&enricher, "T.Other", "s", &json!({"who": {"name": "dana"}, "p_any_emails": ["D@x.org"]}));
        assert_eq!(other, Some(json!({"prod_users": {"p_any_emails": [row("DANA", "d@x.org", "D@x.org")]}})));
        assert_eq!(enriched(&enricher, "T.Other", "s", &json!({"who": {"name": "dana"}})), None);
        assert!(!Enricher::default().concerns(&"T.Login".into()));
    }

    #[test]
    fn an_account_is_matched_with_its_own_tables() {
        let tables = vec![
            users("a_users", Some("a"), &[("DANA", "d@a.org")]),
            users("b_users", Some("b"), &[("DANA", "d@b.org")]),
        ];
        let enricher = Enricher::new(tables);
        let event = json!({"p_any_usernames": ["DANA"]});
        let names = |source| {
            let found = enriched(&enricher, "T.Other", source, &event).unwrap();
            found.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(names("a"), ["a_users"]);
        assert_eq!(names("b"), ["b_users"]);
        assert_eq!(names("cloudtrail"), ["a_users", "b_users"]);
    }

    #[test]
    fn many_rows_are_cut() {
        let grants: Vec<(&str, &str)> = vec![("R", "R"); MOST_ROWS + 50];
        let enricher = Enricher::new(vec![users("grants", None, &grants)]);
        let found = enriched(&enricher, "T.Login", "s", &json!({"who": {"name": "R"}})).unwrap();
        assert_eq!(found["grants"]["who.name"].as_array().unwrap().len(), MOST_ROWS);
    }
}
