//! The handle that tests and the demo hold: starts the server, changes the account, asks what happened.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::account::objects::ViewSource;
use crate::api::router::router;
use crate::auth::oauth::Consent;
use crate::config::DoubleConfig;
use crate::core::{Core, lock};
use crate::credits::Credits;
use crate::failure::SqlFailure;
use crate::faults::{Fault, FaultRates};
use crate::jobs::ExecutedStatement;
use crate::results::Column;
use crate::script::token::split;
use crate::serve::serve;
use crate::simulation::{Happened, Oracle, Simulation, Telling, Told};
use crate::views::store::RowId;

/// A running account. It ends when it is dropped.
pub struct Double {
    core: Arc<Core>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

/// A statement of a script that was refused.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {failure} (in: {statement})")]
pub struct ScriptError {
    pub line: usize,
    pub statement: String,
    pub failure: SqlFailure,
}

/// What could not be put into a view.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RowError(String);

impl Drop for Double {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Double {
    /// Starts an account on a free port of this machine. ADMIN, who has ACCOUNTADMIN, is its only user.
    pub async fn start(config: DoubleConfig) -> std::io::Result<Self> {
        Self::start_at(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts an account on this address.
    pub async fn start_at(config: DoubleConfig, address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let core = Arc::new(Core::new(config));
        let server = tokio::spawn(serve(listener, router(Arc::clone(&core)), Arc::clone(&core)));
        Ok(Self { core, address, server })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`, in place of `https://<account>.snowflakecomputing.com`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `ORG-ACCOUNT`.
    #[must_use]
    pub fn identifier(&self) -> String {
        self.core.account().names.identifier()
    }

    /// Runs a script as ADMIN with the role ACCOUNTADMIN, statement after statement, as a worksheet does: it ends at the
    /// first refusal. Gives the rows of each statement's answer.
    pub fn run_script(&self, sql: &str) -> Result<Vec<Vec<Vec<Option<String>>>>, ScriptError> {
        self.run_script_as("ACCOUNTADMIN", sql)
    }

    /// The same, beginning with another role of ADMIN's, so that a script must name the one it needs.
    pub fn run_script_as(&self, role: &str, sql: &str) -> Result<Vec<Vec<Vec<Option<String>>>>, ScriptError> {
        let fault = |line, statement: &str, failure| ScriptError { line, statement: statement.to_owned(), failure };
        let pieces = split(sql).map_err(|failure| fault(1, "the script", failure))?;
        let mut session = self.core.admin_session(role);
        let mut answers = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            let line = piece.tokens.first().map_or(1, |placed| placed.line);
            let result = crate::script::parse(piece)
                .and_then(|statement| self.core.apply(&mut session, statement))
                .map_err(|failure| fault(line, piece.text, failure))?;
            let rows = result.partitions.iter().map(|partition| {
                serde_json::from_slice::<Vec<Vec<Option<String>>>>(&partition.json)
                    .expect("partitions are arrays of rows of texts")
            });
            answers.push(rows.flatten().collect());
        }
        Ok(answers)
    }

    /// The whole account without secrets and times, to compare before and after.
    #[must_use]
    pub fn account_state(&self) -> Value {
        self.core.account().describe()
    }

    /// Why sign-ins were refused, in order: what an administrator could look up.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        self.core.failures().into_iter().map(|(_, reason)| reason).collect()
    }

    /// Puts a row into a view of `ACCOUNT_USAGE`, or into one made by [`Double::create_view`], to be seen from now on. Keys
    /// are column names; times are RFC 3339. In USERS, ROLES, `NETWORK_POLICIES`, `NETWORK_RULES` and CREDENTIALS a row of
    /// the name of one that scripts made completes and overrides it.
    pub fn insert(&self, view: &str, row: &Value) -> Result<RowId, RowError> {
        self.insert_late(view, row, i64::MIN)
    }

    /// Puts a row in that can be seen from this time (micros) on.
    pub fn insert_late(&self, view: &str, row: &Value, visible_at: i64) -> Result<RowId, RowError> {
        self.core.views_mut().insert(view, row, visible_at).map_err(RowError)
    }

    /// From this time (micros) on the row looks like this.
    pub fn revise(&self, view: &str, id: RowId, row: &Value, visible_at: i64) -> Result<(), RowError> {
        self.core.views_mut().revise(view, id, row, visible_at).map_err(RowError)
    }

    /// Takes all rows of a view away, but those that follow from the account.
    pub fn clear(&self, view: &str) {
        self.core.views_mut().clear(view);
    }

    /// Fills five views with a made-up past; gives the truth about it.
    pub fn simulate(&self, plan: &Simulation) -> Oracle {
        let happened = Arc::new(Happened::new(plan));
        let mut views = self.core.views_mut();
        for view in Telling::ALL {
            let told = Told { happened: Arc::clone(&happened), view };
            views.add_made(view.view(), Arc::new(told)).expect("the simulated views are in the catalog");
        }
        Oracle::new(happened)
    }

    /// Makes a view with columns of its own in a database of the account, which is made if need be.
    pub fn create_view(&self, database: &str, schema: &str, name: &str, columns: Vec<Column>, cursor: Option<&str>) {
        let mut account = self.core.account_mut();
        let database_held = account.databases.entry(database.to_owned()).or_default();
        let schema_held = database_held.schemas.entry(schema.to_owned()).or_default();
        schema_held.insert(name.to_owned(), ViewSource::Stored);
        self.core.views_mut().define(&format!("{database}.{schema}.{name}"), columns, cursor);
    }

    /// Who sits in front of the browser when a client sends it to the authorisation page.
    pub fn set_consent(&self, consent: Consent) {
        lock(&self.core.oauth).consent = consent;
    }

    /// Ends what this user consented to: refresh tokens and access tokens are good no more.
    pub fn revoke_consent(&self, user: &str) {
        lock(&self.core.oauth).revoke(user);
    }

    /// Lets all OAuth access tokens end now.
    pub fn expire_access_tokens(&self) {
        let now = self.core.now();
        lock(&self.core.oauth).expire_access(now);
    }

    /// Id and secret of an OAuth integration, as `SYSTEM$SHOW_OAUTH_CLIENT_SECRETS` tells an administrator.
    #[must_use]
    pub fn oauth_client(&self, integration: &str) -> Option<(String, String)> {
        let account = self.core.account();
        let integration = account.integrations.get(integration)?;
        Some((integration.client_id.clone(), integration.client_secret.clone()))
    }

    /// Notes that somebody signed in just now; false if there is no such user.
    pub fn sign_in(&self, user: &str) -> bool {
        let is_there = self.core.account().users.contains_key(user);
        self.core.note_sign_in(user, self.core.now());
        is_there
    }

    /// Has a user enrol a second factor, which no statement of an administrator's can; false if there is no such user.
    pub fn enrol_second_factor(&self, user: &str) -> bool {
        let mut account = self.core.account_mut();
        account.users.get_mut(user).map(|user| user.has_second_factor = true).is_some()
    }

    /// Lets a workload identity token (`WIF.…`) in as this user.
    pub fn trust_workload(&self, bearer: &str, user: &str) {
        self.core.trust_workload(bearer, user);
    }

    /// Where requests seem to come from, for network policies; `None` is where they do come from.
    pub fn set_client_address(&self, address: Option<IpAddr>) {
        *lock(&self.core.client_address) = address;
    }

    /// Strikes the next request that it fits.
    pub fn inject(&self, fault: Fault) {
        lock(&self.core.faults).inject(fault);
    }

    pub fn set_fault_rates(&self, rates: FaultRates, seed: u64) {
        lock(&self.core.faults).set_rates(rates, seed);
    }

    /// How many requests were struck by a fault.
    #[must_use]
    pub fn faults_struck(&self) -> u64 {
        lock(&self.core.faults).struck
    }

    /// Forgets all results: their handles have expired.
    pub fn expire_handles(&self) {
        lock(&self.core.jobs).forget_all();
    }

    /// How often statements of this request id were executed.
    #[must_use]
    pub fn executions(&self, request_id: &str) -> u64 {
        lock(&self.core.jobs).executions(request_id)
    }

    /// The highest count over all request ids: above 1, something ran twice.
    #[must_use]
    pub fn most_executions(&self) -> u64 {
        lock(&self.core.jobs).most_executions()
    }

    /// The newest statements that were executed, oldest first.
    #[must_use]
    pub fn statements(&self) -> Vec<ExecutedStatement> {
        lock(&self.core.jobs).log.iter().cloned().collect()
    }

    /// What a warehouse cost until now.
    #[must_use]
    pub fn credits(&self, warehouse: &str) -> Credits {
        let account = self.core.account();
        lock(&self.core.meter).credits(&account, warehouse, self.core.now())
    }

    /// Counts of everything that was executed.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let jobs = lock(&self.core.jobs);
        Counts {
            statements: jobs.executed,
            statements_by_view: jobs.by_view.clone(),
            rows_scanned: jobs.scanned,
            rows_given: jobs.given,
        }
    }
}

/// What was executed, all together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub statements: u64,
    pub statements_by_view: std::collections::BTreeMap<String, u64>,
    /// Rows of views that statements looked at.
    pub rows_scanned: u64,
    pub rows_given: u64,
}
