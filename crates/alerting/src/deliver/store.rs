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

#[cfg(test)]
mod tests {
    use uncia_model::{BatchId, NewDelivery};
    use uncia_store::{BatchCommit, CommitOutcome, DeliveryState};

    use super::*;
    use crate::deliver::tests::alert;

    #[tokio::test]
    async fn from_the_transaction_to_the_last_try() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let alert = alert("a1");
        let to = |destination: &str| NewDelivery { alert: alert.id.clone(), destination: destination.into() };
        let mut commit = BatchCommit::new(BatchId::of(&["batch"]), 5);
        commit.alerts = vec![alert.clone()];
        commit.deliveries = vec![to("soc"), to("pager")];
        let outcome = store.commit(&commit).await.unwrap();
        assert_eq!(outcome, CommitOutcome::Committed);

        let outbox: &dyn Outbox = &store;
        let due = outbox.due(&"soc".into(), 10, 8).await.unwrap();
        assert_eq!((due.len(), due[0].attempts, due[0].created_micros), (1, 0, 5));
        assert_eq!(due[0].alert, alert);
        let failed = |next_micros| AttemptResult::Failed { next_micros, error: "down".to_owned() };
        let attempt = Attempt { at_micros: 10, result: failed(Some(20)) };
        outbox.record(due[0].id, &attempt).await.unwrap();
        assert_eq!(outbox.due(&"soc".into(), 19, 8).await.unwrap(), []);
        assert_eq!(outbox.due(&"soc".into(), 20, 8).await.unwrap()[0].attempts, 1);
        assert_eq!(outbox.due(&"pager".into(), 20, 8).await.unwrap().len(), 1);

        outbox.record(due[0].id, &Attempt { at_micros: 20, result: failed(None) }).await.unwrap();
        let pager = outbox.due(&"pager".into(), 20, 8).await.unwrap().remove(0);
        let told = AttemptResult::Delivered { answer: "200".to_owned() };
        outbox.record(pager.id, &Attempt { at_micros: 20, result: told }).await.unwrap();
        let states = store.deliveries_of(&alert.id).await.unwrap();
        let states: Vec<_> = states.iter().map(|row| (row.destination.as_str(), row.state)).collect();
        assert_eq!(states, [("soc", DeliveryState::GaveUp), ("pager", DeliveryState::Delivered)]);
    }
}
