//! The language, case by case.

use uncia_document::{Interner, Parser};

use super::*;
use crate::content::yaml;
use crate::simple::read::{read_filters, read_rule};

const EVENT: &str = r#"{
    "name": "Pluto", "n": 7, "big": 12345678901234567891, "f": 1.50, "yes": true, "nil": null, "empty": "", "none": [],
    "nothing": {}, "date": "2006-08-24", "tags": ["Dwarf", "ice", 7], "path": "a.b", "a.b": 1,
    "entity": {"moons": [{"name": "Charon", "year": 1978}, {"name": "Nix", "year": 2005, "by": ["x", "y"]}, {"name": null}]},
    "ip": "10.1.2.3", "pub": "8.8.8.8", "v6": "fe80::1", "net": "10.0.0.0/24", "ips": ["1.1.1.1", "192.168.0.9"],
    "text": "Straße", "left": "alpha-1", "right": "alpha", "same": [1, {"k": 2}], "again": [1, {"k": 2}],
    "enableFlowLogs": false,
    "p_enrichment": {"tor": {"ip": {"kind": "exit", "score": 9}, "ips": [{"kind": "relay"}, {"kind": "exit"}]}}
}"#;

fn judge(expression: &str) -> bool {
    let document = Parser::new(Interner::new()).parse(EVENT.as_bytes()).unwrap();
    let mut complaints = Vec::new();
    let rule = read_rule(&yaml::parse(&format!("Detection:\n  - {expression}\n")).unwrap(), &mut complaints);
    assert_eq!(complaints, [], "{expression}");
    rule.holds(document.root())
}

/// Each line: the expression as a flow mapping, then what it says of the event.
const TABLE: &[(&str, bool)] = &[
    // texts
    ("{Key: name, Condition: Equals, Value: Pluto}", true),
    ("{Key: NAME, Condition: Equals, Value: Pluto}", true),
    ("{Key: name, Condition: Equals, Value: pluto}", false),
    ("{Key: name, Condition: IEquals, Value: pluto}", true),
    ("{Key: text, Condition: IEquals, Value: STRAßE}", true),
    ("{Key: name, Condition: DoesNotEqual, Value: pluto}", true),
    ("{Key: name, Condition: IDoesNotEqual, Value: pluto}", false),
    ("{Key: name, Condition: StartsWith, Value: Plu}", true),
    ("{Key: name, Condition: StartsWith, Value: plu}", false),
    ("{Key: name, Condition: IStartsWith, Value: pLU}", true),
    ("{Key: name, Condition: DoesNotStartWith, Value: Plu}", false),
    ("{Key: name, Condition: IDoesNotStartWith, Value: pLU}", false),
    ("{Key: name, Condition: EndsWith, Value: to}", true),
    ("{Key: name, Condition: IEndsWith, Value: TO}", true),
    ("{Key: name, Condition: DoesNotEndWith, Value: to}", false),
    ("{Key: name, Condition: IDoesNotEndWith, Value: XX}", true),
    ("{Key: name, Condition: Contains, Value: lut}", true),
    ("{Key: name, Condition: IContains, Value: LUT}", true),
    ("{Key: name, Condition: DoesNotContain, Value: lut}", false),
    ("{Key: name, Condition: IDoesNotContain, Value: LUT}", false),
    // string conditions are false on what is no string, their negatives true
    ("{Key: n, Condition: StartsWith, Value: '7'}", false),
    ("{Key: n, Condition: DoesNotStartWith, Value: '7'}", true),
    ("{Key: n, Condition: Contains, Value: '7'}", false),
    ("{Key: n, Condition: Equals, Value: '7'}", false),
    // absent and null: positive conditions false, negative ones true
    ("{Key: gone, Condition: Equals, Value: x}", false),
    ("{Key: nil, Condition: Equals, Value: x}", false),
    ("{Key: gone, Condition: DoesNotEqual, Value: x}", true),
    ("{Key: nil, Condition: DoesNotContain, Value: x}", true),
    ("{Key: gone, Condition: IsIn, Values: [x]}", false),
    ("{Key: gone, Condition: IsNotIn, Values: [x]}", true),
    ("{Key: gone, Condition: IsGreaterThan, Value: 0}", false),
    ("{Key: nil, Condition: IsLessThan, Value: 0}", false),
    ("{Key: gone, Condition: IsIPAddressPublic}", false),
    ("{Key: gone, Condition: DoesNotHave, Value: x}", true),
    // presence
    ("{Key: nil, Condition: Exists}", true),
    ("{Key: nil, Condition: DoesNotExist}", false),
    ("{Key: gone, Condition: Exists}", false),
    ("{Key: gone, Condition: DoesNotExist}", true),
    ("{Key: nil, Condition: IsNull}", true),
    ("{Key: gone, Condition: IsNull}", true),
    ("{Key: empty, Condition: IsNull}", false),
    ("{Key: nil, Condition: IsNotNull}", false),
    ("{Key: empty, Condition: IsNotNull}", true),
    ("{Key: empty, Condition: IsNullOrEmpty}", true),
    ("{Key: none, Condition: IsNullOrEmpty}", true),
    ("{Key: nothing, Condition: IsNullOrEmpty}", true),
    ("{Key: gone, Condition: IsNullOrEmpty}", true),
    ("{Key: n, Condition: IsNullOrEmpty}", false),
    ("{Key: enableFlowLogs, Condition: IsNullOrEmpty}", false),
    ("{Key: name, Condition: IsNotNullOrEmpty}", true),
    ("{Key: nil, Condition: IsNotNullOrEmpty}", false),
    // numbers and truth
    ("{Key: n, Condition: Equals, Value: 7}", true),
    ("{Key: n, Condition: Equals, Value: 7.0}", true),
    ("{Key: f, Condition: Equals, Value: 1.5}", true),
    ("{Key: big, Condition: Equals, Value: 12345678901234567891}", true),
    ("{Key: big, Condition: Equals, Value: 12345678901234567892}", false),
    ("{Key: big, Condition: IsLessThan, Value: 12345678901234567892}", true),
    ("{Key: n, Condition: IsGreaterThan, Value: 6}", true),
    ("{Key: n, Condition: IsGreaterThan, Value: 7}", false),
    ("{Key: n, Condition: IsGreaterThanOrEquals, Value: 7}", true),
    ("{Key: n, Condition: IsGreaterThanOrEqual, Value: 7}", true),
    ("{Key: n, Condition: IsGreaterThanOrEqualTo, Value: 8}", false),
    ("{Key: n, Condition: IsLessThan, Value: 7.5}", true),
    ("{Key: n, Condition: IsLessThanOrEquals, Value: 7}", true),
    ("{Key: n, Condition: IsLessThanOrEqual, Value: 6}", false),
    ("{Key: n, Condition: IsLessThanOrEqualTo, Value: 7}", true),
    ("{Key: name, Condition: IsGreaterThan, Value: 6}", false),
    ("{Key: date, Condition: IsGreaterThan, Value: '2006-01-01'}", true),
    ("{Key: yes, Condition: Equals, Value: true}", true),
    ("{Key: yes, Condition: Equals, Value: 1}", false),
    ("{DeepKey: [enableFlowlogs], Condition: Equals, Value: false}", true),
    // membership
    ("{Key: name, Condition: IsIn, Values: [Ceres, Pluto]}", true),
    ("{Key: name, Condition: IsIn, Values: []}", false),
    ("{Key: n, Condition: IsIn, Values: [1, 7]}", true),
    ("{Key: name, Condition: IsNotIn, Values: [Ceres]}", true),
    ("{Key: tags, Condition: IsIn, Values: [ice, rock]}", true),
    ("{Key: tags, Condition: IsNotIn, Values: [ice]}", false),
    ("{Key: tags, Condition: Has, Value: ice}", true),
    ("{Key: tags, Condition: Has, Value: ic}", false),
    ("{Key: tags, Condition: Has, Value: 7}", true),
    ("{Key: tags, Condition: IHas, Value: DWARF}", true),
    ("{Key: tags, Condition: DoesNotHave, Value: ice}", false),
    ("{Key: name, Condition: Has, Value: lut}", true),
    ("{Key: name, Condition: DoesNotHave, Value: Eris}", true),
    ("{Key: n, Condition: Has, Value: 7}", false),
    ("{Key: tags, Condition: Contains, Value: warf}", true),
    ("{Key: tags, Condition: Contains, Value: 7}", true),
    ("{Key: tags, Condition: DoesNotContain, Value: rock}", true),
    ("{Key: tags, Condition: Equals, Value: ice}", false),
    // paths
    ("{Key: a.b, Condition: Equals, Value: 1}", true),
    ("{KeyPath: a.b, Condition: Exists}", false),
    ("{KeyPath: 'entity.moons[0].name', Condition: Equals, Value: Charon}", true),
    ("{KeyPath: 'entity.moons[-1].name', Condition: IsNull}", true),
    ("{DeepKey: [entity, moons, 1, year], Condition: Equals, Value: 2005}", true),
    ("{DeepKey: [entity, moons, name], Condition: Exists}", false),
    ("{KeyPath: 'entity.moons[*].name', Condition: Has, Value: Nix}", true),
    ("{KeyPath: 'entity.moons[*].by[*]', Condition: IsIn, Values: [y]}", true),
    ("{KeyPath: 'entity.moons[*].gone', Condition: Exists}", false),
    // addresses
    ("{Key: ip, Condition: IsIPAddress}", true),
    ("{Key: name, Condition: IsIPAddress}", false),
    ("{Key: ip, Condition: IsIPv4Address}", true),
    ("{Key: v6, Condition: IsIPv6Address}", true),
    ("{Key: ip, Condition: IsIPAddressPrivate, Value: true}", true),
    ("{Key: ip, Condition: IsIPAddressPublic}", false),
    ("{Key: pub, Condition: IsIPAddressPublic}", true),
    ("{Key: ips, Condition: IsIPAddressPrivate}", true),
    ("{Key: ip, Condition: IsIPAddressInCIDR, Value: 10.0.0.0/8}", true),
    ("{Key: ip, Condition: IsIPAddressInCIDR, Values: [11.0.0.0/8, 10.1.0.0/16]}", true),
    ("{Key: net, Condition: IsIPAddressInCIDR, Value: 10.0.0.128/25}", true),
    ("{Key: ips, Condition: IsIPAddressInCIDR, Value: 192.168.0.0/16}", true),
    ("{Key: name, Condition: IsIPAddressInCIDR, Value: 10.0.0.0/8}", false),
    ("{Key: ip, Condition: IsIPAddressNotInCIDR, Value: 10.0.0.0/8}", false),
    // two fields
    ("{Condition: StartsWith, Values: [{Key: left}, {Key: right}]}", true),
    ("{Condition: Equals, Values: [{Key: left}, {Key: right}]}", false),
    ("{Condition: DoesNotEqual, Values: [{Key: left}, {Key: right}]}", true),
    ("{Condition: IsGreaterThan, Values: [{KeyPath: n}, {KeyPath: f}]}", true),
    ("{Condition: Equals, Values: [{Key: same}, {Key: again}]}", true),
    ("{Condition: Equals, Values: [{Key: gone}, {Key: also_gone}]}", false),
    ("{Condition: DoesNotEqual, Values: [{Key: gone}, {Key: name}]}", true),
    ("{Condition: Equals, Values: [{Key: nil}, {Key: nil}]}", false),
    ("{Condition: Contains, Values: [{Key: tags}, {Key: n}]}", true),
    // lists
    (
        "{KeyPath: entity.moons, Condition: AnyElement, Expressions: [{Key: year, Condition: IsLessThan, Value: 2000}]}",
        true,
    ),
    ("{KeyPath: entity.moons, Condition: AllElements, Expressions: [{Key: year, Condition: Exists}]}", false),
    ("{KeyPath: entity.moons, Condition: AllElements, Expressions: [{Key: name, Condition: Exists}]}", true),
    (
        "{KeyPath: entity.moons, Condition: OnlyOneElement, Expressions: [{Key: name, Condition: Equals, Value: Nix}]}",
        true,
    ),
    ("{KeyPath: entity.moons, Condition: OnlyOneElement, Expressions: [{Key: year, Condition: Exists}]}", false),
    ("{KeyPath: entity.moons, Condition: NoElement, Expressions: [{Key: name, Condition: Equals, Value: Eris}]}", true),
    ("{Key: none, Condition: AnyElement, Expressions: [{Key: x, Condition: DoesNotExist}]}", false),
    ("{Key: none, Condition: AllElements, Expressions: [{Key: x, Condition: DoesNotExist}]}", false),
    ("{Key: none, Condition: NoElement, Expressions: [{Key: x, Condition: DoesNotExist}]}", true),
    ("{Key: gone, Condition: NoElement, Expressions: [{Key: x, Condition: DoesNotExist}]}", true),
    ("{Key: gone, Condition: AnyElement, Expressions: [{Key: x, Condition: DoesNotExist}]}", false),
    // enrichment
    ("{Enrichment: {Table: tor, Selector: ip, FieldPath: kind}, Condition: Equals, Value: exit}", true),
    ("{Enrichment: {Table: tor, Selector: ip, FieldPath: score}, Condition: IsGreaterThan, Value: 9}", false),
    ("{Enrichment: {Table: tor, Selector: ips, FieldPath: kind}, Condition: Equals, Value: exit}", true),
    ("{Enrichment: {Table: tor, Selector: ips, FieldPath: kind}, Condition: DoesNotEqual, Value: exit}", false),
    ("{Enrichment: {Table: geo, Selector: ip, FieldPath: kind}, Condition: Exists}", false),
    ("{Enrichment: {Table: geo, Selector: ip, FieldPath: kind}, Condition: DoesNotEqual, Value: exit}", true),
    // absolutes and combinators
    ("{Condition: AlwaysTrue}", true),
    ("{Condition: AlwaysFalse}", false),
    ("{All: [{Condition: AlwaysTrue}, {Condition: AlwaysFalse}]}", false),
    ("{Any: [{Condition: AlwaysTrue}, {Condition: AlwaysFalse}]}", true),
    ("{OnlyOne: [{Condition: AlwaysTrue}, {Condition: AlwaysFalse}]}", true),
    ("{OnlyOne: [{Condition: AlwaysTrue}, {Condition: AlwaysTrue}]}", false),
    ("{None: [{Condition: AlwaysFalse}, {Condition: AlwaysTrue}]}", false),
    ("{None: [{Condition: AlwaysFalse}, {All: [{Condition: AlwaysFalse}]}]}", true),
];

#[test]
fn the_language() {
    let wrong: Vec<_> = TABLE.iter().filter(|(expression, expected)| judge(expression) != *expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn filters() {
    let document = Parser::new(Interner::new()).parse(EVENT.as_bytes()).unwrap();
    for (filter, expected) in [
        ("{KeyPath: name, Condition: Equals, Value: Pluto}", Ok(true)),
        ("{KeyPath: name, Condition: Equals, Value: Eris}", Ok(false)),
        // What the event does not have lets the rule run; null is judged.
        ("{KeyPath: gone, Condition: Equals, Value: x}", Ok(true)),
        ("{KeyPath: gone, Condition: DoesNotEqual, Value: x}", Ok(true)),
        ("{KeyPath: nil, Condition: Equals, Value: x}", Ok(false)),
        ("{KeyPath: nil, Condition: DoesNotEqual, Value: x}", Ok(true)),
        ("{KeyPath: gone, Condition: Exists}", Ok(false)),
        ("{KeyPath: gone, Condition: IsNullOrEmpty}", Ok(true)),
        ("{All: []}", Ok(true)),
        ("{Any: []}", Ok(true)),
        (
            "{Any: [{KeyPath: n, Condition: Equals, Value: 1}, {All: [{KeyPath: n, Condition: IsGreaterThan, Value: 1}]}]}",
            Ok(true),
        ),
        ("{KeyPath: ip, Condition: IsIPAddressInCIDR, Value: 10.0.0.0/8}", Ok(true)),
        ("{KeyPath: nil, Condition: IsIPAddressInCIDR, Value: 10.0.0.0/8}", Ok(false)),
        ("{KeyPath: name, Condition: IsIPAddressInCIDR, Value: 10.0.0.0/8}", Err(NotAnAddress("Pluto".to_owned()))),
    ] {
        let mut complaints = Vec::new();
        let filters = read_filters(&yaml::parse(&format!("- {filter}\n")).unwrap(), &mut complaints);
        assert_eq!(complaints, [], "{filter}");
        assert_eq!(filter_passes(&filters, document.root()), expected, "{filter}");
    }
}

#[test]
fn complaints_name_line_and_way_out() {
    let complaints = |text: &str| {
        let mut complaints = Vec::new();
        read_rule(&yaml::parse(text).unwrap(), &mut complaints);
        complaints.iter().map(|(line, message)| format!("{line}: {message}\n")).collect::<String>()
    };
    let yaml = "Detection:
  - {Key: a, Condition: Equal, Value: 1}
  - {Key: a, Condition: Equals}
  - {Key: a, Condition: IsIn, Value: 1}
  - {Key: a, KeyPath: b, Condition: Exists}
  - {Key: a, Condition: Equals, Value: 1, Extra: 2}
  - {Condition: Equals, Values: [{Key: a}, {Key: b}, {Key: c}]}
  - {KeyPath: 'a[?b]', Condition: Exists}
  - {Key: a, Condition: IsIPAddressInCIDR, Value: ten}
  - {Key: a, Condition: AnyElement}
  - {Anny: []}
  - text
AlertContext: [{KeyName: a}]
DynamicSeverities: [{ChangeTo: Awful, Conditions: []}]
GroupBy: {Key: a}
";
    insta::assert_snapshot!(complaints(yaml), @r#"
    2: there is no condition `Equal`; there are Equals, DoesNotEqual
    3: `Equals` needs `Value`
    4: `IsIn` needs a list of `Values`
    5: exactly one of `Key`, `DeepKey`, `KeyPath` and `Enrichment` must name what is compared
    6: `Extra` has no place here; there may be Key, DeepKey, KeyPath, Enrichment, Condition, Value, Values
    7: `Equals` needs a key and a `Value`, or `Values` with two keys, found 3
    8: `a[?b]` is no path: `[?b]` is not supported; a path is written like `a.b[0].c`, `"odd name".b` or `a[*].b`
    9: `ten` is no network; write it like `10.0.0.0/8`
    10: `AnyElement` needs `Expressions`, which are asked of the elements
    11: a match expression needs `Condition`, `All`, `Any`, `OnlyOne` or `None`, found `Anny`
    12: a match expression must be a mapping, found text
    13: an entry of `AlertContext` needs `KeyName` and `KeyValue`
    15: `GroupBy` must be a list, found a mapping
    14: `ChangeTo` must be Info, Low, Medium, High or Critical, found `Awful`
    "#);
    insta::assert_snapshot!(
        complaints("Detection: []\n"),
        @"1: `Detection` is empty; it would match every event: write `Condition: AlwaysTrue` if that is meant"
    );
}
