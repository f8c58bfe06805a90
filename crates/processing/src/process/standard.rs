//! The standard fields that every event carries, behind its own.

use uncia_document::{Document, Interner, Key, KeyId, Member, Scratch, Timestamp, Value};
use uncia_model::{LogType, Origin, RowId, fields};

use crate::indicators::Indicators;

/// The fields before the indicators, in their order.
const NAMES: [&str; 9] = [
    fields::LOG_TYPE,
    fields::ROW_ID,
    fields::EVENT_TIME,
    fields::PARSE_TIME,
    fields::SCHEMA_VERSION,
    fields::SOURCE_ID,
    fields::SOURCE_LABEL,
    fields::SOURCE_FILE,
    fields::HEADER,
];
/// The key within `p_source_file`.
const PATH: &str = "path";

/// Ids of the standard keys, and one text that holds all names, so that an event gets them by one copy.
pub(crate) struct StandardKeys {
    ids: [KeyId; NAMES.len()],
    path: KeyId,
    any: Vec<KeyId>,
    block: String,
}

/// What the standard fields of one row say.
pub(crate) struct Facts<'a> {
    pub(crate) log_type: &'a LogType,
    /// Of the schema; bundled ones have 0.
    pub(crate) revision: u32,
    pub(crate) row_id: RowId,
    pub(crate) event_time: Timestamp,
    pub(crate) parse_time: Timestamp,
    pub(crate) origin: &'a Origin,
    /// Belongs to the row's document.
    pub(crate) header: Option<Value>,
}

impl StandardKeys {
    pub(crate) fn new(interner: &Interner) -> Self {
        Self {
            ids: NAMES.map(|name| interner.intern(name)),
            path: interner.intern(PATH),
            any: fields::ANY.iter().map(|name| interner.intern(name)).collect(),
            block: NAMES.concat() + PATH,
        }
    }

    /// Puts the standard fields on the scratch.
    pub(crate) fn append(&self, document: &mut Document, scratch: &mut Scratch, facts: &Facts<'_>) {
        let block = document.push_text(&self.block);
        let source_file = facts.origin.place.as_ref().map(|place| {
            let path = block.slice(block.len() - PATH.len(), block.len());
            let value = document.push_string(place);
            let from = scratch.members.len();
            scratch.members.push(Member { key: Key { id: self.path, text: path }, value });
            document.close_object(scratch, from)
        });
        let row_id = facts.row_id.hex();
        let values = [
            Some(document.push_string(facts.log_type.as_str())),
            Some(document.push_string(std::str::from_utf8(&row_id).expect("hex digits are ASCII"))),
            Some(Value::Timestamp(facts.event_time)),
            Some(Value::Timestamp(facts.parse_time)),
            Some(document.push_number(facts.revision)),
            Some(document.push_string(facts.origin.source.as_str())),
            Some(document.push_string(&facts.origin.source_label)),
            source_file,
            facts.header,
        ];
        let mut at = 0;
        for (place, value) in values.into_iter().enumerate() {
            let text = block.slice(at, at + NAMES[place].len());
            at += NAMES[place].len();
            if let Some(value) = value {
                scratch.members.push(Member { key: Key { id: self.ids[place], text }, value });
            }
        }
    }

    /// Puts the indicator lists that are not empty on the scratch.
    pub(crate) fn append_indicators(
        &self,
        document: &mut Document,
        scratch: &mut Scratch,
        indicators: &mut Indicators,
    ) {
        indicators.drain(document, scratch, |document, scratch, place, list| {
            let key = Key { id: self.any[place], text: document.push_text(fields::ANY[place]) };
            scratch.members.push(Member { key, value: list });
        });
    }
}
