//! Statements that were submitted: their results as long as they can be fetched, and the counts that tests ask for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::failure::SqlFailure;
use crate::results::ResultSet;

/// How many statements the log remembers in full.
const LOGGED: usize = 20_000;

/// A submitted statement.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) handle: String,
    pub(crate) user: String,
    pub(crate) request: String,
    pub(crate) created: i64,
    pub(crate) ready: i64,
    /// Polls that still see it running.
    pub(crate) polls: u32,
    pub(crate) expires: i64,
    pub(crate) outcome: Outcome,
    pub(crate) wrong_count: bool,
}

/// How a statement ended, or will.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Done(Arc<ResultSet>),
    Many(Vec<String>),
    Failed(SqlFailure),
    TimedOut(SqlFailure),
    TooLarge(Arc<ResultSet>),
}

impl Outcome {
    fn bytes(&self) -> usize {
        match self {
            Self::Done(result) | Self::TooLarge(result) => result.bytes(),
            _ => 0,
        }
    }

    pub(crate) fn succeeded(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Many(_))
    }
}

/// What is remembered of a statement that was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedStatement {
    pub sql: String,
    pub request_id: String,
    pub user: String,
    pub role: String,
    pub warehouse: Option<String>,
    pub query_tag: Option<String>,
    /// Micros of the double's clock.
    pub at: i64,
    /// The views it read, and how many of their rows were looked at.
    pub views: BTreeMap<String, usize>,
    /// The code of its failure, if it failed.
    pub error: Option<String>,
    pub rows: usize,
}

/// All statements.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    jobs: HashMap<String, Job>,
    order: VecDeque<String>,
    bytes: usize,
    /// The newest handle of each request id.
    by_request: HashMap<String, String>,
    executions: HashMap<String, u64>,
    pub(crate) log: VecDeque<ExecutedStatement>,
    pub(crate) executed: u64,
    /// Statements that read each view.
    pub(crate) by_view: BTreeMap<String, u64>,
    /// Rows that were looked at, all together, and rows that were given.
    pub(crate) scanned: u64,
    pub(crate) given: u64,
}

impl Jobs {
    pub(crate) fn add(&mut self, job: Job, keep_bytes: usize, now: i64) {
        while let Some(oldest) = self.order.front() {
            let gone = self.jobs.get(oldest).is_none_or(|old| old.expires <= now) || self.bytes > keep_bytes;
            if !gone {
                break;
            }
            let oldest = self.order.pop_front().expect("it was just looked at");
            if let Some(old) = self.jobs.remove(&oldest) {
                self.bytes -= old.outcome.bytes();
            }
        }
        self.bytes += job.outcome.bytes();
        self.order.push_back(job.handle.clone());
        self.by_request.insert(job.request.clone(), job.handle.clone());
        self.jobs.insert(job.handle.clone(), job);
    }

    pub(crate) fn count(&mut self, statement: ExecutedStatement) {
        *self.executions.entry(statement.request_id.clone()).or_insert(0) += 1;
        self.executed += 1;
        for (view, rows) in &statement.views {
            *self.by_view.entry(view.clone()).or_insert(0) += 1;
            self.scanned += *rows as u64;
        }
        self.given += statement.rows as u64;
        if self.log.len() == LOGGED {
            self.log.pop_front();
        }
        self.log.push_back(statement);
    }

    pub(crate) fn executions(&self, request: &str) -> u64 {
        self.executions.get(request).copied().unwrap_or(0)
    }

    pub(crate) fn most_executions(&self) -> u64 {
        self.executions.values().copied().max().unwrap_or(0)
    }

    pub(crate) fn of_request(&self, request: &str, now: i64) -> Option<&Job> {
        self.get(self.by_request.get(request)?, now)
    }

    pub(crate) fn get(&self, handle: &str, now: i64) -> Option<&Job> {
        self.jobs.get(handle).filter(|job| job.expires > now)
    }

    pub(crate) fn get_mut(&mut self, handle: &str, now: i64) -> Option<&mut Job> {
        self.jobs.get_mut(handle).filter(|job| job.expires > now)
    }

    pub(crate) fn forget(&mut self, handle: &str) {
        if let Some(job) = self.jobs.remove(handle) {
            self.bytes -= job.outcome.bytes();
        }
    }

    pub(crate) fn forget_all(&mut self) {
        self.jobs.clear();
        self.order.clear();
        self.bytes = 0;
    }
}
