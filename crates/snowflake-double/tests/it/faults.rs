//! Faults strike once, where they should, and leave the counts of executions to prove what ran.

use std::time::Duration;

use serde_json::json;
use uncia_snowflake_double::{Fault, FaultRates, SqlFailure};

use crate::client::{Scene, request};

const ID: &str = "0b1f2f9a-59a6-4b3e-a6b5-24a5c1f0a001";

async fn submit(scene: &Scene, retry: bool) -> (u16, String) {
    let path = format!("/api/v2/statements?requestId={ID}{}", if retry { "&retry=true" } else { "" });
    let answer = scene.post(&path, &scene.token(), &json!({"statement": "SELECT 1"})).await;
    (answer.status, answer.code().to_owned())
}

#[tokio::test]
async fn each_fault_of_a_submit_has_its_answer_and_its_count() {
    for (fault, expected, executed) in [
        (Fault::Throttle, (429, "390429"), 0),
        (Fault::UnavailableBefore, (503, "390503"), 0),
        (Fault::UnavailableAfter, (503, "390503"), 1),
        (Fault::Timeout, (408, "000630"), 0),
        (Fault::TooLarge, (200, "391908"), 1),
        (Fault::TokenExpired, (401, "390318"), 0),
        (Fault::Slow { polls: 1 }, (202, "333334"), 1),
        (Fault::Takes(Duration::from_secs(46)), (202, "333334"), 1),
        (Fault::Takes(Duration::from_secs(44)), (200, "090001"), 1),
        (
            Fault::Sql(SqlFailure { code: "000604", state: "57014", message: "SQL execution canceled".to_owned() }),
            (422, "000604"),
            0,
        ),
    ] {
        let scene = Scene::new().await;
        scene.double.inject(fault.clone());
        assert_eq!(submit(&scene, false).await, (expected.0, expected.1.to_owned()), "{fault:?}");
        assert_eq!(scene.double.executions(ID), executed, "{fault:?}");
        assert_eq!(scene.double.faults_struck(), 1);
        // The retry is never struck again, and runs only what did not run.
        let ran = executed == 1 && !matches!(fault, Fault::TooLarge);
        submit(&scene, true).await;
        assert_eq!(scene.double.executions(ID), if ran { 1 } else { executed + 1 }, "{fault:?}");
    }
}

#[tokio::test]
async fn a_cut_connection_tells_nothing_and_the_retry_runs_nothing_twice() {
    for (fault, executed) in [(Fault::CutBefore, 0), (Fault::CutAfter, 1)] {
        let scene = Scene::new().await;
        scene.double.inject(fault);
        let url = format!("{}/api/v2/statements?requestId={ID}", scene.double.url());
        let cut = request(reqwest::Method::POST, &url, &scene.token())
            .header("Content-Type", "application/json")
            .body(json!({"statement": "SELECT 1"}).to_string());
        assert!(cut.send().await.is_err());
        assert_eq!(scene.double.executions(ID), executed);
        assert_eq!(submit(&scene, true).await.0, 200);
        assert_eq!(scene.double.executions(ID), 1);
    }
}

#[tokio::test]
async fn slow_statements_are_polled_cancelled_and_time_out() {
    let scene = Scene::new().await;
    let post = |body: serde_json::Value| async {
        scene.submit(body).await.body["statementStatusUrl"].as_str().unwrap().to_owned()
    };
    scene.double.inject(Fault::Slow { polls: 2 });
    let url = post(json!({"statement": "SELECT 1"})).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(scene.get(&url).await.status);
    }
    assert_eq!(seen, [202, 202, 200]);

    scene.double.inject(Fault::Takes(Duration::from_secs(100)));
    let url = post(json!({"statement": "SELECT 1"})).await;
    assert_eq!(scene.get(&url).await.status, 202);
    scene.advance(100);
    assert_eq!(scene.get(&url).await.status, 200);

    scene.double.inject(Fault::Takes(Duration::from_secs(100)));
    let url = post(json!({"statement": "SELECT 1"})).await;
    let handle = url.split(['/', '?']).nth(4).unwrap();
    let cancel = format!("/api/v2/statements/{handle}/cancel");
    assert_eq!(scene.post(&cancel, &scene.token(), &json!({})).await.status, 200);
    assert_eq!(scene.get(&url).await.outcome(), (422, "000604"));
    assert_eq!(scene.post(&cancel, &scene.token(), &json!({})).await.outcome(), (422, "000605"));

    scene.double.inject(Fault::Takes(Duration::from_secs(100)));
    let late = scene.submit(json!({"statement": "SELECT 1", "timeout": 60})).await;
    assert_eq!(late.status, 202);
    scene.advance(100);
    assert_eq!(scene.get(late.body["statementStatusUrl"].as_str().unwrap()).await.outcome(), (408, "000630"));
}

#[tokio::test]
async fn each_fault_of_a_get_has_its_answer() {
    let scene = Scene::new().await;
    let url = scene.sql("SELECT 1").await.body["statementStatusUrl"].as_str().unwrap().to_owned();
    for (fault, status) in [(Fault::ThrottleGet, 429), (Fault::ThrottleGetRunning, 429), (Fault::UnavailableGet, 503)] {
        scene.double.inject(fault.clone());
        assert_eq!(scene.get(&url).await.status, status, "{fault:?}");
        assert_eq!(scene.get(&url).await.status, 200);
    }
    scene.double.inject(Fault::CutGet);
    assert!(
        request(reqwest::Method::GET, &format!("{}{url}", scene.double.url()), &scene.token()).send().await.is_err()
    );
    scene.double.inject(Fault::ExpireHandle);
    assert_eq!(scene.get(&url).await.status, 404);
    assert_eq!(scene.get(&url).await.status, 404);
    scene.double.inject(Fault::WrongRowCount);
    let wrong = scene.sql("SELECT 1").await;
    assert_eq!(wrong.body["resultSetMetaData"]["partitionInfo"][0]["rowCount"], 2);
}

#[tokio::test]
async fn rates_strike_as_often_as_they_say_and_repeat() {
    let run = || async {
        let scene = Scene::new().await;
        let rates = FaultRates { throttle: 0.2, unavailable_after: 0.1, ..FaultRates::default() };
        scene.double.set_fault_rates(rates, 7);
        let mut seen = Vec::new();
        for _ in 0..100 {
            seen.push(scene.sql("SELECT 1").await.status);
        }
        seen
    };
    let (one, two) = (run().await, run().await);
    assert_eq!(one, two);
    let count = |status: u16| one.iter().filter(|seen| **seen == status).count();
    assert!((8..35).contains(&count(429)) && (2..25).contains(&count(503)), "{one:?}");
}

#[tokio::test]
async fn a_handle_belongs_to_who_submitted() {
    let scene = Scene::new().await;
    let url = scene.sql("SELECT 1").await.body["statementStatusUrl"].as_str().unwrap().to_owned();
    let other = crate::client::Key::new();
    scene
        .double
        .run_script(&format!(
            "CREATE USER OTHER TYPE = SERVICE; ALTER USER OTHER SET RSA_PUBLIC_KEY = '{}'",
            other.public
        ))
        .unwrap();
    let token = other.token("UNCIATEST-MAIN", "OTHER", scene.now());
    let answer = request(reqwest::Method::GET, &format!("{}{url}", scene.double.url()), &token).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404);
}
