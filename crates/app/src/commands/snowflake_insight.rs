//! `uncia snowflake insight USER`: one person of the connected accounts, with a risk score, its reasons and what to do.

use anyhow::Result;
use serde_json::{Map, Value, json};
use uncia_detection::{EvidenceRow, InsightPart, InsightSet, PartKind, RiskScore, Subject};
use uncia_lake::LakeError;

use super::snowflake_posture::rows;
use crate::cli;
use crate::content;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows, write_out};
use crate::product::Product;

/// What came of one part.
struct Answered<'a> {
    part: &'a InsightPart,
    rows: Vec<EvidenceRow>,
    /// Why there are none, if that is not because there is nothing.
    problem: Option<String>,
}

pub(crate) async fn insight(product: &Product, arguments: &cli::Insight, format: Format) -> Result<Exit> {
    let set = InsightSet::load(content::bundled("insight", &["yml", "yaml"]));
    for problem in &set.problems {
        eprintln!("uncia: {problem}");
    }
    // Snowflake keeps names in capitals unless they were quoted when they were made.
    let user = if arguments.exact { arguments.user.clone() } else { arguments.user.to_uppercase() };
    let subject = Subject { user: &user, source: arguments.source.as_deref(), days: arguments.days };
    let mut answers = Vec::new();
    for part in &set.parts {
        let (rows, problem) = match rows(product.lake().as_ref(), &part.sql(&subject)).await {
            Ok(rows) => (rows, None),
            Err(LakeError::NoTable { table, .. }) => (Vec::new(), Some(format!("there is no table {table}"))),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        answers.push(Answered { part, rows, problem });
    }
    // Peers are others' rows; they do not tell that there is such a user.
    let is_known = answers.iter().any(|answer| answer.part.id != "peers" && !answer.rows.is_empty());
    if !is_known {
        let hint = if arguments.exact { "" } else { "; names that were quoted when they were made need --exact" };
        return Err(ExitError::usage(format!("nothing is known of the user {user}{hint}")));
    }
    let score = RiskScore::of(answers.iter().map(|answer| (answer.part, answer.rows.as_slice())));
    let text = match format {
        Format::Table => for_people(&user, arguments.days, &score, &answers),
        _ => format!("{}\n", for_machines(&user, arguments.days, &score, &answers)),
    };
    write_out(text.as_bytes())?;
    Ok(Exit::Ok)
}

/// A section's rows with its columns, in their order.
fn shown(row: &EvidenceRow, columns: &[String]) -> Vec<Value> {
    columns.iter().map(|column| row.get(column).cloned().unwrap_or(Value::Null)).collect()
}

fn for_machines(user: &str, days: u32, score: &RiskScore, answers: &[Answered<'_>]) -> Value {
    let reasons = score.reasons.iter().map(|reason| {
        json!({"factor": reason.factor, "points": reason.points, "reason": reason.text, "advice": reason.advice})
    });
    let mut sections = Map::new();
    let mut unanswered = Map::new();
    for answer in answers {
        if let Some(problem) = &answer.problem {
            unanswered.insert(answer.part.id.clone(), json!(problem));
        }
        let PartKind::Section { columns } = &answer.part.kind else { continue };
        let rows = answer.rows.iter().map(|row| {
            let members: Map<String, Value> = columns.iter().cloned().zip(shown(row, columns)).collect();
            Value::Object(members)
        });
        sections.insert(answer.part.id.clone(), rows.collect());
    }
    json!({
        "user": user,
        "days": days,
        "risk": {"points": score.points, "level": score.level(), "reasons": reasons.collect::<Vec<_>>()},
        "sections": sections,
        "unanswered": unanswered,
    })
}

fn for_people(user: &str, days: u32, score: &RiskScore, answers: &[Answered<'_>]) -> String {
    let mut text = format!("{user}: risk {} of 100, {} (the last {days} days)\n", score.points, score.level());
    for reason in &score.reasons {
        text += &format!("  +{:<3} {}\n       {}\n", reason.points, reason.text, reason.advice);
    }
    for answer in answers {
        let PartKind::Section { columns } = &answer.part.kind else { continue };
        text += &format!("\n{}\n", answer.part.title);
        if answer.rows.is_empty() {
            text += &format!("  {}\n", answer.problem.as_deref().unwrap_or("nothing"));
            continue;
        }
        let columns_shown: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut table = Rows::new(&columns_shown);
        table.rows = answer.rows.iter().map(|row| shown(row, columns)).collect();
        text += &table.render(Format::Table, false);
    }
    let unanswered: Vec<&str> =
        answers.iter().filter(|answer| answer.problem.is_some()).map(|answer| answer.part.id.as_str()).collect();
    if !unanswered.is_empty() {
        text += &format!("\nNot answered, so that the score may be too low: {}\n", unanswered.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_part_is_whole() {
        let set = InsightSet::load(content::bundled("insight", &["yml", "yaml"]));
        assert!(set.problems.is_empty(), "{:?}", set.problems);
        let factors = set.parts.iter().filter(|part| matches!(part.kind, PartKind::Factor { .. })).count();
        assert!(factors > 0 && factors < set.parts.len());
    }
}
