//! A lookup table in memory: the texts of its rows in one piece, and where each key's rows are.

use std::borrow::Cow;
use std::sync::Arc;

use ahash::AHashMap;

/// Whether keys are compared as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Exact,
    Folded,
}

/// Rows by key. Immutable; see [`TableBuilder`].
#[derive(Debug)]
pub struct LookupTable {
    name: Arc<str>,
    case: Case,
    text: String,
    /// Where each row's text ends; it begins where the one before ends.
    ends: Vec<u32>,
    index: AHashMap<Box<str>, Places>,
}

/// The rows of a key. Most keys have one.
#[derive(Debug)]
enum Places {
    One(u32),
    Many(Vec<u32>),
}

/// Collects rows.
#[derive(Debug)]
pub struct TableBuilder {
    table: LookupTable,
    most_bytes: usize,
}

/// A table would take more memory than it may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lookup table {name} has more than {most_bytes} bytes: it is not loaded, and events are not enriched with it")]
pub struct TableFull {
    pub name: Arc<str>,
    pub most_bytes: usize,
}

impl TableBuilder {
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, case: Case, most_bytes: usize) -> Self {
        let table =
            LookupTable { name: name.into(), case, text: String::new(), ends: Vec::new(), index: AHashMap::new() };
        Self { table, most_bytes: most_bytes.min(u32::MAX as usize) }
    }

    /// Adds a row, the text of a JSON object, under its keys.
    pub fn add<'a>(&mut self, keys: impl IntoIterator<Item = &'a str>, row: &str) -> Result<(), TableFull> {
        let table = &mut self.table;
        if table.text.len() + row.len() > self.most_bytes {
            return Err(TableFull { name: table.name.clone(), most_bytes: self.most_bytes });
        }
        let place = u32::try_from(table.ends.len()).unwrap_or(u32::MAX);
        table.text.push_str(row);
        table.ends.push(u32::try_from(table.text.len()).unwrap_or(u32::MAX));
        for key in keys {
            let key = folded(table.case, key);
            match table.index.get_mut(&*key) {
                Some(places) => places.push(place),
                None => {
                    table.index.insert(key.into(), Places::One(place));
                }
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn finish(mut self) -> LookupTable {
        self.table.text.shrink_to_fit();
        self.table
    }
}

impl Places {
    fn push(&mut self, place: u32) {
        match self {
            // Two keys of a row may be equal.
            Self::One(first) if *first == place => {}
            Self::One(first) => *self = Self::Many(vec![*first, place]),
            Self::Many(places) if places.last() == Some(&place) => {}
            Self::Many(places) => places.push(place),
        }
    }

    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }
}

impl LookupTable {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// The texts of the rows of a key, in the order in which they were added.
    pub fn get(&self, key: &str) -> impl ExactSizeIterator<Item = &str> {
        let places = self.index.get(&*folded(self.case, key)).map(Places::as_slice).unwrap_or_default();
        places.iter().map(|&place| self.row(place as usize))
    }

    fn row(&self, place: usize) -> &str {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin as usize..self.ends[place] as usize]
    }
}

/// Snowflake writes names in capitals, and people do not.
fn folded(case: Case, key: &str) -> Cow<'_, str> {
    let stands = key.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase());
    match case {
        Case::Folded if !stands => Cow::Owned(key.to_uppercase()),
        _ => Cow::Borrowed(key),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_by_any_of_their_keys() {
        let mut builder = TableBuilder::new("t", Case::Folded, 100);
        builder.add(["DANA", "dana", "d@x.org"], "{\"a\":1}").unwrap();
        builder.add(["dana"], "{\"a\":2}").unwrap();
        assert_eq!(builder.add(["z"], &"x".repeat(100)).unwrap_err().most_bytes, 100);
        let table = builder.finish();
        assert_eq!(table.get("Dana").collect::<Vec<_>>(), ["{\"a\":1}", "{\"a\":2}"]);
        assert_eq!(table.get("D@X.ORG").collect::<Vec<_>>(), ["{\"a\":1}"]);
        assert_eq!(table.get("z").len(), 0);
    }

    proptest! {
        #[test]
        fn a_table_is_a_map_of_lists(rows in prop::collection::vec(("[a-cA-Cä]{0,2}", 0..100_u8), 0..40), exact: bool) {
            let case = if exact { Case::Exact } else { Case::Folded };
            let mut builder = TableBuilder::new("t", case, 10_000);
            let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (key, n) in &rows {
                let row = format!("{{\"n\":{n}}}");
                builder.add([key.as_str()], &row).unwrap();
                expected.entry(if exact { key.clone() } else { key.to_uppercase() }).or_default().push(row);
            }
            let table = builder.finish();
            for (key, _) in &rows {
                let wanted = &expected[&if exact { key.clone() } else { key.to_uppercase() }];
                prop_assert_eq!(&table.get(key).collect::<Vec<_>>(), wanted);
            }
        }
    }
}
