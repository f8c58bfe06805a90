//! `POST /api/v2/statements` and what follows it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use uuid::Uuid;

use super::answer;
use super::request::{self, Submission};
use crate::auth::{Principal, Refusal, bearer};
use crate::core::{Core, lock};
use crate::failure::SqlFailure;
use crate::faults::Fault;
use crate::jobs::{ExecutedStatement, Job, Outcome};
use crate::results::ResultSet;
use crate::script::apply::Session;
use crate::script::token::{Piece, split};
use crate::serve::Peer;

/// No body of the SQL API is larger.
const BODY_LIMIT: usize = 16 << 20;
const DEFAULT_TIMEOUT: u64 = 172_800;

/// Who asks, from where.
pub(crate) fn door(core: &Core, request: &Request, has_body: bool) -> Result<Principal, Refusal> {
    request::check_headers(request.headers(), has_body)?;
    bearer::authenticate(core, request.headers(), address(core, request))
}

/// Where the request comes from, or is said to come from.
pub(crate) fn address(core: &Core, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip());
    lock(&core.client_address).unwrap_or(peer)
}

fn expired() -> Refusal {
    Refusal::new(401, "390318", "OAuth access token expired.")
}

pub(crate) async fn submit(State(core): State<Arc<Core>>, request: Request) -> Response {
    let fault = lock(&core.faults).next_submit();
    match fault {
        Some(Fault::Throttle) => return answer::throttled(),
        Some(Fault::UnavailableBefore) => return answer::unavailable(),
        Some(Fault::CutBefore) => return answer::cut(),
        Some(Fault::TokenExpired) => return answer::refusal(&expired()),
        _ => {}
    }
    let principal = match door(&core, &request, true) {
        Ok(principal) => principal,
        Err(refusal) => return answer::refusal(&refusal),
    };
    let query = request::query_pairs(request.uri().query());
    let body = match to_bytes(request.into_body(), BODY_LIMIT).await {
        Ok(body) => body,
        Err(_) => return answer::refusal(&Refusal::new(413, "390400", "The body is too large.")),
    };
    let submission = match request::parse(&body) {
        Ok(submission) => submission,
        Err(refusal) => return answer::refusal(&refusal),
    };
    if query.get("nullable").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        return answer::refusal(&Refusal::new(
            400,
            "390400",
            "nullable=false is not played here: it turns NULL into a text.",
        ));
    }
    let request_id = query.get("requestId").cloned().unwrap_or_else(|| Uuid::new_v4().to_string());
    if Uuid::parse_str(&request_id).is_err() {
        return answer::refusal(&Refusal::new(400, "390400", "requestId is no UUID."));
    }
    let flag = |name: &str| query.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let (asynchronous, retry) = (flag("async"), flag("retry"));

    if retry {
        let known = lock(&core.jobs)
            .of_request(&request_id, core.now())
            .filter(|job| job.user == principal.user && job.outcome.succeeded())
            .cloned();
        if let Some(job) = known {
            return after(fault.as_ref(), respond(&core, &job.handle, asynchronous));
        }
    }
    let handle = run(&core, &principal, &submission, &request_id, fault.as_ref()).await;
    after(fault.as_ref(), respond(&core, &handle, asynchronous))
}

/// Faults that strike when the statement has run.
fn after(fault: Option<&Fault>, response: Response) -> Response {
    match fault {
        Some(Fault::UnavailableAfter) => answer::unavailable(),
        Some(Fault::CutAfter) => answer::cut(),
        _ => response,
    }
}

/// Runs a submission and files it; gives its handle.
async fn run(
    core: &Core,
    principal: &Principal,
    submission: &Submission,
    request_id: &str,
    fault: Option<&Fault>,
) -> String {
    let outcome = match outcome(core, principal, submission, request_id, fault).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome::Failed(failure),
    };
    let (takes, polls) = match fault {
        Some(Fault::Takes(takes)) => (*takes, 0),
        Some(Fault::Slow { polls }) => (Duration::ZERO, *polls),
        _ => (Duration::ZERO, 0),
    };
    file(core, &principal.user, request_id, outcome, takes, polls, fault == Some(&Fault::WrongRowCount))
}

fn file(
    core: &Core,
    user: &str,
    request_id: &str,
    outcome: Outcome,
    takes: Duration,
    polls: u32,
    wrong_count: bool,
) -> String {
    let now = core.now();
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let handle = new_handle();
    let ready = now.saturating_add(micros(takes));
    let job = Job {
        handle: handle.clone(),
        user: user.to_owned(),
        request: request_id.to_owned(),
        created: now,
        ready,
        polls,
        expires: ready.saturating_add(micros(core.config.retention)),
        outcome,
        wrong_count,
    };
    lock(&core.jobs).add(job, core.config.result_bytes, now);
    handle
}

fn new_handle() -> String {
    let id = Uuid::new_v4().to_string();
    format!("01b{}", &id[3..])
}

async fn outcome(
    core: &Core,
    principal: &Principal,
    submission: &Submission,
    request_id: &str,
    fault: Option<&Fault>,
) -> Result<Outcome, SqlFailure> {
    let session = core.session(principal, &submission.wanted);
    let mut session = match session {
        Ok(session) => session,
        Err(failure) => return Err(failure),
    };
    match fault {
        Some(Fault::Sql(failure)) => return Err(failure.clone()),
        Some(Fault::Timeout) => {
            let seconds = submission.timeout.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_TIMEOUT);
            return Ok(Outcome::TimedOut(SqlFailure::timed_out(seconds)));
        }
        Some(Fault::Takes(takes)) => {
            let limit = timeout(core, submission, &session);
            if takes.as_secs() >= limit {
                return Ok(Outcome::TimedOut(SqlFailure::timed_out(limit)));
            }
        }
        _ => {}
    }
    let pieces = split(&submission.sql)?;
    if pieces.is_empty() {
        return Err(SqlFailure::syntax("Empty SQL statement."));
    }
    if submission.statements != 0 && pieces.len() as u64 != submission.statements {
        return Err(SqlFailure::statement_count(pieces.len(), submission.statements));
    }
    if pieces.len() == 1 && submission.statements == 1 {
        refuse_session_changes(&pieces[0])?;
        let result = execute(core, &mut session, &pieces[0], submission, request_id).await?;
        return Ok(match fault {
            Some(Fault::TooLarge) => Outcome::TooLarge(result),
            _ => Outcome::Done(result),
        });
    }
    request::no_bindings(submission)?;
    let mut handles = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        let result = execute(core, &mut session, piece, submission, request_id).await?;
        let child = Uuid::new_v4().to_string();
        handles.push(file(core, &principal.user, &child, Outcome::Done(result), Duration::ZERO, 0, false));
    }
    Ok(Outcome::Many(handles))
}

/// Statements that change the session make no sense alone: the next request has a session of its own.
fn refuse_session_changes(piece: &Piece<'_>) -> Result<(), SqlFailure> {
    let word = crate::sql::engine::first_word(piece.text);
    let rest = piece.text[word.len()..].trim_start().to_uppercase();
    let changes = matches!(word.as_str(), "USE" | "BEGIN" | "COMMIT" | "ROLLBACK")
        || (word == "ALTER" && rest.starts_with("SESSION"));
    if changes { Err(SqlFailure::unsupported_statement(&word)) } else { Ok(()) }
}

fn timeout(core: &Core, submission: &Submission, session: &Session) -> u64 {
    let account = core.account();
    let of_warehouse = session.warehouse.as_ref().and_then(|name| account.warehouses.get(name)?.statement_timeout());
    let of_request = match submission.timeout {
        Some(0) => Some(604_800),
        given => given,
    };
    match (of_request, of_warehouse) {
        (Some(request), Some(warehouse)) => request.min(warehouse),
        (one, other) => one.or(other).unwrap_or(DEFAULT_TIMEOUT),
    }
}

async fn execute(
    core: &Core,
    session: &mut Session,
    piece: &Piece<'_>,
    submission: &Submission,
    request_id: &str,
) -> Result<Arc<ResultSet>, SqlFailure> {
    let answer = core.execute(session, piece, &submission.bindings).await;
    let (views, rows, error) = match &answer {
        Ok(answer) => (answer.views.clone(), answer.result.rows(), None),
        Err(failure) => (std::collections::BTreeMap::new(), 0, Some(failure.code.to_owned())),
    };
    lock(&core.jobs).count(ExecutedStatement {
        sql: piece.text.to_owned(),
        request_id: request_id.to_owned(),
        user: session.user.clone(),
        role: session.role.clone(),
        warehouse: session.warehouse.clone(),
        query_tag: submission.query_tag.clone(),
        at: core.now(),
        views,
        error,
        rows,
    });
    answer.map(|answer| Arc::new(answer.result))
}

/// What a filed statement answers to the submit itself.
fn respond(core: &Core, handle: &str, asynchronous: bool) -> Response {
    let now = core.now();
    let jobs = lock(&core.jobs);
    let Some(job) = jobs.get(handle, now) else { return answer::not_found(handle) };
    let limit = i64::try_from(core.config.sync_limit.as_micros()).unwrap_or(i64::MAX);
    // Waiting up to the limit costs the caller nothing here: the double's clock stands still meanwhile.
    let late = job.ready > now && job.ready - job.created > limit;
    if asynchronous || late || job.polls > 0 {
        return answer::running(202, job);
    }
    finished(job, 0)
}

fn finished(job: &Job, partition: usize) -> Response {
    match &job.outcome {
        Outcome::Failed(failure) => answer::failed(job, failure),
        Outcome::TimedOut(failure) => answer::timed_out(job, failure),
        Outcome::Many(handles) => answer::many(job, handles),
        Outcome::TooLarge(result) if partition == 0 => answer::result(job, result, true),
        Outcome::Done(result) if partition == 0 => answer::result(job, result, false),
        Outcome::Done(result) | Outcome::TooLarge(result) if partition < result.partitions.len() => {
            answer::partition(job, result, partition)
        }
        Outcome::Done(_) | Outcome::TooLarge(_) => {
            answer::refusal(&Refusal::new(400, "390400", "Bad request: there is no such partition."))
        }
    }
}

pub(crate) async fn fetch(State(core): State<Arc<Core>>, Path(handle): Path<String>, request: Request) -> Response {
    let fault = lock(&core.faults).next_get();
    match fault {
        Some(Fault::ThrottleGet) => return answer::throttled(),
        Some(Fault::UnavailableGet) => return answer::unavailable(),
        Some(Fault::CutGet) => return answer::cut(),
        Some(Fault::ExpireHandle) => lock(&core.jobs).forget(&handle),
        _ => {}
    }
    let principal = match door(&core, &request, false) {
        Ok(principal) => principal,
        Err(refusal) => return answer::refusal(&refusal),
    };
    let query = request::query_pairs(request.uri().query());
    let partition = match query.get("partition").map(|text| text.parse::<usize>()) {
        None => 0,
        Some(Ok(number)) => number,
        Some(Err(_)) => return answer::refusal(&Refusal::new(400, "390400", "Bad request: partition is no number.")),
    };
    let now = core.now();
    let mut jobs = lock(&core.jobs);
    let Some(job) = jobs.get_mut(&handle, now).filter(|job| job.user == principal.user) else {
        return answer::not_found(&handle);
    };
    if fault == Some(Fault::ThrottleGetRunning) {
        return answer::running(429, job);
    }
    if job.ready > now || job.polls > 0 {
        job.polls = job.polls.saturating_sub(1);
        return answer::running(202, job);
    }
    finished(job, partition)
}

pub(crate) async fn cancel(State(core): State<Arc<Core>>, Path(handle): Path<String>, request: Request) -> Response {
    let principal = match door(&core, &request, false) {
        Ok(principal) => principal,
        Err(refusal) => return answer::refusal(&refusal),
    };
    // A body is allowed and says nothing.
    let _: Body = request.into_body();
    let now = core.now();
    let mut jobs = lock(&core.jobs);
    let Some(job) = jobs.get_mut(&handle, now).filter(|job| job.user == principal.user) else {
        return answer::not_found(&handle);
    };
    if job.ready <= now && job.polls == 0 {
        return answer::not_running(job);
    }
    job.outcome = Outcome::Failed(SqlFailure::cancelled());
    job.ready = now;
    job.polls = 0;
    answer::cancelled(job)
}
