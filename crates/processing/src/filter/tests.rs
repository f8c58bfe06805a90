//! Filters as they are configured.

use serde_json::{Value as Json, json};
use uncia_document::{Interner, Parser};

use super::*;

fn condition(config: Json) -> Result<Condition, String> {
    Condition::compile(&serde_json::from_value(config).map_err(|error| error.to_string())?)
}

#[test]
fn operators() {
    let event = r#"{"s":"abc","n":5,"big":12345678901234567890,"b":true,"e":"","l":["x","yz"],"ip":"10.1.2.3","ips":["::ffff:192.0.2.1"],"o":{"k":"v"},"os":[{"k":1},{"k":2}],"eo":{}}"#;
    let document = Parser::new(Interner::new()).parse(event.as_bytes()).unwrap();
    for (key, operator, value, holds) in [
        ("s", "Equals", json!("abc"), true),
        ("s", "Equals", json!("ab"), false),
        ("n", "Equals", json!(5), true),
        ("n", "Equals", json!(5.0), true),
        ("n", "Equals", json!("5"), true),
        ("b", "Equals", json!(true), true),
        ("missing", "Equals", json!(1), false),
        ("missing", "DoesNotEqual", json!(1), true),
        ("l", "Equals", json!("x"), true),
        ("s", "Contains", json!("b"), true),
        ("l", "Contains", json!("y"), false),
        ("l", "Contains", json!("yz"), true),
        ("l", "DoesNotContain", json!("yz"), false),
        ("s", "StartsWith", json!("ab"), true),
        ("l", "EndsWith", json!("z"), true),
        ("o.k", "Exists", Json::Null, true),
        ("o.j", "Exists", Json::Null, false),
        ("o.j", "DoesNotExist", Json::Null, true),
        ("o.j", "IsNull", Json::Null, true),
        ("e", "IsNull", Json::Null, false),
        ("e", "IsNullOrEmpty", Json::Null, true),
        ("eo", "IsNullOrEmpty", Json::Null, true),
        ("s", "IsNullOrEmpty", Json::Null, false),
        ("s", "IsNotNull", Json::Null, true),
        ("n", "IsGreaterThan", json!(4), true),
        ("n", "IsGreaterThan", json!(5), false),
        ("n", "IsGreaterThanOrEquals", json!(5), true),
        ("n", "IsLessThan", json!(5.5), true),
        ("big", "IsGreaterThan", json!(1), true),
        ("s", "IsLessThan", json!(5), false),
        ("s", "IsLessThanOrEquals", json!("abd"), true),
        ("os.k", "IsIn", json!([2, 3]), true),
        ("os.k", "IsNotIn", json!([3]), true),
        ("os.k", "IsNotIn", json!([1]), false),
        ("ip", "IsIPAddressInCIDR", json!("10.0.0.0/8"), true),
        ("ip", "IsIPAddressInCIDR", json!("10.1.2.4/32"), false),
        ("ip", "IsIPAddressInCIDR", json!("0.0.0.0/0"), true),
        ("ips", "IsIPAddressInCIDR", json!(["10.0.0.0/8", "192.0.2.0/24"]), true),
        ("s", "IsIPAddressInCIDR", json!("::/0"), false),
    ] {
        let mut config = json!({"key": key, "condition": operator});
        match value {
            Json::Null => {}
            Json::Array(_) => config["values"] = value,
            value => config["value"] = value,
        }
        assert_eq!(condition(config.clone()).unwrap().holds(document.root()), holds, "{config}");
    }
    let group = json!({"any": [{"key": "n", "condition": "Equals", "value": 6}, {"all": [
        {"key": "s", "condition": "Exists"}, {"key": "b", "condition": "Equals", "value": true}]}]});
    assert!(condition(group).unwrap().holds(document.root()));
}

#[test]
fn mistakes_are_named() {
    for (config, message) in [
        (json!({}), "give `key` and `condition`, or `all`, or `any`"),
        (json!({"all": []}), "an empty group"),
        (json!({"key": "a..b", "condition": "Exists"}), "`a..b` is no path: keys with dots between them"),
        (json!({"key": "a", "condition": "Equals"}), "`a`: Equals needs a `value`"),
        (json!({"key": "a", "condition": "IsIn", "value": 1}), "`a`: IsIn needs `values`"),
        (json!({"key": "a", "condition": "Exists", "value": 1}), "`a`: Exists takes no value"),
        (json!({"key": "a", "condition": "StartsWith", "value": 1}), "`a`: StartsWith needs a text as its `value`"),
        (
            json!({"key": "a", "condition": "IsIPAddressInCIDR", "value": "10.0.0.0/33"}),
            "`a`: IsIPAddressInCIDR needs networks such as `10.0.0.0/8`",
        ),
    ] {
        assert_eq!(condition(config).unwrap_err(), message);
    }
}

fn raw(configs: Json) -> Result<RawFilters, FilterError> {
    RawFilters::compile(&serde_json::from_value::<Vec<RawFilterConfig>>(configs).unwrap())
}

#[test]
fn records() {
    let filters = raw(json!([
        {"action": "exclude", "contains": "a.b"},
        {"action": "exclude", "regex": "(?i)HEALTH|^ping"},
        {"action": "include", "contains": "user"},
        {"action": "include", "regex": "id=[0-9]+$"},
    ]))
    .unwrap();
    for (record, dropped) in [
        ("user id=1", false),
        ("user id=x", true),
        ("id=1", true),
        ("user axb id=1", false),
        ("user a.b id=1", true),
        ("user health id=1", true),
        ("ping user id=1", true),
        ("user ping id=1", false),
    ] {
        assert_eq!(filters.drops(record.as_bytes()), dropped, "{record}");
    }
    assert!(!raw(json!([])).unwrap().drops(b"anything"));
    assert!(raw(json!([{"action": "exclude", "contains": "\u{1f98a}"}])).unwrap().drops("\u{1f98a}".as_bytes()));
    assert_eq!(raw(json!([{"action": "include"}])).unwrap_err(), FilterError::Pattern(1));
    assert_eq!(
        raw(json!([{"action": "include", "regex": "a", "contains": "b"}])).unwrap_err(),
        FilterError::Pattern(1)
    );
    let said = raw(json!([{"action": "exclude", "contains": "x"}, {"action": "exclude", "regex": "("}])).unwrap_err();
    assert!(said.to_string().starts_with("raw filter 2: "), "{said}");
}
