//! Syslog: RFC 5424, RFC 3164 and what is sent in its place.
//!
//! An RFC 3164 time has no year and no zone. The year is the last one in which that day was not in the future when the
//! bytes were received, so that a replay says the same; the zone is UTC.

use std::sync::LazyLock;

use uncia_document::Timestamp;

use super::Line;
use super::options::piece_of;
use super::pairs::{Pairs, Piece};
use crate::time::TimeFormat;

/// Clocks run ahead of ours by up to this.
const AHEAD_SECONDS: i64 = 24 * 3600;

const FACILITIES: u32 = 24;

static YEAR_FIRST: LazyLock<TimeFormat> = LazyLock::new(|| format("%Y %b %d %H:%M:%S"));

fn format(text: &str) -> TimeFormat {
    TimeFormat::compile(text).expect("a format that is known to be good")
}

pub(super) fn read(line: &Line<'_>, pairs: &mut Pairs) -> Result<(), String> {
    let text = line.text;
    let mut rest = text;
    let priority = priority(text);
    if let Some((number, after)) = priority {
        let name = |pairs: &mut Pairs, name: &str| pairs.spare(|spare| spare.push_str(name));
        for (key, value) in [("priority", number), ("facility", number / 8), ("severity", number % 8)] {
            let key = name(pairs, key);
            let value = pairs.spare(|spare| spare.push_str(&value.to_string()));
            pairs.push(key, value);
        }
        rest = after;
        if let Some(after) = rest.strip_prefix("1 ") {
            return rfc5424(text, after, pairs);
        }
    }
    rfc3164(line, rest, priority.is_some(), pairs)
}

/// `<14>`, and the text behind it.
fn priority(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    if number.is_empty() || number.len() > 3 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u32 = number.parse().ok()?;
    (number < FACILITIES * 8).then_some((number, rest))
}

fn put(pairs: &mut Pairs, name: &str, value: Piece) {
    let name = pairs.spare(|spare| spare.push_str(name));
    pairs.push(name, value);
}

fn rfc5424(line: &str, text: &str, pairs: &mut Pairs) -> Result<(), String> {
    let version = pairs.spare(|spare| spare.push('1'));
    put(pairs, "version", version);
    let mut rest = text;
    for name in ["timestamp", "hostname", "appname", "procid", "msgid"] {
        let Some((word, after)) = rest.split_once(' ') else {
            return Err(format!("the syslog header ends before `{name}`"));
        };
        if name == "timestamp" && word != "-" && TimeFormat::Rfc3339.read_text(word, 0).is_none() {
            return Err(format!("no RFC 5424 time: {word}"));
        }
        if word != "-" {
            put(pairs, name, piece_of(line, word));
        }
        rest = after;
    }
    let message = match rest.strip_prefix('-') {
        Some(after) => after,
        None => {
            let end = structured_data_end(rest).ok_or("the structured data is not closed")?;
            let data = structured_data(&rest[..end]);
            let data = pairs.spare(|spare| spare.push_str(&data));
            put(pairs, "structured_data", data);
            &rest[end..]
        }
    };
    let message = message.trim_start().trim_start_matches('\u{feff}');
    if !message.is_empty() {
        put(pairs, "message", piece_of(line, message));
    }
    Ok(())
}

/// Where `[id key="value"][…]` ends.
fn structured_data_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while bytes.get(at) == Some(&b'[') {
        let mut in_quotes = false;
        at += 1;
        loop {
            match (*bytes.get(at)?, in_quotes) {
                (b'\\', true) => at += 1,
                (b'"', _) => in_quotes = !in_quotes,
                (b']', false) => break,
                _ => {}
            }
            at += 1;
        }
        at += 1;
    }
    (at > 0 && at <= text.len() && text.is_char_boundary(at)).then_some(at)
}

/// The elements as JSON: `{"id":{"key":"value"}}`.
fn structured_data(text: &str) -> String {
    let mut all = serde_json::Map::new();
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('[') {
        let Some(end) = structured_data_end(rest).and_then(|_| element_end(inner)) else { break };
        let element = &inner[..end];
        let id_end = element.find(' ').unwrap_or(element.len());
        let mut values = serde_json::Map::new();
        let mut params = &element[id_end..];
        while let Some((name, after)) = params.split_once("=\"") {
            let Some(close) = quoted_end(after) else { break };
            let value = after[..close].replace("\\\"", "\"").replace("\\]", "]").replace("\\\\", "\\");
            values.insert(name.trim().to_owned(), value.into());
            params = &after[close + 1..];
        }
        all.insert(element[..id_end].to_owned(), values.into());
        rest = &inner[end + 1..];
    }
    serde_json::Value::Object(all).to_string()
}

fn element_end(inner: &str) -> Option<usize> {
    let mut in_quotes = false;
    let mut escaped = false;
    inner.char_indices().find_map(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            ']' if !in_quotes => return Some(at),
            _ => {}
        }
        None
    })
}

fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
        None
    })
}

fn rfc3164(line: &Line<'_>, text: &str, has_priority: bool, pairs: &mut Pairs) -> Result<(), String> {
    let whole = line.text;
    let Some((stamp, rest)) = time(text.trim_start(), line.received) else {
        if !has_priority {
            return Err("neither a syslog priority nor a time is at the line's beginning".to_owned());
        }
        put(pairs, "message", piece_of(whole, text));
        return Ok(());
    };
    let stamp = stamp.to_string().replacen(' ', "T", 1);
    let value = pairs.spare(|spare| {
        spare.push_str(&stamp);
        spare.push('Z');
    });
    put(pairs, "timestamp", value);
    // Between time and tag stands the host, unless the tag is all there is.
    let rest = rest.trim_start();
    let (first, behind) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut message = rest;
    if !first.is_empty() && !first.ends_with(':') && !first.contains('[') {
        put(pairs, "hostname", piece_of(whole, first));
        message = behind.trim_start();
    }
    let tag_end = message.find(|c: char| c == ':' || c == '[' || c.is_whitespace()).unwrap_or(message.len());
    let (tag, after) = message.split_at(tag_end);
    let process = after.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    let behind_tag = process.map_or(after, |(_, rest)| rest);
    if !tag.is_empty()
        && let Some(said) = behind_tag.strip_prefix(':')
    {
        put(pairs, "appname", piece_of(whole, tag));
        if let Some((id, _)) = process {
            put(pairs, "procid", piece_of(whole, id));
        }
        message = said.trim_start();
    }
    if !message.is_empty() {
        put(pairs, "message", piece_of(whole, message));
    }
    Ok(())
}

/// The time at a text's beginning: `Jan  2 15:04:05`, with a year perhaps, or RFC 3339.
fn time(text: &str, received: Timestamp) -> Option<(Timestamp, &str)> {
    let word_end = text.find(' ').unwrap_or(text.len());
    if let Some(stamp) = TimeFormat::Rfc3339.read_text(&text[..word_end], 0) {
        return Some((stamp, &text[word_end..]));
    }
    let parse = |text: &str| YEAR_FIRST.read_text(text, 0);
    let mut words = text.split_ascii_whitespace();
    let (month, day, third) = (words.next()?, words.next()?, words.next()?);
    let end_of = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize + word.len();
    let day = day.trim_end_matches(',');
    if third.len() == 4 && third.bytes().all(|byte| byte.is_ascii_digit()) {
        let clock = words.next()?;
        let stamp = parse(&format!("{third} {month} {day} {}", whole_seconds(clock)))?;
        return Some((stamp, &text[end_of(clock)..]));
    }
    let clock = whole_seconds(third);
    // The third of January is known before the year is; the year is ours or, near its turn, the one before.
    let year: i32 = received.to_string().get(..4)?.parse().ok()?;
    let of_year = |year: i32| parse(&format!("{year:04} {month} {day} {clock}"));
    let is_past = |stamp: &Timestamp| stamp.seconds() <= received.seconds() + AHEAD_SECONDS;
    let years = [year + 1, year, year - 1, year - 2, year - 3, year - 4];
    let stamp = years.into_iter().filter_map(of_year).find(is_past)?;
    Some((stamp, &text[end_of(third)..]))
}

/// `15:04:05` of `15:04:05.123:`.
fn whole_seconds(clock: &str) -> &str {
    let clock = clock.trim_end_matches(':');
    clock.split(['.', ',']).next().unwrap_or(clock)
}
