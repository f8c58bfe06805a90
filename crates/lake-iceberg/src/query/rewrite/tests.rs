//! SQL in, SQL out.

use std::collections::{HashMap, HashSet};

use datafusion::execution::SessionStateBuilder;

use super::*;
use crate::query::functions;
use crate::query::statement::{self, Statement};

fn known() -> HashSet<String> {
    let state = SessionStateBuilder::new().with_default_features().build();
    let names = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
    let names = names.chain(state.window_functions().keys()).cloned();
    let names = names.chain(["unnest".to_owned(), "current_timestamp".to_owned()]);
    names.chain(functions::pack().iter().map(|function| function.name().to_owned())).collect()
}

fn rewritten(sql: &str, known: &HashSet<String>) -> String {
    let Ok(Statement::Query(mut statement)) = statement::parse(sql) else { return format!("not parsed: {sql}") };
    if let Err(message) = prepare(&mut statement) {
        return format!("error: {message}");
    }
    let names = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
    let trail = ("logs".to_owned(), "aws_cloudtrail".to_owned());
    let tables = HashMap::from([
        (names(&["panther_logs", "public", "aws_cloudtrail"]), trail.clone()),
        (names(&["aws_cloudtrail"]), trail),
    ]);
    let columns = ["eventname", "useridentity", "requestparameters", "id_orig_h", "p_any_ip_addresses", "p_event_time"];
    let columns = columns.iter().map(|&column| column.to_owned()).collect();
    let columns_of = HashMap::new();
    let originals = HashMap::from([("ts µs".to_owned(), "ts_us".to_owned())]);
    let scope =
        Scope { tables: &tables, columns: &columns, columns_of: &columns_of, originals: &originals, functions: known };
    match rewrite(&mut statement, &scope) {
        Ok(_) => statement.to_string(),
        Err(message) => format!("error: {message}"),
    }
}

#[test]
fn expressions() {
    let known = known();
    for (sql, expected) in [
        // Names.
        ("eventName", "eventname"),
        ("\"eventName\"", "\"eventname\""),
        ("\"id.orig_h\"", "\"id_orig_h\""),
        ("\"ts µs\"", "\"ts_us\""),
        ("t.eventName", "t.eventname"),
        // Ways in.
        ("userIdentity.userName", "useridentity['userName']"),
        ("t.userIdentity.sessionContext.attributes", "t.useridentity['sessionContext']['attributes']"),
        ("userIdentity:userName", "useridentity['userName']"),
        ("requestParameters:a.b[0]['c d']", "requestparameters['a']['b'][0]['c d']"),
        ("requestParameters:a:b", "requestparameters['a']['b']"),
        ("get_path(requestParameters, 'a.b[0]')", "requestparameters['a']['b'][0]"),
        ("parse_json(eventName):a::string", "to_varchar(parse_json(eventname)['a'])"),
        // Casts.
        ("eventName::string", "to_varchar(eventname)"),
        ("eventName::variant", "eventname"),
        ("eventName::number", "to_number(eventname)"),
        ("eventName::number(10,2)", "CAST(eventname AS DECIMAL(10,2))"),
        ("try_cast(eventName as int)", "try_to_number(eventname)"),
        ("eventName::timestamp_ntz", "to_timestamp(eventname)"),
        ("eventName::date", "CAST(to_timestamp(eventname) AS DATE)"),
        ("eventName::boolean", "to_boolean(eventname)"),
        // Functions.
        ("iff(a = 1, 'x', 'y')", "CASE WHEN a = 1 THEN 'x' ELSE 'y' END"),
        ("count_if(a > 1)", "count(CASE WHEN a > 1 THEN 1 END)"),
        ("array_unique_agg(a)", "array_agg(DISTINCT a) FILTER (WHERE a IS NOT NULL)"),
        ("array_agg(a) within group (order by b desc)", "array_agg(a ORDER BY b DESC) FILTER (WHERE a IS NOT NULL)"),
        (
            "listagg(distinct a, ',')",
            "string_agg(DISTINCT to_varchar(a), ',') FILTER (WHERE to_varchar(a) IS NOT NULL)",
        ),
        ("max_by(a, b)", "first_value(a ORDER BY b DESC NULLS LAST)"),
        ("dateadd(day, -1, current_timestamp)", "dateadd('day', -1, to_timestamp(current_timestamp()))"),
        ("timestampdiff('hours', a, b)", "datediff('hour', to_timestamp(a), to_timestamp(b))"),
        ("date_trunc(hh, a)", "date_trunc('hour', to_timestamp(a))"),
        ("date_trunc(a, 'day')", "date_trunc('day', to_timestamp(a))"),
        ("time_slice(a, 15, 'minute')", "time_slice(to_timestamp(a), 15, 'minute', 'start')"),
        ("hour(a)", "CAST(date_part('hour', to_timestamp(a)) AS BIGINT)"),
        ("zeroifnull(a)", "coalesce(a, 0)"),
        ("array_contains('x'::variant, p_any_ip_addresses)", "array_contains('x', p_any_ip_addresses)"),
        ("arrays_overlap(a, b)", "array_has_any(to_list(a), to_list(b))"),
        ("regexp_like(a, 'x.*')", "regexp_like(a, '^(?:x.*)$')"),
        ("a rlike b", "regexp_like(a, ('^(?:' || b || ')$'))"),
        ("a not rlike 'b'", "NOT (regexp_like(a, '^(?:b)$'))"),
        ("regexp_replace(a, 'x', 'y')", "regexp_replace(a, 'x', 'y', 'g')"),
        ("a ilike any ('%x%', 'y')", "(a ILIKE '%x%' OR a ILIKE 'y')"),
        ("a not like any ('x', 'y')", "NOT ((a LIKE 'x' OR a LIKE 'y'))"),
        ("charindex('x', a)", "strpos(a, 'x')"),
        ("concat(a, 'b')", "(to_varchar(a) || to_varchar('b'))"),
        ("split(a, ',')", "string_to_array(a, ',')"),
        ("sum(iff(a, 1, 0)) over (partition by b)", "sum(CASE WHEN a THEN 1 ELSE 0 END) OVER (PARTITION BY b)"),
    ] {
        let sql = format!("SELECT {sql} AS c FROM t");
        let expected = format!("SELECT {expected} AS c FROM t");
        assert_eq!(rewritten(&sql, &known), expected, "{sql}");
    }
}

#[test]
fn statements() {
    let known = known();
    for (sql, expected) in [
        ("select * from PANTHER_LOGS.public.AWS_CloudTrail", "SELECT * FROM \"logs\".\"aws_cloudtrail\""),
        (
            "select panther_logs.public.aws_cloudtrail.eventName from panther_logs.public.aws_cloudtrail",
            "SELECT aws_cloudtrail.eventname FROM \"logs\".\"aws_cloudtrail\"",
        ),
        (
            "select ct.userIdentity.userName u from aws_cloudtrail \"CT\"",
            "SELECT ct.useridentity['userName'] AS u FROM \"logs\".\"aws_cloudtrail\" \"ct\"",
        ),
        (
            "select a + 1 as B, b * 2 as c, eventName as eventName from aws_cloudtrail where b > 3 and eventName = 'x' having c > 1",
            "SELECT a + 1 AS b, (a + 1) * 2 AS c, eventname AS eventname FROM \"logs\".\"aws_cloudtrail\" \
             WHERE ((a + 1) > 3 AND eventname = 'x') AND (((a + 1) * 2) > 1)",
        ),
        (
            "with x as (select lower(eventName) as n from aws_cloudtrail) select upper(n) as n, n as m from x where n = 'a'",
            "WITH x AS (SELECT lower(eventname) AS n FROM \"logs\".\"aws_cloudtrail\") \
             SELECT upper(n) AS n, n AS m FROM x WHERE n = 'a'",
        ),
        (
            "select b, count(*) as n from t group by (b, c) having n > 1",
            "SELECT b, count(*) AS n FROM t GROUP BY b, c HAVING (count(*)) > 1",
        ),
        (
            "select eventName, b, eventName from aws_cloudtrail",
            "SELECT eventname, b, eventname AS \"eventname_2\" FROM \"logs\".\"aws_cloudtrail\"",
        ),
        ("select top 5 a from t", "SELECT a FROM t LIMIT 5"),
        (
            "with \"X\" as (select 1 as \"One\") select \"One\" from \"X\"",
            "WITH \"x\" AS (SELECT 1 AS \"one\") SELECT \"one\" FROM \"x\"",
        ),
        ("select count(*), count(*) from t", "SELECT count(*) AS \"count(*)\", count(*) AS \"count(*)_2\" FROM t"),
        (
            "select f.value:a::string s from aws_cloudtrail t, lateral flatten(input => t.requestParameters:items) f",
            "SELECT to_varchar(\"f flattened\"['value']['a']) AS s FROM (SELECT *, \
             unnest(flatten_entries(t.requestparameters['items'], NULL, NULL)) AS \"f flattened\" \
             FROM \"logs\".\"aws_cloudtrail\" t) AS t",
        ),
        (
            "select value from aws_cloudtrail, table(flatten(p_any_ip_addresses))",
            "SELECT \"flatten flattened\"['value'] FROM (SELECT *, unnest(flatten_entries(p_any_ip_addresses, NULL, NULL)) \
             AS \"flatten flattened\" FROM \"logs\".\"aws_cloudtrail\") AS aws_cloudtrail",
        ),
    ] {
        assert_eq!(rewritten(sql, &known), expected, "{sql}");
    }
}

#[test]
fn errors() {
    let known = known();
    insta::assert_snapshot!(rewritten("select\n  arry_size(a) from t", &known), @"error: unknown function arry_size at line 2, column 3; did you mean array_size, array_resize or array_slice?");
    insta::assert_snapshot!(rewritten("select iff(a, b) from t", &known), @"error: iff at line 1, column 8: expected 3 arguments, got 2");
    insta::assert_snapshot!(rewritten("select dateadd(fortnight, 1, a) from t", &known), @"error: dateadd at line 1, column 8: fortnight is no unit of time");
    insta::assert_snapshot!(rewritten("select no_such_thing_at_all(a) from t", &known), @"error: unknown function no_such_thing_at_all at line 1, column 8");
    insta::assert_snapshot!(rewritten("select 1 from a join b on a.x = b.x, lateral flatten(input => c) f", &known), @"error: flatten f after a join is not supported: put the join into a WITH query and flatten that");
}
