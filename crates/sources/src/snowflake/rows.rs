//! Rows of a view: who they are, whether they are news, and the records they become.

use std::collections::HashMap;

use bytes::Bytes;
use uncia_model::limits::MAX_EVENT_BYTES;
use uncia_model::{Record, RowId, SourceId};
use uncia_snowflake::decode::{epoch_nanos, write_row};
use uncia_snowflake::views::{AuditView, Key, Revision};
use uncia_snowflake::{ColumnMeta, Kind};
use uncia_store::{Known, RowKey};

const NANOS_OF_HOUR: i128 = 3_600 * 1_000_000_000;
/// Of numbers that grow and have fractions, such as credits, so many parts are looked at.
const PARTS: f64 = 1e9;

/// A row as the API gives it.
pub(super) type Cells = [Option<String>];

/// Reads the rows of one answer.
pub(super) struct RowReader<'a> {
    view: &'a AuditView,
    feed: String,
    columns: &'a [ColumnMeta],
    cursor: usize,
    /// Places of the columns that make the key.
    key: Vec<usize>,
    revision: Option<(usize, Revision)>,
    tag: Option<usize>,
}

/// An answer that is not what was asked for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RowError {
    #[error("the answer has no column {0}")]
    Column(String),
    #[error("a row has no time in its column {cursor}")]
    Cursor { cursor: &'static str },
}

/// What tells a row from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identified {
    pub(super) hour: i64,
    /// Of the cursor, in microseconds since 1970.
    pub(super) micros: i64,
    pub(super) key: RowKey,
    /// See [`Known::state`].
    pub(super) state: i64,
}

/// A row that is new, or new again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) known: Known,
    /// By how much [`Known::state`] grew.
    pub(super) grown: i64,
}

/// What a record's envelope says, besides what its row says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Envelope {
    pub(super) revision: u32,
    pub(super) grown: i64,
    /// It happened before the source was first pulled.
    pub(super) backfill: bool,
}

impl<'a> RowReader<'a> {
    pub(super) fn new(view: &'a AuditView, columns: &'a [ColumnMeta]) -> Result<Self, RowError> {
        let place = |name: &str| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let must = |name: &str| place(name).ok_or_else(|| RowError::Column(name.to_owned()));
        let key = match view.key {
            // Columns that the account lacks are the same in every row.
            Key::Columns(names) => names.iter().filter_map(|name| place(name)).collect(),
            Key::WholeRow => (0..columns.len()).collect(),
        };
        let revision = view.revision.and_then(|revision| {
            let (Revision::Filled(name) | Revision::Grown(name)) = revision;
            Some((place(name)?, revision))
        });
        Ok(Self {
            view,
            feed: view.feed(),
            columns,
            cursor: must(view.cursor)?,
            key,
            revision,
            tag: place("QUERY_TAG"),
        })
    }

    pub(super) fn identify(&self, row: &Cells) -> Result<Identified, RowError> {
        let cursor = row.get(self.cursor).and_then(Option::as_deref);
        let nanos = cursor.and_then(|cell| epoch_nanos(&self.columns[self.cursor], cell));
        let nanos = nanos.ok_or(RowError::Cursor { cursor: self.view.cursor })?;
        let in_range = |number: i128| i64::try_from(number).map_err(|_| RowError::Cursor { cursor: self.view.cursor });
        let mut hasher = blake3::Hasher::new();
        for place in &self.key {
            // A null is no empty text, and no cell runs on into the next.
            match row.get(*place).and_then(Option::as_deref) {
                Some(cell) => {
                    hasher.update(&(cell.len() as u64 + 1).to_le_bytes());
                    hasher.update(cell.as_bytes());
                }
                None => {
                    hasher.update(&0_u64.to_le_bytes());
                }
            }
        }
        let mut key = RowKey::default();
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Ok(Identified {
            hour: in_range(nanos.div_euclid(NANOS_OF_HOUR))?,
            micros: in_range(nanos.div_euclid(1_000))?,
            key,
            state: self.state(row),
        })
    }

    fn state(&self, row: &Cells) -> i64 {
        let Some((place, revision)) = self.revision else { return 0 };
        let cell = row.get(place).and_then(Option::as_deref).unwrap_or_default();
        match revision {
            Revision::Filled(_) => i64::from(!cell.is_empty()),
            Revision::Grown(_) => match cell.parse::<i64>() {
                Ok(whole) if !self.is_fractional(place) => whole,
                #[expect(clippy::cast_possible_truncation, reason = "a saturating cast of a number that grows")]
                _ => cell.parse::<f64>().map_or(0, |number| (number * PARTS).round() as i64),
            },
        }
    }

    fn is_fractional(&self, place: usize) -> bool {
        self.columns[place].kind != Kind::Fixed || self.columns[place].scale > 0
    }

    /// Who the row's record is.
    #[must_use]
    pub(super) fn row_id(&self, source: &SourceId, row: &Identified, revision: u32) -> RowId {
        let origin = format!("snowflake:{}:{:032x}", self.feed, u128::from_be_bytes(row.key));
        RowId::of(source, &origin, u64::from(revision), 0)
    }

    /// The record that a row becomes. One too large for an event becomes a stub, which says who and when; `true` then.
    #[must_use]
    pub(super) fn record(&self, row: &Cells, ordinal: u64, row_id: RowId, envelope: Envelope) -> (Record, bool) {
        let mut text = Vec::with_capacity(512);
        write_row(self.columns, row, |_| false, &mut text);
        let size = text.len();
        let truncated = size > MAX_EVENT_BYTES;
        if truncated {
            let kept = |name: &str| self.view.required.split_whitespace().any(|wanted| wanted == name);
            let cells: Vec<Option<String>> = self
                .columns
                .iter()
                .zip(row)
                .map(|(column, cell)| cell.clone().filter(|_| kept(&column.name.to_uppercase())))
                .collect();
            text.clear();
            write_row(self.columns, &cells, |_| false, &mut text);
        }
        let is_ours = self.tag.and_then(|place| row.get(place)?.as_deref()).is_some_and(is_our_tag);
        let mut record = Record::alone(ordinal, Bytes::from(text)).known_as(row_id);
        record.header = self.header(envelope, is_ours, truncated.then_some(size)).map(Into::into);
        (record, truncated)
    }

    fn header(&self, envelope: Envelope, is_ours: bool, full_size: Option<usize>) -> Option<String> {
        let mut header = serde_json::Map::new();
        if envelope.revision > 0 {
            header.insert("revision".to_owned(), envelope.revision.into());
        }
        if let Some((place, Revision::Grown(_))) = self.revision
            && envelope.revision > 0
        {
            let grown = envelope.grown;
            #[expect(clippy::cast_precision_loss, reason = "credits are far below 2^53 parts")]
            let grown = if self.is_fractional(place) { (grown as f64 / PARTS).into() } else { grown.into() };
            header.insert("grown".to_owned(), grown);
        }
        for (name, holds) in [("backfill", envelope.backfill), ("self", is_ours), ("truncated", full_size.is_some())] {
            if holds {
                header.insert(name.to_owned(), true.into());
            }
        }
        if let Some(size) = full_size {
            header.insert("bytes".to_owned(), size.into());
        }
        (!header.is_empty()).then(|| serde_json::Value::Object(header).to_string())
    }
}

/// Whether a row is news, and what is known of it from now on.
#[must_use]
pub(super) fn news(known: &HashMap<RowKey, Known>, row: &Identified) -> Option<News> {
    match known.get(&row.key) {
        None => Some(News { known: Known { state: row.state, revision: 0 }, grown: 0 }),
        Some(before) if row.state > before.state => {
            let revision = before.revision.saturating_add(1);
            Some(News { known: Known { state: row.state, revision }, grown: row.state.saturating_sub(before.state) })
        }
        Some(_) => None,
    }
}

/// How our own statements are tagged, so that `QUERY_HISTORY` tells what pulling costs.
#[must_use]
pub(super) fn query_tag(source: &SourceId, feed: &str) -> String {
    serde_json::json!({ "app": "uncia", "source": source.as_str(), "view": feed }).to_string()
}

/// Said of a statement, not relied on: anybody can tag statements so.
fn is_our_tag(tag: &str) -> bool {
    tag.starts_with("{\"app\":\"uncia\",")
}

#[cfg(test)]
mod tests {
    use uncia_snowflake::views::AUDIT_VIEWS;

    use super::*;

    fn view(name: &str) -> &'static AuditView {
        AUDIT_VIEWS.iter().find(|view| view.name == name).unwrap()
    }

    fn column(name: &str, kind: Kind, scale: i32) -> ColumnMeta {
        ColumnMeta { name: name.to_owned(), kind, scale, nullable: true }
    }

    fn cells(texts: &[Option<&str>]) -> Vec<Option<String>> {
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    }

    fn sessions() -> Vec<ColumnMeta> {
        vec![
            column("SESSION_ID", Kind::Fixed, 0),
            column("CREATED_ON", Kind::TimestampLtz, 9),
            column("USER_NAME", Kind::Text, 0),
            column("CLOSED_REASON", Kind::Text, 0),
        ]
    }

    #[test]
    fn a_session_is_news_twice() {
        let columns = sessions();
        let reader = RowReader::new(view("SESSIONS"), &columns).unwrap();
        let open = cells(&[Some("1"), Some("1700000000.000000001"), Some("EVE"), None]);
        let closed = cells(&[Some("1"), Some("1700000000.000000001"), Some("EVE"), Some("LOGOUT")]);
        let (before, after) = (reader.identify(&open).unwrap(), reader.identify(&closed).unwrap());
        assert_eq!((before.key, before.hour), (after.key, 1_700_000_000 / 3_600));
        let mut known = HashMap::new();
        let first = news(&known, &before).unwrap();
        assert_eq!(first.known, Known { state: 0, revision: 0 });
        known.insert(before.key, first.known);
        assert_eq!(news(&known, &before), None);
        let second = news(&known, &after).unwrap();
        assert_eq!(second.known, Known { state: 1, revision: 1 });
        known.insert(after.key, second.known);
        assert_eq!(news(&known, &after), None);
        // A row that came late in its older form is no news.
        assert_eq!(news(&known, &before), None);
        let source = SourceId::from("prod");
        assert_ne!(reader.row_id(&source, &before, 0), reader.row_id(&source, &after, 1));
        let envelope = Envelope { revision: 1, grown: 1, backfill: true };
        let (record, stub) = reader.record(&closed, 0, reader.row_id(&source, &after, 1), envelope);
        assert!(!stub);
        insta::assert_snapshot!(std::str::from_utf8(&record.bytes).unwrap(), @r#"{"SESSION_ID":1,"CREATED_ON":"2023-11-14 22:13:20.000000001 +0000","USER_NAME":"EVE","CLOSED_REASON":"LOGOUT"}"#);
        assert_eq!(record.header.as_deref(), Some(r#"{"revision":1,"backfill":true}"#));
    }

    #[test]
    fn transfers_and_credits_grow() {
        let columns = [
            column("START_TIME", Kind::TimestampLtz, 9),
            column("END_TIME", Kind::TimestampLtz, 9),
            column("BYTES_TRANSFERRED", Kind::Fixed, 0),
        ];
        let reader = RowReader::new(view("DATA_TRANSFER_HISTORY"), &columns).unwrap();
        let row = |bytes| cells(&[Some("1700000000.0"), Some("1700003600.0"), Some(bytes)]);
        let (small, large) =
            (reader.identify(&row("9007199254740993")).unwrap(), reader.identify(&row("9007199254740994")).unwrap());
        let known = HashMap::from([(small.key, Known { state: small.state, revision: 3 })]);
        let grown = news(&known, &large).unwrap();
        assert_eq!((grown.known.revision, grown.grown), (4, 1));
        let envelope = Envelope { revision: 4, grown: grown.grown, backfill: false };
        let (record, _) = reader.record(&row("9007199254740994"), 0, RowId::of(&"s".into(), "", 0, 0), envelope);
        assert_eq!(record.header.as_deref(), Some(r#"{"revision":4,"grown":1}"#));

        let columns = [column("START_TIME", Kind::TimestampLtz, 9), column("CREDITS_USED", Kind::Fixed, 9)];
        let reader = RowReader::new(view("METERING_HISTORY"), &columns).unwrap();
        let row = cells(&[Some("1700000000.0"), Some("1.250000000")]);
        assert_eq!(reader.identify(&row).unwrap().state, 1_250_000_000);
        let envelope = Envelope { revision: 1, grown: 250_000_000, backfill: false };
        let (record, _) = reader.record(&row, 0, RowId::of(&"s".into(), "", 0, 0), envelope);
        assert_eq!(record.header.as_deref(), Some(r#"{"revision":1,"grown":0.25}"#));
    }

    #[test]
    fn cells_do_not_run_into_one_another() {
        let columns = [
            column("ROLE", Kind::Text, 0),
            column("GRANTEE_NAME", Kind::Text, 0),
            column("CREATED_ON", Kind::TimestampLtz, 9),
        ];
        let reader = RowReader::new(view("GRANTS_TO_USERS"), &columns).unwrap();
        let key = |role, grantee| reader.identify(&cells(&[role, grantee, Some("1.0")])).unwrap().key;
        let keys = [
            key(Some("AB"), Some("C")),
            key(Some("A"), Some("BC")),
            key(Some(""), Some("ABC")),
            key(None, Some("ABC")),
        ];
        assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), keys.len());
    }

    #[test]
    fn a_row_too_large_leaves_a_stub() {
        let columns = [
            column("QUERY_ID", Kind::Text, 0),
            column("QUERY_START_TIME", Kind::TimestampLtz, 9),
            column("USER_NAME", Kind::Text, 0),
            column("BASE_OBJECTS_ACCESSED", Kind::Array, 0),
        ];
        let reader = RowReader::new(view("ACCESS_HISTORY"), &columns).unwrap();
        let huge = format!("[\"{}\"]", "x".repeat(MAX_EVENT_BYTES));
        let row = cells(&[Some("q"), Some("1700000000.5"), Some("EVE"), Some(&huge)]);
        let (record, stub) = reader.record(&row, 0, RowId::of(&"s".into(), "", 0, 0), Envelope::default());
        assert!(stub);
        insta::assert_snapshot!(std::str::from_utf8(&record.bytes).unwrap(), @r#"{"QUERY_ID":"q","QUERY_START_TIME":"2023-11-14 22:13:20.500000000 +0000","USER_NAME":"EVE"}"#);
        insta::assert_snapshot!(record.header.unwrap(), @r#"{"truncated":true,"bytes":15728760}"#);
    }

    #[test]
    fn our_own_statements_are_marked() {
        let mut columns = vec![
            column("QUERY_ID", Kind::Text, 0),
            column("END_TIME", Kind::TimestampLtz, 9),
            column("QUERY_TAG", Kind::Text, 0),
        ];
        let tag = query_tag(&"prod".into(), "QUERY_HISTORY");
        let row = cells(&[Some("q"), Some("1700000000.5"), Some(&tag)]);
        let reader = RowReader::new(view("QUERY_HISTORY"), &columns).unwrap();
        let (record, _) = reader.record(&row, 0, RowId::of(&"s".into(), "", 0, 0), Envelope::default());
        assert_eq!(record.header.as_deref(), Some(r#"{"self":true}"#));
        columns.remove(1);
        let error = RowReader::new(view("QUERY_HISTORY"), &columns).err().unwrap();
        assert_eq!(error.to_string(), "the answer has no column END_TIME");
    }
}
