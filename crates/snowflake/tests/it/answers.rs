//! Every answer code of the SQL API, and what the client makes of it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use uncia_document::Timestamp;
use uncia_model::Clock as _;
use uncia_snowflake::{Answer, AuthReason, Client, Error, Statement};

use crate::script::{Reply, Script, Tokens};

const RUNNING: &str = r#"{"code":"333334","message":"running","statementHandle":"01b2-aa","statementStatusUrl":"/x"}"#;

fn result(rows: &str, partitions: &[u64]) -> Reply {
    let info: Vec<String> =
        partitions.iter().map(|rows| format!(r#"{{"rowCount":{rows},"uncompressedSize":1}}"#)).collect();
    let sum: u64 = partitions.iter().sum();
    Reply::new(
        200,
        &format!(
            r#"{{"code":"090001","sqlState":"00000","message":"Statement executed successfully.","statementHandle":"01b2-aa","createdOn":1,
                "resultSetMetaData":{{"numRows":{sum},"format":"jsonv2","rowType":[{{"name":"N","type":"fixed","scale":0,"nullable":false,"precision":38,"length":null}}],
                "partitionInfo":[{}]}},"data":{rows}}}"#,
            info.join(",")
        ),
    )
}

fn failure(status: u16, code: &str, message: &str) -> Reply {
    let handle = if status == 422 || status == 408 { r#","statementHandle":"01b2-aa","sqlState":"42000""# } else { "" };
    Reply::new(status, &format!(r#"{{"code":"{code}","message":"{message}"{handle}}}"#))
}

fn statement() -> Statement {
    Statement { role: Some("R".to_owned()), warehouse: Some("W".to_owned()), ..Statement::new("SELECT 1") }
}

async fn numbers(client: &Client) -> Result<Vec<String>, Error> {
    let answer = client.execute(&statement()).await?;
    numbers_of(answer).await
}

async fn numbers_of(answer: Answer) -> Result<Vec<String>, Error> {
    let rows = answer.all_rows().await?;
    Ok(rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect())
}

async fn refused_with(reply: Reply) -> Error {
    let script = Script::of(vec![reply.clone(), reply]).await;
    let error = numbers(&script.plain()).await.unwrap_err();
    assert!(!error.to_string().contains("token-number"), "{error}");
    error
}

#[tokio::test]
async fn success_at_once() {
    let script = Script::of(vec![result(r#"[["1"],["2"]]"#, &[2])]).await;
    assert_eq!(numbers(&script.plain()).await.unwrap(), ["1", "2"]);
    let asked = script.asked();
    let first = &asked[0];
    assert_eq!((&first.method, first.path.as_str()), (&Method::POST, "/api/v2/statements"));
    assert_eq!(first.query["nullable"], "true");
    assert!(!first.query.contains_key("retry") && first.query["requestId"].len() == 36);
    for (header, value) in [
        ("authorization", "Bearer token-number-0"),
        ("x-snowflake-authorization-token-type", "OAUTH"),
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),
    ] {
        assert_eq!(first.headers[header], value);
    }
    assert!(first.headers["user-agent"].to_str().unwrap().starts_with("uncia/"));
}

#[tokio::test]
async fn partitions_are_fetched_in_order_and_counted() {
    let replies = vec![
        result(r#"[["1"]]"#, &[1, 2, 1]),
        // "Not yet", in both of its forms.
        Reply::new(429, RUNNING),
        Reply::new(202, RUNNING),
        Reply::new(200, r#"{"data":[["2"],["3"]]}"#).zipped(),
        Reply::new(200, r#"{"data":[["4"]]}"#),
    ];
    let script = Script::of(replies).await;
    let mut answer = script.plain().execute(&statement()).await.unwrap();
    assert_eq!((answer.rows, answer.partitions.as_slice(), answer.column("n")), (4, [1, 2, 1].as_slice(), Some(0)));
    let mut counts = Vec::new();
    while let Some(rows) = answer.next_rows().await.unwrap() {
        counts.push(rows.len());
    }
    assert_eq!(counts, [1, 2, 1]);
    let partitions: Vec<String> = script.asked()[1..].iter().map(|asked| asked.query["partition"].clone()).collect();
    assert_eq!(partitions, ["1", "1", "1", "2"]);
}

#[tokio::test]
async fn wrong_counts_are_errors() {
    let wrong_first = Script::of(vec![result(r#"[["1"]]"#, &[2])]).await;
    let error = numbers(&wrong_first.plain()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "statement 01b2-aa, partition 0 of 1: 2 rows were announced and 1 came: run the statement again"
    );
    assert!(error.wants_again());
    let wrong_later = Script::of(vec![result(r#"[["1"]]"#, &[1, 2]), Reply::new(200, r#"{"data":[["2"]]}"#)]).await;
    assert!(matches!(numbers(&wrong_later.plain()).await, Err(Error::Incomplete { expected: 2, found: 1, .. })));
    let body =
        r#"{"statementHandle":"h","resultSetMetaData":{"numRows":3,"partitionInfo":[{"rowCount":1}]},"data":[[]]}"#;
    let wrong_sum = Script::of(vec![Reply::new(200, body)]).await;
    assert!(matches!(numbers(&wrong_sum.plain()).await, Err(Error::Incomplete { expected: 3, found: 1, .. })));
    let wide = Script::of(vec![result(r#"[["1","2"]]"#, &[1])]).await;
    let error = numbers(&wide.plain()).await.unwrap_err().to_string();
    assert!(error.ends_with("a row of partition 0 of 1 with 2 cells for 1 columns"), "{error}");
}

#[tokio::test]
async fn a_running_statement_is_polled() {
    let replies = vec![
        Reply::new(202, RUNNING),
        Reply::new(202, RUNNING),
        // On a poll, 429 can also mean that it is still running.
        Reply::new(429, RUNNING),
        failure(429, "390505", "slow down"),
        result(r#"[["7"]]"#, &[1]),
    ];
    let script = Script::of(replies).await;
    assert_eq!(numbers(&script.plain()).await.unwrap(), ["7"]);
    let paths: Vec<String> = script.asked().iter().map(|asked| asked.path.clone()).collect();
    assert_eq!(paths[1..], ["/api/v2/statements/01b2-aa"; 4].map(str::to_owned));
}

#[tokio::test]
async fn a_submit_is_repeated_with_its_id() {
    let replies = vec![
        failure(429, "", "too many"),
        failure(503, "", "down").with("retry-after", "1"),
        Reply::new(504, "<html>gateway</html>"),
        result(r#"[["1"]]"#, &[1]),
    ];
    let script = Script::of(replies).await;
    assert_eq!(numbers(&script.plain()).await.unwrap(), ["1"]);
    let asked = script.asked();
    let ids: Vec<&str> = asked.iter().map(|asked| asked.query["requestId"].as_str()).collect();
    assert_eq!(ids, [ids[0]; 4]);
    let again: Vec<Option<&str>> = asked.iter().map(|asked| asked.query.get("retry").map(String::as_str)).collect();
    assert_eq!(again, [None, Some("true"), Some("true"), Some("true")]);
    assert!(asked.windows(2).all(|pair| pair[0].body == pair[1].body));
}

#[tokio::test]
async fn attempts_end() {
    let script = Script::of(vec![failure(429, "", "too many"); 9]).await;
    assert_eq!(numbers(&script.plain()).await.unwrap_err(), Error::Throttled { attempts: 4 });
    assert_eq!(script.asked().len(), 4);
    let script = Script::of(vec![failure(500, "", "down"); 9]).await;
    let error = numbers(&script.plain()).await.unwrap_err();
    assert_eq!(error.to_string(), "snowflake answered 500 in all of 4 attempts (said: down)");
    assert!(error.is_transient());
}

#[tokio::test]
async fn nobody_answers() {
    let script = Script::of(Vec::new()).await;
    let mut connection = script.plain().connection().clone();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    connection.url = Some(format!("http://{free}"));
    let client = Client::new(connection, Arc::new(Tokens::default()), script.clock.clone()).unwrap();
    let error = numbers(&client).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable { host, .. } if host == "127.0.0.1") && error.is_transient(),
        "{error}"
    );
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let script =
        Script::of(vec![failure(401, "390318", "OAuth access token expired."), result(r#"[["1"]]"#, &[1])]).await;
    assert_eq!(numbers(&script.plain()).await.unwrap(), ["1"]);
    assert_eq!(script.asked()[1].headers["authorization"], "Bearer token-number-1");

    let error = refused_with(failure(401, "390303", "Invalid OAuth access token token-number-1.")).await;
    assert!(matches!(error, Error::Auth { reason: AuthReason::InvalidToken, .. }), "{error}");
    assert!(error.is_auth());
}

#[tokio::test]
async fn a_token_that_ends_between_two_partitions_is_replaced() {
    let replies = vec![
        result(r#"[["1"]]"#, &[1, 1]),
        failure(401, "390318", "OAuth access token expired."),
        Reply::new(200, r#"{"data":[["2"]]}"#),
    ];
    let script = Script::of(replies).await;
    assert_eq!(numbers(&script.plain()).await.unwrap(), ["1", "2"]);
}

#[tokio::test]
async fn the_date_of_answers_corrects_the_clock() {
    let late = |reply: Reply| reply.with("date", "Thu, 01 Jan 1970 00:10:00 GMT");
    let replies = vec![late(failure(401, "390144", "JWT token is invalid.")), late(result(r#"[["1"]]"#, &[1]))];
    let script = Script::of(replies).await;
    let tokens = Arc::new(Tokens::default());
    assert_eq!(numbers(&script.client(tokens.clone())).await.unwrap(), ["1"]);
    let given: Vec<i64> = tokens.given.lock().unwrap().iter().map(|time| time.micros / 1_000_000).collect();
    assert_eq!(given, [0, 600]);
    assert_eq!(script.clock.now(), Timestamp::from_micros(0));
}

#[tokio::test]
async fn permanent_answers() {
    assert!(matches!(refused_with(failure(408, "000630", "timed out")).await, Error::Timeout { .. }));
    assert!(matches!(refused_with(failure(422, "001003", "syntax error")).await, Error::Sql { .. }));
    assert!(matches!(refused_with(failure(400, "390400", "bad request")).await, Error::Refused { status: 400, .. }));
    assert!(matches!(refused_with(failure(403, "", "forbidden")).await, Error::Refused { status: 403, .. }));
    assert!(matches!(refused_with(failure(404, "", "no such path")).await, Error::Refused { status: 404, .. }));
    assert!(matches!(refused_with(failure(405, "", "method")).await, Error::Refused { status: 405, .. }));
    assert!(matches!(refused_with(failure(415, "", "media type")).await, Error::Refused { status: 415, .. }));
    assert!(matches!(
        refused_with(Reply::new(302, "").with("location", "http://127.0.0.1:1/")).await,
        Error::Refused { status: 302, .. }
    ));
    let denied = "Incoming request with IP/Token 192.0.2.1 is not allowed to access Snowflake.";
    assert!(matches!(refused_with(failure(401, "390422", denied)).await, Error::NetworkPolicy { .. }));
    let missing = "Object 'SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY' does not exist or not authorized.";
    let error = refused_with(failure(422, "002003", missing)).await;
    assert!(error.to_string().contains("GRANT DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER TO ROLE R"), "{error}");
    let error = refused_with(failure(422, "000606", "No active warehouse")).await;
    assert!(matches!(&error, Error::NoWarehouse { warehouse: Some(name), .. } if name == "W"), "{error}");
    let large = Reply::new(200, r#"{"code":"391908","message":"too large","statementHandle":"h"}"#);
    assert!(refused_with(large).await.wants_less());
    assert!(matches!(refused_with(Reply::new(200, "<html>")).await, Error::Protocol { .. }));
    assert!(matches!(refused_with(Reply::new(200, "{}")).await, Error::Protocol { .. }));
    let evil = Reply::new(202, r#"{"code":"333334","statementHandle":"../../session"}"#);
    assert!(matches!(refused_with(evil).await, Error::Protocol { .. }));
}

#[tokio::test]
async fn a_result_that_is_gone_says_so() {
    let script = Script::of(vec![result(r#"[["1"]]"#, &[1, 1]), failure(404, "", "expired")]).await;
    assert_eq!(numbers(&script.plain()).await.unwrap_err(), Error::Expired { handle: "01b2-aa".to_owned() });
}

#[tokio::test]
async fn cancelling() {
    let script =
        Script::of(vec![Reply::new(200, r#"{"code":"000604","statementHandle":"h"}"#), failure(422, "000709", "done")])
            .await;
    let client = script.plain();
    client.cancel("01b2-aa").await.unwrap();
    // It had ended already.
    client.cancel("01b2-aa").await.unwrap();
    assert_eq!(script.asked()[0].path, "/api/v2/statements/01b2-aa/cancel");
    assert!(matches!(client.cancel("a/b").await, Err(Error::Protocol { .. })));
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_its_statement() {
    let mut replies = vec![Reply::new(202, RUNNING); 10_000];
    replies.push(result("[]", &[0]));
    let script = Script::of(replies).await;
    let client = script.plain();
    let waiting = tokio::spawn(async move { client.execute(&statement()).await.map(|_| ()) });
    while script.asked().len() < 3 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    let cancelled = async {
        while !script.asked().iter().any(|asked| asked.path.ends_with("/01b2-aa/cancel")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), cancelled).await.unwrap();
}

#[tokio::test]
async fn an_answer_may_not_be_endless() {
    let script = Script::of(vec![result("[]", &[0])]).await;
    let mut connection = script.plain().connection().clone();
    connection.pace.body_limit = 64;
    let client = Client::new(connection, Arc::new(Tokens::default()), script.clock.clone()).unwrap();
    let error = numbers(&client).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
}
