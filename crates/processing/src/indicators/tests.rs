//! Indicator scanners, value by value.

use uncia_document::{Interner, KeyId, Parser};

use super::*;

/// What a scanner finds in a string, as `list: values`.
fn found(scanner: &str, text: &str) -> String {
    let mut document = Document::new();
    let text = document.push_text(text);
    let mut indicators = Indicators::default();
    scan(Scanner::parse(scanner).unwrap(), &mut document, text, &mut indicators);
    show(&mut document, &mut indicators)
}

fn show(document: &mut Document, indicators: &mut Indicators) -> String {
    let mut lists = Vec::new();
    indicators.drain(document, &mut Scratch::default(), |document, _, place, list| {
        let short = fields::ANY[place].trim_start_matches("p_any_");
        lists.push(format!("{short} {}", document.at(list).to_json().replace('"', "")));
    });
    lists.join(" ")
}

#[test]
fn scanners() {
    for (scanner, text, expected) in [
        ("ip", " 10.0.0.1 ", "ip_addresses [10.0.0.1]"),
        ("ip", "2001:DB8::1", "ip_addresses [2001:DB8::1]"),
        ("ip", "example.com", ""),
        ("ip", "10.0.0.256", ""),
        ("ip", "  ", ""),
        ("domain", "xn--bcher-kva.example", "domain_names [bücher.example]"),
        ("domain", "cloudtrail.amazonaws.com", "domain_names [cloudtrail.amazonaws.com]"),
        ("hostname", "::1", "ip_addresses [::1]"),
        ("hostname", "db1", "domain_names [db1]"),
        ("url", "https://user@example.com:8443/a?b#c", "domain_names [example.com]"),
        ("url", "http://[2001:db8::1]:80/", "ip_addresses [2001:db8::1]"),
        ("url", "http://10.1.2.3?x=//y", "ip_addresses [10.1.2.3]"),
        ("url", "//example.com/x", "domain_names [example.com]"),
        ("url", "example.com/x", ""),
        ("url", "/a//b", ""),
        ("url", "http://", ""),
        ("url", "http://a b/", ""),
        ("net_addr", "10.0.0.1:80", "ip_addresses [10.0.0.1]"),
        ("net_addr", "[::1]:80", "ip_addresses [::1]"),
        ("net_addr", "::1", "ip_addresses [::1]"),
        ("net_addr", "example.com:443", "domain_names [example.com]"),
        ("net_addr", "example.com", "domain_names [example.com]"),
        ("email", "a@b.c", "emails [a@b.c]"),
        ("email", "a", ""),
        ("username", "\u{a0}Alice ", "usernames [Alice]"),
        ("actor_id", "AIDA1", "actor_ids [AIDA1]"),
        ("trace_id", "t", "trace_ids [t]"),
        ("md5", "D41D8CD98F00B204E9800998ECF8427E", "md5_hashes [d41d8cd98f00b204e9800998ecf8427e]"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427", ""),
        ("sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1_hashes [da39a3ee5e6b4b0d3255bfef95601890afd80709]"),
        ("sha256", "zz39a3ee5e6b4b0d3255bfef95601890afd80709", ""),
        ("aws_account_id", "123456789012", "aws_account_ids [123456789012]"),
        ("aws_account_id", "12345678901x", ""),
        ("aws_instance_id", "i-0abc", "aws_instance_ids [i-0abc]"),
        (
            "aws_arn",
            "arn:aws:ec2:us-east-1:123456789012:instance/i-0abc",
            "aws_account_ids [123456789012] aws_instance_ids [i-0abc] aws_arns [arn:aws:ec2:us-east-1:123456789012:instance/i-0abc]",
        ),
        (
            "aws_arn",
            "arn:aws:sts::123456789012:assumed-role/Dev/a@b.c",
            "emails [a@b.c] aws_account_ids [123456789012] aws_arns [arn:aws:sts::123456789012:assumed-role/Dev/a@b.c]",
        ),
        ("aws_arn", "arn:aws:s3:::bucket", "aws_arns [arn:aws:s3:::bucket]"),
        ("aws_arn", "arn:aws:s3", ""),
        ("aws_arn_only", "arn:aws:iam::123456789012:root", "aws_arns [arn:aws:iam::123456789012:root]"),
        ("aws_tag", "env:prod", "aws_tags [env:prod]"),
        ("mac", "00-1A-2b-3C-4d-5E", "mac_addresses [00:1a:2b:3c:4d:5e]"),
        ("mac", "001a.2b3c.4d5e", "mac_addresses [00:1a:2b:3c:4d:5e]"),
        ("mac", "123456789012", ""),
        ("mac", "00:1a:2b:3c:4d", ""),
        ("serial_number", "C02", "serial_numbers [C02]"),
    ] {
        assert_eq!(found(scanner, text), expected, "{scanner} {text:?}");
    }
}

#[test]
fn aws_auto_walks_by_keys() {
    let record = r#"{"instancesSet":{"items":[{"instanceId":"i-1","x":"arn:aws:iam::111111111111:role/r"},{"instanceId":"x"}]},
        "ownerAccountId":"222222222222","callerAccountId":333333333333,"tags":[{"key":"env","value":"prod"},"plain"],
        "publicIp":"1.2.3.4","ipv6Addresses":["::1","no"],"privateDnsName":"ip-1.internal","other":"444444444444",
        "answers":[{"Rdata":"1.2.3.5"},{"rdata":"a.example"}]}"#;
    let mut document = Parser::new(Interner::new()).parse(record.as_bytes()).unwrap();
    let mut indicators = Indicators::default();
    let root = document.root().value();
    scan_tree(&mut AwsKeys::default(), &mut document, (KeyId::NONE, "requestParameters"), root, &mut indicators);
    assert_eq!(
        show(&mut document, &mut indicators),
        "ip_addresses [1.2.3.4,1.2.3.5,::1] domain_names [a.example,ip-1.internal] \
         aws_account_ids [111111111111,222222222222,333333333333] aws_instance_ids [i-1] \
         aws_arns [arn:aws:iam::111111111111:role/r] aws_tags [env:prod,plain]"
    );
}

#[test]
fn lists_are_sorted_without_doubles() {
    let mut document = Document::new();
    let mut indicators = Indicators::default();
    for name in ["b", "a", "b", "é", "B"] {
        let text = document.push_text(name);
        scan(Scanner::Username, &mut document, text, &mut indicators);
    }
    assert_eq!(show(&mut document, &mut indicators), "usernames [B,a,b,é]");
}
