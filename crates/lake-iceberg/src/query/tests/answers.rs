//! What queries answer.

use std::fmt::Write;

use futures::TryStreamExt;

use super::fixture::lake;

/// Queries with the rows they must give, as JSON without the column names.
pub(super) async fn check(cases: &[(&str, &str)]) {
    let lake = lake();
    let mut wrong = String::new();
    for (sql, expected) in cases {
        let shown = match lake.rows(sql).await {
            Ok(rows) => rows.iter().map(|row| values(row)).collect::<Vec<_>>().join(" "),
            Err(error) => format!("error: {error}"),
        };
        if shown != *expected {
            writeln!(wrong, "{sql}\n  gives  {shown}\n  wanted {expected}").expect("strings take text");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The row's values, without their names.
pub(super) fn values(row: &str) -> String {
    let row: serde_json::Value = serde_json::from_str(row).expect("rows are JSON");
    let values: Vec<String> = row.as_object().expect("rows are objects").values().map(ToString::to_string).collect();
    values.join(",")
}

#[tokio::test]
async fn names_in_every_form() {
    check(&[
        ("select count(*) from aws_cloudtrail", "4"),
        ("select count(*) from LOGS.AWS_CloudTrail", "4"),
        ("select count(*) from panther_logs.public.aws_cloudtrail", "4"),
        ("select count(*) from \"PANTHER_LOGS\".\"PUBLIC\".\"AWS_CLOUDTRAIL\" t", "4"),
        ("select count(*) from rule_matches.aws_cloudtrail", "1"),
        ("select count(*) from panther_rule_matches.public.aws_cloudtrail", "1"),
        ("select EVENTNAME from aws_cloudtrail where p_row_id = 'r1'", r#""ConsoleLogin""#),
        ("select \"eventName\" from aws_cloudtrail where \"P_ROW_ID\" = 'r1'", r#""ConsoleLogin""#),
        ("select \"id.orig_h\" from aws_cloudtrail where p_row_id = 'r3'", r#""9.9.9.9""#),
        ("select aws_cloudtrail.eventName from logs.aws_cloudtrail where p_row_id = 'r2'", r#""CreateUser""#),
        ("select logs.aws_cloudtrail.eventName from logs.aws_cloudtrail where p_row_id = 'r2'", r#""CreateUser""#),
        ("with T as (select eventName N from aws_cloudtrail) select count(distinct n) from t", "3"),
        ("select count(*) from zeek_conn", "0"),
        // Two tables that spell a column differently.
        ("select count(*) from aws_cloudtrail a join okta_systemlog o on a.sourceipaddress = o.sourceIPAddress", "2"),
    ])
    .await;
}

#[tokio::test]
async fn columns_keep_their_names_and_rows_their_order() {
    let lake = lake();
    insta::assert_snapshot!(lake.show("select eventname, USERIDENTITY, count(*) c, 1 as \"My Col\", bytes + 1 from aws_cloudtrail group by 1, 2, 5 order by bytes + 1 desc limit 1").await, @r#"{"eventName":"ConsoleLogin","userIdentity":{"type":"IAMUser","userName":"bob","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}},"c":1,"My Col":1,"bytes + 1":31}"#);
    insta::assert_snapshot!(lake.show("select * from rule_matches.aws_cloudtrail").await, @r#"{"p_log_type":"AWS.CloudTrail","p_event_time":"2026-11-18 10:00:00.000000000","p_rule_id":"AWS.Console.Login","p_alert_context":{"actor":"alice"},"eventName":"ConsoleLogin"}"#);
    insta::assert_snapshot!(lake.show("select * exclude (p_log_type, p_any_ip_addresses, userIdentity, sourceIPAddress) from aws_cloudtrail where p_row_id in ('r1', 'r4') order by p_row_id").await, @r#"
    {"p_row_id":"r1","p_event_time":"2026-11-18 10:00:00.000000000","eventName":"ConsoleLogin","requestParameters":{"bucketName":"logs","items":[{"a":1},{"a":2}],"Count":10},"resources":[{"arn":"arn:one"},{"arn":"arn:two"}],"bytes":10,"score":null,"readOnly":null,"id_orig_h":null}
    {"p_row_id":"r4","p_event_time":"2026-11-20 11:59:00.000000000","eventName":"DeleteTrail","requestParameters":null,"resources":null,"bytes":0,"score":null,"readOnly":null,"id_orig_h":null}
    "#);
    insta::assert_snapshot!(lake.show("select a.p_row_id, b.p_row_id from aws_cloudtrail a join aws_cloudtrail b on a.p_row_id = b.p_row_id order by 1 limit 1").await, @r#"{"p_row_id":"r1","p_row_id_2":"r1"}"#);
    let output = lake
        .0
        .query(
            "select userIdentity.userName, bytes, p_event_time, resources, requestParameters from aws_cloudtrail",
            None,
        )
        .await
        .expect("a good query");
    insta::assert_debug_snapshot!(output.columns.iter().map(|c| format!("{} {}", c.name, c.kind)).collect::<Vec<_>>(), @r#"
    [
        "userIdentity.userName string",
        "bytes bigint",
        "p_event_time timestamp",
        "resources array(object(accountId string, arn string))",
        "requestParameters variant",
    ]
    "#);
    assert_eq!(output.rows.try_collect::<Vec<_>>().await.expect("rows").len(), 4);
}

#[tokio::test]
async fn ways_into_structs_and_json() {
    check(&[
        ("select count(*) from aws_cloudtrail where userIdentity.userName = 'alice'", "2"),
        ("select count(*) from aws_cloudtrail where userIdentity:userName = 'alice'", "2"),
        ("select count(*) from aws_cloudtrail where useridentity['USERNAME'] = 'alice'", "2"),
        ("select count(*) from aws_cloudtrail t where t.userIdentity:userName::string = 'alice'", "2"),
        (
            "select p_row_id from aws_cloudtrail where userIdentity.sessionContext.attributes.mfaAuthenticated = 'false'",
            r#""r3""#,
        ),
        ("select userIdentity.sessionContext from aws_cloudtrail where p_row_id = 'r1'", "null"),
        ("select requestParameters:bucketName from aws_cloudtrail where p_row_id = 'r1'", r#""logs""#),
        ("select requestParameters.bucketName from aws_cloudtrail where p_row_id = 'r1'", r#""logs""#),
        ("select requestParameters['bucketName'] from aws_cloudtrail where p_row_id = 'r1'", r#""logs""#),
        ("select requestParameters:BUCKETNAME from aws_cloudtrail where p_row_id = 'r1'", r#""logs""#),
        ("select requestParameters:items[1].a::int + 1 from aws_cloudtrail where p_row_id = 'r1'", "3"),
        ("select requestParameters:items from aws_cloudtrail where p_row_id = 'r1'", r#"[{"a":1},{"a":2}]"#),
        ("select requestParameters:nothing.at.all from aws_cloudtrail where p_row_id = 'r1'", "null"),
        ("select parse_json('{\"a\":{\"b\":[1,2]}}'):a.b[1]::number", "2"),
        ("select resources[1].arn from aws_cloudtrail where p_row_id = 'r1'", r#""arn:two""#),
        ("select resources[0]:accountId from aws_cloudtrail where p_row_id in ('r1', 'r3') order by p_row_id", r#"null "123""#),
        // Text out of JSON is compared as a number with numbers, as a truth with truths.
        ("select p_row_id from aws_cloudtrail where requestParameters:Count > 9", r#""r1""#),
        ("select p_row_id from aws_cloudtrail where requestParameters:Count = 10", r#""r1""#),
        ("select p_row_id from aws_cloudtrail where requestParameters:flag = true", r#""r2""#),
        ("select sum(requestParameters:Count::number) from aws_cloudtrail", "19"),
        ("select p_alert_context:actor from rule_matches.aws_cloudtrail", r#""alice""#),
    ])
    .await;
}

#[tokio::test]
async fn arrays_in_either_order_of_arguments() {
    check(&[
        ("select count(*) from aws_cloudtrail where array_contains('1.2.3.4'::variant, p_any_ip_addresses)", "2"),
        ("select count(*) from aws_cloudtrail where array_contains(p_any_ip_addresses, '1.2.3.4')", "2"),
        ("select count(*) from aws_cloudtrail where ARRAY_CONTAINS('1.2.3.4', p_any_ip_addresses)", "2"),
        ("select array_contains(2, parse_json('[1,2]')), array_contains('x'::variant, parse_json('[\"x\"]'))", "true,true"),
        ("select array_size(p_any_ip_addresses) from aws_cloudtrail order by p_row_id", "2 1 1 null"),
        ("select array_size(parse_json('[1,2,3]'))", "3"),
        ("select arrays_overlap(p_any_ip_addresses, array_construct('10.0.0.2')) from aws_cloudtrail where p_row_id = 'r2'", "true"),
        ("select array_intersection(p_any_ip_addresses, parse_json('[\"1.2.3.4\", 7]')) from aws_cloudtrail where p_row_id = 'r1'", r#"["1.2.3.4"]"#),
        ("select array_to_string(p_any_ip_addresses, '|') from aws_cloudtrail where p_row_id = 'r1'", r#""10.0.0.1|1.2.3.4""#),
        ("select array_agg(distinct eventName) within group (order by eventName) from aws_cloudtrail", r#"["ConsoleLogin","CreateUser","DeleteTrail"]"#),
        ("select listagg(p_row_id, ',') within group (order by p_row_id desc) from aws_cloudtrail", r#""r4,r3,r2,r1""#),
        ("select array_size(array_unique_agg(userIdentity.userName)) from aws_cloudtrail", "2"),
        ("select max_by(p_row_id, bytes), min_by(p_row_id, bytes) from aws_cloudtrail", r#""r3","r4""#),
    ])
    .await;
}

#[tokio::test]
async fn flattened() {
    check(&[
        (
            "select p_row_id, f.index, f.value:a::int from aws_cloudtrail t, lateral flatten(input => t.requestParameters:items) f order by 2",
            r#""r1",0,1 "r1",1,2"#,
        ),
        (
            "select f.value from aws_cloudtrail, lateral flatten(p_any_ip_addresses) f where p_row_id = 'r1' order by 1",
            r#""1.2.3.4" "10.0.0.1""#,
        ),
        (
            "select value.arn from aws_cloudtrail, table(flatten(input => resources)) where p_row_id = 'r3'",
            r#""arn:three""#,
        ),
        (
            "select p_row_id, f.value from aws_cloudtrail t, lateral flatten(input => t.p_any_ip_addresses, outer => true) f where p_row_id in ('r3', 'r4') order by 1",
            r#""r3","1.2.3.4" "r4",null"#,
        ),
        ("select f.key, f.value from (select parse_json('{\"a\":1,\"b\":\"x\"}') j) t, lateral flatten(input => j) f order by 1", r#""a","1" "b","x""#),
    ])
    .await;
}

#[tokio::test]
async fn time() {
    check(&[
        ("select current_timestamp(), current_timestamp", r#""2026-11-20 12:00:00.000000000","2026-11-20 12:00:00.000000000""#),
        ("select count(*) from aws_cloudtrail where p_occurs_since('1 day')", "2"),
        ("select count(*) from aws_cloudtrail where p_occurs_since(30 m)", "1"),
        ("select count(*) from aws_cloudtrail t where p_occurs_between('2026-11-18', '2026-11-19', t)", "2"),
        ("select count(*) from aws_cloudtrail where p_event_time >= '2026-11-20'", "2"),
        ("select count(*) from aws_cloudtrail where p_event_time > dateadd(day, -1, current_timestamp())", "2"),
        ("select count(*) from aws_cloudtrail where p_event_time > current_timestamp - interval '1 day'", "2"),
        ("select datediff('hour', '2026-11-18 10:59:00', '2026-11-18 11:00:00'::timestamp)", "1"),
        ("select date_trunc('day', p_event_time) from aws_cloudtrail where p_row_id = 'r2'", r#""2026-11-18 00:00:00.000000000""#),
        ("select time_slice(p_event_time, 15, 'minute') from aws_cloudtrail where p_row_id = 'r4'", r#""2026-11-20 11:45:00.000000000""#),
        ("select p_event_time::date, p_event_time::string from aws_cloudtrail where p_row_id = 'r2'", r#""2026-11-18","2026-11-18 11:30:00.000""#),
        ("select to_char(p_event_time, 'YYYY/MM/DD HH24') from aws_cloudtrail where p_row_id = 'r2'", r#""2026/11/18 11""#),
        ("select hour(p_event_time), dayofweek(p_event_time), extract(year from p_event_time) from aws_cloudtrail where p_row_id = 'r2'", "11,3,2026"),
        ("select dateadd(month, 1, '2026-01-31'::date), last_day('2026-02-10'::timestamp)", r#""2026-02-28 00:00:00.000000000","2026-02-28""#),
        ("select to_timestamp(1795176000), to_timestamp('1795176000000')", r#""2026-11-20 12:00:00.000000000","2026-11-20 12:00:00.000000000""#),
        ("select try_to_timestamp('soon')", "null"),
        ("select max(p_event_time) from aws_cloudtrail", r#""2026-11-20 11:59:00.000000000""#),
    ])
    .await;
}

#[tokio::test]
async fn words_of_the_dialect() {
    check(&[
        ("select iff(1 = 1, 'a', 'b'), zeroifnull(null), nvl(null, 'x'), div0(1, 0)", r#""a",0,"x",0.0"#),
        ("select count_if(eventName = 'ConsoleLogin') from aws_cloudtrail", "2"),
        ("select count(*) from aws_cloudtrail where eventName like any ('Console%', 'Create%')", "3"),
        ("select count(*) from aws_cloudtrail where eventName ilike any ('%LOGIN', 'x')", "2"),
        ("select count(*) from aws_cloudtrail where eventName not ilike any ('%LOGIN', 'x')", "2"),
        ("select 'abc' rlike 'b', 'abc' rlike '.b.', regexp_like('abc', 'b.*')", "false,true,false"),
        ("select regexp_substr('user=alice id=7', 'user=(\\\\w+)', 1, 1, 'e', 1), regexp_substr('abc', 'z')", r#""alice",null"#),
        ("select regexp_replace('a-b-c', '-', '+'), regexp_count('a-b-c', '-')", r#""a+b+c",2"#),
        ("select split_part('a.b.c', '.', 2), split('a,b', ',')[1], charindex('b', 'abc')", r#""b","b",2"#),
        ("select '12'::number, '1.5'::number, '1.5'::float, 'true'::boolean, 12::string, try_to_number('x')", r#"12,2,1.5,true,"12",null"#),
        ("select 1 / 2, 7 % 4, '3' + 4", "0.5,3,7.0"),
        ("select object_construct('a', 1, 'b', null, 'c', 'x')", r#"{"a":1,"c":"x"}"#),
        ("select typeof(parse_json('[1]')), try_parse_json('{')", r#""ARRAY",null"#),
        ("select base64_decode_string('aGk='), sha2('a') like 'ca978112%'", r#""hi",true"#),
        ("select eventName, count(*) from aws_cloudtrail group by all order by 2 desc, 1 limit 1", r#""ConsoleLogin",2"#),
        ("select eventName n, count(*) c from aws_cloudtrail group by n having c > 1", r#""ConsoleLogin",2"#),
        ("select p_row_id from aws_cloudtrail qualify row_number() over (partition by eventName order by p_event_time desc) = 1 order by 1", r#""r2" "r3" "r4""#),
        ("select top 1 p_row_id from aws_cloudtrail order by bytes", r#""r4""#),
        ("select p_row_id from aws_cloudtrail order by score desc nulls last limit 1", r#""r3""#),
        ("select p_row_id, count(*) over () from aws_cloudtrail order by 1 limit 1", r#""r1",4"#),
        ("select upper(eventName) as big, big || '!' as bigger from aws_cloudtrail where big = 'CREATEUSER'", r#""CREATEUSER","CREATEUSER!""#),
        ("select n from (select array_agg(distinct eventName) names, array_size(names) n from aws_cloudtrail having n > 2)", r#"3"#),
        ("select $$it's$$ as x", r#""it's""#),
        ("select count(*) from (select 1 union all select 2)", "2"),
        ("select approx_count_distinct(eventName), median(bytes) from aws_cloudtrail", "3,15.0"),
    ])
    .await;
}

#[tokio::test]
async fn views() {
    check(&[
        ("select count(*) from all_logs", "5"),
        ("select count(*) from panther_views.public.all_logs where p_occurs_since('2 days')", "3"),
        (
            "select p_db_name, p_log_type, count(*) from views.all_logs group by 1, 2 order by 3 desc",
            r#""panther_logs","AWS.CloudTrail",4 "panther_logs","Okta.SystemLog",1"#,
        ),
        (
            "select p_row_id from all_logs where array_contains('1.2.3.4'::variant, p_any_ip_addresses) order by 1",
            r#""r1" "r3""#,
        ),
        ("select p_any_emails from all_logs where p_row_id = 'o1'", r#"["a@b.c"]"#),
        ("select p_rule_id from all_rule_matches", r#""AWS.Console.Login""#),
        ("select count(*) from all_rule_errors", "0"),
        ("select count(*) from all_databases", "6"),
    ])
    .await;
}

#[tokio::test]
async fn listings() {
    let lake = lake();
    insta::assert_snapshot!(lake.show("show tables in logs").await, @r#"
    {"database":"logs","name":"aws_cloudtrail"}
    {"database":"logs","name":"okta_systemlog"}
    {"database":"logs","name":"zeek_conn"}
    "#);
    insta::assert_snapshot!(lake.show("show tables like '%trail'").await, @r#"
    {"database":"logs","name":"aws_cloudtrail"}
    {"database":"rule_matches","name":"aws_cloudtrail"}
    "#);
    insta::assert_snapshot!(lake.show("describe table panther_logs.public.okta_systemlog").await, @r#"
    {"name":"p_log_type","type":"string","comment":""}
    {"name":"p_row_id","type":"string","comment":""}
    {"name":"p_event_time","type":"timestamp","comment":""}
    {"name":"p_any_emails","type":"array(string)","comment":""}
    {"name":"eventType","type":"string","comment":""}
    {"name":"SourceIPAddress","type":"string","comment":""}
    "#);
    insta::assert_snapshot!(lake.show("desc rule_matches.aws_cloudtrail").await, @r#"
    {"name":"p_log_type","type":"string","comment":""}
    {"name":"p_event_time","type":"timestamp","comment":""}
    {"name":"p_rule_id","type":"string","comment":""}
    {"name":"p_alert_context","type":"variant","comment":""}
    {"name":"eventName","type":"string","comment":""}
    "#);
}

#[tokio::test]
async fn counting_reads_nothing() {
    let lake = lake();
    let plan = lake.show("explain select count(*) from aws_cloudtrail").await;
    assert!(!plan.contains("DataSourceExec"), "{plan}");
    // Files outside of the time asked for are not even opened.
    let plan = lake.show("explain select eventName from aws_cloudtrail where p_occurs_since('1 day')").await;
    assert!(plan.contains("aws_cloudtrail%201.parquet") || plan.contains("aws_cloudtrail 1.parquet"), "{plan}");
    assert!(!plan.contains("0.parquet"), "{plan}");
}
