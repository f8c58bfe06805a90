//! The outbox: deliveries are rows of the transaction that makes the alert, so none is forgotten.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use uncia_model::{AlertId, DestinationId, NewDelivery};

use crate::commit::ROWS_PER_STATEMENT;
use crate::{Store, StoreError, number};

const COLUMNS: &str =
    "id, alert, destination, state, attempts, created_micros, next_attempt_micros, last_attempt_micros, last_error";

/// An alert on its way to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The same on every attempt, so that a receiver can tell a repetition.
    pub id: i64,
    pub alert: AlertId,
    pub destination: DestinationId,
    pub state: DeliveryState,
    /// Attempts made, failed ones and the successful one.
    pub attempts: u64,
    pub created_micros: i64,
    pub next_attempt_micros: i64,
    pub last_attempt_micros: Option<i64>,
    pub last_error: Option<String>,
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    Pending,
    Delivered,
    GaveUp,
}

impl DeliveryState {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::GaveUp];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::GaveUp => "gave_up",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl Store {
    /// Pending deliveries whose time has come. Destinations take turns, so that a slow one's backlog does not hide the
    /// others' deliveries behind the limit.
    pub async fn due_deliveries(&self, now_micros: i64, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(COLUMNS).push(" FROM (SELECT ").push(COLUMNS);
        query.push(
            ", row_number() OVER (PARTITION BY destination ORDER BY next_attempt_micros, id) AS turn FROM deliveries \
             WHERE state = 'pending' AND next_attempt_micros <= ",
        );
        query.push_bind(now_micros).push(") AS due ORDER BY turn, next_attempt_micros, id LIMIT ");
        query.push_bind(i64::from(limit));
        self.collect_deliveries(query, "read due deliveries").await
    }

    /// The deliveries of an alert, oldest first.
    pub async fn deliveries_of(&self, alert: &AlertId) -> Result<Vec<Delivery>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(COLUMNS).push(" FROM deliveries WHERE alert = ").push_bind(alert.as_str().to_owned());
        query.push(" ORDER BY id");
        self.collect_deliveries(query, "read an alert's deliveries").await
    }

    /// Deliveries of one state, or all, newest first.
    pub async fn deliveries(&self, state: Option<DeliveryState>, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(COLUMNS).push(" FROM deliveries");
        if let Some(state) = state {
            query.push(" WHERE state = ").push_bind(state.as_str());
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(limit));
        self.collect_deliveries(query, "list deliveries").await
    }

    /// The earliest time at which a pending delivery is due.
    pub async fn next_due_micros(&self) -> Result<Option<i64>, StoreError> {
        let action = "read the next due delivery";
        let mut snapshot = self.read(action).await?;
        sqlx::query_scalar("SELECT min(next_attempt_micros) FROM deliveries WHERE state = 'pending'")
            .fetch_one(&mut *snapshot)
            .await
            .map_err(self.failed(action))
    }

    /// Notes that the destination took the alert.
    pub async fn delivery_succeeded(&self, id: i64, now_micros: i64) -> Result<(), StoreError> {
        let action = "note a delivery";
        let mut transaction = self.write(action).await?;
        sqlx::query(
            "UPDATE deliveries SET state = 'delivered', attempts = attempts + 1, last_attempt_micros = ?, \
             last_error = NULL WHERE id = ? AND state = 'pending'",
        )
        .bind(now_micros)
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(action))?;
        transaction.commit().await.map_err(self.failed(action))
    }

    /// Notes a failed attempt: when to try again, or that it is given up.
    pub async fn delivery_failed(
        &self,
        id: i64,
        now_micros: i64,
        next_attempt_micros: i64,
        error: &str,
        give_up: bool,
    ) -> Result<(), StoreError> {
        let action = "note a failed delivery";
        let state = if give_up { DeliveryState::GaveUp } else { DeliveryState::Pending };
        let mut transaction = self.write(action).await?;
        sqlx::query(
            "UPDATE deliveries SET state = ?, attempts = attempts + 1, last_attempt_micros = ?, \
             next_attempt_micros = ?, last_error = ? WHERE id = ? AND state = 'pending'",
        )
        .bind(state.as_str())
        .bind(now_micros)
        .bind(next_attempt_micros)
        .bind(error)
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(action))?;
        transaction.commit().await.map_err(self.failed(action))
    }

    async fn collect_deliveries(
        &self,
        mut query: QueryBuilder<Sqlite>,
        action: &'static str,
    ) -> Result<Vec<Delivery>, StoreError> {
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows = query.build().fetch_all(&mut *snapshot).await.map_err(failed)?;
        rows.iter().map(|row| read(row, failed)).collect()
    }
}

fn read(row: &SqliteRow, failed: impl Fn(sqlx::Error) -> StoreError + Copy) -> Result<Delivery, StoreError> {
    let state: &str = row.try_get(3).map_err(failed)?;
    let unreadable = || StoreError::Unreadable { table: "deliveries", column: "state", value: state.to_owned() };
    Ok(Delivery {
        id: row.try_get(0).map_err(failed)?,
        alert: AlertId::new(row.try_get::<&str, _>(1).map_err(failed)?),
        destination: DestinationId::new(row.try_get::<&str, _>(2).map_err(failed)?),
        state: DeliveryState::parse(state).ok_or_else(unreadable)?,
        attempts: number::from_sql(row.try_get(4).map_err(failed)?),
        created_micros: row.try_get(5).map_err(failed)?,
        next_attempt_micros: row.try_get(6).map_err(failed)?,
        last_attempt_micros: row.try_get(7).map_err(failed)?,
        last_error: row.try_get(8).map_err(failed)?,
    })
}

/// New deliveries are due at once, whatever the clock says: a clock that was set back must not hold an alert up.
pub(crate) async fn write(
    transaction: &mut Transaction<'static, Sqlite>,
    deliveries: &[NewDelivery],
    sealed_micros: i64,
) -> Result<(), sqlx::Error> {
    for chunk in deliveries.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO deliveries (alert, destination, state, attempts, created_micros, next_attempt_micros) ",
        );
        query.push_values(chunk, |mut row, delivery| {
            row.push_bind(delivery.alert.as_str())
                .push_bind(delivery.destination.as_str())
                .push_bind(DeliveryState::Pending.as_str())
                .push_bind(0_i64)
                .push_bind(sealed_micros)
                .push_bind(0_i64);
        });
        query.push(" ON CONFLICT (alert, destination) DO NOTHING");
        query.build().execute(&mut **transaction).await?;
    }
    Ok(())
}
