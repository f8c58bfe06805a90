//! Shapes resolved to types.

use std::collections::BTreeMap;

use super::shape::{MAX_MEMBERS, ObjectShape, Shape};
use super::times::speaks_of_time;
use super::words::{NumberKind, TextKind};
use crate::discovery::is_data;
use crate::schema::column_name;

/// A type with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Inferred {
    String(Option<&'static str>),
    BigInt,
    Float,
    Boolean,
    Timestamp(&'static str),
    Array(Box<Self>),
    Object(Vec<InferredField>),
    Json,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InferredField {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) is_event_time: bool,
    pub(crate) value: Inferred,
}

/// How much a guess may dare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// From samples that a person chose, for a schema that a person reads.
    Strict,
    /// From whatever passes, for a column that stays: strings stay strings, and only RFC 3339 is a time.
    Careful,
}

impl Guess {
    fn indicator_percent(self) -> u64 {
        match self {
            Self::Strict => 100,
            Self::Careful => 95,
        }
    }
}

/// What was left out, and why.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    lines: Vec<String>,
}

impl Notes {
    fn say(&mut self, path: &str, name: &str, why: &str) {
        let dot = if path.is_empty() { "" } else { "." };
        self.lines.push(format!("`{path}{dot}{name}` is left out: {why}"));
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

/// The columns of records, with the likeliest event time among them.
pub(crate) fn root_fields(root: &Shape, guess: Guess, notes: &mut Notes) -> Vec<InferredField> {
    let Some(object) = &root.object else { return Vec::new() };
    let mut fields = members(object, guess, "", notes);
    let own = |name: &str| column_name(name).to_ascii_lowercase().starts_with("p_");
    for field in fields.iter().filter(|field| own(&field.name)) {
        notes.say("", &field.name, "names that begin with `p_` are the product's own");
    }
    fields.retain(|field| !own(&field.name));
    let best = fields
        .iter()
        .enumerate()
        .filter_map(|(place, field)| Some((event_time_score(field)?, std::cmp::Reverse(place))))
        .max();
    if let Some((_, std::cmp::Reverse(place))) = best {
        fields[place].is_event_time = true;
    }
    fields
}

/// How well a column tells when its event happened; `None` for what is no time.
fn event_time_score(field: &InferredField) -> Option<u32> {
    const NAMES: &[&str] = &[
        "eventtime",
        "event_time",
        "@timestamp",
        "timestamp",
        "event_timestamp",
        "eventtimestamp",
        "time",
        "datetime",
        "ts",
        "published",
    ];
    let Inferred::Timestamp(_) = field.value else { return None };
    let folded = field.name.to_ascii_lowercase();
    let named = NAMES.iter().position(|name| *name == folded).map_or(0, |place| 40 - place as u32);
    let speaks = if speaks_of_time(&field.name) { 5 } else { 0 };
    let when = ["end", "expir", "until", "update", "modif", "ingest", "receiv", "write"];
    let is_other = when.iter().any(|part| folded.contains(part));
    Some(named + speaks + if field.required { 10 } else { 0 } + if is_other { 0 } else { 3 })
}

fn members(object: &ObjectShape, guess: Guess, path: &str, notes: &mut Notes) -> Vec<InferredField> {
    // In the order of their names; of names that make the same column, the most frequent stays.
    let mut by_column: BTreeMap<String, (&str, &Shape)> = BTreeMap::new();
    let mut names: Vec<(&str, &Shape)> = object.members.iter().map(|(name, shape)| (&**name, shape)).collect();
    names.sort_by_key(|(name, shape)| (std::cmp::Reverse(shape.seen), *name));
    for (name, shape) in names {
        let column = column_name(name).to_ascii_lowercase();
        match by_column.get(&column) {
            Some((other, _)) => notes.say(path, name, &format!("`{other}` has the same column")),
            None => {
                by_column.insert(column, (name, shape));
            }
        }
    }
    let mut members: Vec<(&str, &Shape)> = by_column.into_values().collect();
    members.sort_by_key(|(name, _)| *name);
    let mut fields = Vec::with_capacity(members.len());
    for (name, shape) in members {
        let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let Some(value) = resolve(shape, name, guess, &inner, notes) else { continue };
        let required = guess == Guess::Strict && shape.seen >= object.seen;
        fields.push(InferredField { name: name.to_owned(), required, is_event_time: false, value });
    }
    fields
}

/// The type that takes all values; `None` if there were none to learn from.
pub(crate) fn resolve(shape: &Shape, key: &str, guess: Guess, path: &str, notes: &mut Notes) -> Option<Inferred> {
    if shape.is_mixed {
        return Some(Inferred::Json);
    }
    if let Some(object) = &shape.object {
        // Inside a column that stays, names are kept as they are or not at all, and data is no name.
        let is_odd = |name: &str| is_data(name) || column_name(name) != name;
        let is_map = guess == Guess::Careful && object.members.keys().any(|name| is_odd(name));
        if is_map || object.members.len() > MAX_MEMBERS {
            return Some(Inferred::Json);
        }
        let fields = members(object, guess, path, notes);
        return (!fields.is_empty()).then_some(Inferred::Object(fields));
    }
    if let Some(items) = &shape.items {
        return Some(Inferred::Array(Box::new(resolve(items, key, guess, path, notes)?)));
    }
    scalar(shape, key, guess)
}

fn scalar(shape: &Shape, key: &str, guess: Guess) -> Option<Inferred> {
    let Shape { booleans, numbers, texts, times, .. } = shape;
    let format = times.format().filter(|format| guess == Guess::Strict || *format == "rfc3339");
    if let Some(format) = format {
        return Some(Inferred::Timestamp(format));
    }
    let text = match guess {
        Guess::Strict => texts.kind(key),
        Guess::Careful => TextKind::Text,
    };
    let of_number = |kind: NumberKind| match kind {
        NumberKind::BigInt => Inferred::BigInt,
        NumberKind::Float => Inferred::Float,
        NumberKind::Text => Inferred::String(None),
    };
    let of_text = |kind: TextKind| match kind {
        TextKind::BigInt => Inferred::BigInt,
        TextKind::Float => Inferred::Float,
        TextKind::Boolean => Inferred::Boolean,
        TextKind::Text => Inferred::String(texts.indicator(guess.indicator_percent())),
    };
    Some(match (*booleans, numbers.any(), texts.any()) {
        (false, false, false) => return None,
        (true, false, false) => Inferred::Boolean,
        (false, true, false) => of_number(numbers.kind()),
        (false, false, true) => of_text(text),
        (true, false, true) if text == TextKind::Boolean => Inferred::Boolean,
        (false, true, true) => match (of_number(numbers.kind()), of_text(text)) {
            (Inferred::BigInt, Inferred::BigInt) => Inferred::BigInt,
            (Inferred::BigInt | Inferred::Float, Inferred::BigInt | Inferred::Float) => Inferred::Float,
            _ => Inferred::Json,
        },
        _ => Inferred::Json,
    })
}
