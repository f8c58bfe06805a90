//! Records to events: parse once, find the log type, write the normal form.
//!
//! The log type of a record depends on the record and the candidates alone, never on what came before: candidates are
//! tried in a fixed order, the strictest first and by name among equals, and the first that takes the record has it. So
//! replays and any number of threads classify alike.

use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use uncia_document::{Document, Interner, KeyId, ParseErrorKind, Parser, Scratch, Timestamp, Value};
use uncia_model::{Event, Failure, FailureReason, LogType, Payload, Record, RowId};

use super::coerce::Coercion;
use super::mismatch::Mismatch;
use super::names::UnknownNames;
use super::plan::{Plan, Probe, Required};
use super::standard::{Facts, StandardKeys};
use crate::failure::failure_of;
use crate::indicators::{AwsKeys, Indicators};
use crate::schema::SchemaSet;

/// What became of records.
#[derive(Debug, Default)]
pub struct Processed {
    pub events: Vec<Event>,
    pub failures: Vec<Failure>,
}

/// Which of the candidates that take a record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// The first in the order of trial.
    First,
    /// The one that knows most of the record's fields.
    Nearest,
}

/// Makes events of records. Keep one per thread: it remembers keys and re-uses its working space.
pub struct Processor {
    choice: Choice,
    /// In the order of trial.
    plans: Arc<[Plan]>,
    keys: StandardKeys,
    candidates: Candidates,
    work: Work,
}

/// Working space, thrown away after a panic.
struct Work {
    required: Required,
    interner: Arc<Interner>,
    parser: Parser,
    scratch: Scratch,
    indicators: Indicators,
    aws_keys: AwsKeys,
    names: UnknownNames,
    top_level: TopLevel,
}

/// The plans that a payload's log types stand for.
#[derive(Default)]
struct Candidates {
    log_types: Option<Vec<LogType>>,
    /// Places in the plans.
    places: Vec<usize>,
    /// Log types that no schema describes.
    unknown: Vec<LogType>,
}

/// Why a record became no event.
struct Refusal {
    reason: FailureReason,
    message: String,
    candidates: Vec<(LogType, String)>,
}

impl Processor {
    #[must_use]
    pub fn new(schemas: Arc<SchemaSet>, interner: Arc<Interner>) -> Self {
        Self::with(&schemas, interner, Required::Checked, Choice::First)
    }

    /// For abbreviated records, such as the events of unit tests: no field is required, and a record goes to the
    /// candidate that knows most of its fields.
    #[must_use]
    pub fn relaxed(schemas: Arc<SchemaSet>, interner: Arc<Interner>) -> Self {
        Self::with(&schemas, interner, Required::Waived, Choice::Nearest)
    }

    fn with(schemas: &SchemaSet, interner: Arc<Interner>, required: Required, choice: Choice) -> Self {
        let compile = |schema| Plan::compile(schema, &interner, required);
        let mut plans: Vec<Plan> = schemas.iter().map(|schema| compile(schema)).collect();
        plans.sort_by(|a, b| (Reverse(a.strictness), &a.log_type).cmp(&(Reverse(b.strictness), &b.log_type)));
        Self {
            choice,
            keys: StandardKeys::new(&interner),
            plans: plans.into(),
            candidates: Candidates::default(),
            work: Work::new(interner, required),
        }
    }

    /// Makes an event or a failure of a record and adds it to `out`. Never panics, never loses the record.
    pub fn process(&mut self, record: Record, payload: &Payload, parse_time: Timestamp, out: &mut Processed) {
        self.candidates.select(&payload.log_types, &self.plans);
        if self.choice == Choice::Nearest {
            self.candidates.narrow(nearest(&mut self.work, &self.plans, &self.candidates, &record));
        }
        let row_id = RowId::of(&payload.origin.source, &payload.origin.key, record.ordinal, 0);
        let attempt =
            || event(&mut self.work, &self.plans, &self.candidates, &self.keys, &record, payload, row_id, parse_time);
        let refusal = match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(Ok(event)) => return out.events.push(event),
            Ok(Err(refusal)) => refusal,
            Err(panic) => {
                self.work = Work::new(self.work.interner.clone(), self.work.required);
                Refusal::panicked(&*panic)
            }
        };
        let Refusal { reason, message, candidates } = refusal;
        let mut failure = failure_of(reason, message, &payload.origin, record.ordinal, parse_time, record.bytes);
        failure.candidates = candidates;
        out.failures.push(failure);
    }
}

impl Work {
    fn new(interner: Arc<Interner>, required: Required) -> Self {
        Self {
            required,
            parser: Parser::new(interner.clone()),
            interner,
            scratch: Scratch::default(),
            indicators: Indicators::default(),
            aws_keys: AwsKeys::default(),
            names: UnknownNames::default(),
            top_level: TopLevel::default(),
        }
    }

    /// Forgets an attempt.
    fn clear(&mut self) {
        self.scratch.members.clear();
        self.scratch.items.clear();
        self.indicators.clear();
    }
}

impl<'a> Coercion<'a> {
    fn of(work: &'a mut Work, document: &'a mut Document, root: Value) -> Self {
        Self {
            document,
            scratch: &mut work.scratch,
            indicators: &mut work.indicators,
            aws_keys: &mut work.aws_keys,
            names: &mut work.names,
            interner: &work.interner,
            parser: &mut work.parser,
            root,
            event_time: None,
            known: 0,
            required: work.required,
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of a processor, borrowed one by one")]
fn event(
    work: &mut Work,
    plans: &[Plan],
    candidates: &Candidates,
    keys: &StandardKeys,
    record: &Record,
    payload: &Payload,
    row_id: RowId,
    parse_time: Timestamp,
) -> Result<Event, Refusal> {
    #[cfg(test)]
    super::tests::maybe_panic(&record.bytes);
    let mut document = work.parser.parse(&record.bytes).map_err(Refusal::unparsable)?;
    let root = document.root().value();
    if !matches!(root, Value::Object(_)) {
        let found = super::mismatch::describe(document.root());
        return Err(Refusal::new(FailureReason::NotJson, format!("not a JSON object but {found}")));
    }
    let is_choice = candidates.places.len() > 1;
    if is_choice {
        work.top_level.learn(&document, root);
    }
    let mark = document.mark();
    let mut mismatches: Vec<(usize, Mismatch)> = Vec::new();
    for &place in &candidates.places {
        let plan = &plans[place];
        if is_choice && !work.top_level.passes(&document, &plan.probe) {
            continue;
        }
        let mut coercion = Coercion::of(work, &mut document, root);
        let result = coercion.event(&plan.root);
        let time = coercion.event_time.map_or(parse_time, |(_, stamp)| stamp);
        if let Err(mismatch) = result {
            work.clear();
            document.rewind(mark);
            mismatches.push((place, mismatch));
            continue;
        }
        let facts = Facts { log_type: &plan.log_type, row_id, event_time: time, parse_time, origin: &payload.origin };
        keys.append(&mut document, &mut work.scratch, &facts);
        keys.append_indicators(&mut document, &mut work.scratch, &mut work.indicators);
        let root = document.close_object(&mut work.scratch, 0);
        document.set_root(root);
        return Ok(Event {
            log_type: plan.log_type.clone(),
            row_id,
            time,
            parse_time,
            document,
            raw_bytes: record.bytes.len(),
        });
    }
    Err(unclassified(work, plans, candidates, &document, mismatches))
}

/// The candidate that takes the record and knows most of its fields; the first in the order of trial among equals.
#[cold]
fn nearest(work: &mut Work, plans: &[Plan], candidates: &Candidates, record: &Record) -> Option<usize> {
    let mut document = work.parser.parse(&record.bytes).ok()?;
    let root = document.root().value();
    let mark = document.mark();
    let mut best = None;
    for &place in &candidates.places {
        let mut coercion = Coercion::of(work, &mut document, root);
        let taken = coercion.event(&plans[place].root).is_ok();
        let known = coercion.known;
        work.clear();
        document.rewind(mark);
        if taken && best.is_none_or(|(most, _)| known > most) {
            best = Some((known, place));
        }
    }
    best.map(|(_, place)| place)
}

/// The failure of a record that no candidate takes, with what each of them said.
#[cold]
fn unclassified(
    work: &Work,
    plans: &[Plan],
    candidates: &Candidates,
    document: &Document,
    mut mismatches: Vec<(usize, Mismatch)>,
) -> Refusal {
    let nearest = mismatches.first().map(|(place, mismatch)| format!("{}: {mismatch}", plans[*place].log_type));
    let mut said: Vec<(LogType, String)> = Vec::with_capacity(candidates.places.len() + candidates.unknown.len());
    for &place in &candidates.places {
        let plan = &plans[place];
        let coerced = mismatches.iter().position(|(other, _)| *other == place);
        let why = match coerced {
            Some(found) => mismatches.swap_remove(found).1.to_string(),
            None => work.top_level.objection(document, &plan.probe),
        };
        said.push((plan.log_type.clone(), why));
    }
    for log_type in &candidates.unknown {
        said.push((log_type.clone(), "no schema describes this log type".to_owned()));
    }
    let message = match (&*said, nearest) {
        ([], _) => "no schema is known".to_owned(),
        ([(log_type, why)], _) => format!("not {log_type}: {why}"),
        (_, Some(nearest)) => format!("none of {} log types fits; the nearest is {nearest}", said.len()),
        (_, None) => format!("none of {} log types fits: each lacks a required field or an allowed value", said.len()),
    };
    Refusal { reason: FailureReason::NoSchemaMatched, message, candidates: said }
}

impl Refusal {
    fn new(reason: FailureReason, message: String) -> Self {
        Self { reason, message, candidates: Vec::new() }
    }

    #[cold]
    fn unparsable(error: uncia_document::ParseError) -> Self {
        match error.kind {
            ParseErrorKind::InvalidUtf8 => Self::new(FailureReason::InvalidUtf8, error.to_string()),
            _ => Self::new(FailureReason::NotJson, format!("not JSON: {error}")),
        }
    }

    #[cold]
    fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("without a message");
        Self::new(FailureReason::ParserPanic, format!("the parser failed on this record, which is a bug: {text}"))
    }
}

impl Candidates {
    /// Keeps the last payload's answer: records come in runs.
    fn select(&mut self, log_types: &[LogType], plans: &[Plan]) {
        if self.log_types.as_deref() == Some(log_types) {
            return;
        }
        let wanted = |log_type: &LogType| log_types.is_empty() || log_types.contains(log_type);
        let places = plans.iter().enumerate().filter(|(_, plan)| wanted(&plan.log_type));
        self.places = places.map(|(place, _)| place).collect();
        let is_known = |log_type: &LogType| plans.iter().any(|plan| plan.log_type == *log_type);
        self.unknown = log_types.iter().filter(|log_type| !is_known(log_type)).cloned().collect();
        self.log_types = Some(log_types.to_vec());
    }

    /// Only this one, for the next record.
    fn narrow(&mut self, place: Option<usize>) {
        let Some(place) = place else { return };
        self.places = vec![place];
        self.log_types = None;
    }
}

/// The record's top-level members by key id, so that each candidate's probe is a few array reads.
#[derive(Default)]
struct TopLevel {
    seen: Vec<(u32, Value)>,
    epoch: u32,
}

impl TopLevel {
    fn learn(&mut self, document: &Document, root: Value) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.seen.clear();
            self.epoch = 1;
        }
        for member in document.members(root) {
            if member.key.id == KeyId::NONE {
                continue;
            }
            let index = member.key.id.index();
            if self.seen.len() <= index {
                self.seen.resize(index + 1, (0, Value::Null));
            }
            self.seen[index] = (self.epoch, member.value);
        }
    }

    #[inline]
    fn get(&self, id: KeyId) -> Value {
        match self.seen.get(id.index()) {
            Some(&(epoch, value)) if epoch == self.epoch => value,
            _ => Value::Null,
        }
    }

    fn passes(&self, document: &Document, probe: &Probe) -> bool {
        let is_allowed = |allowed: &super::plan::Allowed| match self.get(allowed.key) {
            Value::String(text) | Value::Number(text) => {
                let text = document.text(text);
                allowed.words.iter().any(|word| **word == *text)
            }
            _ => true,
        };
        probe.required.iter().all(|(key, _)| self.get(*key) != Value::Null) && probe.allowed.iter().all(is_allowed)
    }

    /// Why the probe did not pass.
    fn objection(&self, document: &Document, probe: &Probe) -> String {
        if let Some((_, name)) = probe.required.iter().find(|(key, _)| self.get(*key) == Value::Null) {
            return Mismatch::new("required, but missing or null").in_field(name).to_string();
        }
        for allowed in &probe.allowed {
            let value = document.at(self.get(allowed.key));
            if value.as_str().is_some_and(|text| !allowed.words.iter().any(|word| **word == *text)) {
                return format!("{} is not in the `allow` list", value.to_json());
            }
        }
        "does not fit".to_owned()
    }
}
