//! The connection check: every step in its order, each failing one with what an administrator has to do.
//!
//! It asks no more than pulls do: sign-in, role and warehouse first, then each view by its columns and the time of its newest
//! row. A step that fails does not hide those that do not depend on it.

use uncia_document::Timestamp;
use uncia_model::Clock;

use crate::decode::{self, ColumnMeta};
use crate::sql::identifier;
use crate::{Answer, Client, Error, Statement};

/// A clock that is so far off is told, though it is corrected.
const SKEW_TO_TELL_SECONDS: i64 = 30;
/// How far back the newest row of a view is looked for.
const LOOK_BACK_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// What pulls are going to need.
#[derive(Clone, Debug)]
pub struct Needs {
    pub role: String,
    pub warehouse: String,
    pub database: String,
    pub schema: String,
    pub views: Vec<NeededView>,
}

/// A view that is going to be read.
#[derive(Clone, Debug)]
pub struct NeededView {
    pub name: String,
    pub wanted: Vec<String>,
    pub required: Vec<String>,
    /// The column of its time, if it has one.
    pub cursor: Option<String>,
    /// Not in every edition.
    pub enterprise: bool,
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `sign-in`, `role`, `view LOGIN_HISTORY` …
    pub step: String,
    pub outcome: Outcome,
    pub detail: String,
    /// The statement or setting that mends it.
    pub fix: Option<String>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// It works, but somebody should know.
    Told,
    Failed,
    /// Not tried, because something before it failed.
    Skipped,
}

impl Outcome {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Told => "note",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// Tries everything that pulls need.
pub async fn check(client: &Client, needs: &Needs, clock: &dyn Clock) -> Vec<Finding> {
    let mut findings = Vec::new();
    let session = match client.execute(&needs.statement(SESSION)).await {
        Ok(answer) => Session::of(answer).await,
        Err(error) => Err(error),
    };
    match session {
        Ok(session) => {
            findings
                .push(Finding::passed("sign-in", format!("as {} with {}", session.user, client.tokens().identity())));
            findings.push(account(client, &session));
            findings.push(role(needs, &session));
            findings.push(clocks(client));
            findings.push(warehouse(needs, &session));
        }
        Err(error) => findings.push(Finding::failed(step_of(&error), &error)),
    }
    let stopped = findings.iter().any(|finding| finding.outcome == Outcome::Failed);
    let since = Timestamp::from_micros(clock.now().micros + client.skew_micros() - LOOK_BACK_MICROS);
    let mut views = Vec::new();
    for view in &needs.views {
        let step = format!("view {}", view.name);
        if stopped {
            let detail = "not tried, as a step before it failed".to_owned();
            views.push(Finding { step, outcome: Outcome::Skipped, detail, fix: None });
            continue;
        }
        views.push(match look(client, needs, view, since).await {
            Ok(finding) => finding,
            Err(error) => Finding::failed(&step, &error),
        });
    }
    explain_edition(needs, &mut views);
    findings.extend(views);
    findings
}

/// Whether pulls can begin.
#[must_use]
pub fn passed(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| matches!(finding.outcome, Outcome::Passed | Outcome::Told))
}

const SESSION: &str = "SELECT CURRENT_ORGANIZATION_NAME() AS ORGANIZATION, CURRENT_ACCOUNT_NAME() AS ACCOUNT, \
                       CURRENT_ACCOUNT() AS LOCATOR, CURRENT_USER() AS SIGNED_IN, CURRENT_ROLE() AS ACTS_AS, \
                       CURRENT_WAREHOUSE() AS RUNS_IN";

/// Who we are over there.
#[derive(Default)]
struct Session {
    organization: String,
    account: String,
    locator: String,
    user: String,
    role: String,
    warehouse: String,
}

impl Session {
    async fn of(answer: Answer) -> Result<Self, Error> {
        let columns = answer.columns.clone();
        let row = answer.all_rows().await?.into_iter().next().unwrap_or_default();
        let text = |name: &str| cell(&columns, &row, name).unwrap_or_default().to_owned();
        Ok(Self {
            organization: text("ORGANIZATION"),
            account: text("ACCOUNT"),
            locator: text("LOCATOR"),
            user: text("SIGNED_IN"),
            role: text("ACTS_AS"),
            warehouse: text("RUNS_IN"),
        })
    }
}

impl Needs {
    fn statement(&self, sql: impl Into<String>) -> Statement {
        Statement {
            role: Some(self.role.clone()),
            warehouse: Some(self.warehouse.clone()),
            query_tag: r#"{"app":"uncia","run":"check"}"#.to_owned(),
            ..Statement::new(sql)
        }
    }

    fn view(&self, name: &str) -> String {
        format!("{}.{}.{}", identifier(&self.database), identifier(&self.schema), identifier(name))
    }
}

impl Finding {
    fn passed(step: &str, detail: impl Into<String>) -> Self {
        Self { step: step.to_owned(), outcome: Outcome::Passed, detail: detail.into(), fix: None }
    }

    fn told(step: &str, detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Told, ..Self::passed(step, detail) }
    }

    fn wrong(step: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, fix: Some(fix.into()), ..Self::passed(step, detail) }
    }

    fn failed(step: &str, error: &Error) -> Self {
        let (detail, fix) = match error {
            Error::NotAuthorised { what, grant, .. } => {
                (format!("{what} is not there or not granted"), Some(grant.clone()))
            }
            Error::NoWarehouse { grant, .. } => ("no warehouse to run in".to_owned(), Some(grant.clone())),
            Error::Auth { way_out, said, .. } => (format!("refused: {said}"), Some(way_out.clone())),
            other => (other.to_string(), None),
        };
        Self { step: step.to_owned(), outcome: Outcome::Failed, detail, fix }
    }
}

/// Where in the order an error of the first statement belongs.
fn step_of(error: &Error) -> &'static str {
    match error {
        Error::Unreachable { .. } | Error::Protocol { .. } | Error::Refused { .. } => "address",
        Error::NetworkPolicy { .. } => "network policy",
        Error::NotAuthorised { what, .. } if what.starts_with("warehouse") => "warehouse",
        Error::NotAuthorised { .. } => "role",
        Error::NoWarehouse { .. } => "warehouse",
        _ => "sign-in",
    }
}

fn account(client: &Client, session: &Session) -> Finding {
    let named = &client.connection().account;
    let there = format!("{}-{} ({})", session.organization, session.account, session.locator);
    // A host name has hyphens where a name has underscores.
    let same = |left: &str, right: &str| left.eq_ignore_ascii_case(&right.replace('_', "-"));
    let matches = match named.organisation() {
        Some(_) => {
            let plain = named.identifier().trim_end_matches(".privatelink").replace('_', "-");
            same(&plain, &format!("{}-{}", session.organization, session.account))
        }
        None => named.jwt_name().eq_ignore_ascii_case(&session.locator) || named.identifier().contains(".global"),
    };
    if matches {
        return Finding::passed("account", there);
    }
    Finding::wrong(
        "account",
        format!("this is {there}, and {named} was wanted"),
        "correct `account`, or `url` if it leads elsewhere",
    )
}

fn role(needs: &Needs, session: &Session) -> Finding {
    if session.role == needs.role {
        return Finding::passed("role", session.role.clone());
    }
    let folded = needs.role.to_uppercase();
    let fix = if session.role == folded && folded != needs.role {
        format!("write the role as SHOW ROLES prints it: {folded}")
    } else {
        format!("GRANT ROLE {} TO USER {}", identifier(&needs.role), identifier(&session.user))
    };
    Finding::wrong("role", format!("{} acts in place of {}", or_nothing(&session.role), needs.role), fix)
}

fn clocks(client: &Client) -> Finding {
    let seconds = client.skew_micros() / 1_000_000;
    if seconds.abs() < SKEW_TO_TELL_SECONDS {
        return Finding::passed("clock", "agrees with Snowflake's");
    }
    let direction = if seconds > 0 { "behind" } else { "ahead of" };
    Finding {
        fix: Some("set the clock by NTP".to_owned()),
        ..Finding::told(
            "clock",
            format!("this machine is {} s {direction} Snowflake; tokens are dated by theirs", seconds.abs()),
        )
    }
}

fn warehouse(needs: &Needs, session: &Session) -> Finding {
    if session.warehouse == needs.warehouse {
        return Finding::passed("warehouse", session.warehouse.clone());
    }
    let folded = needs.warehouse.to_uppercase();
    let fix = if folded == needs.warehouse {
        format!("GRANT USAGE ON WAREHOUSE {} TO ROLE {}", identifier(&needs.warehouse), identifier(&needs.role))
    } else {
        format!("write the warehouse as SHOW WAREHOUSES prints it, perhaps {folded}, and grant USAGE on it")
    };
    Finding::wrong("warehouse", format!("{} is not there or may not be used", needs.warehouse), fix)
}

/// Reads a view's columns, then its newest row: the latter runs in the warehouse as pulls will.
async fn look(client: &Client, needs: &Needs, view: &NeededView, since: Timestamp) -> Result<Finding, Error> {
    let step = format!("view {}", view.name);
    let name = needs.view(&view.name);
    let shape = client.execute(&needs.statement(format!("SELECT * FROM {name} LIMIT 0"))).await?;
    let has = |column: &String| shape.column(column).is_some();
    let missing: Vec<&str> = view.required.iter().filter(|column| !has(column)).map(String::as_str).collect();
    if !missing.is_empty() {
        let detail = format!("it lacks {}, without which its rows are of no use", missing.join(", "));
        return Ok(Finding::wrong(&step, detail, "read the view itself, or copies that have all of its columns"));
    }
    let absent = view.wanted.iter().filter(|column| !has(column)).count();
    let new = shape
        .columns
        .iter()
        .filter(|column| !view.wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(&column.name)));
    let new: Vec<&str> = new.map(|column| column.name.as_str()).collect();
    let mut detail = format!("{} of {} columns", view.wanted.len() - absent, view.wanted.len());
    if !new.is_empty() {
        detail.push_str(&format!(", new there: {}", new.join(", ")));
    }
    detail.push_str(&newest(client, needs, view, &name, since).await?);
    Ok(Finding::passed(&step, detail))
}

async fn newest(
    client: &Client,
    needs: &Needs,
    view: &NeededView,
    name: &str,
    since: Timestamp,
) -> Result<String, Error> {
    let Some(cursor) = &view.cursor else {
        let answer = client.execute(&needs.statement(format!("SELECT COUNT(*) AS FOUND FROM {name}"))).await?;
        let rows = answer.all_rows().await?;
        let found = rows.first().and_then(|row| row.first()).cloned().flatten().unwrap_or_default();
        return Ok(format!(", {found} rows"));
    };
    let cursor = identifier(cursor);
    let sql =
        format!("SELECT COUNT(*) AS FOUND, MAX({cursor}) AS NEWEST FROM {name} WHERE {cursor} >= ?::TIMESTAMP_LTZ");
    let since = decode::timestamp_text(i128::from(since.micros) * 1_000).unwrap_or_default();
    let answer = client.execute(&Statement { bindings: vec![since], ..needs.statement(sql) }).await?;
    let columns = answer.columns.clone();
    let rows = answer.all_rows().await?;
    let row = rows.into_iter().next().unwrap_or_default();
    let newest = columns
        .iter()
        .find(|column| column.name.eq_ignore_ascii_case("NEWEST"))
        .and_then(|column| decode::epoch_nanos(column, cell(&columns, &row, "NEWEST")?))
        .and_then(decode::timestamp_text);
    let found = cell(&columns, &row, "FOUND").unwrap_or("0");
    Ok(match newest {
        Some(newest) => format!(", {found} rows of the last day, the newest of {}", &newest[..19.min(newest.len())]),
        None => ", no rows of the last day".to_owned(),
    })
}

/// A view of the Enterprise edition that alone is missing is no missing grant if another view under the same grant is there.
fn explain_edition(needs: &Needs, findings: &mut [Finding]) {
    let role_of = |step: &str| step.strip_prefix("view ").and_then(crate::DatabaseRole::for_view);
    let readable: Vec<_> = findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::Passed)
        .filter_map(|finding| role_of(&finding.step))
        .collect();
    for finding in findings {
        let enterprise =
            needs.views.iter().any(|view| view.enterprise && finding.step == format!("view {}", view.name));
        let granted = role_of(&finding.step).is_some_and(|role| readable.contains(&role));
        if enterprise && granted && finding.outcome == Outcome::Failed && finding.fix.is_some() {
            finding.outcome = Outcome::Told;
            finding.fix = None;
            "not in this account's edition: pulls go on without it".clone_into(&mut finding.detail);
        }
    }
}

fn cell<'a>(columns: &[ColumnMeta], row: &'a [Option<String>], name: &str) -> Option<&'a str> {
    let place = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))?;
    row.get(place)?.as_deref()
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "no role" } else { text }
}
