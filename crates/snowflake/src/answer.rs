//! A result, read partition by partition, each counted against what was announced.
//!
//! A few partitions are fetched ahead of the one that is read. A partition with more or fewer rows than announced is an error:
//! taking it would lose rows without anybody noticing.

use std::collections::VecDeque;
use std::fmt;

use tokio::task::JoinHandle;

use crate::decode::ColumnMeta;
use crate::wire::{MetaData, Rows};
use crate::{Client, Error};

/// The result of a statement.
pub struct Answer {
    /// Names the statement: in `QUERY_HISTORY`, for cancelling, for fetching.
    pub handle: String,
    pub columns: Vec<ColumnMeta>,
    /// Of all partitions together.
    pub rows: u64,
    /// Announced rows of each partition.
    pub partitions: Vec<u64>,
    client: Client,
    first: Option<Rows>,
    ahead: VecDeque<JoinHandle<Result<Rows, Error>>>,
    /// The partition that `next_rows` gives next, and the one to be fetched next.
    next: usize,
    fetched: usize,
}

impl Answer {
    pub(crate) fn of(client: Client, handle: String, meta: MetaData, first: Rows) -> Result<Self, Error> {
        let columns: Vec<ColumnMeta> = meta.row_type.into_iter().map(ColumnMeta::from).collect();
        let mut partitions: Vec<u64> = meta.partition_info.iter().map(|partition| partition.row_count).collect();
        if partitions.is_empty() {
            partitions.push(meta.num_rows);
        }
        let announced = partitions.iter().fold(0_u64, |sum, rows| sum.saturating_add(*rows));
        if announced != meta.num_rows {
            let place = "all partitions".to_owned();
            return Err(Error::Incomplete { handle, place, expected: meta.num_rows, found: announced });
        }
        Ok(Self {
            handle,
            columns,
            rows: meta.num_rows,
            partitions,
            client,
            first: Some(first),
            ahead: VecDeque::new(),
            next: 0,
            fetched: 1,
        })
    }

    /// The rows of the next partition; `None` after the last one. Cells are in the order of `columns`.
    pub async fn next_rows(&mut self) -> Result<Option<Rows>, Error> {
        let Some(&expected) = self.partitions.get(self.next) else { return Ok(None) };
        self.fetch_ahead();
        let rows = match self.first.take() {
            Some(rows) => rows,
            None => {
                // One by one in their order; dropping the answer drops what was fetched ahead.
                let Some(task) = self.ahead.front_mut() else { return Ok(None) };
                let rows = task.await.map_err(|error| self.client.protocol(format!("fetching failed: {error}")));
                self.ahead.pop_front();
                rows??
            }
        };
        let found = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let place = || format!("partition {} of {}", self.next, self.partitions.len());
        if found != expected {
            return Err(Error::Incomplete { handle: self.handle.clone(), place: place(), expected, found });
        }
        if let Some(row) = rows.iter().find(|row| row.len() != self.columns.len()) {
            let (announced, came) = (self.columns.len(), row.len());
            return Err(self
                .client
                .protocol(format!("a row of {} with {came} cells for {announced} columns", place())));
        }
        self.next += 1;
        Ok(Some(rows))
    }

    /// All rows, for results that are known to be small.
    pub async fn all_rows(mut self) -> Result<Rows, Error> {
        let mut all = Rows::new();
        while let Some(rows) = self.next_rows().await? {
            all.extend(rows);
        }
        Ok(all)
    }

    /// The place of a column. Columns are found by name, never by position.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    fn fetch_ahead(&mut self) {
        while self.fetched < self.partitions.len() && self.ahead.len() <= self.client.pace().ahead {
            let (client, handle, number) = (self.client.clone(), self.handle.clone(), self.fetched);
            self.ahead.push_back(tokio::spawn(async move { client.partition(&handle, number).await }));
            self.fetched += 1;
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        for task in &self.ahead {
            task.abort();
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} rows in {} partitions)", self.handle, self.rows, self.partitions.len())
    }
}
