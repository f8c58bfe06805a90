//! What enrichment adds to an event on its way to the rules: the same events with and without tables, in one run.
//!
//! The floor is what an event costs at this place anyway: it is written as the text that rules parse. Statements of a Snowflake
//! account are looked up among users, the roles they hold, roles, and what roles may do; events of another log type whose users
//! nobody knows show what it costs to find nothing. `perf stat -e instructions:u` on the first argument `floor`, `found` or
//! `nothing` alone gives instructions.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uncia_document::{Document, Interner, Parser};
use uncia_enrichment::{Association, Case, Enricher, Selector, TableBuilder};
use uncia_model::{LogType, SourceId};

const USERS: usize = 5_000;
const EVENTS: usize = 2_000;
const ROUNDS: usize = 50;

fn table(name: &str, any: &[&str], of: &[&str], rows: impl Iterator<Item = (String, String)>) -> Association {
    let mut builder = TableBuilder::new(name, Case::Folded, 64 << 20);
    for (key, row) in rows {
        builder.add([key.as_str()], &row).expect("the table is small");
    }
    let selectors = |texts: &[&str]| texts.iter().map(|text| Selector::new(text)).collect::<Vec<_>>();
    let of = vec![(LogType::from("Snowflake.QueryHistory"), selectors(of))];
    Association { table: Arc::new(builder.finish()), source: Some(SourceId::from("prod")), any: selectors(any), of }
}

/// As many rows and columns as an account of five thousand users has.
fn enricher() -> Enricher {
    let users = (0..USERS).map(|n| {
        let row = format!(
            r#"{{"USER_ID":"{n}","NAME":"USER{n}","CREATED_ON":"2024-01-02 03:04:05.123456000","LOGIN_NAME":"USER{n}","DISPLAY_NAME":"User {n}","EMAIL":"user{n}@acme.example","MUST_CHANGE_PASSWORD":false,"HAS_PASSWORD":true,"DISABLED":"false","DEFAULT_WAREHOUSE":"WH","DEFAULT_ROLE":"ANALYST","HAS_MFA":true,"LAST_SUCCESS_LOGIN":"2026-01-02 03:04:05.123456000","HAS_RSA_PUBLIC_KEY":false,"OWNER":"USERADMIN","TYPE":"PERSON"}}"#
        );
        (format!("USER{n}"), row)
    });
    let grant = |n: usize, role: usize| {
        let row = format!(
            r#"{{"CREATED_ON":"2024-01-02 03:04:05.123456000","ROLE":"ROLE{role}","GRANTED_TO":"USER","GRANTEE_NAME":"USER{n}","GRANTED_BY":"SECURITYADMIN"}}"#
        );
        (format!("USER{n}"), row)
    };
    let held = (0..USERS).flat_map(|n| [grant(n, n % 300), grant(n, (n + 7) % 300), grant(n, (n + 11) % 300)]);
    let roles = (0..300).map(|n| {
        let row =
            format!(r#"{{"ROLE_ID":"{n}","NAME":"ROLE{n}","CREATED_ON":"2024-01-02 03:04:05.1","OWNER":"USERADMIN"}}"#);
        (format!("ROLE{n}"), row)
    });
    let rights = (0..1_200).map(|n| {
        let row = format!(
            r#"{{"CREATED_ON":"2024-01-02 03:04:05.1","PRIVILEGE":"USAGE","GRANTED_ON":"ROLE","NAME":"ROLE{}","GRANTED_TO":"ROLE","GRANTEE_NAME":"ROLE{}","GRANT_OPTION":false,"GRANTED_BY":"SECURITYADMIN"}}"#,
            n / 4,
            n % 300
        );
        (format!("ROLE{}", n % 300), row)
    });
    Enricher::new(vec![
        table("prod_users", &["p_any_usernames", "p_any_emails"], &[], users),
        table("prod_grantsToUsers", &["p_any_usernames"], &[], held),
        table("prod_roles", &[], &["ROLE_NAME"], roles),
        table("prod_grantsToRoles", &[], &["ROLE_NAME"], rights),
    ])
}

/// A statement of the user of this number, whom the tables know if it is one of theirs.
fn event(n: usize, user: usize) -> String {
    format!(
        r#"{{"QUERY_ID":"01b{n:08}","QUERY_TEXT":"SELECT c.name, sum(o.total) FROM sales.public.customers c JOIN sales.public.orders o ON o.customer = c.id WHERE o.placed > '2026-01-01' GROUP BY 1 ORDER BY 2 DESC LIMIT {n}","DATABASE_ID":"12","DATABASE_NAME":"SALES","SCHEMA_NAME":"PUBLIC","QUERY_TYPE":"SELECT","SESSION_ID":"1739{n}","USER_NAME":"USER{u}","ROLE_NAME":"ROLE{r}","WAREHOUSE_NAME":"ANALYTICS_WH","WAREHOUSE_SIZE":"Small","WAREHOUSE_TYPE":"STANDARD","CLUSTER_NUMBER":1,"EXECUTION_STATUS":"SUCCESS","START_TIME":"2026-03-02 10:00:00.123000000","END_TIME":"2026-03-02 10:00:01.456000000","TOTAL_ELAPSED_TIME":1333,"BYTES_SCANNED":1{n}00,"ROWS_PRODUCED":10,"COMPILATION_TIME":81,"EXECUTION_TIME":1200,"QUEUED_PROVISIONING_TIME":0,"QUEUED_OVERLOAD_TIME":0,"CREDITS_USED_CLOUD_SERVICES":0.00012,"RELEASE_VERSION":"9.36.1","QUERY_HASH":"af31{n}","IS_CLIENT_GENERATED_STATEMENT":false,"p_event_time":"2026-03-02 10:00:01.456000000","p_log_type":"Snowflake.QueryHistory","p_source_id":"prod","p_source_label":"Prod","p_row_id":"0123456789abcdef0123456789abcdef","p_parse_time":"2026-03-02 10:10:00.000000000","p_any_usernames":["USER{u}"]}}"#,
        u = user,
        r = n % 300,
    )
}

/// CPU of a pass, at its best, and the bytes that rules get.
fn best(events: &[Document], enricher: Option<(&Enricher, &str, &str)>) -> (Duration, usize) {
    let (mut best, mut bytes) = (Duration::MAX, 0);
    let case = enricher.map(|(enricher, log_type, source)| (enricher, LogType::from(log_type), SourceId::from(source)));
    let mut json = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        bytes = 0;
        for event in events {
            json.clear();
            event.write_json(&mut json);
            if let Some((enricher, log_type, source)) = &case {
                enricher.enrich_into(log_type, source, event.root(), &mut json);
            }
            bytes += black_box(&json).len();
        }
        best = best.min(began.elapsed());
    }
    (best, bytes / events.len())
}

fn main() {
    let (enricher, interner) = (enricher(), Interner::new());
    let mut parser = Parser::new(interner);
    let mut events = |first: usize| -> Vec<Document> {
        let texts = (0..EVENTS).map(|n| event(n, first + n * 7 % USERS));
        texts.map(|text| parser.parse(text.as_bytes()).expect("the events are JSON")).collect()
    };
    let (known, strangers) = (events(0), events(USERS));
    let cases = [
        ("floor", &known, None),
        ("found", &known, Some((&enricher, "Snowflake.QueryHistory", "prod"))),
        ("nothing", &strangers, Some((&enricher, "Okta.SystemLog", "okta"))),
    ];
    let only = std::env::args().nth(1);
    let mut floor = None;
    for (name, events, case) in cases.into_iter().filter(|(name, ..)| only.as_deref().is_none_or(|only| only == *name))
    {
        let (took, bytes) = best(events, case);
        let nanos = took.as_nanos() as f64 / EVENTS as f64;
        let ratio = nanos / *floor.get_or_insert(nanos);
        println!("{name:<8} {nanos:>8.0} ns an event {bytes:>6} bytes {ratio:>6.2} of the floor");
    }
}
