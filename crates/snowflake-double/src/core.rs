//! What all doors of the double share: the account, the views, the statements that ran, the clock.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arrow::array::RecordBatch;
use uuid::Uuid;

use crate::account::objects::ViewSource;
use crate::account::state::{Account, Names};
use crate::api::connector::Sessions;
use crate::auth::oauth::Handed;
use crate::auth::{Principal, Refusal};
use crate::config::{DoubleConfig, Edition};
use crate::credits::Meter;
use crate::failure::SqlFailure;
use crate::faults::Faults;
use crate::jobs::Jobs;
use crate::results::{Column, ResultSet};
use crate::script::apply::{Session, apply};
use crate::script::{self, Statement, token};
use crate::sql::engine::{Answer, Engine, Prepared, Relations, Resolved, complete, first_word};
use crate::sql::fold::Bound;
use crate::views::catalog;
use crate::views::derived;
use crate::views::store::{self, Bounds, Store};

/// Accounts are in California unless they say otherwise.
const DEFAULT_ZONE: &str = "America/Los_Angeles";

/// The state behind the handle and the handlers.
pub(crate) struct Core {
    pub(crate) config: DoubleConfig,
    account: RwLock<Account>,
    views: RwLock<Store>,
    pub(crate) jobs: Mutex<Jobs>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) oauth: Mutex<Handed>,
    pub(crate) sessions: Mutex<Sessions>,
    pub(crate) meter: Mutex<Meter>,
    engine: Engine,
    failures: Mutex<Vec<(String, String)>>,
    workload: Mutex<BTreeMap<String, String>>,
    pub(crate) client_address: Mutex<Option<IpAddr>>,
}

/// A lock whose holder panicked holds what it held: a test that failed elsewhere is no reason to fail here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(crate) fn new(config: DoubleConfig) -> Self {
        let names = Names {
            organization: config.organization.clone(),
            account: config.account.clone(),
            locator: config.locator.clone(),
            region: config.region.clone(),
        };
        let account = Account::new(names, config.clock.now().micros);
        Self {
            account: RwLock::new(account),
            views: RwLock::new(Store::default()),
            jobs: Mutex::new(Jobs::default()),
            faults: Mutex::new(Faults::default()),
            oauth: Mutex::new(Handed::default()),
            sessions: Mutex::new(Sessions::default()),
            meter: Mutex::new(Meter::default()),
            engine: Engine::new(),
            failures: Mutex::new(Vec::new()),
            workload: Mutex::new(BTreeMap::new()),
            client_address: Mutex::new(None),
            config,
        }
    }

    /// Micros of the virtual now.
    pub(crate) fn now(&self) -> i64 {
        self.config.clock.now().micros
    }

    pub(crate) fn account(&self) -> RwLockReadGuard<'_, Account> {
        self.account.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn account_mut(&self) -> RwLockWriteGuard<'_, Account> {
        self.account.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn views(&self) -> RwLockReadGuard<'_, Store> {
        self.views.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn views_mut(&self) -> RwLockWriteGuard<'_, Store> {
        self.views.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down why somebody was refused, under the id that the refusal shows.
    pub(crate) fn note_failure(&self, reason: &str) -> String {
        let id = Uuid::new_v4().to_string();
        lock(&self.failures).push((id.clone(), reason.to_owned()));
        id
    }

    pub(crate) fn failures(&self) -> Vec<(String, String)> {
        lock(&self.failures).clone()
    }

    pub(crate) fn trust_workload(&self, bearer: &str, user: &str) {
        lock(&self.workload).insert(bearer.to_owned(), user.to_owned());
    }

    pub(crate) fn workload_user(&self, bearer: &str) -> Option<Principal> {
        let user = lock(&self.workload).get(bearer).cloned()?;
        Some(Principal { user, bound_role: None, blocked_roles: Vec::new() })
    }

    /// Whom an OAuth access token lets in; the account is passed in by who has locked it.
    pub(crate) fn oauth_token(&self, account: &Account, bearer: &str, now: i64) -> Result<Principal, Refusal> {
        lock(&self.oauth).principal(account, bearer, now)
    }

    /// The session a request begins with: what it names, else what the user has by default. Names are compared as they
    /// are: `wh` is not `WH`.
    pub(crate) fn session(&self, principal: &Principal, wanted: &Wanted) -> Result<Session, SqlFailure> {
        let account = self.account();
        let user = account.user(&principal.user)?;
        let default = |name: &str| user.property(name).map(str::to_owned);
        let role = wanted.role.clone().or_else(|| principal.bound_role.clone()).or_else(|| default("DEFAULT_ROLE"));
        let role = role.unwrap_or_else(|| "PUBLIC".to_owned());
        let bound = principal.bound_role.as_ref().is_some_and(|bound| *bound != role);
        if bound || principal.blocked_roles.contains(&role) || !account.may_assume(&user.name, &role) {
            return Err(SqlFailure::role_not_granted(&role));
        }
        let secondary = user.uses_secondary_roles() && principal.bound_role.is_none();
        let roles = account.effective_roles(&user.name, &role, secondary);
        let warehouse = wanted.warehouse.clone().or_else(|| default("DEFAULT_WAREHOUSE"));
        let namespace = default("DEFAULT_NAMESPACE").unwrap_or_default();
        let (database, schema) = namespace.split_once('.').unwrap_or((&namespace, ""));
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Session {
            user: user.name.clone(),
            role,
            secondary,
            // A warehouse that is not there or not ours leaves the session without one.
            warehouse: warehouse.filter(|name| account.may_use_warehouse(&roles, name)),
            database: wanted.database.clone().or_else(|| some(database)),
            schema: wanted.schema.clone().or_else(|| some(schema)),
            zone: wanted
                .zone
                .clone()
                .or_else(|| default("TIMEZONE"))
                .or_else(|| account.parameters.get("TIMEZONE").cloned())
                .unwrap_or_else(|| DEFAULT_ZONE.to_owned()),
            bound_role: principal.bound_role.clone(),
        })
    }

    /// A session of the administrator who runs set-up scripts.
    pub(crate) fn admin_session(&self, role: &str) -> Session {
        Session {
            user: "ADMIN".to_owned(),
            role: role.to_owned(),
            secondary: false,
            warehouse: None,
            database: None,
            schema: None,
            zone: "UTC".to_owned(),
            bound_role: None,
        }
    }

    /// Runs one statement in a session. Nothing is kept of a statement that fails.
    pub(crate) async fn execute(
        &self,
        session: &mut Session,
        piece: &token::Piece<'_>,
        bindings: &[Bound],
    ) -> Result<Answer, SqlFailure> {
        let word = first_word(piece.text);
        let is_query = matches!(word.as_str(), "SELECT" | "WITH" | "VALUES") || piece.text.starts_with('(');
        if is_query {
            let prepared = self.prepare(session, piece.text, bindings)?;
            return Engine::run(prepared, self.config.rows_per_partition).await;
        }
        if matches!(word.as_str(), "PUT" | "GET" | "LIST" | "LS" | "REMOVE" | "RM") {
            return Err(SqlFailure::unsupported_statement(&word));
        }
        let statement = script::parse(piece)?;
        let result = self.apply(session, statement)?;
        Ok(Answer { result, views: BTreeMap::new() })
    }

    pub(crate) fn apply(&self, session: &mut Session, statement: Statement) -> Result<ResultSet, SqlFailure> {
        let now = self.now();
        apply(&mut self.account_mut(), session, now, statement)
    }

    fn prepare(&self, session: &Session, sql: &str, bindings: &[Bound]) -> Result<Prepared, SqlFailure> {
        let now = self.now();
        let context = self.context(session, now);
        let seen = Seen { core: self, session, now };
        let prepared = self.engine.prepare(sql, bindings, &context, &seen)?;
        if prepared.reads_views() {
            self.wake(session, now)?;
        }
        Ok(prepared)
    }
}

impl Core {
    /// Reading a view takes a warehouse, which wakes unless it was told to sleep until somebody resumes it.
    fn wake(&self, session: &Session, now: i64) -> Result<(), SqlFailure> {
        let name = session.warehouse.as_ref().ok_or_else(SqlFailure::no_warehouse)?;
        let account = self.account();
        let warehouse = account.warehouses.get(name).ok_or_else(SqlFailure::no_warehouse)?;
        if warehouse.suspended && !warehouse.auto_resume() {
            return Err(SqlFailure::no_warehouse());
        }
        let takes = i64::try_from(self.config.statement_time.as_micros()).unwrap_or(i64::MAX);
        lock(&self.meter).use_warehouse(name, warehouse.auto_suspend_seconds(), now, takes);
        Ok(())
    }

    /// Notes that the user got in.
    pub(crate) fn note_sign_in(&self, user: &str, now: i64) {
        if let Some(user) = self.account_mut().users.get_mut(user) {
            user.last_login = Some(now);
        }
    }
}

fn is_utc(zone: &str) -> bool {
    ["UTC", "ETC/UTC", "GMT", "Z"].contains(&zone.to_uppercase().as_str())
}

/// The context that a request asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) role: Option<String>,
    pub(crate) warehouse: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) zone: Option<String>,
}

/// The views as one session sees them.
struct Seen<'a> {
    core: &'a Core,
    session: &'a Session,
    now: i64,
}

impl Relations for Seen<'_> {
    fn resolve(&self, parts: &[String]) -> Result<Resolved, SqlFailure> {
        let session = self.session;
        let missing = || SqlFailure::not_found("Object", &parts.join("."));
        let full = complete(parts, session.database.as_deref(), session.schema.as_deref()).ok_or_else(missing)?;
        let account = self.core.account();
        let roles = account.effective_roles(&session.user, &session.role, session.secondary);
        let [database, schema, name] = &full;
        let rows = if database == "SNOWFLAKE" && schema == "ACCOUNT_USAGE" {
            let view = catalog::find(name).ok_or_else(missing)?;
            let edition = !view.enterprise || self.core.config.edition != Edition::Standard;
            if !edition || !account.may_read_usage(&roles, view.database_role) {
                return Err(missing());
            }
            name.clone()
        } else {
            let source = account.databases.get(database).and_then(|held| held.schemas.get(schema)?.get(name));
            if !account.may_select(&roles, database, schema, name) {
                return Err(missing());
            }
            match source.ok_or_else(missing)? {
                ViewSource::Usage(view) => view.clone(),
                ViewSource::Stored => full.join("."),
            }
        };
        drop(account);
        if !self.core.views().is_sorted(&rows) {
            self.core.views_mut().sort(&rows);
        }
        let views = self.core.views();
        let columns = views.columns(&rows).ok_or_else(missing)?.to_vec();
        let cursor = views.cursor(&rows).map(str::to_owned);
        Ok(Resolved { parts: full, rows, columns, cursor })
    }

    fn scan(&self, relation: &Resolved, bounds: Bounds, columns: &[Column]) -> RecordBatch {
        let account = self.core.account();
        let views = self.core.views();
        if relation.rows == "WAREHOUSE_METERING_HISTORY" {
            let mut rows = lock(&self.core.meter).hours(&account, self.now);
            rows.extend(views.seen(&relation.rows, self.now));
            return store::of_rows(&rows, columns);
        }
        if let Some(rows) = derived::rows(&account, &relation.rows, &views.seen(&relation.rows, self.now)) {
            return store::of_rows(&rows, columns);
        }
        views.scan(&relation.rows, self.now, bounds, columns)
    }
}

impl Core {
    fn context(&self, session: &Session, now: i64) -> crate::sql::rewrite::Context {
        let account = self.account();
        let names = account.names.clone();
        let some = |text: &str| Some(text.to_owned());
        let words = vec![
            ("CURRENT_ACCOUNT", some(&names.locator)),
            ("CURRENT_ACCOUNT_NAME", some(&names.account)),
            ("CURRENT_ORGANIZATION_NAME", some(&names.organization)),
            ("CURRENT_REGION", some(&names.region)),
            ("CURRENT_ROLE", some(&session.role)),
            ("CURRENT_USER", some(&session.user)),
            ("CURRENT_WAREHOUSE", session.warehouse.clone()),
            ("CURRENT_DATABASE", session.database.clone()),
            ("CURRENT_SCHEMA", session.schema.clone()),
            ("CURRENT_VERSION", some("9.36.1")),
            ("CURRENT_CLIENT", some("uncia-snowflake-double")),
        ];
        let roles = account.effective_roles(&session.user, &session.role, session.secondary);
        let is_admin = roles.contains("ACCOUNTADMIN");
        let integrations = account.integrations.clone();
        let failures = self.failures();
        let system = Box::new(move |name: &str, argument: &str| match name {
            "SYSTEM$SHOW_OAUTH_CLIENT_SECRETS" => {
                let integration = integrations.get(argument).filter(|_| is_admin);
                Some(match integration {
                    Some(integration) => Ok(serde_json::json!({
                        "OAUTH_CLIENT_SECRET_2": crate::auth::random_text(30),
                        "OAUTH_CLIENT_SECRET": integration.client_secret,
                        "OAUTH_CLIENT_ID": integration.client_id,
                    })
                    .to_string()),
                    None => Err(SqlFailure::not_found("Integration", argument)),
                })
            }
            "SYSTEM$GET_LOGIN_FAILURE_DETAILS" => {
                let reason = failures.iter().find(|(id, _)| id == argument).filter(|_| is_admin);
                Some(match reason {
                    Some((_, reason)) => Ok(serde_json::json!({"errorCode": reason}).to_string()),
                    None => Err(SqlFailure::insufficient("login failures")),
                })
            }
            _ => None,
        });
        crate::sql::rewrite::Context { now, utc: is_utc(&session.zone), words, system }
    }
}
