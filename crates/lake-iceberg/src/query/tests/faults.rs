//! What wrong queries are told.

use super::fixture::lake;

#[tokio::test]
async fn wrong_names() {
    let lake = lake();
    insta::assert_snapshot!(lake.show("select evntName from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select 1\nfrom aws_cloudtrail\nwhere t.eventName = 1").await, @"");
    insta::assert_snapshot!(lake.show("select userIdentity.usrName from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select resources.arn from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select bytes.x from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select *\nfrom panther_logs.public.aws_cloudtrial").await, @"");
    insta::assert_snapshot!(lake.show("select 1 from snowflake.account_usage.login_history").await, @"");
    insta::assert_snapshot!(lake.show("select arr_size(p_any_ip_addresses) from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select eventName from aws_cloudtrail a join okta_systemlog b on p_row_id = p_row_id").await, @"");
}

#[tokio::test]
async fn wrong_values() {
    let lake = lake();
    insta::assert_snapshot!(lake.show("select eventName::number from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select to_timestamp('soon')").await, @"");
    insta::assert_snapshot!(lake.show("select parse_json('{')").await, @"");
    insta::assert_snapshot!(lake.show("select regexp_substr('a', '(')").await, @"");
    insta::assert_snapshot!(lake.show("select eventName, count(*) from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select sum(eventName) from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select array_size() from aws_cloudtrail").await, @"");
}

#[tokio::test]
async fn nothing_but_reading() {
    let lake = lake();
    insta::assert_snapshot!(lake.show("delete from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select 1; drop table aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("copy into @stage from aws_cloudtrail").await, @"");
    insta::assert_snapshot!(lake.show("select * from '/etc/passwd'").await, @"");
}
