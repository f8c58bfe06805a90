//! Alarms: what is wrong right now, each with its one system alert.
//!
//! The row of an alarm and its alert are written in one transaction, so that a crash neither tells twice nor forgets. When
//! the trouble is over the row goes and the alert is resolved, unless a person has closed it before.

use sqlx::Row;
use uncia_model::{Alarm, AlarmKind, Alert, AlertId, AlertKind, AlertStatus, NewDelivery};

use crate::{Store, StoreError, alerts, outbox};

/// An alarm that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingAlarm {
    pub kind: AlarmKind,
    /// The source's id.
    pub subject: String,
    pub alert: AlertId,
    /// In microseconds since 1970.
    pub since_micros: i64,
}

impl Store {
    /// Raises an alarm with its alert, unless it has stood since `again_before_micros` or later. A standing alarm's alert
    /// gets the new description. Returns whether it was raised.
    pub async fn raise_alarm(
        &self,
        alarm: &Alarm,
        alert: &Alert,
        deliveries: &[NewDelivery],
        again_before_micros: i64,
    ) -> Result<bool, StoreError> {
        let action = "raise an alarm";
        let failed = self.failed(action);
        let mut transaction = self.write(action).await?;
        let standing = sqlx::query("SELECT alert, since_micros FROM alarms WHERE kind = ? AND subject = ?")
            .bind(alarm.kind.as_str())
            .bind(&alarm.subject)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        if let Some(row) = standing
            && row.try_get::<i64, _>(1).map_err(failed)? >= again_before_micros
        {
            sqlx::query("UPDATE alerts SET description = ?, updated_micros = ? WHERE id = ? AND description <> ?")
                .bind(&alarm.description)
                .bind(alert.updated_micros)
                .bind(row.try_get::<&str, _>(0).map_err(failed)?)
                .bind(&alarm.description)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
            transaction.commit().await.map_err(failed)?;
            return Ok(false);
        }
        alerts::write(&mut transaction, std::slice::from_ref(alert)).await.map_err(failed)?;
        outbox::write(&mut transaction, deliveries, alert.created_micros).await.map_err(failed)?;
        sqlx::query(
            "INSERT INTO alarms (kind, subject, alert, since_micros) VALUES (?, ?, ?, ?) \
             ON CONFLICT (kind, subject) DO UPDATE SET alert = excluded.alert, since_micros = excluded.since_micros",
        )
        .bind(alarm.kind.as_str())
        .bind(&alarm.subject)
        .bind(alert.id.as_str())
        .bind(alert.created_micros)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    /// Ends an alarm and resolves its alert; `None` if it does not stand.
    pub async fn clear_alarm(
        &self,
        kind: AlarmKind,
        subject: &str,
        now_micros: i64,
    ) -> Result<Option<AlertId>, StoreError> {
        let action = "clear an alarm";
        let failed = self.failed(action);
        // Most alarms do not stand; asking waits for no writer.
        if !self.alarms().await?.iter().any(|alarm| alarm.kind == kind && alarm.subject == subject) {
            return Ok(None);
        }
        let mut transaction = self.write(action).await?;
        let alert: Option<String> =
            sqlx::query_scalar("DELETE FROM alarms WHERE kind = ? AND subject = ? RETURNING alert")
                .bind(kind.as_str())
                .bind(subject)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed)?;
        let Some(alert) = alert else { return Ok(None) };
        sqlx::query("UPDATE alerts SET status = ?, updated_micros = ? WHERE id = ? AND kind = ? AND status IN (?, ?)")
            .bind(AlertStatus::Resolved.as_str())
            .bind(now_micros)
            .bind(&alert)
            .bind(AlertKind::SystemError.as_str())
            .bind(AlertStatus::Open.as_str())
            .bind(AlertStatus::Triaged.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(Some(AlertId::new(alert)))
    }

    /// All alarms that stand, oldest first.
    pub async fn alarms(&self) -> Result<Vec<StandingAlarm>, StoreError> {
        let action = "read the alarms";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows =
            sqlx::query("SELECT kind, subject, alert, since_micros FROM alarms ORDER BY since_micros, kind, subject")
                .fetch_all(&mut *snapshot)
                .await
                .map_err(failed)?;
        let alarm = |row: &sqlx::sqlite::SqliteRow| {
            let kind: &str = row.try_get(0).map_err(failed)?;
            let unreadable = || StoreError::Unreadable { table: "alarms", column: "kind", value: kind.to_owned() };
            Ok(StandingAlarm {
                kind: AlarmKind::parse(kind).ok_or_else(unreadable)?,
                subject: row.try_get(1).map_err(failed)?,
                alert: AlertId::new(row.try_get::<&str, _>(2).map_err(failed)?),
                since_micros: row.try_get(3).map_err(failed)?,
            })
        };
        rows.iter().map(alarm).collect()
    }
}
