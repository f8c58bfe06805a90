//! `MATCH_RECOGNIZE`, judged by the worked examples of Snowflake's documentation: their tables, their answers.

use std::fmt::Write as _;

use uncia_model::{ColumnType, Database};

use super::answers::values;
use super::fixture::{Engine, Fixture, columns};

const ABCD: [i64; 10] = [50, 36, 39, 42, 30, 47, 71, 80, 75, 63];
const XYZ: [i64; 10] = [89, 24, 37, 63, 65, 56, 50, 54, 30, 32];

/// Prices of two stocks from the first to the tenth of October 2020.
fn stocks() -> Engine {
    let mut fixture = Fixture::new();
    let columns =
        columns(&[("company", ColumnType::String), ("price_date", ColumnType::Timestamp), ("price", ColumnType::Long)]);
    let mut rows = String::new();
    for (company, prices) in [("ABCD", ABCD), ("XYZ", XYZ)] {
        for (day, price) in (1..).zip(prices) {
            writeln!(rows, r#"{{"company":"{company}","price_date":"2020-10-{day:02}T00:00:00Z","price":{price}}}"#)
                .expect("strings take text");
        }
    }
    fixture.table(Database::Logs, "stock_price_history", &columns, &[(&columns, &rows)]);
    fixture.engine()
}

async fn check(cases: &[(&str, &str)]) {
    let lake = stocks();
    let mut wrong = String::new();
    for (sql, expected) in cases {
        let shown = match lake.rows(sql).await {
            Ok(rows) => rows.iter().map(|row| values(row).replace('"', "")).collect::<Vec<_>>().join(" "),
            Err(error) => format!("error: {error}"),
        };
        let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        if shown != expected {
            writeln!(wrong, "{sql}\n  gives  {shown}\n  wanted {expected}").expect("strings take text");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[tokio::test]
async fn one_row_per_match() {
    check(&[
        (
            "select company, match_number, day(start_date), day(end_date), rows_in_sequence, num_decreases, num_increases
             from stock_price_history match_recognize(
                partition by company order by price_date
                measures match_number() as match_number, first(price_date) as start_date, last(price_date) as end_date,
                  count(*) as rows_in_sequence, count(row_with_price_decrease.*) as num_decreases,
                  count(row_with_price_increase.*) as num_increases
                one row per match after match skip to last row_with_price_increase
                pattern(row_before_decrease row_with_price_decrease+ row_with_price_increase+)
                define row_with_price_decrease as price < lag(price), row_with_price_increase as price > lag(price))
             order by company, match_number",
            "ABCD,1,1,4,4,1,2 ABCD,2,4,8,5,1,3 XYZ,1,1,5,5,1,3 XYZ,2,5,8,4,2,1 XYZ,3,8,10,3,1,1",
        ),
        (
            "SELECT * FROM stock_price_history MATCH_RECOGNIZE (
                PARTITION BY company ORDER BY price_date
                MEASURES MATCH_NUMBER() AS \"Match #\", MATCH_SEQUENCE_NUMBER() AS \"Match Sequence #\", COUNT(*) AS \"Num Rows In Match\"
                ONE ROW PER MATCH PATTERN (LESS_THAN_45 UP UP)
                DEFINE LESS_THAN_45 AS price < 45.00, UP AS price > LAG(price))
             WHERE company = 'ABCD' ORDER BY \"Match #\", \"Match Sequence #\"",
            "ABCD,1,3,3 ABCD,2,3,3",
        ),
        (
            "select * exclude (s, e), day(s), day(e) from stock_price_history match_recognize(
                partition by company order by price_date
                measures match_number() as n, first(price_date) as s, last(price_date) as e, count(up.price) as ups,
                  count(*) as price_count, last(classifier()) = 'DOWN' up_spike
                after match skip to next row pattern(ANY_ROW PERMUTE(UP{2}, DOWN+))
                define ANY_ROW AS TRUE, UP as price > lag(price), DOWN as price < lag(price))
             order by company, n",
            "ABCD,1,2,4,false,1,4 ABCD,2,2,4,true,2,5 ABCD,3,2,4,false,4,7 ABCD,4,2,5,true,6,10 \
             XYZ,1,2,4,false,1,4 XYZ,2,2,5,true,3,7",
        ),
        (
            "select company, n, day(s), day(e), c from stock_price_history match_recognize(
                partition by company order by price_date
                measures match_number() as n, first(price_date) as s, last(price_date) as e, count(*) as c
                after match skip to next row pattern(ANY_ROW DOWN+ UP+ DOWN+ UP+)
                define ANY_ROW AS TRUE, UP as price > lag(price), DOWN as price < lag(price))
             order by company, n",
            "ABCD,1,1,8,8 XYZ,1,1,8,8 XYZ,2,5,10,6 XYZ,3,6,10,5",
        ),
        // Over a subquery, which is over another.
        (
            "with low as (select * from stock_price_history where price < 70)
             select n, o from (select n, lag(n) over (order by n) o from (select * from low) as l match_recognize(
                partition by company order by price_date measures count(*) as n pattern(up{2,}) define up as price > lag(price))) m
             match_recognize(order by n measures last(n) n, count(*) o pattern(a b) define b as n >= lag(n))",
            "2,2",
        ),
        // Values of one symbol's rows, of the last row, of the row before it, and of no group at all.
        (
            "select * from (select * from stock_price_history where company = 'ABCD') t match_recognize(
                order by price_date
                measures sum(up.price) as total, up.price as top, price as price, prev(price) as before, lag(t.price, 2) as earlier,
                  classifier as c, max(up.price) - first(down.price) as rise, listagg(price, '-') within group (order by price) as all_prices
                pattern(down up+) define down as price < prev(price), up as up.price > lag(up.price))
             order by total",
            "81,42,42,39,36,UP,6,36-39-42 198,80,80,71,47,UP,50,30-47-71-80",
        ),
    ])
    .await;
}

#[tokio::test]
async fn all_rows_per_match() {
    check(&[
        (
            "select day(price_date), match_number, msq, price, cl from
              (select * from stock_price_history where company='ABCD') match_recognize(
                order by price_date
                measures match_number() as \"MATCH_NUMBER\", match_sequence_number() as msq, classifier() as cl
                all rows per match pattern(ANY_ROW UP+) define ANY_ROW AS TRUE, UP as price > lag(price))
             order by match_number, msq",
            "2,1,1,36,ANY_ROW 3,1,2,39,UP 4,1,3,42,UP 5,2,1,30,ANY_ROW 6,2,2,47,UP 7,2,3,71,UP 8,2,4,80,UP",
        ),
        (
            "select company, day(price_date), price, match_number from stock_price_history match_recognize(
                partition by company order by price_date measures match_number() as \"MATCH_NUMBER\"
                all rows per match omit empty matches pattern(OVERAVG*)
                define OVERAVG as price > avg(price) over (rows between unbounded preceding and unbounded following))
             order by company, price_date",
            "ABCD,7,71,7 ABCD,8,80,7 ABCD,9,75,7 ABCD,10,63,7 XYZ,1,89,1 XYZ,4,63,4 XYZ,5,65,4 XYZ,6,56,4 XYZ,8,54,6",
        ),
        (
            "select day(price_date), match_number, cl from stock_price_history match_recognize(
                partition by company order by price_date
                measures match_number() as \"MATCH_NUMBER\", classifier() as cl, count(*) as n
                all rows per match with unmatched rows pattern(OVERAVG+)
                define OVERAVG as price > avg(price) over (rows between unbounded preceding and unbounded following))
             where company = 'XYZ' order by price_date",
            "1,1,OVERAVG 2,null,null 3,null,null 4,2,OVERAVG 5,2,OVERAVG 6,2,OVERAVG 7,null,null 8,3,OVERAVG 9,null,null 10,null,null",
        ),
        (
            "SELECT day(price_date), price, \"FINAL FIRST(LT45.price)\", \"FINAL LAST(LT45.price)\" FROM stock_price_history MATCH_RECOGNIZE (
                PARTITION BY company ORDER BY price_date
                MEASURES FINAL FIRST(LT45.price) AS \"FINAL FIRST(LT45.price)\", FINAL LAST(LT45.price) AS \"FINAL LAST(LT45.price)\"
                ALL ROWS PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (LT45 LT45) DEFINE LT45 AS price < 45.00)
             WHERE company = 'ABCD' ORDER BY price_date",
            "2,36,36,39 3,39,36,39 4,42,42,30 5,30,42,30",
        ),
        (
            "select company, day(price_date), n, s from stock_price_history match_recognize(
                partition by company order by price_date measures match_number() as n, match_sequence_number() as s
                all rows per match pattern (^ GT60) define GT60 as price > 60.00)",
            "XYZ,1,1,1",
        ),
        (
            "select company, day(price_date), n, s from stock_price_history match_recognize(
                partition by company order by price_date measures match_number() as n, match_sequence_number() as s
                all rows per match pattern (GT50 $) define GT50 as price > 50.00)",
            "ABCD,10,1,1",
        ),
        (
            "select day(price_date), n, s, c from stock_price_history match_recognize(
                partition by company order by price_date
                measures match_number() as n, match_sequence_number() as s, count(*) as c
                all rows per match pattern (LESS_THAN_45 UP UP) define LESS_THAN_45 as price < 45.00, UP as price > lag(price))
             where company = 'ABCD' order by n, s",
            "2,1,1,1 3,1,2,2 4,1,3,3 5,2,1,1 6,2,2,2 7,2,3,3",
        ),
        (
            "SELECT company, day(price_date), price FROM stock_price_history MATCH_RECOGNIZE (
                PARTITION BY company ORDER BY price_date ALL ROWS PER MATCH
                PATTERN (LESS_THAN_45 {- DECREASED_10_PERCENT -} INCREASED_05_PERCENT)
                DEFINE LESS_THAN_45 AS price < 45.00, DECREASED_10_PERCENT AS LAG(price) * 0.90 >= price,
                  INCREASED_05_PERCENT AS LAG(price) * 1.05 <= price)
             ORDER BY price_date",
            "ABCD,4,42 ABCD,6,47",
        ),
        (
            "SELECT day(price_date), price FROM stock_price_history MATCH_RECOGNIZE (
                PARTITION BY company ORDER BY price_date ALL ROWS PER MATCH
                PATTERN ( {- LESS_THAN_45 -}  UP  {- UP* -}  DOWN  {- DOWN* -} )
                DEFINE LESS_THAN_45 AS price < 45.00, UP AS price > LAG(price), DOWN AS price < LAG(price))
             WHERE company = 'XYZ' ORDER BY price_date",
            "3,37 6,56",
        ),
        (
            "select company, day(price_date), price, n, cl, c from stock_price_history match_recognize(
                partition by company order by price_date
                measures match_number() as n, classifier as cl, count(*) as c
                all rows per match pattern(ANY_ROW {- DOWN+ -} UP+ {- DOWN+ -} UP+)
                define ANY_ROW AS TRUE, UP as price > lag(price), DOWN as price < lag(price))
             order by company, price_date",
            "ABCD,1,50,1,ANY_ROW,1 ABCD,3,39,1,UP,3 ABCD,4,42,1,UP,4 ABCD,6,47,1,UP,6 ABCD,7,71,1,UP,7 ABCD,8,80,1,UP,8 \
             XYZ,1,89,1,ANY_ROW,1 XYZ,3,37,1,UP,3 XYZ,4,63,1,UP,4 XYZ,5,65,1,UP,5 XYZ,8,54,1,UP,8",
        ),
        // The edges of the match.
        (
            "select day(price_date), day(f), day(g), day(d), day(l), n, s, c from stock_price_history match_recognize(
                partition by company order by price_date
                measures first(price_date) as f, lag(price_date) as g, lead(price_date) as d, last(price_date) as l,
                  match_number() as n, match_sequence_number() as s, classifier as c
                all rows per match after match skip to next row pattern (CURRENT_ROW T2 T3)
                define CURRENT_ROW AS TRUE, T2 AS TRUE, T3 AS TRUE)
             where company = 'XYZ' and n < 3 order by n, s",
            "1,1,null,2,1,1,1,CURRENT_ROW 2,1,1,3,2,1,2,T2 3,1,2,null,3,1,3,T3 \
             2,2,null,3,2,2,1,CURRENT_ROW 3,2,2,4,3,2,2,T2 4,2,3,null,4,2,3,T3",
        ),
        // Rows of one symbol so far, and a match of no rows.
        (
            "select day(price_date), a, b, c, d from stock_price_history match_recognize(
                partition by company order by price_date
                measures sum(low.price) as a, final sum(low.price) as b, count(high.*) as c, running last(high.price) as d
                all rows per match pattern (low+ high) define low as price < 45, high as price >= 45)
             where company = 'ABCD' order by 1",
            "2,36,147,0,null 3,75,147,0,null 4,117,147,0,null 5,147,147,0,null 6,147,147,1,47",
        ),
        (
            "select day(price_date), n, c, k, f from stock_price_history match_recognize(
                partition by company order by price_date
                measures match_number() as n, count(*) as c, classifier() as k, first(price) as f
                all rows per match pattern (low*) define low as price < 40)
             where company = 'ABCD' and n < 4 order by 1",
            "1,1,0,null,null 2,2,1,LOW,36 3,2,2,LOW,36 4,3,0,null,null",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_said_of_wrong_clauses() {
    let lake = stocks();
    let clause = |measures: &str, rest: &str, define: &str| {
        let measures = if measures.is_empty() { String::new() } else { format!("measures {measures}") };
        format!(
            "select * from stock_price_history match_recognize(order by price_date {measures} {rest} define {define})"
        )
    };
    insta::assert_snapshot!(lake.show(&clause("", "pattern (a b)", "a as true")).await, @"error: match_recognize: ONE ROW PER MATCH without PARTITION BY and MEASURES has no columns");
    insta::assert_snapshot!(lake.show(&clause("", "all rows per match pattern (a (b)", "a as true")).await, @"error: syntax error: expected: DEFINE, found: EOF");
    insta::assert_snapshot!(lake.show(&clause("", "all rows per match pattern (a {b})", "a as true")).await, @"error: match_recognize: PATTERN: expected `}`, found `b`");
    insta::assert_snapshot!(lake.show(&clause("count(*) as n", "after match skip to z pattern (a b)", "a as true")).await, @"error: match_recognize: AFTER MATCH SKIP TO z: the pattern has no such symbol");
    insta::assert_snapshot!(lake.show(&clause("count(*) as n", "after match skip to a pattern (a b)", "a as true")).await, @"error: match_recognize: AFTER MATCH SKIP TO A would match the same rows again: it is the first row");
    insta::assert_snapshot!(lake.show(&clause("sum(a.price + b.price) as n", "pattern (a b)", "a as true")).await, @"error: match_recognize: MEASURES sum(a.price + b.price): one call cannot look at the rows of A and of B");
    insta::assert_snapshot!(lake.show(&clause("lag(a.price) as n", "pattern (a b)", "a as true")).await, @"error: match_recognize: MEASURES lag(a.price): lag cannot look at the rows of A alone; leave `A.` out");
    insta::assert_snapshot!(lake.show(&clause("count(*) as n", "pattern (a b)", "b as price > a.price")).await, @"error: match_recognize: DEFINE B: the rows of A are not known before there is a match; leave `A.` out");
    insta::assert_snapshot!(lake.show(&clause("count(*) as n", "pattern (a b)", "b as price > first(price)")).await, @"error: match_recognize: DEFINE B: FIRST is not known before there is a match; write FIRST_VALUE");
    insta::assert_snapshot!(lake.show(&clause("count(*) as n", "pattern (a b)", "b as price > avg(price)")).await, @"error: match_recognize: DEFINE B: avg needs its rows: write avg(…) OVER (ROWS BETWEEN … AND …)");
    insta::assert_snapshot!(lake.show(&clause("", "all rows per match with unmatched rows pattern (a {- b -})", "b as true")).await, @"error: match_recognize: WITH UNMATCHED ROWS cannot be told with a pattern that excludes rows");
    insta::assert_snapshot!(lake.show(&clause("count(*) as n", "pattern (a b)", "b as prize > 1")).await, @"error: unknown column prize at line 1, column 120; did you mean price?");
}
