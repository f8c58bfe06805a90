//! Alerts: listed, looked at, triaged.

use std::collections::{BTreeMap, HashMap};

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use uncia_model::{Alert, AlertId, AlertKind, AlertStatus, DetectionId, LogType, Severity};

use crate::commit::ROWS_PER_STATEMENT;
use crate::{Store, StoreError, number};

const COLUMNS: &str = "id, kind, detection, title, dedup, severity, status, description, reference, runbook, context, \
                       event_count, threshold, visible, created_micros, updated_micros";

/// Which alerts to list. Empty lists and `None` do not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertFilter {
    pub statuses: Vec<AlertStatus>,
    pub severities: Vec<Severity>,
    pub kinds: Vec<AlertKind>,
    pub detections: Vec<DetectionId>,
    /// Alerts with at least one of these log types.
    pub log_types: Vec<LogType>,
    /// Created at or after, in microseconds since 1970.
    pub created_from_micros: Option<i64>,
    /// Created before, in microseconds since 1970.
    pub created_before_micros: Option<i64>,
    /// Also alerts whose threshold is not reached yet.
    pub hidden_too: bool,
    /// At most so many; `None` for all.
    pub limit: Option<u32>,
    /// Goes on behind the last alert of the former page.
    pub after: Option<AlertPage>,
}

/// Where a page of alerts ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPage {
    pub created_micros: i64,
    pub id: AlertId,
}

impl From<&Alert> for AlertPage {
    fn from(last: &Alert) -> Self {
        Self { created_micros: last.created_micros, id: last.id.clone() }
    }
}

impl Store {
    /// Alerts that pass the filter, newest first.
    pub async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<Alert>, StoreError> {
        let action = "list alerts";
        let mut query = select_alerts();
        push_filter(&mut query, filter);
        query.push(" ORDER BY created_micros DESC, id DESC");
        if let Some(limit) = filter.limit {
            query.push(" LIMIT ").push_bind(i64::from(limit));
        }
        let mut snapshot = self.read(action).await?;
        self.collect(&mut snapshot, query, action).await
    }

    /// One alert, also one whose threshold is not reached yet.
    pub async fn alert(&self, id: &AlertId) -> Result<Option<Alert>, StoreError> {
        Ok(self.alerts_by_id(std::slice::from_ref(id)).await?.pop())
    }

    /// Those of the alerts that exist, visible or not, in no order.
    pub async fn alerts_by_id(&self, ids: &[AlertId]) -> Result<Vec<Alert>, StoreError> {
        let action = "read alerts";
        let mut found = Vec::with_capacity(ids.len());
        let mut snapshot = self.read(action).await?;
        for chunk in ids.chunks(ROWS_PER_STATEMENT) {
            let mut query = select_alerts();
            push_any(&mut query, " WHERE id IN (", chunk.iter().map(AlertId::as_str));
            found.extend(self.collect(&mut snapshot, query, action).await?);
        }
        Ok(found)
    }

    /// How many alerts pass the filter (its limit and page aside), by severity.
    pub async fn count_alerts(&self, filter: &AlertFilter) -> Result<BTreeMap<Severity, u64>, StoreError> {
        let action = "count alerts";
        let failed = self.failed(action);
        let filter = AlertFilter { after: None, ..filter.clone() };
        let mut query = QueryBuilder::<Sqlite>::new("SELECT severity, count(*) FROM alerts");
        push_filter(&mut query, &filter);
        query.push(" GROUP BY severity");
        let mut snapshot = self.read(action).await?;
        let mut counts = BTreeMap::new();
        for row in query.build().fetch_all(&mut *snapshot).await.map_err(failed)? {
            let severity = known("severity", row.try_get(0).map_err(failed)?, Severity::parse)?;
            counts.insert(severity, number::from_sql(row.try_get(1).map_err(failed)?));
        }
        Ok(counts)
    }

    /// Sets the status of the alerts; returns how many of them exist.
    pub async fn set_alert_status(
        &self,
        ids: &[AlertId],
        status: AlertStatus,
        now_micros: i64,
    ) -> Result<u64, StoreError> {
        let action = "set the status of alerts";
        let mut changed = 0;
        let mut transaction = self.write(action).await?;
        for id in ids {
            let done = sqlx::query(
                "UPDATE alerts SET status = ?, updated_micros = \
                 CASE WHEN updated_micros < ? THEN ? ELSE updated_micros END WHERE id = ?",
            )
            .bind(status.as_str())
            .bind(now_micros)
            .bind(now_micros)
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(action))?;
            changed += done.rows_affected();
        }
        transaction.commit().await.map_err(self.failed(action))?;
        Ok(changed)
    }

    async fn collect(
        &self,
        snapshot: &mut Transaction<'static, Sqlite>,
        mut query: QueryBuilder<Sqlite>,
        action: &'static str,
    ) -> Result<Vec<Alert>, StoreError> {
        let failed = self.failed(action);
        let rows = query.build().fetch_all(&mut **snapshot).await.map_err(failed)?;
        let mut alerts = Vec::with_capacity(rows.len());
        for row in &rows {
            alerts.push(read(row, failed)?);
        }
        let mut places: HashMap<String, usize> = HashMap::with_capacity(alerts.len());
        for (place, alert) in alerts.iter().enumerate() {
            places.insert(alert.id.as_str().to_owned(), place);
        }
        let ids: Vec<String> = places.keys().cloned().collect();
        for chunk in ids.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT alert, log_type FROM alert_log_types");
            push_any(&mut query, " WHERE alert IN (", chunk.iter().map(String::as_str));
            query.push(" ORDER BY log_type");
            for row in query.build().fetch_all(&mut **snapshot).await.map_err(failed)? {
                let id: &str = row.try_get(0).map_err(failed)?;
                let log_type: &str = row.try_get(1).map_err(failed)?;
                let Some(place) = places.get(id) else { continue };
                alerts[*place].log_types.push(LogType::new(log_type));
            }
        }
        Ok(alerts)
    }
}

fn select_alerts() -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query.push(COLUMNS).push(" FROM alerts");
    query
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &AlertFilter) {
    query.push(if filter.hidden_too { " WHERE 1 = 1" } else { " WHERE visible" });
    push_any(query, " AND status IN (", filter.statuses.iter().map(|status| status.as_str()));
    push_any(query, " AND severity IN (", filter.severities.iter().map(|severity| severity.as_str()));
    push_any(query, " AND kind IN (", filter.kinds.iter().map(|kind| kind.as_str()));
    push_any(query, " AND detection IN (", filter.detections.iter().map(DetectionId::as_str));
    if !filter.log_types.is_empty() {
        query.push(" AND id IN (SELECT alert FROM alert_log_types WHERE 1 = 1");
        push_any(query, " AND log_type IN (", filter.log_types.iter().map(LogType::as_str));
        query.push(")");
    }
    if let Some(from) = filter.created_from_micros {
        query.push(" AND created_micros >= ").push_bind(from);
    }
    if let Some(before) = filter.created_before_micros {
        query.push(" AND created_micros < ").push_bind(before);
    }
    if let Some(page) = &filter.after {
        query.push(" AND (created_micros, id) < (").push_bind(page.created_micros);
        query.push(", ").push_bind(page.id.as_str().to_owned()).push(")");
    }
}

fn push_any<'a>(query: &mut QueryBuilder<Sqlite>, start: &'static str, values: impl Iterator<Item = &'a str>) {
    let mut separator = start;
    for value in values {
        query.push(separator).push_bind(value.to_owned());
        separator = ", ";
    }
    if separator == ", " {
        query.push(")");
    }
}

fn read(row: &SqliteRow, failed: impl Fn(sqlx::Error) -> StoreError + Copy) -> Result<Alert, StoreError> {
    let text = |column: usize| row.try_get::<String, _>(column).map_err(failed);
    let count = |column: usize| row.try_get::<i64, _>(column).map(number::from_sql).map_err(failed);
    Ok(Alert {
        id: text(0)?.into(),
        kind: known("kind", &text(1)?, AlertKind::parse)?,
        detection: text(2)?.into(),
        title: text(3)?,
        dedup: text(4)?,
        severity: known("severity", &text(5)?, Severity::parse)?,
        status: known("status", &text(6)?, AlertStatus::parse)?,
        description: text(7)?,
        reference: text(8)?,
        runbook: text(9)?,
        context: row.try_get(10).map_err(failed)?,
        log_types: Vec::new(),
        event_count: count(11)?,
        threshold: count(12)?,
        visible: row.try_get(13).map_err(failed)?,
        created_micros: row.try_get(14).map_err(failed)?,
        updated_micros: row.try_get(15).map_err(failed)?,
    })
}

fn known<T>(column: &'static str, value: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    parse(value).ok_or_else(|| StoreError::Unreadable { table: "alerts", column, value: value.to_owned() })
}

/// Writes alerts over those of the same id. The status stays: between reading and committing, a user may have set it.
/// Log types are added to those already there.
pub(crate) async fn write(transaction: &mut Transaction<'static, Sqlite>, alerts: &[Alert]) -> Result<(), sqlx::Error> {
    for chunk in alerts.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO alerts (");
        query.push(COLUMNS).push(") ");
        query.push_values(chunk, |mut row, alert| {
            row.push_bind(alert.id.as_str())
                .push_bind(alert.kind.as_str())
                .push_bind(alert.detection.as_str())
                .push_bind(&alert.title)
                .push_bind(&alert.dedup)
                .push_bind(alert.severity.as_str())
                .push_bind(alert.status.as_str())
                .push_bind(&alert.description)
                .push_bind(&alert.reference)
                .push_bind(&alert.runbook)
                .push_bind(&alert.context)
                .push_bind(number::to_sql(alert.event_count))
                .push_bind(number::to_sql(alert.threshold))
                .push_bind(alert.visible)
                .push_bind(alert.created_micros)
                .push_bind(alert.updated_micros);
        });
        query.push(
            " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, detection = excluded.detection, \
             title = excluded.title, dedup = excluded.dedup, severity = excluded.severity, \
             description = excluded.description, reference = excluded.reference, runbook = excluded.runbook, \
             context = excluded.context, event_count = excluded.event_count, threshold = excluded.threshold, \
             visible = excluded.visible, created_micros = excluded.created_micros, \
             updated_micros = excluded.updated_micros",
        );
        query.build().execute(&mut **transaction).await?;
    }
    let log_types: Vec<(&str, &str)> = alerts
        .iter()
        .flat_map(|alert| alert.log_types.iter().map(|log_type| (alert.id.as_str(), log_type.as_str())))
        .collect();
    for chunk in log_types.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO alert_log_types (alert, log_type) ");
        query.push_values(chunk, |mut row, (alert, log_type)| {
            row.push_bind(*alert).push_bind(*log_type);
        });
        query.push(" ON CONFLICT DO NOTHING");
        query.build().execute(&mut **transaction).await?;
    }
    Ok(())
}
