//! What runs by the clock: correlation rules over stored signals, scheduled queries and the rules that judge their rows.
//!
//! ```text
//!  Schedule ─▶ due ─▶ lake.query ─▶ evaluate ─▶ rows, alerts ─▶ stage and commit, exactly once for each instant
//! ```
//!
//! A run is known by what ran and for which instant; its batch id is made of both, and the instant is noted in the same
//! transaction as what was found. So a crash runs it again and finds it either not done or done. Runs that were missed
//! are made up for by one, for the latest instant.

mod correlate;
mod query;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uncia_detection::{AnalysisType, Content, CorrelationRule, Logic, Schedule};
use uncia_document::Timestamp;
use uncia_lake::LakeError;
use uncia_model::{BatchId, DetectionId, SourceId};
use uncia_store::Progress;

use crate::summary::Summary;
use crate::walk::{Walk, WalkError};

/// The source that rows of what runs by the clock carry, and under which instants are noted.
const SOURCE: &str = "schedule";
/// How often schedules are looked at: they count in minutes.
const LOOK: Duration = Duration::from_secs(20);
const MINUTE: i64 = 60_000_000;

/// Everything that runs by the clock.
pub struct Scheduler {
    walk: Arc<Walk>,
    jobs: Mutex<Arc<[Job]>>,
}

struct Job {
    name: String,
    schedule: Schedule,
    work: Work,
}

enum Work {
    Correlation(Arc<CorrelationRule>),
    /// A statement, and the scheduled rules that judge its rows.
    Query {
        sql: String,
        rules: Vec<DetectionId>,
    },
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The correlation rule or the query.
    pub name: String,
    /// The instant it ran for.
    pub at: Timestamp,
    pub summary: Summary,
    /// It had run for this instant before; nothing was changed.
    pub before: bool,
    /// Why it could not be evaluated, which is also an error of its rules.
    pub problem: Option<String>,
}

impl Scheduler {
    /// The enabled correlation rules, and the enabled queries that some enabled rule judges.
    #[must_use]
    pub fn new(walk: Arc<Walk>, content: &Content) -> Self {
        Self { walk, jobs: Mutex::new(jobs(content)) }
    }

    /// Goes on with what other content says; runs that have begun end as they began.
    pub fn replace(&self, content: &Content) {
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = jobs(content);
    }

    fn current(&self) -> Arc<[Job]> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs what is due until the stop. `ran` hears of every run.
    pub async fn run(&self, stop: CancellationToken, ran: impl Fn(&Ran) + Send + Sync) {
        loop {
            self.run_due(&ran).await;
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Runs everything whose latest instant is not yet done. What stops one (a full disk, a lake that does not answer) is
    /// said, and it stays due.
    pub async fn run_due(&self, ran: &(impl Fn(&Ran) + Send + Sync)) {
        for job in self.current().iter() {
            match self.run_if_due(job).await {
                Ok(Some(run)) => ran(&run),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(detection.id = job.name, "a scheduled run stopped: {error}; it is tried again");
                }
            }
        }
    }

    async fn run_if_due(&self, job: &Job) -> Result<Option<Ran>, WalkError> {
        let now = self.walk.clock().now().micros.div_euclid(MINUTE);
        let Some(minute) = job.schedule.when.last_at(now) else { return Ok(None) };
        if self.done(&job.name).await?.is_some_and(|done| done >= minute) {
            return Ok(None);
        }
        self.run_job(job, minute).await.map(Some)
    }

    /// Runs a correlation rule, or a scheduled query by its own or one of its rules' names, for an instant of the
    /// caller's; `None` if nothing of that name runs by the clock.
    pub async fn run_one(&self, name: &str, at: Timestamp) -> Result<Option<Ran>, WalkError> {
        let named = |job: &Job| {
            let judged_by = |rules: &[DetectionId]| rules.iter().any(|rule| rule.as_str() == name);
            job.name == name || matches!(&job.work, Work::Query { rules, .. } if judged_by(rules))
        };
        match self.current().iter().find(|job| named(job)) {
            Some(job) => Ok(Some(self.run_job(job, at.micros.div_euclid(MINUTE)).await?)),
            None => Ok(None),
        }
    }

    /// What runs by the clock: names with the next instant.
    #[must_use]
    pub fn jobs(&self) -> Vec<(String, Option<Timestamp>)> {
        let now = self.walk.clock().now().micros.div_euclid(MINUTE);
        let next = |job: &Job| {
            let next = job.schedule.when.next_after(now).map(|minute| Timestamp::from_micros(minute * MINUTE));
            (job.name.clone(), next)
        };
        self.current().iter().map(next).collect()
    }

    async fn run_job(&self, job: &Job, minute: i64) -> Result<Ran, WalkError> {
        let at = Timestamp::from_micros(minute * MINUTE);
        let id = BatchId::of(&[SOURCE, &job.name, &minute.to_string()]);
        let mut ran = Ran { name: job.name.clone(), at, summary: Summary::default(), before: false, problem: None };
        if self.walk.store().is_committed(&id).await? {
            ran.before = true;
            return Ok(ran);
        }
        let generation = self.walk.generation();
        let engine = generation.detections.as_ref().map(|detections| &*detections.engine);
        let limit = Duration::from_secs(job.schedule.timeout_minutes.saturating_mul(60).max(60));
        let evaluated = match &job.work {
            Work::Correlation(rule) => {
                tokio::time::timeout(limit, correlate::evaluate(&self.walk, &job.name, rule, at)).await
            }
            Work::Query { sql, .. } => {
                tokio::time::timeout(limit, query::evaluate(&self.walk, engine, &job.name, sql, at)).await
            }
        };
        let evaluated = evaluated.unwrap_or_else(|_| {
            Err(LakeError::Sql(format!("it ran longer than {} minutes", job.schedule.timeout_minutes)))
        });
        let found = match evaluated {
            Ok(found) => found,
            // A log type that is known has no table before its first event: there is nothing to judge.
            Err(LakeError::NoTable { table, .. }) if self.walk.is_known(&table) => {
                tracing::debug!(detection.id = job.name, "nothing to judge: there are no events in {table} yet");
                query::nothing()
            }
            // The statement is at fault: the same again would fail again.
            Err(LakeError::Sql(problem) | LakeError::NoTable { message: problem, .. }) => {
                tracing::error!(detection.id = job.name, "cannot be evaluated: {problem}");
                let detections = match &job.work {
                    Work::Correlation(_) => vec![DetectionId::from(job.name.as_str())],
                    Work::Query { rules, .. } => rules.clone(),
                };
                ran.problem = Some(problem.clone());
                query::failed(&self.walk, &job.name, detections, &problem, at)
            }
            Err(error) => return Err(error.into()),
        };
        let done = Progress {
            source: SourceId::from(SOURCE),
            origin: job.name.clone(),
            records: u64::try_from(minute).unwrap_or_default(),
            complete: true,
        };
        // Only what the schedule asks for moves it on; a run at another time is beside it.
        let on_schedule = job.schedule.when.last_at(minute) == Some(minute)
            && self.done(&job.name).await?.is_none_or(|last| last < minute);
        ran.summary = self.walk.commit_found(id, found, &generation, on_schedule.then_some(done)).await?;
        Ok(ran)
    }

    /// The latest instant that is done, in minutes.
    async fn done(&self, name: &str) -> Result<Option<i64>, WalkError> {
        let progress = self.walk.store().progress(&SourceId::from(SOURCE), name).await?;
        Ok(progress.map(|progress| i64::try_from(progress.records).unwrap_or(i64::MAX)))
    }
}

/// Queries first, then correlation rules, those after the rules whose signals they read.
fn jobs(content: &Content) -> Arc<[Job]> {
    let mut jobs: Vec<Job> = Vec::new();
    for query in content.queries.iter().filter(|query| query.enabled) {
        let judges = |rule: &&uncia_detection::RuleSpec| {
            rule.enabled
                && rule.analysis_type == AnalysisType::ScheduledRule
                && rule.log_types.iter().any(|name| name.as_str() == query.id)
        };
        let rules: Vec<DetectionId> = content.rules.iter().filter(judges).map(|rule| rule.id.clone()).collect();
        if let (Some(schedule), false) = (query.schedule.clone(), rules.is_empty()) {
            let work = Work::Query { sql: query.sql.clone(), rules };
            jobs.push(Job { name: query.id.clone(), schedule, work });
        }
    }
    let mut waiting: Vec<(DetectionId, Arc<CorrelationRule>)> = Vec::new();
    for rule in content.rules.iter().filter(|rule| rule.enabled) {
        if let Logic::Correlation(correlation) = &rule.logic {
            waiting.push((rule.id.clone(), correlation.clone()));
        }
    }
    while !waiting.is_empty() {
        let left: HashSet<DetectionId> = waiting.iter().map(|(id, _)| id.clone()).collect();
        let is_ready = |(id, rule): &(DetectionId, Arc<CorrelationRule>)| {
            rule.members.iter().all(|member| member.rule == *id || !left.contains(&member.rule))
        };
        // Rules that wait for one another in a circle read each other's older signals.
        let place = waiting.iter().position(is_ready).unwrap_or(0);
        let (id, rule) = waiting.remove(place);
        let schedule = rule.schedule.clone();
        jobs.push(Job { name: id.to_string(), schedule, work: Work::Correlation(rule) });
    }
    jobs.into()
}
