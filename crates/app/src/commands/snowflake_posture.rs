//! `uncia snowflake posture`: the newest state of the connected accounts against the controls, with evidence and what to do.

use anyhow::Result;
use futures::StreamExt as _;
use serde_json::{Value, json};
use uncia_detection::{Answer, Control, EvidenceRow, Finding, Status};
use uncia_document::Timestamp;
use uncia_lake::{Lake, LakeError};
use uncia_pipeline::posture::{SOURCE_COLUMN, evidence};
use uncia_store::{FindingSpan, Violation};

use crate::cli;
use crate::config::Config;
use crate::content;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows, write_out};
use crate::product::Product;

/// Rows of evidence that people are shown of one control; machines get all.
const SHOWN: usize = 20;

pub(crate) async fn posture(
    product: &Product,
    config: &Config,
    arguments: &cli::Posture,
    format: Format,
) -> Result<Exit> {
    let set = content::controls(config, &arguments.controls)?;
    for problem in &set.problems {
        eprintln!("uncia: {problem}");
    }
    let wanted = |control: &&Control| {
        arguments.only.is_empty() || arguments.only.iter().any(|id| id.eq_ignore_ascii_case(&control.id))
    };
    let unknown =
        arguments.only.iter().find(|id| !set.controls.iter().any(|control| control.id.eq_ignore_ascii_case(id)));
    if let Some(id) = unknown {
        let known: Vec<&str> = set.controls.iter().map(|control| control.id.as_str()).collect();
        return Err(ExitError::usage(format!("there is no control {id}; there are {}", known.join(", "))));
    }
    let spans = product.store().findings().await?;
    let of_source = |span: &FindingSpan| arguments.source.as_ref().is_none_or(|source| span.source.as_str() == source);
    let spans: Vec<FindingSpan> = spans.into_iter().filter(of_source).collect();
    if arguments.history {
        let is_wanted = |span: &&FindingSpan| set.controls.iter().filter(wanted).any(|one| one.id == span.control);
        history(spans.iter().filter(is_wanted)).print(format)?;
        return Ok(Exit::Ok);
    }
    let known = Known { spans, violations: product.store().violations(true).await? };
    let mut findings = Vec::new();
    for control in set.controls.iter().filter(wanted) {
        let answer = ask(product.lake().as_ref(), control, arguments.source.as_deref()).await;
        findings.push(control.judge(answer));
    }
    findings.sort_by_key(|finding| (finding.status, std::cmp::Reverse(finding.control.severity)));
    if format == Format::Table {
        write_out(for_people(&findings, &known).as_bytes())?;
    } else {
        machine_rows(&findings, &known).print(format)?;
    }
    let failed = findings.iter().any(|finding| matches!(finding.status, Status::Fail | Status::Error));
    Ok(if failed || !set.problems.is_empty() { Exit::Failed } else { Exit::Ok })
}

/// What judging each new state has left in the store.
struct Known {
    spans: Vec<FindingSpan>,
    violations: Vec<Violation>,
}

impl Known {
    /// What holds now of a control, by account.
    fn standing<'a>(&'a self, control: &'a Control) -> impl Iterator<Item = &'a FindingSpan> {
        self.spans.iter().filter(|span| span.control == control.id && span.ended_micros.is_none())
    }

    /// Since when it fails, on the account where it has failed for longest.
    fn failing_since(&self, control: &Control) -> Option<String> {
        let failing = self.standing(control).filter(|span| span.status == Status::Fail.as_str());
        failing.map(|span| span.began_micros).min().map(time)
    }

    fn account(&self, span: &FindingSpan) -> Value {
        let is_of = |one: &&Violation| one.control == span.control && one.source == span.source;
        let open = self.violations.iter().filter(is_of).map(|one| {
            json!({
                "evidence": serde_json::from_str::<Value>(&one.evidence).unwrap_or_default(),
                "since": time(one.began_micros),
                "alert": one.alert,
            })
        });
        json!({
            "source": span.source,
            "status": span.status,
            "since": time(span.began_micros),
            "checked_at": time(span.checked_micros),
            "violations": span.violations,
            "problem": span.problem,
            "open_violations": open.collect::<Vec<_>>(),
        })
    }
}

fn time(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string()
}

fn history<'a>(spans: impl Iterator<Item = &'a FindingSpan>) -> Rows {
    let mut rows = Rows::new(&["control", "source", "status", "from", "to", "checked_at", "violations", "problem"]);
    for span in spans {
        rows.rows.push(vec![
            json!(span.control),
            json!(span.source),
            json!(span.status),
            json!(time(span.began_micros)),
            json!(span.ended_micros.map(time)),
            json!(time(span.checked_micros)),
            json!(span.violations),
            json!(span.problem),
        ]);
    }
    rows
}

async fn ask(lake: &dyn Lake, control: &Control, source: Option<&str>) -> Answer {
    match rows(lake, &control.sql).await {
        Ok(rows) => Answer::Rows(rows.into_iter().filter(|row| is_of(row, source)).collect()),
        Err(LakeError::NoTable { table, .. }) => Answer::NoTable(table.to_string()),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

fn is_of(row: &EvidenceRow, source: Option<&str>) -> bool {
    source.is_none_or(|source| row.get(SOURCE_COLUMN).is_some_and(|of| of == source))
}

/// All rows of a statement.
pub(crate) async fn rows(lake: &dyn Lake, sql: &str) -> Result<Vec<EvidenceRow>, LakeError> {
    let mut found = Vec::new();
    let mut answer = lake.query(sql).await?.rows;
    while let Some(row) = answer.next().await {
        found.push(evidence(&row?));
    }
    Ok(found)
}

fn frameworks(control: &Control) -> String {
    let named = control.frameworks.iter().map(|of| {
        let doubt = if of.verified { "" } else { " (not verified)" };
        format!("{} {}{doubt}", of.framework, of.control)
    });
    named.collect::<Vec<_>>().join(", ")
}

fn machine_rows(findings: &[Finding<'_>], known: &Known) -> Rows {
    let columns = [
        "control",
        "title",
        "severity",
        "status",
        "reason",
        "violations",
        "failing_since",
        "frameworks",
        "why",
        "fix",
        "limits",
        "evidence",
        "fixes",
        "accounts",
    ];
    let mut rows = Rows::new(&columns);
    for finding in findings {
        let control = finding.control;
        let evidence = finding.evidence.iter().map(|row| {
            let columns = control.columns.iter().cloned().zip(row.iter().cloned());
            Value::Object(columns.collect())
        });
        rows.rows.push(vec![
            json!(control.id),
            json!(control.title),
            json!(control.severity.as_str()),
            json!(finding.status.as_str()),
            json!(finding.reason),
            json!(finding.evidence.len()),
            json!(known.failing_since(control)),
            json!(frameworks(control)),
            json!(control.why),
            json!(control.fix),
            json!(control.limits),
            Value::Array(evidence.collect()),
            json!(finding.fixes),
            Value::Array(known.standing(control).map(|span| known.account(span)).collect()),
        ]);
    }
    rows
}

/// The overview, then for each control that failed its evidence and what to do.
fn for_people(findings: &[Finding<'_>], known: &Known) -> String {
    let mut overview = Rows::new(&["status", "severity", "control", "title", "violations", "failing since"]);
    for finding in findings {
        let control = finding.control;
        let violations = if finding.status == Status::Fail { json!(finding.evidence.len()) } else { Value::Null };
        overview.rows.push(vec![
            json!(finding.status.as_str()),
            json!(control.severity.as_str()),
            json!(control.id),
            json!(control.title),
            violations,
            json!(known.failing_since(control).map(|since| since.chars().take(16).collect::<String>())),
        ]);
    }
    let mut text = overview.render(Format::Table, false);
    for finding in findings.iter().filter(|finding| finding.reason.is_some()) {
        let reason = finding.reason.as_deref().unwrap_or_default();
        text += &format!("\n{}: {reason}", finding.control.id);
    }
    for finding in findings.iter().filter(|finding| finding.status == Status::Fail) {
        text += &detail(finding);
    }
    let count = |status: Status| findings.iter().filter(|finding| finding.status == status).count();
    text += &format!(
        "\n\n{} failed, {} passed, {} not applicable, {} not answered\n",
        count(Status::Fail),
        count(Status::Pass),
        count(Status::NotApplicable),
        count(Status::Error)
    );
    text
}

fn detail(finding: &Finding<'_>) -> String {
    let control = finding.control;
    let columns: Vec<&str> = control.columns.iter().map(String::as_str).collect();
    let mut evidence = Rows::new(&columns);
    evidence.rows = finding.evidence.iter().take(SHOWN).cloned().collect();
    let mut text = format!("\n\n{} {}\n{}\n", control.severity.as_str(), control.title, control.why);
    if !control.frameworks.is_empty() {
        text += &format!("{}\n", frameworks(control));
    }
    text += &evidence.render(Format::Table, false);
    if finding.evidence.len() > SHOWN {
        text += &format!("… and {} more (--json shows all)\n", finding.evidence.len() - SHOWN);
    }
    text += &format!("What to do: {}\n", control.fix);
    for fix in finding.fixes.iter().take(SHOWN) {
        text += &format!("    {fix}\n");
    }
    if let Some(limits) = &control.limits {
        text += &format!("Limits: {limits}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_control_is_whole() {
        let set = content::controls(&Config::default(), &[]).unwrap();
        assert!(set.problems.is_empty(), "{:?}", set.problems);
        assert!(!set.controls.is_empty());
        for control in &set.controls {
            assert!(control.id.starts_with("Uncia."), "{}", control.id);
            assert_eq!(control.columns.first().map(String::as_str), Some(SOURCE_COLUMN), "{}", control.id);
        }
    }
}
