//! Plans: a schema compiled for one process's key ids, so that a record's keys are found by integers.
//!
//! A key whose id is [`KeyId::NONE`] (the interner was full, or the key is long) is found by its text.

use std::sync::Arc;

use uncia_document::{Document, Interner, Key, KeyId};
use uncia_model::LogType;

use super::derive::Derived;
use super::udm::UdmPlan;
use crate::indicators::Scanner;
use crate::parsers::TextParser;
use crate::schema::{FieldSpec, KindSpec, Mask, Schema, Validate, ValueSpec, column_name};
use crate::time::TimeFormat;

/// How records of one log type are read.
pub(super) struct Plan {
    pub(super) log_type: LogType,
    pub(super) revision: u32,
    /// Whether JSON objects are records. Abbreviated ones are, whatever their source sends.
    pub(super) reads_json: bool,
    pub(super) root: ObjectPlan,
    /// Required fields and validation rules at all depths: the more there are, the earlier the schema is tried.
    pub(super) strictness: usize,
    pub(super) probe: Probe,
    pub(super) udm: Option<UdmPlan>,
    /// How records that are not JSON are read.
    pub(super) text: Option<TextPlan>,
}

pub(super) struct TextPlan {
    pub(super) parser: Arc<TextParser>,
    /// Of the parser's columns.
    pub(super) ids: Box<[KeyId]>,
}

/// What a record's top level must show before it is worth coercing it.
#[derive(Default)]
pub(super) struct Probe {
    pub(super) required: Vec<(KeyId, Box<str>)>,
    /// What full records have and abbreviated ones may lack.
    pub(super) waived: Vec<KeyId>,
    pub(super) allowed: Vec<Allowed>,
    /// Every top-level key that is a field.
    pub(super) keys: Vec<KeyId>,
    /// Some of these keys have no id.
    pub(super) has_unnumbered: bool,
}

/// A top-level string that, if present, must be one of these.
pub(super) struct Allowed {
    pub(super) key: KeyId,
    pub(super) words: Box<[Box<str>]>,
}

pub(super) struct ObjectPlan {
    pub(super) fields: Box<[FieldPlan]>,
    /// Source key to field.
    by_key: KeyTable,
    /// Ids of names that an unknown key must not take: those that differ from their field's source key.
    names: KeyTable,
    has_renames: bool,
    /// Fields whose keys have no id.
    unnumbered: Box<[u16]>,
    /// Fields filled from elsewhere, in schema order.
    pub(super) derived: Box<[u16]>,
    pub(super) required: u32,
}

pub(super) struct FieldPlan {
    /// The record's key.
    source: Box<str>,
    pub(super) name: Box<str>,
    /// The column's key, where it differs from the record's.
    pub(super) renamed: Option<KeyId>,
    pub(super) is_required: bool,
    /// Refuses nothing: what does not fit stays as it is.
    pub(super) is_discovered: bool,
    pub(super) derived: Option<Box<Derived>>,
    pub(super) value: ValuePlan,
}

pub(super) struct ValuePlan {
    pub(super) kind: Kind,
    pub(super) indicators: Box<[Scanner]>,
    pub(super) validate: Option<Box<Validate>>,
    pub(super) mask: Option<Box<Mask>>,
    pub(super) is_embedded_json: bool,
    /// Place among the schema's event times, depth first.
    pub(super) event_time: Option<u16>,
}

pub(super) enum Kind {
    String,
    /// Least and greatest value.
    Integer(i64, i64),
    Float,
    Boolean,
    Timestamp(Box<[TimeFormat]>, i32),
    Array(Box<ValuePlan>),
    Object(Box<ObjectPlan>),
    Json,
}

/// Whether a record must have the fields that its schema requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Required {
    Checked,
    /// Abbreviated records are looked at.
    Waived,
}

impl Plan {
    pub(super) fn compile(schema: &Schema, interner: &Interner, required: Required) -> Self {
        let root = &schema.spec().fields;
        let mut compiler = Compiler { interner, required, root, event_times: 0, strictness: 0 };
        let root = compiler.object(&schema.spec().fields);
        let mut probe = probe(&schema.spec().fields, interner);
        if required == Required::Waived {
            probe.waived = probe.required.drain(..).map(|(key, _)| key).collect();
            probe.keys.extend(root.fields.iter().filter_map(|field| field.renamed));
        }
        Self {
            log_type: schema.log_type().clone(),
            revision: schema.revision(),
            reads_json: schema.spec().parser.as_ref().is_none_or(|parser| parser.is_also_json())
                || required == Required::Waived,
            root,
            strictness: compiler.strictness,
            probe,
            udm: UdmPlan::compile(&schema.spec().udm, interner),
            text: TextPlan::compile(schema.spec(), interner),
        }
    }

    /// Whether the parser is asked whatever the record looks like.
    pub(super) fn reads_any_text(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.parser.reads_json())
    }
}

fn probe(fields: &[FieldSpec], interner: &Interner) -> Probe {
    let mut probe = Probe::default();
    for field in fields {
        let Some(source) = field.source() else {
            if let Some(derived) = Derived::of(&field.origin, fields) {
                let mut keys = Vec::new();
                derived.top_level_keys(&mut keys);
                for key in keys {
                    let key = interner.intern(key);
                    probe.has_unnumbered |= key == KeyId::NONE;
                    probe.keys.push(key);
                }
                probe.keys.retain(|key| *key != KeyId::NONE);
            }
            continue;
        };
        let key = interner.intern(source);
        if key == KeyId::NONE {
            probe.has_unnumbered = true;
            continue;
        }
        probe.keys.push(key);
        if field.required {
            probe.required.push((key, source.into()));
        }
        if let Some(validate) = &field.value.validate
            && !validate.allow.is_empty()
        {
            probe.allowed.push(Allowed { key, words: validate.allow.clone().into() });
        }
    }
    probe
}

struct Compiler<'a> {
    interner: &'a Interner,
    /// The schema's fields, which paths name.
    root: &'a [FieldSpec],
    required: Required,
    event_times: u16,
    strictness: usize,
}

impl Compiler<'_> {
    fn object(&mut self, specs: &[FieldSpec]) -> ObjectPlan {
        let fields: Box<[FieldPlan]> = specs.iter().map(|spec| self.field(spec)).collect();
        let places = || fields.iter().zip(0_u16..);
        let own = || places().filter(|(field, _)| field.derived.is_none());
        let numbered = own().map(|(field, place)| (self.interner.intern(&field.source), place));
        // An abbreviated record may have been an event before: its fields then have the columns' names.
        let renamed = own().filter(|(field, _)| self.required == Required::Waived && field.name != field.source);
        let is_free = |(id, _): &(KeyId, u16)| numbered.clone().all(|(source, _)| source != *id);
        let normal: Vec<_> =
            renamed.map(|(field, place)| (self.interner.intern(&field.name), place)).filter(is_free).collect();
        let unnumbered = numbered.clone().filter(|(id, _)| *id == KeyId::NONE).map(|(_, place)| place).collect();
        let taken = places().filter(|(field, _)| field.name != field.source || field.derived.is_some());
        ObjectPlan {
            by_key: KeyTable::new(numbered.chain(normal)),
            has_renames: taken.clone().next().is_some(),
            names: KeyTable::new(taken.map(|(field, place)| (self.interner.intern(&field.name), place))),
            unnumbered,
            derived: places().filter(|(field, _)| field.derived.is_some()).map(|(_, place)| place).collect(),
            required: fields.iter().map(|field| u32::from(field.is_required)).sum(),
            fields,
        }
    }

    fn field(&mut self, spec: &FieldSpec) -> FieldPlan {
        let name = column_name(&spec.name);
        let derived = Derived::of(&spec.origin, self.root).map(Box::new);
        let source = spec.source().unwrap_or(&name);
        self.strictness += usize::from(spec.required);
        let is_renamed = *name != *source || derived.is_some();
        FieldPlan {
            source: source.into(),
            renamed: is_renamed.then(|| self.interner.intern(&name)),
            name: name.into(),
            is_required: spec.required && self.required == Required::Checked,
            is_discovered: spec.is_discovered,
            derived,
            value: self.value(&spec.value, spec.mask.as_ref()),
        }
    }

    /// The mask of a list is that of its elements.
    fn value(&mut self, spec: &ValueSpec, mask: Option<&Mask>) -> ValuePlan {
        let event_time = spec.is_event_time.then_some(self.event_times);
        self.event_times += u16::from(spec.is_event_time);
        self.strictness += usize::from(spec.validate.is_some());
        let kind = match &spec.kind {
            KindSpec::String => Kind::String,
            KindSpec::SmallInt => Kind::Integer(i16::MIN.into(), i16::MAX.into()),
            KindSpec::Int => Kind::Integer(i32::MIN.into(), i32::MAX.into()),
            KindSpec::BigInt => Kind::Integer(i64::MIN, i64::MAX),
            KindSpec::Float => Kind::Float,
            KindSpec::Boolean => Kind::Boolean,
            KindSpec::Timestamp { formats, offset } => Kind::Timestamp(formats.clone().into(), *offset),
            KindSpec::Array(element) => Kind::Array(Box::new(self.value(element, mask))),
            KindSpec::Object(fields) => Kind::Object(Box::new(self.object(fields))),
            KindSpec::Json => Kind::Json,
        };
        ValuePlan {
            indicators: spec.indicators.clone().into(),
            validate: spec.validate.clone().map(Box::new),
            mask: mask.filter(|_| !matches!(kind, Kind::Array(_))).cloned().map(Box::new),
            is_embedded_json: spec.is_embedded_json,
            event_time,
            kind,
        }
    }
}

impl ObjectPlan {
    /// The field that a record's key fills.
    #[inline]
    pub(super) fn find(&self, document: &Document, key: Key) -> Option<&FieldPlan> {
        if key.id != KeyId::NONE {
            return self.by_key.get(key.id).map(|place| &self.fields[usize::from(place)]);
        }
        if self.unnumbered.is_empty() {
            return None;
        }
        let text = document.key(key);
        self.unnumbered.iter().map(|&place| &self.fields[usize::from(place)]).find(|field| *field.source == *text)
    }

    /// Whether the key is the source of a field of the same name that is made of it and stands in its place.
    #[inline]
    pub(super) fn consumes(&self, key: Key) -> bool {
        let field = self.names.get(key.id).map(|place| &self.fields[usize::from(place)]);
        field.is_some_and(|field| field.derived.as_deref().is_some_and(|derived| derived.is_of(&field.name)))
    }

    /// Whether a field that is not read from a key of that name writes to it.
    #[inline]
    pub(super) fn takes(&self, document: &Document, key: Key) -> bool {
        if key.id != KeyId::NONE || !self.has_renames {
            return self.names.get(key.id).is_some();
        }
        let text = document.key(key);
        self.fields.iter().any(|field| field.renamed.is_some() && *field.name == *text)
    }
}

/// Key ids to small numbers; open addressing, at most half full.
struct KeyTable {
    slots: Box<[(KeyId, u16)]>,
    shift: u32,
}

impl KeyTable {
    fn new(entries: impl Iterator<Item = (KeyId, u16)>) -> Self {
        let entries: Vec<(KeyId, u16)> = entries.filter(|(id, _)| *id != KeyId::NONE).collect();
        if entries.is_empty() {
            return Self { slots: Box::default(), shift: 0 };
        }
        let size = (entries.len() * 2).next_power_of_two().max(2);
        let mut table = Self { slots: vec![(KeyId::NONE, 0); size].into(), shift: 32 - size.trailing_zeros() };
        for (id, place) in entries {
            let mut slot = table.slot(id);
            while table.slots[slot].0 != KeyId::NONE {
                slot = (slot + 1) % size;
            }
            table.slots[slot] = (id, place);
        }
        table
    }

    #[inline]
    fn slot(&self, id: KeyId) -> usize {
        ((id.index() as u32).wrapping_mul(0x9E37_79B1) >> self.shift) as usize
    }

    #[inline]
    fn get(&self, id: KeyId) -> Option<u16> {
        if self.slots.is_empty() || id == KeyId::NONE {
            return None;
        }
        let mut slot = self.slot(id);
        loop {
            let (key, place) = self.slots[slot];
            if key == id {
                return Some(place);
            }
            if key == KeyId::NONE {
                return None;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_tables_find_what_they_hold() {
        let interner = Interner::default();
        let ids: Vec<KeyId> = (0..400).map(|n| interner.intern(&format!("key{n}"))).collect();
        let table = KeyTable::new(ids.iter().copied().zip(0..).filter(|(_, n)| n % 3 == 0));
        for (n, &id) in ids.iter().enumerate() {
            assert_eq!(table.get(id), (n % 3 == 0).then_some(n as u16));
        }
        assert_eq!(table.get(KeyId::NONE), None);
        assert_eq!(KeyTable::new(std::iter::empty()).get(ids[0]), None);
    }
}
