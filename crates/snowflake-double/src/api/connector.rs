//! The protocol of Snowflake's drivers, as far as signing in and asking: so that the official Python connector and the
//! `snow` command line can judge what the double lets in and refuses.
//!
//! It is not documented; the shapes are those that the connector (Apache-2.0) sends and reads. Unlike the SQL API it has
//! sessions: USE lasts. Failures are told in the body, under status 200.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::json_response;
use super::request::{self, query_pairs};
use super::statements::address;
use crate::auth::bearer::sign_in;
use crate::auth::random_text;
use crate::core::{Core, Wanted, lock};
use crate::failure::SqlFailure;
use crate::jobs::ExecutedStatement;
use crate::results::{Kind, ResultSet};
use crate::script::apply::Session;
use crate::script::token::split;
use crate::sql::engine::Answer;

const SESSION_SECONDS: i64 = 3_600;
const BODY_LIMIT: u64 = 16 << 20;

/// The sessions of drivers, by token.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: HashMap<String, Open>,
    /// Renewal tokens to the tokens that they renew.
    masters: HashMap<String, String>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Open {
    id: u64,
    session: Session,
    expires: i64,
}

/// The JSON of a body, which drivers may compress.
async fn body(request: Request) -> Option<Value> {
    let packed = request.headers().get(header::CONTENT_ENCODING).is_some_and(|kind| kind == "gzip");
    let bytes = to_bytes(request.into_body(), BODY_LIMIT as usize).await.ok()?;
    if !packed {
        return serde_json::from_slice(&bytes).ok();
    }
    let mut plain = Vec::new();
    GzDecoder::new(&bytes[..]).take(BODY_LIMIT).read_to_end(&mut plain).ok()?;
    serde_json::from_slice(&plain).ok()
}

fn success(data: &Value) -> Response {
    json_response(200, &json!({"data": data, "code": null, "message": null, "success": true}))
}

fn failure(code: &str, message: &str, data: &Value) -> Response {
    json_response(200, &json!({"data": data, "code": code, "message": message, "success": false}))
}

pub(crate) async fn login(State(core): State<Arc<Core>>, request: Request) -> Response {
    let address = address(&core, &request);
    let query = query_pairs(request.uri().query());
    let Some(body) = body(request).await else { return failure("390400", "Bad request.", &Value::Null) };
    let data = &body["data"];
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let kind = match text("AUTHENTICATOR").to_uppercase().as_str() {
        "SNOWFLAKE_JWT" => "KEYPAIR_JWT",
        "OAUTH" => "OAUTH",
        "PROGRAMMATIC_ACCESS_TOKEN" => "PROGRAMMATIC_ACCESS_TOKEN",
        // Users of programs have no passwords here, and nobody else signs in by this door.
        _ => return failure("390100", "Incorrect username or password was specified.", &Value::Null),
    };
    let names = core.account().names.clone();
    let account = text("ACCOUNT_NAME").to_uppercase();
    if account != names.identifier() && account != names.locator && account != names.account {
        return failure("390144", "JWT token is invalid.", &Value::Null);
    }
    let principal = match sign_in(&core, kind, text("TOKEN"), address) {
        Ok(principal) => principal,
        Err(refusal) => return failure(refusal.code, &refusal.message, &Value::Null),
    };
    let login = text("LOGIN_NAME").to_uppercase();
    let same = core.account().user(&principal.user).is_ok_and(|user| login.is_empty() || user.login_name == login);
    if !same {
        return failure("390100", "Incorrect username or password was specified.", &Value::Null);
    }
    // Names in connection parameters fold as they do in SQL, unless quoted.
    let name = |name: &str| {
        let text = query.get(name).filter(|text| !text.is_empty())?;
        Some(match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => text.to_uppercase(),
        })
    };
    let wanted = Wanted {
        role: name("roleName"),
        warehouse: name("warehouse"),
        database: name("databaseName"),
        schema: name("schemaName"),
        zone: Some("UTC".to_owned()),
    };
    let session = match core.session(&principal, &wanted) {
        Ok(session) => session,
        Err(fault) => return failure(fault.code, &fault.message, &Value::Null),
    };
    let (token, master) = (random_text(64), random_text(64));
    let mut sessions = lock(&core.sessions);
    sessions.next += 1;
    let id = sessions.next;
    let open = Open { id, session: session.clone(), expires: core.now() + SESSION_SECONDS * 1_000_000 };
    sessions.open.insert(token.clone(), open);
    sessions.masters.insert(master.clone(), token.clone());
    success(&json!({
        "token": token, "masterToken": master, "validityInSeconds": SESSION_SECONDS,
        "masterValidityInSeconds": SESSION_SECONDS * 4, "displayUserName": session.user, "serverVersion": "9.36.1",
        "firstLogin": false, "remMeToken": null, "remMeValidityInSeconds": 0, "healthCheckInterval": 45,
        "newClientForUpgrade": null, "sessionId": 1_000_000 + id, "parameters": parameters(),
        "sessionInfo": info(&session), "idToken": null, "idTokenValidityInSeconds": 0,
    }))
}

fn info(session: &Session) -> Value {
    json!({
        "databaseName": session.database, "schemaName": session.schema, "warehouseName": session.warehouse,
        "roleName": session.role,
    })
}

fn parameters() -> Value {
    json!([
        {"name": "TIMEZONE", "value": "UTC"},
        {"name": "AUTOCOMMIT", "value": true},
        {"name": "CLIENT_SESSION_KEEP_ALIVE", "value": false},
        {"name": "CLIENT_TELEMETRY_ENABLED", "value": false},
        {"name": "TIMESTAMP_OUTPUT_FORMAT", "value": "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM"},
        {"name": "TIMESTAMP_TYPE_MAPPING", "value": "TIMESTAMP_NTZ"},
        {"name": "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT", "value": "json"},
    ])
}

fn session_token(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let token = text.strip_prefix("Snowflake Token=\"")?.strip_suffix('"')?;
    Some(token.to_owned())
}

/// The session behind a request, or what is wrong with it.
fn open(core: &Core, headers: &HeaderMap) -> Result<(String, Open), (&'static str, &'static str)> {
    let token = session_token(headers)
        .ok_or(("390104", "Session no longer exists. New login required to access the service."))?;
    let open = lock(&core.sessions).open.get(&token).cloned();
    let open = open.ok_or(("390104", "Session no longer exists. New login required to access the service."))?;
    if open.expires <= core.now() {
        return Err(("390112", "Session token has expired. The session must be renewed."));
    }
    // Disabling a user ends what it has open.
    if core.account().user(&open.session.user).is_ok_and(crate::account::user::User::disabled) {
        return Err(("390101", "User access disabled. Contact your local system administrator."));
    }
    Ok((token, open))
}

pub(crate) async fn query(State(core): State<Arc<Core>>, request: Request) -> Response {
    let (token, opened) = match open(&core, request.headers()) {
        Ok(found) => found,
        Err((code, message)) => return failure(code, message, &Value::Null),
    };
    let request_id = query_pairs(request.uri().query()).get("requestId").cloned().unwrap_or_default();
    let Some(body) = body(request).await else { return failure("390400", "Bad request.", &Value::Null) };
    let sql = body["sqlText"].as_str().unwrap_or_default();
    if body["asyncExec"] == json!(true) {
        return refused(&SqlFailure::unsupported_here("asynchronous statements of drivers"));
    }
    let mut session = opened.session;
    let answer = run(&core, &mut session, sql, &body["bindings"]).await;
    let (views, rows, error) = match &answer {
        Ok(answer) => (answer.views.clone(), answer.result.rows(), None),
        Err(fault) => (std::collections::BTreeMap::new(), 0, Some(fault.code.to_owned())),
    };
    lock(&core.jobs).count(ExecutedStatement {
        sql: sql.to_owned(),
        request_id,
        user: session.user.clone(),
        role: session.role.clone(),
        warehouse: session.warehouse.clone(),
        query_tag: None,
        at: core.now(),
        views,
        error,
        rows,
    });
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => return refused(&fault),
    };
    let after = info(&session);
    if let Some(open) = lock(&core.sessions).open.get_mut(&token) {
        open.session = session;
    }
    success(&described(&answer.result, &after))
}

async fn run(core: &Core, session: &mut Session, sql: &str, bindings: &Value) -> Result<Answer, SqlFailure> {
    let pieces = split(sql)?;
    let [piece] = pieces.as_slice() else {
        return Err(SqlFailure::statement_count(pieces.len(), 1));
    };
    let body = json!({"statement": sql, "bindings": bindings});
    let submission =
        request::parse(body.to_string().as_bytes()).map_err(|refusal| SqlFailure::syntax(refusal.message))?;
    core.execute(session, piece, &submission.bindings).await
}

fn described(result: &ResultSet, session: &Value) -> Value {
    let mut rows: Vec<Vec<Option<String>>> = result
        .partitions
        .iter()
        .flat_map(|partition| {
            serde_json::from_slice::<Vec<Vec<Option<String>>>>(&partition.json).expect("partitions are rows of texts")
        })
        .collect();
    for (place, column) in result.columns.iter().enumerate() {
        // Drivers are told booleans in digits.
        if column.kind != Kind::Boolean {
            continue;
        }
        for row in &mut rows {
            row[place] = row[place].take().map(|value| if value == "true" { "1" } else { "0" }.to_owned());
        }
    }
    json!({
        "parameters": parameters(), "rowtype": result.row_type(), "rowset": rows, "total": rows.len(),
        "returned": rows.len(), "queryId": Uuid::new_v4().to_string(), "sqlState": "00000",
        "queryResultFormat": "json", "databaseProvider": null, "numberOfBinds": 0, "arrayBindSupported": false,
        "finalDatabaseName": session["databaseName"], "finalSchemaName": session["schemaName"],
        "finalWarehouseName": session["warehouseName"], "finalRoleName": session["roleName"],
        "statementTypeId": 4096, "version": 1,
    })
}

fn refused(fault: &SqlFailure) -> Response {
    let data = json!({
        "errorCode": fault.code, "sqlState": fault.state, "queryId": Uuid::new_v4().to_string(), "line": -1, "pos": -1,
        "type": "COMPILATION", "internalError": false,
    });
    failure(fault.code, &fault.message, &data)
}

/// Ends a session, or says that it lives.
pub(crate) async fn session(State(core): State<Arc<Core>>, request: Request) -> Response {
    let query = query_pairs(request.uri().query());
    let (token, _) = match open(&core, request.headers()) {
        Ok(found) => found,
        Err((code, message)) => return failure(code, message, &Value::Null),
    };
    if query.get("delete").is_some_and(|value| value == "true") {
        lock(&core.sessions).open.remove(&token);
    }
    success(&Value::Null)
}

/// A new token for a session, by its renewal token.
pub(crate) async fn renew(State(core): State<Arc<Core>>, request: Request) -> Response {
    let master = session_token(request.headers());
    let mut sessions = lock(&core.sessions);
    let old = master.as_ref().and_then(|master| sessions.masters.get(master)).cloned();
    let Some(mut open) = old.and_then(|old| sessions.open.remove(&old)) else {
        return failure("390114", "Authentication token has expired. The user must authenticate again.", &Value::Null);
    };
    open.expires = core.now() + SESSION_SECONDS * 1_000_000;
    let id = open.id;
    let token = random_text(64);
    sessions.masters.extend(master.clone().map(|master| (master, token.clone())));
    sessions.open.insert(token.clone(), open);
    success(&json!({
        "sessionToken": token, "masterToken": master, "validityInSecondsST": SESSION_SECONDS,
        "validityInSecondsMT": SESSION_SECONDS * 4, "sessionId": 1_000_000 + id,
    }))
}

/// What drivers tell about themselves is taken and forgotten.
pub(crate) async fn telemetry() -> Response {
    success(&json!("Log Received"))
}
