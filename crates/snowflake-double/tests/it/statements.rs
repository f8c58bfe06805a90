//! The SQL API: what is run once, what is answered when, what is refused.

use serde_json::json;

use crate::client::Scene;

const VIEW: &str = "SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY";

#[tokio::test]
async fn context_functions_answer_for_the_session() {
    let scene = Scene::new().await;
    let answer = scene
        .sql("SELECT CURRENT_ORGANIZATION_NAME(), CURRENT_ACCOUNT_NAME(), CURRENT_ACCOUNT() AS LOC, CURRENT_ROLE(), CURRENT_WAREHOUSE(), CURRENT_TIMESTAMP() AS NOW")
        .await;
    assert_eq!(
        answer.rows(),
        &json!([["UNCIATEST", "MAIN", "XY12345", "AUDIT_ROLE", "AUDIT_WH", "1772323200.000000000"]])
    );
    assert_eq!(answer.body["resultSetMetaData"]["rowType"][5]["type"], "timestamp_ltz");
    assert_eq!(answer.headers["date"], "Sun, 01 Mar 2026 00:00:00 GMT");
}

#[tokio::test]
async fn names_of_roles_and_warehouses_are_compared_as_they_are() {
    let scene = Scene::new().await;
    let sql = format!("SELECT COUNT(*) FROM {VIEW}");
    let with = |role: &str, warehouse: &str| json!({"statement": sql, "role": role, "warehouse": warehouse});
    assert_eq!(scene.submit(with("AUDIT_ROLE", "AUDIT_WH")).await.rows(), &json!([["0"]]));
    assert_eq!(scene.submit(with("audit_role", "AUDIT_WH")).await.outcome(), (422, "390189"));
    assert_eq!(scene.submit(with("AUDIT_ROLE", "audit_wh")).await.outcome(), (422, "000606"));
    assert_eq!(scene.submit(with("SYSADMIN", "AUDIT_WH")).await.outcome(), (422, "390189"));
    scene.double.run_script("REVOKE USAGE ON WAREHOUSE AUDIT_WH FROM ROLE AUDIT_ROLE").unwrap();
    assert_eq!(scene.sql(&sql).await.outcome(), (422, "000606"));
    assert_eq!(scene.sql("SELECT CURRENT_ROLE()").await.status, 200);
}

#[tokio::test]
async fn each_view_opens_to_its_database_role() {
    let scene = Scene::new().await;
    let read = |view: &'static str| format!("SELECT COUNT(*) FROM SNOWFLAKE.ACCOUNT_USAGE.{view}");
    for (view, expected) in [
        ("LOGIN_HISTORY", 200),
        ("query_history", 200),
        ("\"query_history\"", 422),
        ("DATA_TRANSFER_HISTORY", 422),
        ("STAGES", 422),
        ("USAGE_HISTORY", 422),
    ] {
        let answer = scene.sql(&read(view)).await;
        assert_eq!(answer.status, expected, "{view}");
        if expected == 422 {
            assert_eq!(answer.code(), "002003", "{view}");
        }
    }
    scene.double.run_script("GRANT IMPORTED PRIVILEGES ON DATABASE SNOWFLAKE TO ROLE AUDIT_ROLE").unwrap();
    assert_eq!(scene.sql(&read("STAGES")).await.status, 200);
    scene
        .double
        .run_script(
            "REVOKE IMPORTED PRIVILEGES ON DATABASE SNOWFLAKE FROM ROLE AUDIT_ROLE;
             REVOKE DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER FROM ROLE AUDIT_ROLE;",
        )
        .unwrap();
    assert_eq!(scene.sql(&read("LOGIN_HISTORY")).await.code(), "002003");
}

#[tokio::test]
async fn custom_views_want_three_grants() {
    let scene = Scene::new().await;
    scene
        .double
        .run_script(
            "CREATE DATABASE COPIES; CREATE SCHEMA COPIES.AUDIT;
             CREATE VIEW COPIES.AUDIT.LOGIN_HISTORY AS SELECT * FROM SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY;",
        )
        .unwrap();
    let sql = "SELECT COUNT(*) FROM COPIES.AUDIT.LOGIN_HISTORY";
    for grant in
        ["USAGE ON DATABASE COPIES", "USAGE ON SCHEMA COPIES.AUDIT", "SELECT ON VIEW COPIES.AUDIT.LOGIN_HISTORY"]
    {
        assert_eq!(scene.sql(sql).await.outcome(), (422, "002003"), "before {grant}");
        scene.double.run_script(&format!("GRANT {grant} TO ROLE AUDIT_ROLE")).unwrap();
    }
    assert_eq!(scene.sql(sql).await.rows(), &json!([["0"]]));
    let named = json!({"statement": "SELECT COUNT(*) FROM LOGIN_HISTORY", "database": "COPIES", "schema": "AUDIT"});
    assert_eq!(scene.submit(named).await.status, 200);
}

#[tokio::test]
async fn a_retry_with_the_same_request_id_runs_once() {
    let scene = Scene::new().await;
    let id = "6d1c2b5e-8f0a-4f43-9c6f-2f4f0e6b7a01";
    let first = format!("/api/v2/statements?requestId={id}");
    let again = format!("{first}&retry=true");
    let body = json!({"statement": "SELECT 1 AS ONE"});
    let one = scene.post(&first, &scene.token(), &body).await;
    let two = scene.post(&again, &scene.token(), &body).await;
    assert_eq!(one.body["statementHandle"], two.body["statementHandle"]);
    assert_eq!(scene.double.executions(id), 1);
    scene.post(&first, &scene.token(), &body).await;
    assert_eq!(scene.double.executions(id), 2);
}

#[tokio::test]
async fn asynchronous_statements_are_polled() {
    let scene = Scene::new().await;
    let answer = scene.post("/api/v2/statements?async=true", &scene.token(), &json!({"statement": "SELECT 1"})).await;
    assert_eq!(answer.outcome(), (202, "333334"));
    let url = answer.body["statementStatusUrl"].as_str().unwrap().to_owned();
    assert_eq!(scene.get(&url).await.rows(), &json!([["1"]]));
    scene.advance(24 * 3600 + 1);
    assert_eq!(scene.get(&url).await.status, 404);
}

#[tokio::test]
async fn what_a_single_statement_may_not_be() {
    let scene = Scene::new().await;
    for (sql, code) in [
        ("SELECT 1; SELECT 2", "000008"),
        ("USE ROLE PUBLIC", "000002"),
        ("BEGIN", "000002"),
        ("ALTER SESSION SET QUERY_TAG = 'x'", "000002"),
        ("PUT file:///x @~", "000002"),
        ("GET @~ file:///x", "000002"),
        ("SELEC 1", "001003"),
        ("", "001003"),
        ("SELECT ?", "002049"),
        ("SELECT NO_SUCH_COLUMN FROM SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY", "000904"),
        ("SELECT NO_SUCH_FUNCTION(1)", "002141"),
        ("SELECT REGEXP_LIKE('a', 'a')", "002141"),
        ("SELECT ?::TIMESTAMP_LTZ", "002049"),
        ("SELECT 'x'::TIMESTAMP_LTZ", "100035"),
        ("CREATE TABLE T (A NUMBER)", "001003"),
        ("DELETE FROM SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY", "001003"),
        ("CREATE ROLE X", "003001"),
        ("GRANT ROLE ACCOUNTADMIN TO USER AUDIT_USER", "003001"),
    ] {
        let answer = scene.sql(sql).await;
        assert_eq!(answer.outcome(), (422, code), "{sql}: {}", answer.body["message"]);
    }
    let nonsense = json!({"statement": "SELECT 1", "timeout": "soon"});
    assert_eq!(scene.submit(nonsense).await.status, 400);
}

#[tokio::test]
async fn several_statements_share_a_session() {
    let scene = Scene::new().await;
    let several = |count: u64| {
        json!({
            "statement": "USE ROLE PUBLIC; SELECT CURRENT_ROLE(); SELECT 2",
            "parameters": {"MULTI_STATEMENT_COUNT": count.to_string()},
        })
    };
    assert_eq!(scene.submit(several(2)).await.code(), "000008");
    let answer = scene.submit(several(3)).await;
    assert_eq!(answer.rows(), &json!([["Multiple statements executed successfully."]]));
    let handles = answer.body["statementHandles"].as_array().unwrap();
    assert_eq!(handles.len(), 3);
    let second = scene.get(&format!("/api/v2/statements/{}", handles[1].as_str().unwrap())).await;
    assert_eq!(second.rows(), &json!([["PUBLIC"]]));
    let mut bound = several(0);
    bound["bindings"] = json!({"1": {"type": "TEXT", "value": "x"}});
    assert_eq!(scene.submit(bound).await.status, 422);
}
