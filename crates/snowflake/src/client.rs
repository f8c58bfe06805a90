//! The SQL API: submitting, waiting, fetching, cancelling.
//!
//! ```text
//! submit ─200─▶ answer        same requestId with retry=true after 429, 5xx and broken connections:
//!    └─202─▶ poll ─200─▶      Snowflake does not run it twice then
//! ```
//!
//! Each call asks the token source anew, so a token that ends in the middle of a long result is replaced between two
//! partitions. The `Date` of every answer corrects our clock for the tokens' sake.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use tokio::time::Instant;
use tracing::{debug, warn};
use uncia_document::Timestamp;
use uncia_model::Clock;
use uuid::Uuid;

use crate::auth::{Token, TokenSource};
use crate::error::{Asked, Refusal, quoted, sort};
use crate::wire::{Answered, RESULT_TOO_LARGE, RUNNING, Rows, answered, gunzip, partition};
use crate::{Answer, Connection, Error, Statement};

/// Difference between the clocks from which on it is corrected.
const SKEW_TO_CORRECT: i64 = 30 * 1_000_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("uncia/", env!("CARGO_PKG_VERSION"));

/// A client of one account and one credential. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    base: Url,
    http: reqwest::Client,
    tokens: Arc<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    /// Microseconds that Snowflake's clock is ahead of ours.
    skew: AtomicI64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}, {})", self.inner.base, self.inner.tokens.identity())
    }
}

/// One request, which may be sent several times.
struct Call<'a> {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    /// The statement whose names explain a refusal.
    statement: Option<&'a Statement>,
    handle: Option<&'a str>,
    /// Whether a repeated one must say so, lest the statement run twice.
    submits: bool,
    /// Whether "still running" is an answer; a partition is there or is asked for again.
    waits: bool,
}

struct Reply {
    status: u16,
    body: Vec<u8>,
    retry_after: Option<Duration>,
    token: Token,
}

enum Sent {
    Reply(Reply),
    /// Nobody knows whether it arrived.
    Broken(String),
}

impl Client {
    pub fn new(connection: Connection, tokens: Arc<dyn TokenSource>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let base = connection.base()?;
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(connection.pace.silence)
            // A redirected request would carry the token to whoever is named there.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Credential { detail: format!("no https here: {}", chain(&error)) })?;
        let inner = Inner { connection, base, http, tokens, clock, skew: AtomicI64::new(0) };
        Ok(Self { inner: Arc::new(inner) })
    }

    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    #[must_use]
    pub fn tokens(&self) -> &Arc<dyn TokenSource> {
        &self.inner.tokens
    }

    /// How far Snowflake's clock is ahead of ours, as far as answers have told.
    #[must_use]
    pub fn skew_micros(&self) -> i64 {
        self.inner.skew.load(Ordering::Relaxed)
    }

    /// Runs a statement and waits for its result. A caller that goes away in the meantime cancels it.
    pub async fn execute(&self, statement: &Statement) -> Result<Answer, Error> {
        let until = Instant::now() + statement.timeout + self.pace().grace;
        let submit = Call {
            method: Method::POST,
            path: "api/v2/statements".to_owned(),
            query: vec![("requestId", Uuid::new_v4().to_string()), ("nullable", "true".to_owned())],
            body: Some(statement.body()),
            statement: Some(statement),
            handle: None,
            submits: true,
            waits: true,
        };
        let mut reply = self.exchange(&submit, until).await?;
        let mut poll = self.pace().first_poll;
        let mut running = CancelOnDrop { client: self.clone(), handle: None };
        loop {
            let answer = self.understand(&reply, Some(statement))?;
            if !is_running(&reply, &answer) {
                running.handle = None;
                return self.answer(answer);
            }
            let handle = self.checked_handle(&answer.statement_handle)?.to_owned();
            if Instant::now() >= until {
                return Err(Error::Timeout { handle, said: "still running".to_owned() });
            }
            running.handle = Some(handle.clone());
            tokio::time::sleep(poll).await;
            poll = self.pace().next_poll(poll);
            let status = Call {
                method: Method::GET,
                path: format!("api/v2/statements/{handle}"),
                query: vec![("requestId", Uuid::new_v4().to_string())],
                body: None,
                statement: Some(statement),
                handle: Some(&handle),
                submits: false,
                waits: true,
            };
            reply = self.exchange(&status, until).await?;
        }
    }

    /// Stops a statement. That it has ended already is no error.
    pub async fn cancel(&self, handle: &str) -> Result<(), Error> {
        let handle = self.checked_handle(handle)?;
        let until = Instant::now() + self.pace().grace;
        let call = Call {
            method: Method::POST,
            path: format!("api/v2/statements/{handle}/cancel"),
            query: vec![("requestId", Uuid::new_v4().to_string())],
            body: Some(b"{}".to_vec()),
            statement: None,
            handle: Some(handle),
            submits: false,
            waits: true,
        };
        let reply = self.exchange(&call, until).await?;
        match reply.status {
            200 | 202 | 422 => Ok(()),
            _ => self.understand(&reply, None).map(|_| ()),
        }
    }

    /// Rows of one partition, from 1 on; the first came with the answer.
    pub(crate) async fn partition(&self, handle: &str, number: usize) -> Result<Rows, Error> {
        let until = Instant::now() + self.pace().grace + self.pace().silence;
        let call = Call {
            method: Method::GET,
            path: format!("api/v2/statements/{handle}"),
            query: vec![("partition", number.to_string()), ("requestId", Uuid::new_v4().to_string())],
            body: None,
            statement: None,
            handle: Some(handle),
            submits: false,
            waits: false,
        };
        let reply = self.exchange(&call, until).await?;
        if reply.status == 200 {
            return partition(&reply.body).map_err(|detail| self.protocol(detail));
        }
        let answer = self.understand(&reply, None)?;
        Err(self.protocol(format!("status {} with code {} in place of partition {number}", reply.status, answer.code)))
    }

    pub(crate) fn pace(&self) -> &crate::Pace {
        &self.inner.connection.pace
    }

    fn answer(&self, answer: Answered) -> Result<Answer, Error> {
        let handle = self.checked_handle(&answer.statement_handle)?.to_owned();
        let meta = answer.result_set_meta_data.ok_or_else(|| self.protocol("a result without resultSetMetaData"))?;
        Answer::of(self.clone(), handle, meta, answer.data.unwrap_or_default())
    }

    /// The body of an answer; a failure in it becomes an error.
    fn understand(&self, reply: &Reply, statement: Option<&Statement>) -> Result<Answered, Error> {
        let answer = match answered(&reply.body) {
            Ok(answer) => answer,
            Err(detail) if reply.status == 200 => return Err(self.protocol(detail)),
            // A proxy's page, or nothing at all: the status has to do.
            Err(_) => Answered { message: text_of(&reply.body), ..Answered::default() },
        };
        if reply.status == 200 && answer.code == RESULT_TOO_LARGE {
            return Err(Error::TooLarge { handle: answer.statement_handle });
        }
        if matches!(reply.status, 200 | 202) || is_running(reply, &answer) {
            return Ok(answer);
        }
        let refusal = Refusal {
            status: reply.status,
            code: answer.code,
            state: answer.sql_state,
            said: quoted(&answer.message, reply.token.value.expose()),
            handle: answer.statement_handle,
        };
        Err(sort(refusal, &self.asked(statement)))
    }

    /// Sends until there is an answer that means something, waiting longer each time.
    async fn exchange(&self, call: &Call<'_>, until: Instant) -> Result<Reply, Error> {
        let pace = *self.pace();
        let mut attempt = 0;
        let mut renewed = false;
        let mut sent_before = false;
        loop {
            attempt += 1;
            let token = self.inner.tokens.token(self.now()).await?;
            let sent = self.send(call, sent_before, token).await?;
            sent_before = true;
            let (failure, wait) = match sent {
                Sent::Broken(detail) => (Error::Unreachable { host: self.host(), detail }, None),
                Sent::Reply(reply) => match reply.status {
                    202 if !call.waits => (Error::Throttled { attempts: attempt }, None),
                    200 | 202 | 408 | 422 => return Ok(reply),
                    401 if !renewed && self.inner.tokens.refused(&reply.token).await => {
                        // Once, and at once: the token had ended, or its clock was wrong.
                        renewed = true;
                        attempt -= 1;
                        continue;
                    }
                    429 if call.waits && is_running(&reply, &answered(&reply.body).unwrap_or_default()) => {
                        return Ok(reply);
                    }
                    429 => (Error::Throttled { attempts: attempt }, reply.retry_after),
                    status @ 500..=599 => {
                        let said = answered(&reply.body).map_or_else(|_| text_of(&reply.body), |answer| answer.message);
                        let said = quoted(&said, reply.token.value.expose());
                        (Error::Unavailable { status, attempts: attempt, said }, reply.retry_after)
                    }
                    404 if call.handle.is_some() => {
                        let handle = call.handle.unwrap_or_default().to_owned();
                        return Err(Error::Expired { handle });
                    }
                    _ => return Err(self.refused(&reply, call.statement)),
                },
            };
            let wait = wait.map_or_else(|| pace.retry(attempt), |asked| asked.min(pace.longest_retry));
            if attempt >= pace.attempts || Instant::now() + wait >= until {
                return Err(failure);
            }
            debug!(attempt, wait_ms = wait.as_millis(), "asking snowflake again: {failure}");
            tokio::time::sleep(wait).await;
        }
    }

    fn refused(&self, reply: &Reply, statement: Option<&Statement>) -> Error {
        match self.understand(reply, statement) {
            Err(error) => error,
            Ok(answer) => self.protocol(format!("status {} with code {}", reply.status, answer.code)),
        }
    }

    async fn send(&self, call: &Call<'_>, again: bool, token: Token) -> Result<Sent, Error> {
        let mut url = self.inner.base.clone();
        let path = format!("{}/{}", url.path().trim_end_matches('/'), call.path);
        url.set_path(&path);
        for (key, value) in &call.query {
            url.query_pairs_mut().append_pair(key, value);
        }
        if again && call.submits {
            url.query_pairs_mut().append_pair("retry", "true");
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.value.expose())).map_err(|_| {
            Error::Credential { detail: format!("the {} holds characters that no token has", token.kind) }
        })?;
        bearer.set_sensitive(true);
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), url)
            .header(header::AUTHORIZATION, bearer)
            .header("X-Snowflake-Authorization-Token-Type", token.kind.header())
            .header(header::ACCEPT, "application/json")
            .header(header::ACCEPT_ENCODING, "gzip")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Sent::Broken(chain(&error.without_url()))),
        };
        self.hear_the_time(response.headers());
        let status = response.status().as_u16();
        let retry_after = seconds_of(response.headers());
        let zipped = response.headers().get(header::CONTENT_ENCODING).is_some_and(|value| value == "gzip");
        let limit = self.pace().body_limit;
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
                Ok(Some(_)) => return Err(self.protocol(format!("more than {limit} bytes"))),
                Ok(None) => break,
                Err(error) => return Ok(Sent::Broken(chain(&error.without_url()))),
            }
        }
        // Some partitions come packed without a word in their headers.
        if zipped || body.starts_with(&[0x1f, 0x8b]) {
            body = match gunzip(&body, limit) {
                Ok(body) => body,
                Err(detail) => return Ok(Sent::Broken(detail)),
            };
        }
        Ok(Sent::Reply(Reply { status, body, retry_after, token }))
    }

    /// Our clock, set right by what the last answers' dates told.
    fn now(&self) -> Timestamp {
        let now = self.inner.clock.now();
        Timestamp::from_micros(now.micros.saturating_add(self.skew_micros()))
    }

    fn hear_the_time(&self, headers: &HeaderMap) {
        let date = headers.get(header::DATE).and_then(|value| value.to_str().ok());
        let Some(theirs) = date.and_then(http_date) else { return };
        let skew = theirs - self.inner.clock.now().micros;
        let known = self.skew_micros();
        if skew.abs() < SKEW_TO_CORRECT {
            self.inner.skew.store(0, Ordering::Relaxed);
        } else if (skew - known).abs() >= SKEW_TO_CORRECT {
            self.inner.skew.store(skew, Ordering::Relaxed);
            warn!("this machine's clock is {} s off snowflake's: tokens are dated by theirs", -skew / 1_000_000);
        }
    }

    fn asked(&self, statement: Option<&Statement>) -> Asked {
        Asked {
            host: self.host(),
            identity: self.inner.tokens.identity(),
            user: self.inner.tokens.user().map(str::to_owned),
            kind: self.inner.tokens.kind(),
            role: statement.and_then(|statement| statement.role.clone()),
            warehouse: statement.and_then(|statement| statement.warehouse.clone()),
        }
    }

    fn host(&self) -> String {
        self.inner.base.host_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn protocol(&self, detail: impl Into<String>) -> Error {
        Error::Protocol { host: self.host(), detail: detail.into() }
    }

    /// A handle goes into paths, so it may hold nothing that means something there.
    fn checked_handle<'a>(&self, handle: &'a str) -> Result<&'a str, Error> {
        let fine = (1..=128).contains(&handle.len())
            && handle.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if fine { Ok(handle) } else { Err(self.protocol("a statement handle that is none")) }
    }
}

/// Stops the statement on the other side when its caller goes away: nobody would fetch the result.
struct CancelOnDrop {
    client: Client,
    handle: Option<String>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let (Some(handle), Ok(runtime)) = (self.handle.take(), tokio::runtime::Handle::try_current()) else { return };
        let client = self.client.clone();
        runtime.spawn(async move {
            if let Err(error) = client.cancel(&handle).await {
                debug!("statement {handle} could not be cancelled: {error}");
            }
        });
    }
}

fn is_running(reply: &Reply, answer: &Answered) -> bool {
    reply.status == 202 || (reply.status == 429 && answer.code == RUNNING && !answer.statement_handle.is_empty())
}

fn text_of(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned()
}

/// Microseconds since 1970 of a header's date, to whose second half a second is added on average.
fn http_date(text: &str) -> Option<i64> {
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(parsed.as_microsecond() + 500_000)
}

fn seconds_of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// An error with its causes, as reqwest alone says only that something failed.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}
