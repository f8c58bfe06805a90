//! Text: regular expressions that give what they matched, and lenient decoding.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringArray};
use base64::Engine;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};
use regex::{Regex, RegexBuilder};

use super::{INT64, Pure, UTF8, at, texts, whole_at, wholes};

pub(super) const FUNCTIONS: &[Pure] = &[
    Pure::new("regexp_substr", (2, 6), UTF8, regexp_substr),
    Pure::new("regexp_count", (2, 4), INT64, regexp_count),
    Pure::new("base64_decode", (1, 2), UTF8, |args| base64_decode(args, false)),
    Pure::new("try_base64_decode", (1, 2), UTF8, |args| base64_decode(args, true)),
];

/// Compiled patterns of one call; there is nearly always one.
#[derive(Default)]
struct Patterns(HashMap<String, Regex>);

impl Patterns {
    fn get(&mut self, pattern: &str, flags: &str) -> Result<&Regex> {
        let key = format!("{flags}/{pattern}");
        if !self.0.contains_key(&key) {
            let compiled = RegexBuilder::new(pattern)
                .case_insensitive(flags.contains('i'))
                .multi_line(flags.contains('m'))
                .dot_matches_new_line(flags.contains('s'))
                .size_limit(1 << 22)
                .build()
                .map_err(|error| pattern_error(pattern, &error))?;
            self.0.insert(key.clone(), compiled);
        }
        Ok(&self.0[&key])
    }
}

fn pattern_error(pattern: &str, error: &regex::Error) -> DataFusionError {
    let reason = error.to_string();
    let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    exec_datafusion_err!("pattern {pattern:?}: {reason}")
}

/// The part of `text` from its `position`-th character (from 1).
fn from_position(text: &str, position: i64) -> &str {
    let skip = usize::try_from(position.saturating_sub(1)).unwrap_or(0);
    text.char_indices().nth(skip).map_or("", |(at, _)| &text[at..])
}

/// `regexp_substr(text, pattern [, position [, occurrence [, flags [, group]]]])`.
fn regexp_substr(args: &[ArrayRef]) -> Result<ArrayRef> {
    let rows = args[0].len();
    let (subjects, patterns) = (texts(&args[0])?, texts(&args[1])?);
    let number = |n: usize| args.get(n).map(wholes).transpose();
    let (positions, occurrences, groups) = (number(2)?, number(3)?, number(5)?);
    let flags = args.get(4).map(texts).transpose()?;
    let mut compiled = Patterns::default();
    let mut found = Vec::with_capacity(rows);
    for row in 0..rows {
        let (Some(subject), Some(pattern)) = (at(&subjects, row), at(&patterns, row)) else {
            found.push(None);
            continue;
        };
        let given = |numbers: &Option<Int64Array>| numbers.as_ref().and_then(|numbers| whole_at(numbers, row));
        let flags = flags.as_ref().and_then(|flags| at(flags, row)).unwrap_or("c");
        let regex = compiled.get(pattern, flags)?;
        let subject = from_position(subject, given(&positions).unwrap_or(1));
        let occurrence = usize::try_from(given(&occurrences).unwrap_or(1).max(1) - 1).unwrap_or(0);
        // A group is given when asked for by number, or by the flag `e` (then the first).
        let group = given(&groups).unwrap_or(i64::from(flags.contains('e')));
        let group = usize::try_from(group).unwrap_or(0);
        let matched = regex.captures_iter(subject).nth(occurrence).and_then(|captures| captures.get(group));
        found.push(matched.map(|matched| matched.as_str().to_owned()));
    }
    Ok(Arc::new(StringArray::from(found)))
}

/// `regexp_count(text, pattern [, position [, flags]])`.
fn regexp_count(args: &[ArrayRef]) -> Result<ArrayRef> {
    let rows = args[0].len();
    let (subjects, patterns) = (texts(&args[0])?, texts(&args[1])?);
    let positions = args.get(2).map(wholes).transpose()?;
    let flags = args.get(3).map(texts).transpose()?;
    let mut compiled = Patterns::default();
    let mut counts = Vec::with_capacity(rows);
    for row in 0..rows {
        let (Some(subject), Some(pattern)) = (at(&subjects, row), at(&patterns, row)) else {
            counts.push(None);
            continue;
        };
        let flags = flags.as_ref().and_then(|flags| at(flags, row)).unwrap_or("c");
        let position = positions.as_ref().and_then(|positions| whole_at(positions, row)).unwrap_or(1);
        let regex = compiled.get(pattern, flags)?;
        counts.push(Some(regex.find_iter(from_position(subject, position)).count() as i64));
    }
    Ok(Arc::new(Int64Array::from(counts)))
}

fn base64_decode(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let encoded = texts(&args[0])?;
    let mut decoded = Vec::with_capacity(encoded.len());
    for row in 0..encoded.len() {
        let Some(text) = at(&encoded, row) else {
            decoded.push(None);
            continue;
        };
        let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok();
        let plain = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        if plain.is_none() && !lenient {
            return exec_err!(
                "base64_decode_string: not the base64 of a text; try_base64_decode_string gives null instead"
            );
        }
        decoded.push(plain);
    }
    Ok(Arc::new(StringArray::from(decoded)))
}
