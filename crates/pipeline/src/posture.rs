//! Controls, judged on each new state of an account.
//!
//! ```text
//!  newest state ─newer than what was judged?─▶ each control's query ─▶ rows ─ there before? ─┬ no ──▶ violation, alert
//!                                                                          gone? ────────────┴ yes ─▶ ended, resolved
//! ```
//!
//! Findings, violations, alerts, deliveries and the time of the state that was judged are one commit. So whenever the
//! process ends, the state is judged once, and each violation is told of once: when it begins. The controls of one
//! evaluation make one alert each, however many objects violate them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::StreamExt as _;
use serde_json::{Map, Value, json};
use uncia_alerting::RuleFacts;
use uncia_detection::{Control, EvidenceRow};
use uncia_document::{Document, Timestamp};
use uncia_lake::{Lake, LakeError};
use uncia_model::{AlertKind, BatchId, Database, DetectionId, LogType, Match, SourceId, TableRef};
use uncia_snowflake::state::{STATE_VIEWS, StateView};
use uncia_store::{BatchCommit, CommitOutcome, Judgement, NewViolation, PullNote, PullPosition, PulledTo, Verdict};

use crate::detect::JudgedEvents;
use crate::summary::Summary;
use crate::walk::{Walk, WalkError, count_found};

/// What the time of the judged state is stored under.
pub const FEED: &str = "POSTURE";
/// The column by which every control tells accounts apart.
pub const SOURCE_COLUMN: &str = "p_source_id";
/// Violations of one control on one account that are told apart; of more, those that are known already stay so.
const TOLD_APART: usize = 10_000;
/// Rows of evidence, and statements that mend them, that an alert shows.
const SHOWN: usize = 50;
/// Less than the time between two snapshots: what begins with the next one is another alert.
const DEDUP_MINUTES: u32 = 30;

/// What came of judging an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posture {
    pub failed: u64,
    pub passed: u64,
    /// Controls that do not apply.
    pub not_applicable: u64,
    /// Controls that could not be asked, with the reason.
    pub errors: Vec<String>,
    pub begun: u64,
    pub ended: u64,
    /// Of the alerts.
    pub summary: Summary,
}

/// What a control's query gave of one account.
struct Asked {
    verdict: Verdict,
    violations: u64,
    begun: Vec<(String, EvidenceRow)>,
    ended: Vec<String>,
}

/// What alerting knows of a control.
#[must_use]
pub fn facts_of(control: &Control) -> RuleFacts {
    let mut reports: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for of in &control.frameworks {
        reports.entry(of.framework.clone()).or_default().push(of.control.clone());
    }
    RuleFacts {
        name: control.title.clone(),
        kind: AlertKind::Policy,
        dedup_period_minutes: DEDUP_MINUTES,
        description: control.why.clone(),
        runbook: control.fix.clone(),
        reports,
        ..RuleFacts::new(DetectionId::from(control.id.as_str()), control.severity)
    }
}

/// A row of the lake as evidence.
#[must_use]
pub fn evidence(row: &Document) -> EvidenceRow {
    let mut text = Vec::new();
    row.write_json(&mut text);
    serde_json::from_slice::<Map<String, Value>>(&text).unwrap_or_default().into()
}

/// Judges the newest state of an account, if it is newer than what was judged before.
pub async fn judge(walk: &Walk, source: &SourceId, label: &str) -> Result<Option<Posture>, WalkError> {
    let generation = walk.generation();
    let taken = taken(walk, source).await?;
    let tables: BTreeSet<TableRef> =
        STATE_VIEWS.iter().filter(|view| taken.contains_key(&view.feed())).map(table_of).collect();
    let newest = STATE_VIEWS.iter().filter_map(|view| Some(taken.get(&view.feed())?.watermark_micros)).max();
    let judged = taken.get(FEED);
    let Some(at_micros) = newest.filter(|newest| judged.is_none_or(|judged| judged.watermark_micros < *newest)) else {
        return Ok(None);
    };
    if generation.controls.is_empty() {
        return Ok(None);
    }
    let mut open = walk.store().open_violations(source).await?;
    let mut posture = Posture::default();
    let (mut groups, mut judgements) = (Vec::new(), Vec::new());
    for control in generation.controls.iter() {
        let open = open.remove(&control.id).unwrap_or_default();
        let asked = match missing(control, &tables, source) {
            Some(why) => Asked::unknown(Verdict::NotApplicable(why)),
            None => ask(&**walk.lake(), control, source, &open, at_micros).await?,
        };
        posture.count(control, &asked);
        let Asked { verdict, violations, begun, ended } = asked;
        let matches = matches_of(control, source, label, &begun, violations);
        let shown = |row: &EvidenceRow| Value::Object(control.shown(row)).to_string();
        let begun = begun.iter().map(|(resource, row)| NewViolation {
            resource: resource.clone(),
            evidence: shown(row),
            alert: None,
        });
        judgements.push(Judgement {
            control: control.id.clone(),
            source: source.clone(),
            at_micros,
            verdict,
            violations,
            begun: begun.collect(),
            ended,
        });
        groups.push(JudgedEvents { log_type: log_type(control), events: Vec::new(), matches, errors: Vec::new() });
    }
    let sealed = walk.clock().now().micros;
    let admitted = walk.admit(&generation, &groups, sealed).await?;
    for (judgement, assigned) in judgements.iter_mut().zip(&admitted.assigned) {
        for (violation, alert) in judgement.begun.iter_mut().zip(&assigned.matches) {
            violation.alert.clone_from(alert);
        }
    }
    count_found(&mut posture.summary, &groups, &admitted, sealed);
    let begun_micros = judged.map_or(at_micros, |judged| judged.begun_micros);
    let position = PullPosition { watermark_micros: at_micros, swept_micros: at_micros, begun_micros };
    let commit = BatchCommit {
        windows: admitted.windows,
        alerts: admitted.alerts,
        deliveries: admitted.deliveries,
        posture: judgements,
        pulled_to: vec![PulledTo { source: source.clone(), view: FEED.into(), position }],
        ..BatchCommit::new(BatchId::of(&[FEED, source.as_str(), &at_micros.to_string()]), sealed)
    };
    let outcome = walk.store().commit(&commit).await?;
    let problem = (!posture.errors.is_empty()).then(|| posture.errors.join("; "));
    let note = PullNote { checked_micros: Some(at_micros), problem, ..PullNote::default() };
    walk.store().note_pull(source, FEED, &note).await?;
    Ok((outcome == CommitOutcome::Committed).then_some(posture))
}

impl Posture {
    fn count(&mut self, control: &Control, asked: &Asked) {
        match &asked.verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail => self.failed += 1,
            Verdict::NotApplicable(_) => self.not_applicable += 1,
            Verdict::Error(why) => self.errors.push(format!("{}: {why}", control.id)),
        }
        self.begun += asked.begun.len() as u64;
        self.ended += asked.ended.len() as u64;
    }
}

impl Asked {
    fn unknown(verdict: Verdict) -> Self {
        Self { verdict, violations: 0, begun: Vec::new(), ended: Vec::new() }
    }
}

/// How far the views of a source are read, by feed.
async fn taken(walk: &Walk, source: &SourceId) -> Result<HashMap<String, PullPosition>, WalkError> {
    let statuses = walk.store().pull_statuses().await?.into_iter().filter(|status| status.source == *source);
    Ok(statuses.filter_map(|status| Some((status.view, status.position?))).collect())
}

fn table_of(view: &StateView) -> TableRef {
    TableRef::new(Database::Lookups, LogType::from(view.log_type).table_name())
}

/// Of the state that a control reads, what this account has never shown: no rows would look like a pass.
fn missing(control: &Control, tables: &BTreeSet<TableRef>, source: &SourceId) -> Option<String> {
    let needed = |view: &&StateView| {
        let table = table_of(view);
        control.tables.contains(&table) && !tables.contains(&table)
    };
    let view = STATE_VIEWS.iter().find(needed)?;
    Some(format!("there is no snapshot of {} of {source}", view.name))
}

/// The log type of the state that it reads first.
fn log_type(control: &Control) -> LogType {
    let view = STATE_VIEWS.iter().find(|view| control.tables.contains(&table_of(view)));
    LogType::from(view.map_or("Snowflake.StateChange", |view| view.log_type))
}

/// Asks a control's query for the violations of one account, as of the time of its state. A lake that does not answer is
/// nobody's verdict.
async fn ask(
    lake: &dyn Lake,
    control: &Control,
    source: &SourceId,
    open: &BTreeSet<String>,
    at_micros: i64,
) -> Result<Asked, LakeError> {
    let mut rows = match lake.query_at(&control.sql, Timestamp::from_micros(at_micros)).await {
        Ok(answer) => answer.rows,
        Err(error) => return unknown(error),
    };
    let (mut violations, mut begun) = (0, BTreeMap::new());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some(row) = rows.next().await {
        let row = match row {
            Ok(row) => evidence(&row),
            Err(error) => return unknown(error),
        };
        if row.get(SOURCE_COLUMN).and_then(Value::as_str) != Some(source.as_str()) {
            continue;
        }
        violations += 1;
        let resource = control.resource_of(&row);
        if open.contains(&resource) {
            seen.insert(resource);
        } else if open.len() + begun.len() < TOLD_APART {
            begun.entry(resource).or_insert(row);
        }
    }
    let verdict = if violations > 0 { Verdict::Fail } else { Verdict::Pass };
    let ended = open.difference(&seen).cloned().collect();
    Ok(Asked { verdict, violations, begun: begun.into_iter().collect(), ended })
}

fn unknown(error: LakeError) -> Result<Asked, LakeError> {
    match error {
        LakeError::NoTable { table, .. } => {
            Ok(Asked::unknown(Verdict::NotApplicable(format!("there is no table {table}"))))
        }
        LakeError::Sql(problem) => Ok(Asked::unknown(Verdict::Error(problem))),
        other => Err(other),
    }
}

/// One for each new violation; the first one says what the alert says.
fn matches_of(
    control: &Control,
    source: &SourceId,
    label: &str,
    begun: &[(String, EvidenceRow)],
    violations: u64,
) -> Vec<Match> {
    if begun.is_empty() {
        return Vec::new();
    }
    let rows = begun.iter().map(|(_, row)| row);
    let shown: Vec<Value> = rows.clone().take(SHOWN).map(|row| Value::Object(control.shown(row))).collect();
    let mut fixes: Vec<String> = rows.filter_map(|row| control.fix_sql.as_ref()?.of(row)).take(SHOWN).collect();
    fixes.dedup();
    let frameworks = control.frameworks.iter().map(|of| json!({"name": of.framework, "control": of.control}));
    let context = json!({
        "control": control.id,
        "source": source,
        "source_label": label,
        "violations": violations,
        "new_violations": begun.len(),
        "evidence": shown,
        "fix_statements": fixes,
        "frameworks": frameworks.collect::<Vec<_>>(),
        "limits": control.limits,
    });
    let of = |event| Match {
        event,
        detection: DetectionId::from(control.id.as_str()),
        title: format!("Failed: {} [{label}]", control.title),
        dedup: source.to_string(),
        severity: control.severity,
        description: control.why.clone(),
        reference: String::new(),
        runbook: control.fix.clone(),
        destinations: None,
        alert_context: (event == 0).then(|| context.to_string()),
        unique: None,
    };
    (0..begun.len()).map(of).collect()
}
