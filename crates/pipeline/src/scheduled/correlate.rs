//! A correlation rule over the signals that the lake holds.
//!
//! Signals are what rules have matched, whether or not they made alerts, in the tables of `signals`. A set of signals is
//! found once: windows overlap, and what an earlier run has found is not found again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::StreamExt as _;
use serde_json::{Value, json};
use uncia_detection::{Correlated, CorrelationRule, Member, Signal};
use uncia_document::{Document, Interner, Parser, Ref, Timestamp};
use uncia_lake::LakeError;
use uncia_model::sql::literal;
use uncia_model::{Database, DetectionId, LogType, Match, RowId, SourceId, fields};

use super::{SOURCE, query};
use crate::detect::JudgedEvents;
use crate::land::{EventColumns, FoundTable};
use crate::walk::Walk;

/// The log type of what correlation rules find.
const LOG_TYPE: &str = "Uncia.Correlation";
/// Signals of one rule's window that are read; beyond it the oldest are left out, and it is said.
const MAX_SIGNALS: usize = 200_000;
/// Signals that a row of the result names, of each member.
const SHOWN_SIGNALS: usize = 100;

/// A signal as read: what the evaluation needs, and what the result shows.
struct Read {
    row_id: String,
    rule: DetectionId,
    log_type: String,
    signal: Signal,
    any: BTreeMap<&'static str, BTreeSet<String>>,
}

pub(super) async fn evaluate(
    walk: &Walk,
    name: &str,
    rule: &CorrelationRule,
    at: Timestamp,
) -> Result<(JudgedEvents, FoundTable), LakeError> {
    let (from, to) = rule.window(at.micros);
    let signals = read(walk, rule, from, to).await?;
    let by_member: Vec<Vec<&Read>> =
        rule.members.iter().map(|member| signals.iter().filter(|read| read.rule == member.rule).collect()).collect();
    let given: Vec<Vec<Signal>> =
        by_member.iter().map(|reads| reads.iter().map(|read| read.signal.clone()).collect()).collect();
    let correlated = rule.evaluate(&given, at.micros);
    let before = found_before(walk, name, from).await?;
    let mut group =
        JudgedEvents { log_type: LogType::from(LOG_TYPE), events: Vec::new(), matches: Vec::new(), errors: Vec::new() };
    for correlated in correlated {
        let reads: Vec<Vec<&Read>> = correlated
            .signals
            .iter()
            .zip(&by_member)
            .map(|(places, reads)| places.iter().map(|place| reads[*place]).collect())
            .collect();
        let row_id = identity(name, &correlated, &reads);
        if before.contains(&row_id.to_string()) {
            continue;
        }
        let body = body(&correlated, &rule.members, &reads);
        let time = reads.iter().flatten().map(|read| read.signal.time).max().unwrap_or(at.micros);
        let columns = EventColumns {
            log_type: LOG_TYPE,
            row_id,
            time: Timestamp::from_micros(time),
            parse_time: walk.clock().now(),
            source: SOURCE,
        };
        let event = walk.rows().event(&columns, &body);
        group.matches.push(found(group.events.len(), name, &correlated, &body, walk));
        group.events.push(event);
    }
    Ok((group, FoundTable::Correlation))
}

/// The same signals for the same reason are the same finding.
fn identity(name: &str, correlated: &Correlated, reads: &[Vec<&Read>]) -> RowId {
    let ids: BTreeSet<&str> = reads.iter().flatten().map(|read| read.row_id.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let value = correlated.value.as_deref().unwrap_or_default();
    let origin = [name, &correlated.criterion, value, &ids.join(" ")].join("\u{1f}");
    RowId::of(&SourceId::from(SOURCE), &origin, 0, 0)
}

fn body(correlated: &Correlated, members: &[Member], reads: &[Vec<&Read>]) -> Value {
    let mut signals = Vec::new();
    let mut any: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (member, reads) in members.iter().zip(reads) {
        for read in reads.iter().take(SHOWN_SIGNALS) {
            signals.push(json!({
                "id": member.id,
                "rule_id": read.rule,
                "log_type": read.log_type,
                "row_id": read.row_id,
                "event_time": Timestamp::from_micros(read.signal.time).to_string(),
            }));
        }
        for read in reads {
            for (column, values) in &read.any {
                any.entry(column).or_default().extend(values.iter().map(String::as_str));
            }
        }
    }
    let count: usize = reads.iter().map(Vec::len).sum();
    let mut body = json!({
        "criterion": correlated.criterion,
        "value": correlated.value,
        "signal_count": count,
        "signals": signals,
    });
    for (column, values) in any {
        body[column] = values.into_iter().collect();
    }
    body
}

fn found(event: usize, name: &str, correlated: &Correlated, body: &Value, walk: &Walk) -> Match {
    let id = DetectionId::from(name);
    let facts = walk.facts(&id);
    let shown = facts.as_ref().map_or(name, |facts| facts.name.as_str());
    let context = json!({
        "criterion": correlated.criterion,
        "value": correlated.value,
        "signals": body["signals"],
    });
    let value = correlated.value.clone();
    Match {
        event,
        title: value.as_ref().map_or_else(|| shown.to_owned(), |value| format!("{shown} [{value}]")),
        dedup: value.unwrap_or_else(|| format!("defaultDedupString:{name}")),
        severity: facts.as_ref().map_or(uncia_model::Severity::Medium, |facts| facts.severity),
        description: facts.as_ref().map(|facts| facts.description.clone()).unwrap_or_default(),
        reference: facts.as_ref().map(|facts| facts.reference.clone()).unwrap_or_default(),
        runbook: facts.as_ref().map(|facts| facts.runbook.clone()).unwrap_or_default(),
        destinations: None,
        alert_context: Some(context.to_string()),
        unique: None,
        detection: id,
    }
}

/// The signals of all members in the window, oldest first, each once.
async fn read(walk: &Walk, rule: &CorrelationRule, from: i64, to: i64) -> Result<Vec<Read>, LakeError> {
    let mut rules: Vec<&str> = rule.members.iter().map(|member| member.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules: Vec<String> = rules.iter().map(|rule| literal(rule)).collect();
    let mut wanted: HashMap<&DetectionId, BTreeSet<&str>> = HashMap::new();
    for member in &rule.members {
        wanted.entry(&member.rule).or_default().extend(member.fields.iter().map(String::as_str));
    }
    let mut parser = Parser::new(Interner::new());
    let mut seen = HashSet::new();
    let mut signals: Vec<Read> = Vec::new();
    for table in walk.lake().tables().await?.iter().filter(|info| info.table.database == Database::Signals) {
        let sql = format!(
            "SELECT * FROM signals.{} WHERE p_rule_id IN ({}) AND {}",
            table.table.name,
            rules.join(", "),
            within(from, to),
        );
        let mut rows = walk.lake().query(&sql).await?.rows;
        while let Some(row) = rows.next().await {
            let row = row?;
            let Some(read) = signal_of(&row, &wanted, &mut parser) else { continue };
            if seen.insert((read.rule.clone(), read.row_id.clone())) {
                signals.push(read);
            }
        }
    }
    signals.sort_by(|a, b| (a.signal.time, &a.row_id).cmp(&(b.signal.time, &b.row_id)));
    if signals.len() > MAX_SIGNALS {
        tracing::warn!("{} signals in the window of a correlation rule; the oldest are left out", signals.len());
        signals.drain(..signals.len() - MAX_SIGNALS);
    }
    Ok(signals)
}

fn within(from: i64, to: i64) -> String {
    let instant = |micros: i64| format!("'{}'::timestamp", Timestamp::from_micros(micros));
    format!("p_event_time >= {} AND p_event_time <= {}", instant(from), instant(to))
}

fn signal_of(row: &Document, wanted: &HashMap<&DetectionId, BTreeSet<&str>>, parser: &mut Parser) -> Option<Read> {
    let root = row.root();
    let text = |name: &str| root.get(name).and_then(Ref::as_str);
    let rule = DetectionId::from(text(fields::RULE_ID)?);
    let time = root.get(fields::EVENT_TIME)?.as_timestamp()?.micros;
    let mut signal = Signal { time, ..Signal::default() };
    for field in wanted.get(&rule)? {
        let values = values(root, field, parser);
        if !values.is_empty() {
            signal.values.insert((*field).to_owned(), values);
        }
    }
    let any = fields::ANY.iter().filter_map(|&column| {
        let values: BTreeSet<String> =
            root.get(column)?.items().filter_map(|item| item.as_str().map(str::to_owned)).collect();
        (!values.is_empty()).then_some((column, values))
    });
    Some(Read {
        row_id: text(fields::ROW_ID)?.to_owned(),
        log_type: text(fields::LOG_TYPE).unwrap_or_default().to_owned(),
        any: any.collect(),
        signal,
        rule,
    })
}

/// The values under a dotted name: in columns, in the JSON text of a column (`p_alert_context.…`), among the fields
/// that have no column, or in the row of a scheduled query.
fn values(root: Ref<'_>, field: &str, parser: &mut Parser) -> Vec<String> {
    let mut found = under(root, field, parser);
    if found.is_empty()
        && let Some(extra) = member(root, fields::EXTRA)
    {
        found = match extra.as_str().map(|text| parser.parse(text.as_bytes())) {
            Some(Ok(extra)) => under(extra.root(), field, parser),
            Some(Err(_)) => Vec::new(),
            None => under(extra, field, parser),
        };
    }
    if found.is_empty() && member(root, fields::LOG_TYPE).and_then(Ref::as_str) == Some(query::LOG_TYPE) {
        found = under(root, &format!("{}.{field}", query::ROW), parser);
    }
    found
}

fn under(from: Ref<'_>, field: &str, parser: &mut Parser) -> Vec<String> {
    // A column may have dots in its name.
    if let Some(value) = member(from, field) {
        return texts(value);
    }
    let Some((first, rest)) = field.split_once('.') else { return Vec::new() };
    let Some(value) = member(from, first) else { return Vec::new() };
    if value.is_array() {
        return value.items().flat_map(|item| under(item, rest, parser)).collect();
    }
    match value.as_str() {
        Some(json) => match parser.parse(json.as_bytes()) {
            Ok(inner) => under(inner.root(), rest, parser),
            Err(_) => Vec::new(),
        },
        None => under(value, rest, parser),
    }
}

/// A member by name, without regard to case.
fn member<'a>(object: Ref<'a>, name: &str) -> Option<Ref<'a>> {
    if !object.is_object() {
        return None;
    }
    object
        .get(name)
        .or_else(|| object.members().find(|((_, key), _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// Scalars as texts; a list contributes its elements, an object nothing.
fn texts(value: Ref<'_>) -> Vec<String> {
    if value.is_array() {
        return value.items().flat_map(texts).collect();
    }
    if value.is_null() || value.is_object() {
        return Vec::new();
    }
    vec![value.as_str().map_or_else(|| value.to_json(), str::to_owned)]
}

/// Row ids of what the rule has found before, from the window's beginning on.
async fn found_before(walk: &Walk, name: &str, from: i64) -> Result<HashSet<String>, LakeError> {
    let table = walk.rows().table(Database::Signals, &LogType::from(LOG_TYPE));
    let exists = walk.lake().tables().await?.iter().any(|info| info.table == table);
    if !exists {
        return Ok(HashSet::new());
    }
    let sql = format!(
        "SELECT p_row_id FROM {table} WHERE p_rule_id = {} AND p_event_time >= '{}'::timestamp",
        literal(name),
        Timestamp::from_micros(from),
    );
    let mut rows = walk.lake().query(&sql).await?.rows;
    let mut ids = HashSet::new();
    while let Some(row) = rows.next().await {
        let row = row?;
        ids.extend(row.root().members().filter_map(|(_, value)| value.as_str().map(str::to_owned)));
    }
    Ok(ids)
}
