//! The made-up past: it repeats, it is seen as late as planned, and the naive recipe loses rows in it.

use std::collections::BTreeSet;

use serde_json::json;
use uncia_snowflake_double::Simulation;

use crate::client::{START, Scene};

const HOUR: i64 = 3_600_000_000;

fn plan() -> Simulation {
    Simulation {
        start: START,
        days: 5,
        statements_per_week: 4_000,
        long_share: 0.01,
        same_time_share: 0.05,
        late_share: 0.01,
        ..Simulation::default()
    }
}

#[tokio::test]
async fn a_past_repeats_by_its_seed_and_has_what_pulling_must_survive() {
    let scene = Scene::new().await;
    let oracle = scene.double.simulate(&plan());
    let again = Scene::new().await.double.simulate(&plan());
    let other = Scene::new().await.double.simulate(&Simulation { seed: 2, ..plan() });
    for view in oracle.views() {
        assert!(oracle.events(view).eq(again.events(view)), "{view}");
        assert!(!oracle.events(view).eq(other.events(view)), "{view}");
        let keys: BTreeSet<String> = oracle.events(view).map(|event| event.key).collect();
        assert_eq!(keys.len(), oracle.count(view), "{view}: keys are not unique");
        for day in 0..oracle.days() {
            let cursors: Vec<i64> = oracle.events_of(view, day..day + 1).map(|event| event.cursor).collect();
            assert!(cursors.is_sorted() && !cursors.is_empty(), "{view} on day {day}");
        }
    }
    let statements: Vec<_> = oracle.events("QUERY_HISTORY").collect();
    assert!(statements.windows(2).any(|pair| pair[0].cursor == pair[1].cursor));
    assert!(statements.iter().any(|event| event.versions.len() > 1));
    assert!(statements.iter().any(|event| event.versions[0] - event.cursor > HOUR));
    let accesses = oracle.events("ACCESS_HISTORY");
    assert!(accesses.map(|event| event.versions[0] - event.cursor).max() > Some(24 * HOUR));
    assert!(oracle.events("SESSIONS").all(|event| event.versions.len() == 2));
}

#[tokio::test]
async fn the_views_show_what_can_be_seen_and_no_more() {
    let scene = Scene::new().await;
    let oracle = scene.double.simulate(&plan());
    for hours in [1, 30, 60, 200] {
        scene.advance(u64::try_from((START + hours * HOUR - scene.now()) / 1_000_000).unwrap());
        for (view, column) in [
            ("QUERY_HISTORY", "QUERY_ID"),
            ("LOGIN_HISTORY", "EVENT_ID"),
            ("SESSIONS", "SESSION_ID"),
            ("ACCESS_HISTORY", "QUERY_ID"),
        ] {
            let only = if view == "QUERY_HISTORY" { " WHERE EXECUTION_STATUS <> 'RUNNING'" } else { "" };
            let sql = format!("SELECT {column} FROM SNOWFLAKE.ACCOUNT_USAGE.{view}{only}");
            let answer = scene.submit(json!({"statement": sql})).await;
            let seen: BTreeSet<String> =
                answer.rows().as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
            let expected: BTreeSet<String> =
                oracle.events(view).filter(|event| event.versions[0] <= scene.now()).map(|event| event.key).collect();
            assert_eq!(seen, expected, "{view} after {hours} h");
        }
    }
    assert!(scene.now() > oracle.settled());
    let open = scene.sql("SELECT COUNT(*) FROM SNOWFLAKE.ACCOUNT_USAGE.SESSIONS WHERE IS_OPEN").await;
    assert_eq!(open.rows(), &json!([["0"]]));
}

/// "Cursor beyond the last maximum", the usual recipe, loses rows here; an overlap with a daily sweep loses none.
#[tokio::test]
async fn the_usual_recipe_loses_rows() {
    let scene = Scene::new().await;
    let oracle = scene.double.simulate(&Simulation { days: 2, ..plan() });
    let end = oracle.settled() + HOUR;
    let mut naive: BTreeSet<String> = BTreeSet::new();
    let mut careful: BTreeSet<String> = BTreeSet::new();
    let mut last = START - HOUR;
    let view = "SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY";
    let mut polls = 0;
    while scene.now() < end {
        scene.advance(3600);
        polls += 1;
        let ask = |operator: &str, from: i64| {
            let sql = format!(
                "SELECT QUERY_ID, END_TIME FROM {view} WHERE END_TIME {operator} ?::TIMESTAMP_LTZ AND EXECUTION_STATUS <> 'RUNNING'"
            );
            let from = jiff::Timestamp::from_microsecond(from).unwrap().to_string();
            scene.submit(json!({"statement": sql, "bindings": {"1": {"type": "TEXT", "value": from}}}))
        };
        let answer = ask(">", last).await;
        for row in answer.rows().as_array().unwrap() {
            naive.insert(row[0].as_str().unwrap().to_owned());
            let seconds: f64 = row[1].as_str().unwrap().parse().unwrap();
            last = last.max((seconds * 1e6) as i64);
        }
        let last_poll = scene.now() >= end;
        let reach = if polls % 24 == 0 || last_poll { 48 } else { 2 };
        let answer = ask(">=", scene.now() - reach * HOUR).await;
        careful.extend(answer.rows().as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()));
    }
    let all: BTreeSet<String> = oracle.events("QUERY_HISTORY").map(|event| event.key).collect();
    assert!(naive.len() * 10 < all.len() * 9, "{} of {}", naive.len(), all.len());
    assert_eq!(careful, all);
}
