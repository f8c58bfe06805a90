//! Predicates against brute force, over files older than their table's structs.
//!
//! Pushed into DataFusion 54.1's Parquet reader, a predicate on a struct field is silently dropped wherever a file's
//! struct differs from the table's. So nothing is pushed down; whoever turns it on again will see these tests fail.

use std::fmt::Write;

use serde_json::{Value, json};
use uncia_model::{Column, ColumnType, Database};

use super::fixture::{Fixture, columns, list, object};

fn table(generation: usize) -> Vec<Column> {
    use ColumnType::{Json, Long, String, Timestamp};
    let mut inner = vec![("a", String)];
    let mut outer = vec![("name", String)];
    let mut item = vec![("k", String)];
    if generation > 0 {
        inner.insert(0, ("b", Long));
        item.push(("v", Long));
    }
    outer.push(("inner", object(&inner)));
    if generation > 1 {
        outer.push(("late", String));
    }
    let mut all = vec![
        ("p_event_time", Timestamp),
        ("id", Long),
        ("word", String),
        ("tags", list(String)),
        ("s", object(&outer)),
        ("items", list(object(&item))),
        ("free", Json),
    ];
    if generation > 0 {
        all.push(("lateWord", String));
    }
    columns(&all)
}

/// Rows as a file of some generation has them.
fn rows(generation: usize, count: u64) -> Vec<Value> {
    (0..count)
        .map(|n| {
            // A multiplicative hash is random enough, and the same in every run.
            let dice = |salt: u64, sides: u64| {
                ((n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(salt as u32 * 7) >> 20) % sides
            };
            let mut inner = json!({ "a": format!("a{}", dice(1, 4)) });
            let mut outer = json!({ "name": format!("n{}", dice(2, 5)) });
            let mut item = json!({ "k": format!("k{}", dice(3, 3)) });
            let mut row = json!({
                "p_event_time": format!("2026-11-{:02}T00:00:00Z", generation + 1),
                "id": generation as u64 * 10_000 + n,
                "word": format!("w{}", dice(4, 6)),
                "tags": [format!("t{}", dice(5, 3)), format!("t{}", dice(6, 9))],
                "free": format!("{{\"x\":{}}}", dice(7, 10)),
            });
            if generation > 0 {
                inner["b"] = dice(8, 5).into();
                item["v"] = dice(1, 7).into();
                row["lateWord"] = format!("l{}", dice(2, 3)).into();
            }
            if generation > 1 && dice(3, 2) == 0 {
                outer["late"] = format!("late{}", dice(4, 3)).into();
            }
            if dice(5, 4) > 0 {
                outer["inner"] = inner;
            }
            if dice(6, 7) > 0 {
                row["s"] = outer;
            }
            row["items"] = json!([item]);
            row
        })
        .collect()
}

type Wanted = fn(&Value) -> bool;

#[tokio::test]
async fn predicates_agree_with_brute_force() {
    let mut all: Vec<Value> = Vec::new();
    let generations: Vec<Vec<Column>> = (0..3).map(table).collect();
    let mut files: Vec<(&[Column], String)> = Vec::new();
    for (generation, columns) in generations.iter().enumerate() {
        let rows = rows(generation, 300);
        let mut lines = String::new();
        for row in &rows {
            writeln!(lines, "{row}").expect("strings take text");
        }
        all.extend(rows);
        files.push((columns, lines));
    }
    let files: Vec<(&[Column], &str)> = files.iter().map(|(columns, lines)| (*columns, lines.as_str())).collect();
    let mut fixture = Fixture::new();
    fixture.table(Database::Logs, "evolved", &generations[2], &files);
    let engine = fixture.engine();
    let cases: &[(&str, Wanted)] = &[
        ("s.name = 'n3'", |r| r["s"]["name"] == "n3"),
        ("s.inner.a = 'a1'", |r| r["s"]["inner"]["a"] == "a1"),
        ("s.inner.b = 3", |r| r["s"]["inner"]["b"] == 3),
        ("s.inner.b > 2 and word = 'w1'", |r| {
            r["s"]["inner"]["b"].as_u64().is_some_and(|b| b > 2) && r["word"] == "w1"
        }),
        ("s.late = 'late1'", |r| r["s"]["late"] == "late1"),
        ("s.late is null", |r| r["s"]["late"].is_null()),
        ("s.late is not null or s.inner.b = 1", |r| !r["s"]["late"].is_null() || r["s"]["inner"]["b"] == 1),
        ("s is null", |r| r["s"].is_null()),
        ("not (s.inner.a = 'a1')", |r| r["s"]["inner"]["a"].as_str().is_some_and(|a| a != "a1")),
        ("s.inner.a in ('a0', 'a2') and s.name like 'n%'", |r| {
            matches!(r["s"]["inner"]["a"].as_str(), Some("a0" | "a2"))
        }),
        ("coalesce(s.inner.b, -1) = -1", |r| r["s"]["inner"]["b"].is_null()),
        ("array_contains('t2'::variant, tags)", |r| r["tags"].as_array().is_some_and(|t| t.contains(&json!("t2")))),
        ("array_contains('t7', tags) and s.name = 'n1'", |r| {
            r["tags"].as_array().is_some_and(|t| t.contains(&json!("t7"))) && r["s"]["name"] == "n1"
        }),
        ("items[0].k = 'k1'", |r| r["items"][0]["k"] == "k1"),
        ("items[0].v = 5", |r| r["items"][0]["v"] == 5),
        ("lateWord = 'l2'", |r| r["lateWord"] == "l2"),
        ("lateWord is null and word = 'w2'", |r| r["lateWord"].is_null() && r["word"] == "w2"),
        ("free:x >= 8", |r| r["free"].as_str().is_some_and(|f| f.ends_with("8}") || f.ends_with("9}"))),
        ("p_event_time >= '2026-11-02' and s.inner.a = 'a0'", |r| {
            r["p_event_time"].as_str().is_some_and(|t| t >= "2026-11-02") && r["s"]["inner"]["a"] == "a0"
        }),
        ("id < 10010 and s.inner.b = 2", |r| {
            r["id"].as_u64().is_some_and(|id| id < 10_010) && r["s"]["inner"]["b"] == 2
        }),
    ];
    for (predicate, wanted) in cases {
        let mut expected: Vec<u64> =
            all.iter().filter(|row| wanted(row)).filter_map(|row| row["id"].as_u64()).collect();
        expected.sort_unstable();
        assert!(!expected.is_empty(), "{predicate} tests nothing");
        let counted = engine.show(&format!("select count(*) n from evolved where {predicate}")).await;
        assert_eq!(counted, format!("{{\"n\":{}}}", expected.len()), "{predicate}");
        let listed = engine.show(&format!("select id from evolved where {predicate} order by id")).await;
        let expected: Vec<String> = expected.iter().map(|id| format!("{{\"id\":{id}}}")).collect();
        assert_eq!(listed, expected.join("\n"), "{predicate}");
    }
}

#[tokio::test]
async fn filters_stay_above_the_scan() {
    let columns = table(2);
    let mut fixture = Fixture::new();
    fixture.table(Database::Logs, "evolved", &columns, &[(&columns, r#"{"id":1,"word":"w"}"#)]);
    let plan = fixture.engine().show("explain select id from evolved where s.inner.a = 'a1' and word = 'w1'").await;
    assert!(plan.contains("FilterExec"), "{plan}");
}
