//! An ordinary day of the Snowflake account: loads, dashboards, and people with questions.

use serde_json::{Value, json};
use uncia_document::Timestamp;

use super::cast::{
    DASHBOARDS, ETL, PEOPLE, Person, SNOWFLAKE_ACCOUNT, SNOWFLAKE_LOCATOR, SNOWFLAKE_ORGANIZATION, Service,
};
use super::{HOUR, MINUTE, Narrator, snowflake_time};

/// An open session, as its statements refer to it.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) user: String,
    pub(super) user_type: &'static str,
    pub(super) role: &'static str,
    pub(super) warehouse: &'static str,
    pub(super) id: String,
    pub(super) login_event: String,
}

/// How somebody tries to sign in.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) address: &'a str,
    pub(super) client: (&'a str, &'a str),
    pub(super) factors: (&'a str, Option<&'a str>),
    /// Snowflake's code and message when it fails.
    pub(super) error: Option<(u32, &'a str)>,
}

/// One statement with what it did.
#[derive(Clone, Copy, Default)]
pub(super) struct Statement<'a> {
    pub(super) text: &'a str,
    pub(super) kind: &'a str,
    pub(super) database: Option<&'a str>,
    pub(super) millis: i64,
    pub(super) bytes_scanned: i64,
    pub(super) rows: i64,
    pub(super) rows_unloaded: i64,
    pub(super) outbound_bytes: i64,
    pub(super) error: Option<(u32, &'a str)>,
}

impl Narrator {
    /// Tells the attempt and gives back the event's id.
    pub(super) fn login(&mut self, at: Timestamp, login: Login<'_>) -> String {
        let event = format!("4937540{:08}", self.between(0, 100_000_000));
        let record = json!({
            "EVENT_ID": event,
            "EVENT_TIMESTAMP": snowflake_time(at),
            "EVENT_TYPE": "LOGIN",
            "USER_NAME": login.user,
            "CLIENT_IP": login.address,
            "REPORTED_CLIENT_TYPE": login.client.0,
            "REPORTED_CLIENT_VERSION": login.client.1,
            "FIRST_AUTHENTICATION_FACTOR": login.factors.0,
            "SECOND_AUTHENTICATION_FACTOR": login.factors.1,
            "IS_SUCCESS": if login.error.is_none() { "YES" } else { "NO" },
            "ERROR_CODE": login.error.map(|(code, _)| code),
            "ERROR_MESSAGE": login.error.map(|(_, message)| message),
            "RELATED_EVENT_ID": "0",
        });
        self.tell(at, "Snowflake.LoginHistory", &record);
        event
    }

    /// Tells the session's row; `environment` is what the client says of itself.
    pub(super) fn session(&mut self, at: Timestamp, session: &Session, login: Login<'_>, environment: &Value) {
        let method = match login.factors {
            ("RSA_KEYPAIR", _) => "Keypair",
            ("SAML2_ASSERTION", _) => "SAML2",
            (_, Some(_)) => "Password+MFA",
            (_, None) => "Password",
        };
        let record = json!({
            "SESSION_ID": session.id,
            "CREATED_ON": snowflake_time(at),
            "USER_NAME": session.user,
            "AUTHENTICATION_METHOD": method,
            "LOGIN_EVENT_ID": session.login_event,
            "CLIENT_APPLICATION_ID": format!("{} {}", login.client.0, login.client.1),
            "CLIENT_APPLICATION_VERSION": login.client.1,
            "CLIENT_ENVIRONMENT": environment.to_string(),
            "CLIENT_VERSION": login.client.1,
        });
        self.tell(at, "Snowflake.Sessions", &record);
    }

    pub(super) fn session_id(&mut self) -> String {
        format!("98765{:09}", self.between(0, 1_000_000_000))
    }

    /// Tells the statement and gives back its id.
    pub(super) fn statement(&mut self, at: Timestamp, session: &Session, statement: Statement<'_>) -> String {
        let query = format!("01b{}", &self.uuid()[3..]);
        let end = Timestamp::from_micros(at.micros + statement.millis * 1_000);
        let status = if statement.error.is_none() { "SUCCESS" } else { "FAIL" };
        let mut record = json!({
            "QUERY_ID": query,
            "QUERY_TEXT": statement.text,
            "DATABASE_NAME": statement.database,
            "SCHEMA_NAME": statement.database.map(|_| "PUBLIC"),
            "QUERY_TYPE": statement.kind,
            "SESSION_ID": session.id,
            "AUTHN_EVENT_ID": session.login_event,
            "USER_NAME": session.user,
            "USER_TYPE": session.user_type,
            "ROLE_NAME": session.role,
            "ROLE_TYPE": "ROLE",
            "WAREHOUSE_NAME": session.warehouse,
            "WAREHOUSE_SIZE": "X-Small",
            "WAREHOUSE_TYPE": "STANDARD",
            "CLUSTER_NUMBER": 1,
            "EXECUTION_STATUS": status,
            "ERROR_CODE": statement.error.map(|(code, _)| code.to_string()),
            "ERROR_MESSAGE": statement.error.map(|(_, message)| message),
            "START_TIME": snowflake_time(at),
            "END_TIME": snowflake_time(end),
            "TOTAL_ELAPSED_TIME": statement.millis,
            "BYTES_SCANNED": statement.bytes_scanned,
            "ROWS_PRODUCED": statement.rows,
            "BYTES_WRITTEN_TO_RESULT": if statement.kind == "SELECT" { statement.rows * 180 } else { 0 },
            "ROWS_UNLOADED": statement.rows_unloaded,
            "OUTBOUND_DATA_TRANSFER_BYTES": statement.outbound_bytes,
            "CREDITS_USED_CLOUD_SERVICES": 0.000_02,
            "IS_CLIENT_GENERATED_STATEMENT": false,
        });
        if statement.outbound_bytes > 0 {
            record["OUTBOUND_DATA_TRANSFER_CLOUD"] = "AWS".into();
            record["OUTBOUND_DATA_TRANSFER_REGION"] = "eu-central-1".into();
        }
        self.tell(at, "Snowflake.QueryHistory", &record);
        query
    }

    pub(super) fn data_transfer(&mut self, hour: i64, region: &str, bytes: i64, kind: &str) {
        let at = self.at(hour * HOUR);
        let record = json!({
            "ORGANIZATION_NAME": SNOWFLAKE_ORGANIZATION,
            "ACCOUNT_NAME": SNOWFLAKE_ACCOUNT,
            "ACCOUNT_LOCATOR": SNOWFLAKE_LOCATOR,
            "REGION": "AWS_US_EAST_1",
            "START_TIME": snowflake_time(at),
            "END_TIME": snowflake_time(self.at((hour + 1) * HOUR)),
            "USAGE_DATE": snowflake_time(at),
            "SOURCE_CLOUD": "AWS",
            "SOURCE_REGION": "us-east-1",
            "TARGET_CLOUD": "AWS",
            "TARGET_REGION": region,
            "BYTES_TRANSFERRED": bytes,
            "TRANSFER_TYPE": kind,
        });
        self.tell(at, "Snowflake.DataTransferHistory", &record);
    }
}

pub(super) fn tell(narrator: &mut Narrator) {
    for run in 0..48_i64 {
        load(narrator, run);
    }
    dashboards(narrator);
    for &person in PEOPLE {
        office_day(narrator, person);
    }
}

fn service_session(narrator: &mut Narrator, at: Timestamp, service: Service) -> Session {
    let login = Login {
        user: service.name,
        address: service.address,
        client: service.client,
        factors: ("RSA_KEYPAIR", None),
        error: None,
    };
    let login_event = narrator.login(at, login);
    let session = Session {
        user: service.name.to_owned(),
        user_type: "SERVICE",
        role: service.role,
        warehouse: service.warehouse,
        id: narrator.session_id(),
        login_event,
    };
    narrator.session(
        at,
        &session,
        login,
        &json!({"APPLICATION": service.client.0, "OS": "Linux", "OS_VERSION": "6.1"}),
    );
    session
}

/// Every half hour orders are loaded; once a night they are exported to the stage that is there for it.
fn load(narrator: &mut Narrator, run: i64) {
    let begin = run * 30 * MINUTE + narrator.between(0, 2 * MINUTE);
    let at = narrator.at_about(begin);
    let session = service_session(narrator, at, ETL);
    let nightly = run == 5;
    let steps: &[(&str, &str, i64)] = if nightly {
        &[("COPY INTO @EXPORTS.PUBLIC.NIGHTLY/orders/ FROM SALES.PUBLIC.ORDERS OVERWRITE = TRUE", "UNLOAD", 210_442)]
    } else {
        &[
            ("CREATE TEMPORARY TABLE SALES.PUBLIC.ORDERS_NEW LIKE SALES.PUBLIC.ORDERS", "CREATE_TABLE", 0),
            ("COPY INTO SALES.PUBLIC.ORDERS_NEW FROM @EXPORTS.PUBLIC.INBOX/orders/", "COPY", 4_380),
            (
                "MERGE INTO SALES.PUBLIC.ORDERS o USING SALES.PUBLIC.ORDERS_NEW n ON o.ID = n.ID WHEN NOT MATCHED THEN INSERT (ID, CUSTOMER_ID, TOTAL) VALUES (n.ID, n.CUSTOMER_ID, n.TOTAL)",
                "MERGE",
                4_380,
            ),
            ("REMOVE @EXPORTS.PUBLIC.INBOX/orders/", "REMOVE_FILES", 3),
        ]
    };
    for (step, &(text, kind, rows)) in (0_i64..).zip(steps) {
        let at = narrator.at_about(begin + 5 + step * 20);
        let millis = narrator.between(200, 15_000);
        let rows_unloaded = if kind == "UNLOAD" { rows } else { 0 };
        let bytes_scanned = rows * 900;
        let statement = Statement {
            text,
            kind,
            database: Some("SALES"),
            millis,
            bytes_scanned,
            rows,
            rows_unloaded,
            ..Statement::default()
        };
        narrator.statement(at, &session, statement);
    }
}

/// Every ten minutes the dashboards refresh, over one session an hour.
fn dashboards(narrator: &mut Narrator) {
    const PANELS: &[&str] = &[
        "SELECT DATE_TRUNC('hour', CREATED_AT) AS H, SUM(TOTAL) FROM SALES.PUBLIC.ORDERS WHERE CREATED_AT > DATEADD(day, -7, CURRENT_TIMESTAMP()) GROUP BY H",
        "SELECT REGION, COUNT(*) FROM SALES.PUBLIC.ORDERS GROUP BY REGION",
        "SELECT STATUS, COUNT(*) FROM SUPPORT.PUBLIC.TICKETS WHERE OPENED_AT > CURRENT_DATE() - 30 GROUP BY STATUS",
    ];
    for hour in 0..24_i64 {
        let begin = hour * HOUR + narrator.between(0, 4 * MINUTE);
        let at = narrator.at_about(begin);
        let session = service_session(narrator, at, DASHBOARDS);
        for refresh in 0..6_i64 {
            for (panel, &text) in (0_i64..).zip(PANELS) {
                let at = narrator.at_about(begin + refresh * 9 * MINUTE + 1 + panel * 2);
                let millis = narrator.between(90, 2_500);
                let statement = Statement {
                    text,
                    kind: "SELECT",
                    database: Some("SALES"),
                    millis,
                    bytes_scanned: 48_000_000,
                    rows: 24,
                    ..Statement::default()
                };
                narrator.statement(at, &session, statement);
            }
        }
    }
}

/// Questions of people, and what else they do: a wrong password now and then, a report, a refused statement.
fn office_day(narrator: &mut Narrator, person: Person) {
    const QUESTIONS: &[(&str, &str)] = &[
        ("SELECT COUNT(*) FROM SALES.PUBLIC.ORDERS WHERE STATUS = 'OPEN'", "SELECT"),
        ("SELECT * FROM SALES.PUBLIC.CUSTOMERS WHERE ID = 48213 LIMIT 1", "SELECT"),
        ("SELECT AVG(TOTAL), REGION FROM SALES.PUBLIC.ORDERS GROUP BY REGION ORDER BY 1 DESC", "SELECT"),
        ("SHOW TABLES IN SCHEMA SALES.PUBLIC", "SHOW"),
        ("DESCRIBE TABLE SALES.PUBLIC.ORDERS", "DESCRIBE"),
        ("USE WAREHOUSE ANALYTICS_WH", "USE"),
        (
            "CREATE OR REPLACE VIEW SALES.PUBLIC.OPEN_ORDERS AS SELECT * FROM SALES.PUBLIC.ORDERS WHERE STATUS = 'OPEN'",
            "CREATE_VIEW",
        ),
        ("COPY INTO @~/open_orders.csv FROM (SELECT * FROM SALES.PUBLIC.OPEN_ORDERS LIMIT 500)", "UNLOAD"),
    ];
    let user = person.name.to_uppercase();
    let login = Login {
        user: &user,
        address: person.address,
        client: ("SNOWFLAKE_UI", "1.44.2"),
        factors: person.factors,
        error: None,
    };
    let morning = narrator.between(8 * HOUR, 9 * HOUR);
    if person.factors.0 == "PASSWORD" && narrator.chance(40) {
        let at = narrator.at_about(morning - 30);
        let error = Some((390_100, "INCORRECT_USERNAME_PASSWORD"));
        narrator.login(at, Login { factors: ("PASSWORD", None), error, ..login });
    }
    let at = narrator.at_about(morning);
    let login_event = narrator.login(at, login);
    let session = Session {
        id: narrator.session_id(),
        user: user.clone(),
        user_type: "PERSON",
        role: person.role,
        warehouse: person.warehouse,
        login_event,
    };
    narrator.session(at, &session, login, &json!({"APPLICATION": "Snowsight", "OS": "macOS", "OS_VERSION": "14.7"}));
    for _ in 0..40 {
        let (text, kind) = narrator.pick(QUESTIONS);
        let begin = narrator.office_hours().max(morning + MINUTE);
        let at = narrator.at_about(begin);
        let millis = narrator.between(40, 6_000);
        let refused = (3_001, "SQL access control error: Insufficient privileges to operate on view 'OPEN_ORDERS'");
        let error = (kind == "CREATE_VIEW" && person.role == "ANALYST").then_some(refused);
        let rows_unloaded = if kind == "UNLOAD" { 500 } else { 0 };
        let bytes_scanned = if kind == "SELECT" { 12_000_000 } else { 0 };
        let statement = Statement {
            text,
            kind,
            database: Some("SALES"),
            millis,
            bytes_scanned,
            rows: 20,
            rows_unloaded,
            error,
            ..Statement::default()
        };
        let query = narrator.statement(at, &session, statement);
        if kind == "SELECT" {
            read_of(narrator, at, &user, &query, text);
        }
    }
    if person.name == "tomas" {
        // Harmless, and worth no more than a low alert: a report to the team's own stage.
        let begin = narrator.office_hours();
        let at = narrator.at_about(begin);
        let report = Statement {
            text: "COPY INTO @ANALYTICS.PUBLIC.ADHOC/q1_report FROM SALES.PUBLIC.OPEN_ORDERS",
            kind: "UNLOAD",
            database: Some("SALES"),
            millis: 2_100,
            rows: 20_118,
            rows_unloaded: 20_118,
            ..Statement::default()
        };
        narrator.statement(at, &session, report);
    }
}

/// The access history's row of a `SELECT` over one table.
pub(super) fn read_of(narrator: &mut Narrator, at: Timestamp, user: &str, query: &str, text: &str) {
    let table = text.split_whitespace().find(|word| word.matches('.').count() == 2).unwrap_or("SALES.PUBLIC.ORDERS");
    let object = json!({"objectDomain": "Table", "objectName": table, "columns": [{"columnName": "ID"}]});
    let record = json!({
        "QUERY_ID": query,
        "QUERY_START_TIME": snowflake_time(at),
        "USER_NAME": user,
        "DIRECT_OBJECTS_ACCESSED": [object],
        "BASE_OBJECTS_ACCESSED": [object],
        "OBJECTS_MODIFIED": [],
        "POLICIES_REFERENCED": [],
        "EVENT_SOURCE": "snowflake_sql",
    });
    narrator.tell(at, "Snowflake.AccessHistory", &record);
}
