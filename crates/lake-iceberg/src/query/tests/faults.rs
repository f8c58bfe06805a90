//! What wrong queries are told.

use super::fixture::lake;

#[tokio::test]
async fn wrong_names() {
    let lake = lake();
    insta::assert_snapshot!(lake.show("select evntName from aws_cloudtrail").await, @"error: unknown column evntname at line 1, column 8; did you mean eventName?");
    insta::assert_snapshot!(lake.show("select 1\nfrom aws_cloudtrail\nwhere t.eventName = 1").await, @"error: unknown column t");
    insta::assert_snapshot!(lake.show("select userIdentity.usrName from aws_cloudtrail").await, @"error: unknown field usrName of userIdentity; did you mean userName?");
    insta::assert_snapshot!(lake.show("select resources.arn from aws_cloudtrail").await, @"error: resources is an array: write resources[0].arn for its first element, or use lateral flatten");
    insta::assert_snapshot!(lake.show("select bytes.x from aws_cloudtrail").await, @"error: bytes is a bigint, it has no field x");
    insta::assert_snapshot!(lake.show("select *\nfrom panther_logs.public.aws_cloudtrial").await, @"error: unknown table panther_logs.public.aws_cloudtrial at line 2, column 6; did you mean logs.aws_cloudtrail or rule_matches.aws_cloudtrail?");
    insta::assert_snapshot!(lake.show("select 1 from snowflake.account_usage.login_history").await, @"error: unknown table snowflake.account_usage.login_history at line 1, column 15; SHOW TABLES lists all");
    insta::assert_snapshot!(lake.show("select arr_size(p_any_ip_addresses) from aws_cloudtrail").await, @"error: unknown function arr_size at line 1, column 8; did you mean array_size?");
    insta::assert_snapshot!(lake.show("select eventName from aws_cloudtrail a join okta_systemlog b on p_row_id = p_row_id").await, @"error: column p_row_id is ambiguous at line 1, column 65; write it as table.p_row_id");
}

#[tokio::test]
async fn wrong_values() {
    let lake = lake();
    insta::assert_snapshot!(lake.show("select eventName::number from aws_cloudtrail").await, @r#"error: to_number: "ConsoleLogin" is no number; try_to_number gives null instead"#);
    insta::assert_snapshot!(lake.show("select to_timestamp('soon')").await, @r#"error: to_timestamp: "soon" is no timestamp; try_to_timestamp gives null instead"#);
    insta::assert_snapshot!(lake.show("select parse_json('{')").await, @"error: parse_json: unexpected end of input at byte 1 in {; try_parse_json gives null instead");
    insta::assert_snapshot!(lake.show("select regexp_substr('a', '(')").await, @r#"error: pattern "(": unclosed group"#);
    insta::assert_snapshot!(lake.show("select eventName, count(*) from aws_cloudtrail").await, @"error: column eventName must be in GROUP BY or inside an aggregate function at line 1, column 8");
    insta::assert_snapshot!(lake.show("select sum(eventName) from aws_cloudtrail").await, @"error: sum does not take values of these types; cast them, as in sum(x::number)");
    insta::assert_snapshot!(lake.show("select array_size() from aws_cloudtrail").await, @"error: array_size takes 1 argument, got 0");
}

#[tokio::test]
async fn nothing_but_reading() {
    let lake = lake();
    insta::assert_snapshot!(lake.show("delete from aws_cloudtrail").await, @"error: queries only read: SELECT, WITH, SHOW TABLES, DESCRIBE and EXPLAIN are allowed, DELETE is not");
    insta::assert_snapshot!(lake.show("select 1; drop table aws_cloudtrail").await, @"error: one statement at a time: found more after the first ;");
    insta::assert_snapshot!(lake.show("copy into @stage from aws_cloudtrail").await, @"error: queries only read: SELECT, WITH, SHOW TABLES, DESCRIBE and EXPLAIN are allowed, COPY is not");
    insta::assert_snapshot!(lake.show("select * from '/etc/passwd'").await, @"error: unknown table /etc/passwd; SHOW TABLES lists all");
}
