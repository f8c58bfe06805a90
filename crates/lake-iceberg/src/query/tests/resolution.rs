//! What a name means where several things have it, and what a statement's own instant is.

use uncia_document::Timestamp;

use super::answers::check;
use super::fixture::{NOW, lake};

#[tokio::test]
async fn a_selects_alias_orders_before_a_column_of_its_star() {
    check(&[
        // The earliest have the fewest bytes; the alias says otherwise.
        ("select -bytes as p_event_time, p_row_id from aws_cloudtrail order by p_event_time limit 1", r#"-30,"r3""#),
        ("select p_event_time, p_row_id from (select -bytes as p_event_time, * from aws_cloudtrail order by p_event_time limit 1)", r#"-30,"r3""#),
        ("select p_event_time, n.p_row_id from (select -a.bytes as p_event_time, a.* from aws_cloudtrail a) n order by 1 limit 1", r#"-30,"r3""#),
        // A star without the column has none to give way.
        ("select count(p_any_emails) from (select 'x' as p_any_emails, a.* from aws_cloudtrail a left join okta_systemlog o on false)", "4"),
        ("select lower(eventName) as eventName, bytes from aws_cloudtrail order by eventName, bytes desc limit 1", r#""consolelogin",30"#),
        // The column comes first in WHERE and GROUP BY.
        ("select upper(eventName) as eventName, count(*) from aws_cloudtrail where eventName = 'ConsoleLogin' group by eventName", r#""CONSOLELOGIN",2"#),
    ])
    .await;
    // Both are shown, the alias under its name.
    let lake = lake();
    let columns =
        "p_any_ip_addresses, userIdentity, requestParameters, resources, p_log_type, score, readOnly, id_orig_h";
    let sql = format!(
        "select -bytes as Bytes, * exclude ({columns}) from aws_cloudtrail where p_occurs_since('1 d') order by bytes, 2"
    );
    insta::assert_snapshot!(lake.show(&sql).await, @r#"
    {"Bytes":-30,"p_row_id":"r3","p_event_time":"2026-11-20 11:00:00.000000000","eventName":"ConsoleLogin","sourceIPAddress":"1.2.3.4","bytes":30}
    {"Bytes":0,"p_row_id":"r4","p_event_time":"2026-11-20 11:59:00.000000000","eventName":"DeleteTrail","sourceIPAddress":null,"bytes":0}
    "#);
}

#[tokio::test]
async fn units_of_time_are_no_names() {
    check(&[
        ("select date_trunc(day, p_event_time) as day, dateadd(day, 1, day) as later from aws_cloudtrail where p_row_id = 'r1'", r#""2026-11-18 00:00:00.000000000","2026-11-19 00:00:00.000000000""#),
        ("select 2 as hour, datediff(hour, p_event_time, current_timestamp) from aws_cloudtrail where p_row_id = 'r3'", "2,1"),
        ("select bytes as minute, time_slice(p_event_time, 30, minute) from aws_cloudtrail where p_row_id = 'r4'", r#"0,"2026-11-20 11:30:00.000000000""#),
        ("select date_trunc(p_event_time, 'month') as month, date_part(month, p_event_time) from aws_cloudtrail where p_row_id = 'r4'", r#""2026-11-01 00:00:00.000000000",11"#),
    ])
    .await;
}

#[tokio::test]
async fn rows_from_nothing() {
    check(&[
        ("select count(*) from table(generator(rowcount => 90))", "90"),
        ("select seq4() n, seq4() * 2 from table(generator(rowcount => 3)) order by n desc", "2,4 1,2 0,0"),
        ("select min(t), max(t) from (select dateadd('day', -1-seq4(), p_current_timestamp()) as t from table(generator(rowcount => 3)) g)", r#""2026-11-17 12:00:00.000000000","2026-11-19 12:00:00.000000000""#),
        ("select sum(n) from (select seq8() n from table(generator(rowcount => '5')) v) where n > 1", "9"),
    ])
    .await;
    let lake = lake();
    insta::assert_snapshot!(lake.show("select seq4() from table(generator(timelimit => 5))").await, @"error: generator needs rowcount => and a number");
    insta::assert_snapshot!(lake.show("select seq4() from table(generator(rowcount => 99000000))").await, @"error: generator: 99000000 rows are more than 10000000");
}

#[tokio::test]
async fn groups_in_parentheses() {
    check(&[(
        "select eventName, count(*) from aws_cloudtrail group by (eventName, p_log_type) order by 1 limit 1",
        r#""ConsoleLogin",2"#,
    )])
    .await;
}

#[tokio::test]
async fn a_statement_has_the_now_that_it_is_given() {
    let lake = lake();
    let earlier = Timestamp::from_micros(NOW - 86_400_000_000);
    let sql = "select current_timestamp, current_date, p_current_timestamp() = sysdate(), getdate()::date = current_date(), current_time, \
               (select count(*) from aws_cloudtrail where p_occurs_since('1 day')) as recent";
    let at = async |now| {
        let output = lake.0.query(sql, now).await.expect("a good statement");
        let rows: Vec<_> = futures::TryStreamExt::try_collect(output.rows).await.expect("a row");
        rows.iter().map(uncia_document::Document::to_json).collect::<String>()
    };
    insta::assert_snapshot!(at(None).await, @r#"{"current_timestamp":"2026-11-20 12:00:00.000000000","current_date":"2026-11-20","p_current_timestamp() = sysdate()":true,"getdate()::DATE = current_date()":true,"current_time":"12:00:00","recent":2}"#);
    insta::assert_snapshot!(at(Some(earlier)).await, @r#"{"current_timestamp":"2026-11-19 12:00:00.000000000","current_date":"2026-11-19","p_current_timestamp() = sysdate()":true,"getdate()::DATE = current_date()":true,"current_time":"12:00:00","recent":2}"#);
}
