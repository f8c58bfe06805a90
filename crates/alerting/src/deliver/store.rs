//! The store's outbox as the deliverer sees it.

use std::collections::HashMap;

use async_trait::async_trait;
use uncia_model::DestinationId;
use uncia_store::{Store, StoreError};

use super::{Attempt, AttemptResult, Due, Outbox, OutboxError};

/// Due rows read to find one destination's: destinations take turns in them, so each has its share.
const ROWS: u32 = 1_024;

#[async_trait]
impl Outbox for Store {
    async fn due(&self, destination: &DestinationId, now_micros: i64, limit: usize) -> Result<Vec<Due>, OutboxError> {
        let rows = self.due_deliveries(now_micros, ROWS).await.map_err(failed)?;
        let rows: Vec<_> = rows.into_iter().filter(|row| row.destination == *destination).take(limit).collect();
        let ids: Vec<_> = rows.iter().map(|row| row.alert.clone()).collect();
        let alerts = self.alerts_by_id(&ids).await.map_err(failed)?;
        let alerts: HashMap<_, _> = alerts.into_iter().map(|alert| (alert.id.clone(), alert)).collect();
        let due = rows.into_iter().filter_map(|row| {
            Some(Due {
                id: row.id,
                alert: alerts.get(&row.alert)?.clone(),
                destination: row.destination,
                attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
                created_micros: row.created_micros,
            })
        });
        Ok(due.collect())
    }

    async fn record(&self, id: i64, attempt: &Attempt) -> Result<(), OutboxError> {
        let at = attempt.at_micros;
        let recorded = match &attempt.result {
            AttemptResult::Delivered { .. } => self.delivery_succeeded(id, at).await,
            AttemptResult::Failed { next_micros, error } => {
                self.delivery_failed(id, at, next_micros.unwrap_or(at), error, next_micros.is_none()).await
            }
        };
        recorded.map_err(failed)
    }
}

fn failed(error: StoreError) -> OutboxError {
    OutboxError(Box::new(error))
}
