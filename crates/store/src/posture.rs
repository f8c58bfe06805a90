//! What controls found on accounts: what holds now, since when, and what was before.
//!
//! A judgement is written in the transaction that makes its alert, so a violation is told of once, whenever the process ends.
//! A control that cannot be asked for a while keeps what was known of it: neither does its failing end, nor does it begin
//! anew.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use uncia_model::{AlertId, SourceId};

use crate::commit::ROWS_PER_STATEMENT;
use crate::{Store, StoreError, number};

/// The past that is kept, in microseconds: a little more than a year.
const KEPT_MICROS: i64 = 400 * 24 * 3_600_000_000;

/// What came of judging an account by a control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub control: String,
    pub source: SourceId,
    /// Of the state that was judged, by the account's clock, in microseconds since 1970.
    pub at_micros: i64,
    pub verdict: Verdict,
    /// Everything that violates it, whether it is told apart or not.
    pub violations: u64,
    pub begun: Vec<NewViolation>,
    /// Resources that violate it no more.
    pub ended: Vec<String>,
}

/// Whether an account is as a control wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Fail,
    /// It cannot be asked: why.
    NotApplicable(String),
    Error(String),
}

/// An object that violates a control from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewViolation {
    /// What tells it from others.
    pub resource: String,
    /// JSON.
    pub evidence: String,
    /// Where people are told of it.
    pub alert: Option<AlertId>,
}

/// What was found of a control on an account for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingSpan {
    pub control: String,
    pub source: SourceId,
    /// `PASS`, `FAIL`, `NOT_APPLICABLE` or `ERROR`.
    pub status: String,
    /// Why it could not be asked when it was last tried.
    pub problem: Option<String>,
    pub violations: u64,
    pub began_micros: i64,
    /// When it was last so.
    pub checked_micros: i64,
    /// `None`: it is so still.
    pub ended_micros: Option<i64>,
}

/// An object that violated a control for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub control: String,
    pub source: SourceId,
    pub resource: String,
    /// JSON, as it was when it began.
    pub evidence: String,
    pub alert: Option<AlertId>,
    pub began_micros: i64,
    /// `None`: it does so still.
    pub ended_micros: Option<i64>,
}

impl Verdict {
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::NotApplicable(_) => "NOT_APPLICABLE",
            Self::Error(_) => "ERROR",
        }
    }

    fn problem(&self) -> Option<&str> {
        match self {
            Self::Pass | Self::Fail => None,
            Self::NotApplicable(why) | Self::Error(why) => Some(why),
        }
    }
}

impl Store {
    /// What violates the controls on an account now: resources by control.
    pub async fn open_violations(&self, source: &SourceId) -> Result<BTreeMap<String, BTreeSet<String>>, StoreError> {
        let action = "read what violates controls";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows = sqlx::query("SELECT control, resource FROM violations WHERE source = ? AND ended_micros IS NULL")
            .bind(source.as_str())
            .fetch_all(&mut *snapshot)
            .await
            .map_err(failed)?;
        let mut open: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in rows {
            let (control, resource) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
            open.entry(control).or_default().insert(resource);
        }
        Ok(open)
    }

    /// All violations, or those that there are still, newest first.
    pub async fn violations(&self, only_open: bool) -> Result<Vec<Violation>, StoreError> {
        let action = "read violations";
        let failed = self.failed(action);
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT control, source, resource, evidence, alert, began_micros, ended_micros FROM violations",
        );
        if only_open {
            query.push(" WHERE ended_micros IS NULL");
        }
        query.push(" ORDER BY began_micros DESC, control, source, resource");
        let mut snapshot = self.read(action).await?;
        let rows = query.build().fetch_all(&mut *snapshot).await.map_err(failed)?;
        rows.iter().map(|row| violation(row).map_err(failed)).collect()
    }

    /// What was found of all controls, by control and account, newest first.
    pub async fn findings(&self) -> Result<Vec<FindingSpan>, StoreError> {
        let action = "read findings";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows = sqlx::query(
            "SELECT control, source, status, problem, violations, began_micros, checked_micros, ended_micros \
             FROM findings ORDER BY control, source, began_micros DESC",
        )
        .fetch_all(&mut *snapshot)
        .await
        .map_err(failed)?;
        rows.iter().map(|row| span(row).map_err(failed)).collect()
    }
}

fn span(row: &SqliteRow) -> Result<FindingSpan, sqlx::Error> {
    Ok(FindingSpan {
        control: row.try_get(0)?,
        source: SourceId::new(row.try_get::<&str, _>(1)?),
        status: row.try_get(2)?,
        problem: row.try_get(3)?,
        violations: number::from_sql(row.try_get(4)?),
        began_micros: row.try_get(5)?,
        checked_micros: row.try_get(6)?,
        ended_micros: row.try_get(7)?,
    })
}

fn violation(row: &SqliteRow) -> Result<Violation, sqlx::Error> {
    Ok(Violation {
        control: row.try_get(0)?,
        source: SourceId::new(row.try_get::<&str, _>(1)?),
        resource: row.try_get(2)?,
        evidence: row.try_get(3)?,
        alert: row.try_get::<Option<&str>, _>(4)?.map(AlertId::new),
        began_micros: row.try_get(5)?,
        ended_micros: row.try_get(6)?,
    })
}

pub(crate) async fn write(
    transaction: &mut Transaction<'static, Sqlite>,
    judgements: &[Judgement],
    sealed_micros: i64,
) -> Result<(), sqlx::Error> {
    for judgement in judgements {
        write_finding(transaction, judgement).await?;
        write_violations(transaction, judgement).await?;
        resolve(transaction, judgement, sealed_micros).await?;
    }
    let Some(latest) = judgements.iter().map(|judgement| judgement.at_micros).max() else { return Ok(()) };
    for table in ["findings", "violations"] {
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM ");
        query.push(table).push(" WHERE ended_micros < ").push_bind(latest.saturating_sub(KEPT_MICROS));
        query.build().execute(&mut **transaction).await?;
    }
    Ok(())
}

async fn write_finding(
    transaction: &mut Transaction<'static, Sqlite>,
    judgement: &Judgement,
) -> Result<(), sqlx::Error> {
    let Judgement { control, source, at_micros, verdict, violations, .. } = judgement;
    let before: Option<String> =
        sqlx::query_scalar("SELECT status FROM findings WHERE control = ? AND source = ? AND ended_micros IS NULL")
            .bind(control)
            .bind(source.as_str())
            .fetch_optional(&mut **transaction)
            .await?;
    let was_known = before.as_deref().is_some_and(|status| ["PASS", "FAIL"].contains(&status));
    if was_known && verdict.problem().is_some() {
        sqlx::query("UPDATE findings SET problem = ? WHERE control = ? AND source = ? AND ended_micros IS NULL")
            .bind(verdict.problem())
            .bind(control)
            .bind(source.as_str())
            .execute(&mut **transaction)
            .await?;
        return Ok(());
    }
    if before.as_deref() == Some(verdict.as_str()) {
        sqlx::query(
            "UPDATE findings SET problem = ?, violations = ?, checked_micros = ? \
             WHERE control = ? AND source = ? AND ended_micros IS NULL",
        )
        .bind(verdict.problem())
        .bind(number::to_sql(*violations))
        .bind(at_micros)
        .bind(control)
        .bind(source.as_str())
        .execute(&mut **transaction)
        .await?;
        return Ok(());
    }
    sqlx::query("UPDATE findings SET ended_micros = ? WHERE control = ? AND source = ? AND ended_micros IS NULL")
        .bind(at_micros)
        .bind(control)
        .bind(source.as_str())
        .execute(&mut **transaction)
        .await?;
    sqlx::query(
        "INSERT INTO findings (control, source, status, problem, violations, began_micros, checked_micros) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(control)
    .bind(source.as_str())
    .bind(verdict.as_str())
    .bind(verdict.problem())
    .bind(number::to_sql(*violations))
    .bind(at_micros)
    .bind(at_micros)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn write_violations(
    transaction: &mut Transaction<'static, Sqlite>,
    judgement: &Judgement,
) -> Result<(), sqlx::Error> {
    let Judgement { control, source, at_micros, begun, ended, .. } = judgement;
    for chunk in ended.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new("UPDATE violations SET ended_micros = ");
        query.push_bind(*at_micros).push(" WHERE control = ").push_bind(control);
        query.push(" AND source = ").push_bind(source.as_str());
        query.push(" AND ended_micros IS NULL AND resource IN (");
        let mut resources = query.separated(", ");
        for resource in chunk {
            resources.push_bind(resource);
        }
        query.push(")");
        query.build().execute(&mut **transaction).await?;
    }
    for chunk in begun.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO violations (control, source, resource, evidence, alert, began_micros) ",
        );
        query.push_values(chunk, |mut row, violation| {
            row.push_bind(control)
                .push_bind(source.as_str())
                .push_bind(&violation.resource)
                .push_bind(&violation.evidence)
                .push_bind(violation.alert.as_ref().map(AlertId::as_str))
                .push_bind(*at_micros);
        });
        query.build().execute(&mut **transaction).await?;
    }
    Ok(())
}

/// An alert of which nothing is left is resolved, unless somebody has closed it, and takes no more violations: what begins
/// again makes another one.
async fn resolve(
    transaction: &mut Transaction<'static, Sqlite>,
    judgement: &Judgement,
    sealed_micros: i64,
) -> Result<(), sqlx::Error> {
    if judgement.ended.is_empty() {
        return Ok(());
    }
    let settled: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT alert FROM violations WHERE control = ?1 AND source = ?2 AND ended_micros = ?3 \
         AND alert IS NOT NULL AND alert NOT IN (SELECT alert FROM violations \
         WHERE control = ?1 AND source = ?2 AND ended_micros IS NULL AND alert IS NOT NULL)",
    )
    .bind(&judgement.control)
    .bind(judgement.source.as_str())
    .bind(judgement.at_micros)
    .fetch_all(&mut **transaction)
    .await?;
    for alert in settled {
        sqlx::query(
            "UPDATE alerts SET status = 'RESOLVED', updated_micros = max(updated_micros, ?) \
             WHERE id = ? AND status IN ('OPEN', 'TRIAGED')",
        )
        .bind(sealed_micros)
        .bind(&alert)
        .execute(&mut **transaction)
        .await?;
        sqlx::query("DELETE FROM windows WHERE alert = ?").bind(&alert).execute(&mut **transaction).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uncia_model::BatchId;

    use super::*;
    use crate::{BatchCommit, CommitOutcome};

    fn judgement(at_micros: i64, verdict: Verdict, begun: &[&str], ended: &[&str], violations: u64) -> Judgement {
        let new = |resource: &&str| NewViolation {
            resource: (*resource).to_owned(),
            evidence: format!("{{\"name\":\"{resource}\"}}"),
            alert: Some(AlertId::from("a1")),
        };
        Judgement {
            control: "C".to_owned(),
            source: SourceId::from("prod"),
            at_micros,
            verdict,
            violations,
            begun: begun.iter().map(new).collect(),
            ended: ended.iter().map(|&resource| resource.to_owned()).collect(),
        }
    }

    #[tokio::test]
    async fn what_holds_and_since_when() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store.sqlite")).await.unwrap();
        let unknown = || Verdict::NotApplicable("no table".to_owned());
        let steps = [
            judgement(1, unknown(), &[], &[], 0),
            judgement(2, Verdict::Fail, &["A", "B"], &[], 2),
            judgement(3, Verdict::Error("syntax".to_owned()), &[], &[], 0),
            judgement(4, Verdict::Fail, &["D"], &["A"], 2),
            judgement(5, Verdict::Pass, &[], &["B", "D"], 0),
            judgement(6, Verdict::Fail, &["A"], &[], 1),
        ];
        for step in steps {
            let commit = BatchCommit {
                posture: vec![step.clone()],
                ..BatchCommit::new(BatchId::of(&["posture", &step.at_micros.to_string()]), step.at_micros)
            };
            assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
            if step.at_micros == 3 {
                let spans = store.findings().await.unwrap();
                assert_eq!((spans[0].status.as_str(), spans[0].problem.as_deref()), ("FAIL", Some("syntax")));
                assert_eq!((spans[0].began_micros, spans[0].checked_micros), (2, 2), "what was known stays");
            }
        }
        let spans = store.findings().await.unwrap();
        let spans: Vec<_> = spans.iter().map(|span| (&*span.status, span.began_micros, span.ended_micros)).collect();
        let expected = [("FAIL", 6, None), ("PASS", 5, Some(6)), ("FAIL", 2, Some(5)), ("NOT_APPLICABLE", 1, Some(2))];
        assert_eq!(spans, expected);
        let open = store.open_violations(&SourceId::from("prod")).await.unwrap();
        assert_eq!(open, BTreeMap::from([("C".to_owned(), BTreeSet::from(["A".to_owned()]))]));
        assert!(store.open_violations(&SourceId::from("other")).await.unwrap().is_empty());
        let ever = store.violations(false).await.unwrap();
        let ever: Vec<_> = ever.iter().map(|one| (&*one.resource, one.began_micros, one.ended_micros)).collect();
        assert_eq!(ever, [("A", 6, None), ("D", 4, Some(5)), ("A", 2, Some(4)), ("B", 2, Some(5))]);
        assert_eq!(store.violations(true).await.unwrap().len(), 1);
        let far = judgement(7 + KEPT_MICROS, Verdict::Fail, &[], &[], 1);
        let commit = BatchCommit { posture: vec![far], ..BatchCommit::new(BatchId::of(&["far"]), 1) };
        assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
        assert_eq!(store.findings().await.unwrap().len(), 1, "the far past is forgotten");
    }
}
