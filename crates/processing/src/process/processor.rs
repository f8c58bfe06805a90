//! Records to events: parse once, find the log type, write the normal form.
//!
//! The log type of a record depends on the record, the head of its stream and the candidates alone, never on what came
//! before: candidates are tried in a fixed order, the strictest first and by name among equals, and the first that takes
//! the record has it. JSON schemas come before those with a parser. So replays and any number of threads classify alike.

use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use uncia_document::{Document, Interner, KeyId, ParseErrorKind, Parser, Scratch, Timestamp, Value};
use uncia_model::{Event, Failure, FailureReason, LogType, Payload, Record, RowId};

use super::candidates::{Candidates, TopLevel};
use super::coerce::Coercion;
use super::mismatch::Mismatch;
use super::names::UnknownNames;
use super::plan::{Plan, Required};
use super::standard::{Facts, StandardKeys};
use super::text::Texts;
use crate::failure::failure_of;
use crate::indicators::{AwsKeys, Indicators};
use crate::parsers::Line;
use crate::schema::SchemaSet;

/// Of a payload that names no log types, a failure shows what so many candidates said: those that came nearest.
const MOST_SAID: usize = 20;

/// What became of records.
#[derive(Debug, Default)]
pub struct Processed {
    pub events: Vec<Event>,
    pub failures: Vec<Failure>,
    /// Records that are no events and no failures: headers and comments of text formats.
    pub skipped: u64,
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
pub(super) struct Work {
    pub(super) required: Required,
    pub(super) interner: Arc<Interner>,
    pub(super) parser: Parser,
    pub(super) scratch: Scratch,
    pub(super) indicators: Indicators,
    pub(super) aws_keys: AwsKeys,
    pub(super) names: UnknownNames,
    top_level: TopLevel,
    pub(super) texts: Texts,
}

/// Why a record became no event.
struct Refusal {
    reason: FailureReason,
    message: String,
    candidates: Vec<(LogType, String)>,
}

/// A record in work, with all that its event needs beside it.
struct Attempt<'a> {
    plans: &'a [Plan],
    candidates: &'a Candidates,
    keys: &'a StandardKeys,
    record: &'a Record,
    payload: &'a Payload,
    row_id: RowId,
    parse_time: Timestamp,
    /// What candidates said, by place in the plans.
    mismatches: Vec<(usize, Mismatch)>,
}

impl Processor {
    #[must_use]
    pub fn new(schemas: Arc<SchemaSet>, interner: Arc<Interner>) -> Self {
        Self::with(&schemas, interner, Required::Checked, Choice::First)
    }

    /// For abbreviated records, such as the events of unit tests: no field is required, and a record goes to the
    /// candidate that knows most of its fields and, among equals, finds most and misses least of what it would require.
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

    /// Takes the documents of events that nobody needs any more, for their memory.
    pub fn recycle(&mut self, documents: impl IntoIterator<Item = Document>) {
        self.work.parser.recycle(documents);
    }

    /// Makes an event or a failure of a record and adds it to `out`; headers and comments are counted there. Never
    /// panics, never loses the record.
    pub fn process(&mut self, record: Record, payload: &Payload, parse_time: Timestamp, out: &mut Processed) {
        self.candidates.select(&payload.log_types, &self.plans);
        if self.choice == Choice::Nearest
            && let Some(place) = nearest(&mut self.work, &self.plans, &self.candidates, &record)
        {
            self.candidates.narrow(place);
        }
        let mut attempt = Attempt {
            plans: &self.plans,
            candidates: &self.candidates,
            keys: &self.keys,
            record: &record,
            payload,
            row_id: record.row_id(&payload.origin),
            parse_time,
            mismatches: Vec::new(),
        };
        let refusal = match catch_unwind(AssertUnwindSafe(|| attempt.outcome(&mut self.work))) {
            Ok(Ok(Some(event))) => return out.events.push(event),
            Ok(Ok(None)) => {
                out.skipped += 1;
                return;
            }
            Ok(Err(refusal)) => refusal,
            Err(panic) => {
                self.work = Work::new(self.work.interner.clone(), self.work.required);
                Refusal::panicked(&*panic)
            }
        };
        let Refusal { reason, message, candidates } = refusal;
        // JSON names its own fields.
        let head = record.head.filter(|_| !record.bytes.trim_ascii_start().starts_with(b"{"));
        let failure = failure_of(reason, message, &payload.origin, record.ordinal, parse_time, record.bytes);
        let mut failure = match record.identity {
            Some(identity) => failure.known_as(identity),
            None => failure,
        };
        (failure.candidates, failure.head) = (candidates, head);
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
            texts: Texts::default(),
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

impl Attempt<'_> {
    /// The record's event; none for a header or a comment.
    fn outcome(&mut self, work: &mut Work) -> Result<Option<Event>, Refusal> {
        #[cfg(test)]
        super::tests::maybe_panic(&self.record.bytes);
        let candidates = self.candidates;
        let reads_text = !candidates.text.is_empty();
        let looks_like_json = self.record.bytes.trim_ascii_start().starts_with(b"{");
        let mut parsed = Err(None);
        if !reads_text || (looks_like_json && !candidates.json.is_empty()) {
            match self.json(work) {
                Ok(Ok(event)) => return Ok(Some(event)),
                Ok(Err(document)) => parsed = Ok(document),
                Err(refusal) if !reads_text => return Err(refusal),
                Err(refusal) => parsed = Err(Some(refusal)),
            }
        }
        if reads_text {
            let text = std::str::from_utf8(&self.record.bytes).map_err(Refusal::not_utf8)?;
            for &place in &candidates.text {
                let plan = &self.plans[place];
                // Scripts read what they like; other parsers read JSON only where somebody asked for it, and an abbreviated
                // record that is JSON is no line.
                let is_asked_for = candidates.is_named && work.required == Required::Checked;
                let is_wanted = parsed.is_err() || is_asked_for || plan.reads_any_text();
                if !is_wanted {
                    continue;
                }
                let line = Line {
                    text,
                    ordinal: self.record.ordinal,
                    received: self.payload.received,
                    head: self.record.head.as_ref(),
                };
                match work.text_document(place, plan, &line) {
                    Ok(None) => return Ok(None),
                    Ok(Some(mut document)) => match self.event(work, plan, &mut document) {
                        Ok(event) => return Ok(Some(event)),
                        Err(mismatch) => self.mismatches.push((place, mismatch)),
                    },
                    Err(why) => self.mismatches.push((place, Mismatch::new(why))),
                }
            }
        }
        Err(self.unclassified(work, parsed))
    }

    /// The event of a JSON record, or its document if no candidate takes it.
    #[inline]
    fn json(&mut self, work: &mut Work) -> Result<Result<Event, Document>, Refusal> {
        let mut document = work.parser.parse(&self.record.bytes).map_err(Refusal::unparsable)?;
        let root = document.root().value();
        if !matches!(root, Value::Object(_)) {
            let found = super::mismatch::describe(document.root());
            return Err(Refusal::new(FailureReason::NotJson, format!("not a JSON object but {found}")));
        }
        if let [place] = *self.candidates.json {
            return match self.event(work, &self.plans[place], &mut document) {
                Ok(event) => Ok(Ok(event)),
                Err(mismatch) => {
                    self.mismatches.push((place, mismatch));
                    Ok(Err(document))
                }
            };
        }
        work.top_level.learn(&document, root, self.candidates);
        while let Some(nth) = work.top_level.next_chosen() {
            let place = self.candidates.json[nth];
            let plan = &self.plans[place];
            if !work.top_level.passes(&document, &plan.probe) {
                continue;
            }
            match self.event(work, plan, &mut document) {
                Ok(event) => return Ok(Ok(event)),
                Err(mismatch) => self.mismatches.push((place, mismatch)),
            }
        }
        Ok(Err(document))
    }

    /// Writes the event behind the record, in the same document. What a plan refuses stays as it was.
    #[inline]
    fn event(&self, work: &mut Work, plan: &Plan, document: &mut Document) -> Result<Event, Mismatch> {
        let mark = document.mark();
        let root = document.root().value();
        let mut coercion = Coercion::of(work, document, root);
        let result = coercion.event(&plan.root);
        let time = coercion.event_time.map_or(self.parse_time, |(_, stamp)| stamp);
        if let Err(mismatch) = result {
            work.clear();
            document.rewind(mark);
            return Err(mismatch);
        }
        let header = self.record.header.as_deref().and_then(|text| work.parser.parse(text.as_bytes()).ok());
        let facts = Facts {
            log_type: &plan.log_type,
            revision: plan.revision,
            row_id: self.row_id,
            event_time: time,
            parse_time: self.parse_time,
            origin: &self.payload.origin,
            header: header.map(|parsed| document.import(parsed.root())),
        };
        let own = work.scratch.members.len();
        self.keys.append(document, &mut work.scratch, &facts);
        if let Some(udm) = &plan.udm {
            udm.append(document, &mut work.scratch, own);
        }
        self.keys.append_indicators(document, &mut work.scratch, &mut work.indicators);
        let root = document.close_object(&mut work.scratch, 0);
        document.set_root(root);
        Ok(Event {
            log_type: plan.log_type.clone(),
            row_id: self.row_id,
            time,
            parse_time: self.parse_time,
            document: std::mem::take(document),
            raw_bytes: self.record.bytes.len(),
        })
    }

    /// The failure of a record that no candidate takes, with what each of them said.
    #[cold]
    fn unclassified(&mut self, work: &mut Work, parsed: Result<Document, Option<Refusal>>) -> Refusal {
        let candidates = self.candidates;
        let nearest = self.mismatches.first();
        let nearest = nearest.map(|(place, mismatch)| format!("{}: {mismatch}", self.plans[*place].log_type));
        if let (Ok(document), [_]) = (&parsed, &*candidates.json) {
            work.top_level.learn(document, document.root().value(), candidates);
        }
        let count = candidates.len();
        let is_short = candidates.is_named || count <= MOST_SAID;
        let mut said: Vec<(LogType, String)> = Vec::new();
        let only_text = candidates.text.iter().filter(|place| !candidates.json.contains(place));
        for &place in candidates.json.iter().chain(only_text) {
            let plan = &self.plans[place];
            let reads_json = candidates.json.contains(&place);
            let mismatch = self.mismatches.iter().position(|(other, _)| *other == place);
            let is_near = match (&parsed, mismatch) {
                (Ok(_), None) => reads_json && work.top_level.shares_a_field(&plan.probe),
                (_, found) => found.is_some(),
            };
            if !is_short && (!is_near || said.len() == MOST_SAID) {
                continue;
            }
            let why = match (mismatch, &parsed) {
                (Some(found), _) => self.mismatches.swap_remove(found).1.to_string(),
                (None, _) if !reads_json => "the record is JSON".to_owned(),
                (None, Ok(document)) => work.top_level.objection(document, &plan.probe),
                (None, Err(Some(refusal))) => refusal.message.clone(),
                (None, Err(None)) => "not JSON".to_owned(),
            };
            said.push((plan.log_type.clone(), why));
        }
        for log_type in &candidates.unknown {
            said.push((log_type.clone(), "no schema describes this log type".to_owned()));
        }
        let message = match (&*said, nearest) {
            ([], _) if count == 0 => "no schema is known".to_owned(),
            ([(log_type, why)], _) if count == 1 => format!("not {log_type}: {why}"),
            (_, Some(nearest)) => format!("none of {count} log types fits; the nearest is {nearest}"),
            (_, None) => format!("none of {count} log types fits: each lacks a required field or an allowed value"),
        };
        Refusal { reason: FailureReason::NoSchemaMatched, message, candidates: said }
    }
}

/// The candidate that takes the record and knows most of its fields; among equals the one that finds most of what it would
/// require, then the one that misses least of that, then the first in the order of trial.
#[cold]
fn nearest(work: &mut Work, plans: &[Plan], candidates: &Candidates, record: &Record) -> Option<usize> {
    let mut document = work.parser.parse(&record.bytes).ok()?;
    let root = document.root().value();
    let present: Vec<KeyId> = document
        .members(root)
        .iter()
        .filter(|member| member.value != Value::Null)
        .map(|member| member.key.id)
        .collect();
    let mark = document.mark();
    let mut best = None;
    for &place in &candidates.json {
        let mut coercion = Coercion::of(work, &mut document, root);
        let taken = coercion.event(&plans[place].root).is_ok();
        let known = coercion.known;
        work.clear();
        document.rewind(mark);
        if !taken {
            continue;
        }
        let waived = &plans[place].probe.waived;
        let has = waived.iter().filter(|key| present.contains(key)).count();
        // Where a record has nothing that anybody requires, how much they require says nothing.
        let missing = if has == 0 { 0 } else { waived.len() - has };
        let rank = (known, has, Reverse(missing));
        if best.is_none_or(|(most, _)| rank > most) {
            best = Some((rank, place));
        }
    }
    best.map(|(_, place)| place)
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
    fn not_utf8(error: std::str::Utf8Error) -> Self {
        Self::new(FailureReason::InvalidUtf8, format!("invalid UTF-8 at byte {}", error.valid_up_to()))
    }

    #[cold]
    fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("without a message");
        Self::new(FailureReason::ParserPanic, format!("the parser failed on this record, which is a bug: {text}"))
    }
}
