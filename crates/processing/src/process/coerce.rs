//! Coercion: a parsed record, rewritten by a plan into its log type's normal form.
//!
//! Values that fit as they are stay where they are; only what changes is appended to the document. Nulls go, unknown
//! fields stay at their places, and the first value that does not fit ends the attempt.

mod scalar;

use ahash::AHashSet;
use uncia_document::{Document, Interner, Key, KeyId, MAX_DEPTH, Member, Parser, Scratch, Text, Timestamp, Value};

use super::mismatch::Mismatch;
use super::names::UnknownNames;
use super::plan::{FieldPlan, Kind, ObjectPlan, Required, ValuePlan};
use crate::indicators::{self, AwsKeys, Indicators, Scanner};
use crate::schema::Mask;

/// What is wrong with a record that shares nothing with a log type, even one that requires nothing.
pub(super) const NO_FIELD: &str = "no field of this log type is in the record";

/// One attempt to read a record as one log type.
pub(super) struct Coercion<'a> {
    pub(super) document: &'a mut Document,
    pub(super) scratch: &'a mut Scratch,
    pub(super) indicators: &'a mut Indicators,
    pub(super) aws_keys: &'a mut AwsKeys,
    pub(super) names: &'a mut UnknownNames,
    pub(super) parser: &'a mut Parser,
    pub(super) interner: &'a Interner,
    /// The record as parsed, from which made fields take.
    pub(super) root: Value,
    /// The event time found so far, with its place in the schema's order.
    pub(super) event_time: Option<(u16, Timestamp)>,
    /// Fields of the schema found so far, at all depths.
    pub(super) known: usize,
    pub(super) required: Required,
}

/// Whether an object's members are the columns of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Nested,
}

impl Coercion<'_> {
    /// Leaves the event's members on the scratch.
    pub(super) fn event(&mut self, plan: &ObjectPlan) -> Result<(), Mismatch> {
        let known = self.members(plan, self.root, Level::Root)?.known;
        if known == 0 {
            return Err(Mismatch::new(NO_FIELD));
        }
        Ok(())
    }

    fn object(&mut self, plan: &ObjectPlan, value: Value) -> Result<Value, Mismatch> {
        let from = self.scratch.members.len();
        let done = self.members(plan, value, Level::Nested)?;
        if !done.has_changed {
            self.scratch.members.truncate(from);
            return Ok(value);
        }
        Ok(self.document.close_object(self.scratch, from))
    }

    fn members(&mut self, plan: &ObjectPlan, object: Value, level: Level) -> Result<Done, Mismatch> {
        let from = self.scratch.members.len();
        let mut done = Done { known: 0, has_changed: false };
        let mut taken = None;
        let mut required = 0;
        for place in 0..self.document.members(object).len() {
            let member = self.document.members(object)[place];
            if member.value == Value::Null {
                done.has_changed = true;
                continue;
            }
            let Some(field) = plan.find(self.document, member.key) else {
                if level == Level::Root && plan.consumes(member.key) {
                    done.has_changed = true;
                    continue;
                }
                let key = self.unknown_key(plan, object, member.key, &mut taken, level);
                done.has_changed |= key != member.key;
                self.scratch.members.push(Member { key, value: member.value });
                continue;
            };
            done.known += usize::from(!field.is_discovered);
            let value = self.field(field, member.value, member.key.id)?;
            if value == Value::Null {
                done.has_changed = true;
                continue;
            }
            required += u32::from(field.is_required);
            let key = match field.renamed {
                None => member.key,
                Some(id) => Key { id, text: self.document.push_text(&field.name) },
            };
            done.has_changed |= key != member.key || value != member.value;
            self.scratch.members.push(Member { key, value });
        }
        for &place in &plan.derived {
            let field = &plan.fields[usize::from(place)];
            let Some(value) = field.derived.as_deref().and_then(|derived| self.derived(derived)) else { continue };
            let value = self.field(field, value, KeyId::NONE)?;
            if value == Value::Null {
                continue;
            }
            done.known += 1;
            required += u32::from(field.is_required);
            done.has_changed = true;
            let key = Key { id: field.renamed.unwrap_or(KeyId::NONE), text: self.document.push_text(&field.name) };
            self.scratch.members.push(Member { key, value });
        }
        if required < plan.required {
            return Err(self.missing(plan, from));
        }
        self.known += done.known;
        Ok(done)
    }

    #[inline]
    fn field(&mut self, field: &FieldPlan, value: Value, key: KeyId) -> Result<Value, Mismatch> {
        if field.is_discovered {
            return Ok(self.discovered(field, value, key));
        }
        self.value(&field.value, value, (key, &field.name)).map_err(|mismatch| mismatch.in_field(&field.name))
    }

    /// A field that was guessed. Rules must see the value that they saw before, so it is only read where it is of the kind
    /// that was guessed; otherwise the lake keeps it beside the column.
    fn discovered(&mut self, field: &FieldPlan, value: Value, key: KeyId) -> Value {
        let is_of_kind = matches!(
            (&field.value.kind, value),
            (Kind::Json, _)
                | (Kind::String | Kind::Timestamp(..), Value::String(_))
                | (Kind::Integer(..) | Kind::Float, Value::Number(_))
                | (Kind::Boolean, Value::Bool(_))
                | (Kind::Array(_), Value::Array(_))
                | (Kind::Object(_), Value::Object(_))
        );
        if !is_of_kind {
            return value;
        }
        let (members, items) = (self.scratch.members.len(), self.scratch.items.len());
        match self.value(&field.value, value, (key, &field.name)) {
            Ok(read) if read != Value::Null => read,
            _ => {
                self.scratch.members.truncate(members);
                self.scratch.items.truncate(items);
                value
            }
        }
    }

    #[cold]
    fn missing(&self, plan: &ObjectPlan, from: usize) -> Mismatch {
        let has = |name: &str| self.scratch.members[from..].iter().any(|member| self.document.key(member.key) == name);
        let missing = plan.fields.iter().find(|field| field.is_required && !has(&field.name));
        let name = missing.map_or("", |field| &field.name);
        Mismatch::new("required, but missing or null").in_field(name)
    }

    /// The name of a field that the schema does not know. It gets underscores at its end until it is free, and one
    /// before it if it would pass for a standard field: nobody who writes logs writes those.
    fn unknown_key(
        &mut self,
        plan: &ObjectPlan,
        object: Value,
        key: Key,
        taken: &mut Option<AHashSet<Box<str>>>,
        level: Level,
    ) -> Key {
        let text = self.document.key(key);
        let is_reserved = level == Level::Root && text.starts_with("p_");
        let changed = self.names.changed(self.interner, key.id, text);
        if changed.is_none() && !is_reserved && !plan.takes(self.document, key) {
            return key;
        }
        let mut name = changed.map_or_else(|| text.to_owned(), |(_, name)| name.into());
        if level == Level::Root && name.starts_with("p_") {
            name.insert(0, '_');
        }
        let taken = taken.get_or_insert_with(|| self.names_of(plan, object));
        while !taken.insert(name.as_str().into()) {
            name.push('_');
        }
        self.document.push_key(self.interner, &name)
    }

    /// Names that an object's members have or will have.
    #[cold]
    fn names_of(&self, plan: &ObjectPlan, object: Value) -> AHashSet<Box<str>> {
        let own = self.document.members(object).iter().map(|member| self.document.key(member.key));
        own.chain(plan.fields.iter().map(|field| &*field.name)).map(Box::from).collect()
    }

    fn value(&mut self, plan: &ValuePlan, value: Value, key: (KeyId, &str)) -> Result<Value, Mismatch> {
        let value = match value {
            Value::String(text) if plan.is_embedded_json => self.embedded(plan, text)?,
            _ => value,
        };
        if value == Value::Null {
            return Ok(value);
        }
        let value = match &plan.kind {
            Kind::String => self.string(value)?,
            Kind::Json => value,
            Kind::Timestamp(formats, offset) => {
                let value = self.timestamp(formats, *offset, value)?;
                self.note_event_time(plan, value);
                value
            }
            Kind::Integer(least, most) => self.integer(*least, *most, value)?,
            Kind::Float => self.float(value)?,
            Kind::Boolean => self.boolean(value)?,
            Kind::Array(element) => self.array(element, value, key)?,
            Kind::Object(object) => match value {
                Value::Object(_) => self.object(object, value)?,
                _ => return Err(self.unexpected("an object", value)),
            },
        };
        let value = match &plan.mask {
            Some(mask) => self.masked(mask, value),
            None => value,
        };
        // Integers are compared as they are written: numbers of kinds tell log types apart as names do.
        if let (Some(validate), Value::String(text) | Value::Number(text)) = (&plan.validate, value)
            && let Some(violation) = validate.violation(self.document.text(text))
        {
            let found = super::mismatch::describe(self.document.at(value));
            return Err(Mismatch::new(format!("{found} {violation}")));
        }
        for &scanner in &plan.indicators {
            self.scan(scanner, value, key);
        }
        Ok(value)
    }

    /// What is stored instead of a value, whatever it is.
    fn masked(&mut self, mask: &Mask, value: Value) -> Value {
        let value = self.document.at(value);
        let masked = match value.as_str() {
            Some(text) => mask.apply(text),
            None => mask.apply(&value.to_json()),
        };
        self.document.push_string(&masked)
    }

    fn array(&mut self, element: &ValuePlan, value: Value, key: (KeyId, &str)) -> Result<Value, Mismatch> {
        if !matches!(value, Value::Array(_)) {
            return Err(self.unexpected("an array", value));
        }
        let count = self.document.items(value).len();
        if count == 0 {
            return Ok(Value::EmptyArray);
        }
        let from = self.scratch.items.len();
        let mut has_changed = false;
        for place in 0..count {
            let item = self.document.items(value)[place];
            let coerced = self.value(element, item, key).map_err(|mismatch| mismatch.in_item(place))?;
            has_changed |= coerced != item;
            self.scratch.items.push(coerced);
        }
        if !has_changed {
            self.scratch.items.truncate(from);
            return Ok(value);
        }
        Ok(self.document.close_array(self.scratch, from))
    }

    /// The JSON in a string. What cannot be parsed stays a string, for the type to take or refuse.
    fn embedded(&mut self, plan: &ValuePlan, text: Text) -> Result<Value, Mismatch> {
        let inner = self.document.text(text).trim();
        if inner.is_empty() {
            return Ok(Value::Null);
        }
        let parsed = match self.parser.parse(inner.as_bytes()) {
            Ok(parsed) => parsed,
            Err(_) if matches!(plan.kind, Kind::Json) => return Ok(Value::String(text)),
            Err(error) => return Err(Mismatch::new(format!("the string holds no JSON: {error}"))),
        };
        // Readers of the event must not meet a deeper document than the parser lets through.
        if depth(&parsed, parsed.root().value()) > MAX_DEPTH / 2 {
            return match plan.kind {
                Kind::Json => Ok(Value::String(text)),
                _ => Err(Mismatch::new("the JSON in the string is nested too deeply")),
            };
        }
        Ok(self.document.import(parsed.root()))
    }

    fn note_event_time(&mut self, plan: &ValuePlan, value: Value) {
        let (Some(place), Value::Timestamp(stamp)) = (plan.event_time, value) else { return };
        if self.event_time.is_none_or(|(earlier, _)| place < earlier) {
            self.event_time = Some((place, stamp));
        }
    }

    fn scan(&mut self, scanner: Scanner, value: Value, key: (KeyId, &str)) {
        if scanner == Scanner::AwsAuto {
            indicators::scan_tree(self.aws_keys, self.document, key, value, self.indicators);
            return;
        }
        match value {
            Value::String(text) | Value::Number(text) => {
                indicators::scan(scanner, self.document, text, self.indicators)
            }
            // Of free-form JSON, a list of strings is as good as a string.
            Value::Array(_) => {
                for place in 0..self.document.items(value).len() {
                    if let Value::String(text) = self.document.items(value)[place] {
                        indicators::scan(scanner, self.document, text, self.indicators);
                    }
                }
            }
            _ => {}
        }
    }

    #[cold]
    fn unexpected(&self, expected: &str, found: Value) -> Mismatch {
        Mismatch::unexpected(expected, self.document.at(found))
    }
}

/// What became of an object.
struct Done {
    /// Fields of the schema that the record has.
    known: usize,
    /// The members differ from those parsed.
    has_changed: bool,
}

fn depth(document: &Document, value: Value) -> usize {
    let items = document.items(value).iter().copied();
    let members = document.members(value).iter().map(|member| member.value);
    let below = items.chain(members).map(|inner| depth(document, inner)).max();
    match value {
        Value::Array(_) | Value::Object(_) => 1 + below.unwrap_or(0),
        _ => 0,
    }
}
