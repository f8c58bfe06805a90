//! Schemas as text: what is read, and what is said of mistakes.

use super::*;

/// Errors of a schema with these fields, as people see them.
fn errors(yaml: &str) -> String {
    match read("test.yml", yaml) {
        Ok(_) => String::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn fields(yaml: &str) -> String {
    errors(&format!("schema: Test.Log\nfields:\n{yaml}"))
}

#[test]
fn a_whole_schema() {
    let yaml = "
schema: Acme.Audit
version: 0
description: What Acme does.
referenceURL: https://acme.example/logs
definitions:
  Who:
    type: object
    fields:
      - name: id
        type: string
        required: true
fields:
  - name: '@timestamp'
    type: timestamp
    timeFormats: [rfc3339, '%Y-%m-%d %H:%M:%S']
    timeZone: '-06:00'
    isEventTime: true
    required: true
  - name: actor
    type: ref
    target: Who
  - name: targets
    type: array
    element: {type: ref, target: Who}
  - name: kind
    type: string
    rename: {from: type}
    validate: {allow: [a, b]}
  - name: actorId
    type: string
    copy: {from: actor.id}
    indicators: [username]
samples:
  - name: one
    raw: '{}'
    expected: {kind: a}
";
    let spec = read("a.yml", yaml).unwrap();
    assert_eq!(spec.log_type.as_str(), "Acme.Audit");
    assert_eq!(spec.fields.len(), 5);
    assert_eq!(spec.samples[0].expected.to_string(), r#"{"kind":"a"}"#);
}

#[test]
fn mistakes_have_lines_and_hints() {
    insta::assert_snapshot!(
        errors("schema: acme\nversions: 0\nparser: {csv: {}}\nfields:\n  - name: a\n    tpye: string\n"),
        @r"
    test.yml:2: unknown key `versions`, did you mean `version`?
    test.yml:1: schema: `acme` is no log type: two to four parts of letters and digits, as in `Vendor.Product`
    test.yml:6: fields.a: unknown key `tpye`, did you mean `type`?
    test.yml:5: fields.a: key `type` is missing
    test.yml:3: parser.csv: either `hasHeader: true` or `columns` is needed: something must name the columns
    "
    );
    insta::assert_snapshot!(
        fields(
            "  - {name: a, type: strng}\n  - {name: b, type: timestamp, timeFormats: [rfc339, '%Q']}\n  \
             - {name: c, type: string, indicators: [ipp], required: maybe}\n  - {name: d, type: array}\n  \
             - {name: e, type: array, element: {type: string}, indicators: [ip]}\n  - {name: f, type: string, mask: {type: redact}}\n  \
             - {name: g, type: string, timeFormat: unix}\n  - {name: h, type: object, fields: []}\n  - just text\n"
        ),
        @r"
    test.yml:3: fields.a: unknown type `strng`, did you mean `string`?
    test.yml:4: fields.b: unknown time format `rfc339`, did you mean `rfc3339`?
    test.yml:4: fields.b: unknown directive `%Q` in time format `%Q`; known are %Y %G %y %g %C %m %d %e %B %b %h %A %a %w %u %j %U %W %V %H %k %I %l %p %P %M %S %f %z %:z %Z %s %F %D %x %T %X %R %r %c %v %+ %n %t %%
    test.yml:5: fields.c.indicators: unknown indicator `ipp`, did you mean `ip`?
    test.yml:5: fields.c.required: expected true or false, found a scalar
    test.yml:6: fields.d: key `element` is missing
    test.yml:7: fields.e: `indicators` has no meaning for type `array`, put them on the `element`
    test.yml:9: fields.g: `timeFormat` has no meaning for type `string`
    test.yml:10: fields.h.fields: a list of at least one field is needed
    test.yml:11: fields[8]: expected a mapping, found a scalar
    "
    );
}

#[test]
fn columns_must_differ() {
    insta::assert_snapshot!(
        fields(
            "  - {name: a.b, type: string}\n  - {name: A_b, type: string}\n  - {name: p_log_type, type: string}\n  \
             - {name: x, type: string, rename: {from: a.b}}\n  - {name: x, type: int}\n"
        ),
        @r"
    test.yml:4: fields: field `A_b` has the same column but for case as `a.b` on line 3
    test.yml:5: fields: field `p_log_type`: names that begin with `p_` are the product's own
    test.yml:6: fields: field `x` reads the same key as `a.b` on line 3
    test.yml:7: fields: field `x` has the same name as `x` on line 6
    "
    );
}

#[test]
fn refs_must_lead_somewhere() {
    insta::assert_snapshot!(
        errors(
            "schema: Test.Log\ndefinitions:\n  Aa: {type: array, element: {type: ref, target: Bb}}\n  \
             Bb: {type: ref, target: Aa}\nfields:\n  - {name: a, type: ref, target: Aa}\n  - {name: c, type: ref, target: Cc}\n"
        ),
        @r"
    test.yml:4: fields.a.element: definitions refer to each other in a circle: Aa -> Bb -> Aa
    test.yml:7: fields.c: no definition is named `Cc`
    test.yml:3: definitions.Bb.element: definitions refer to each other in a circle: Bb -> Aa -> Bb
    "
    );
}

#[test]
fn broken_yaml() {
    assert!(errors("schema: [").starts_with("test.yml:"));
    assert_eq!(errors(""), "test.yml:1: not YAML: the file is empty");
    assert_eq!(errors("- a"), "test.yml:1: expected a mapping, found a list");
}

#[test]
fn transformations_and_their_mistakes() {
    let good = "
  - {name: a, type: string, rename: {from: A}, mask: {type: sha256, salt: x}}
  - {name: b, type: string, copy: {from: $.o.x}, mask: {type: redact}}
  - {name: c, type: string, concat: {separator: '-', paths: [a, o.x]}}
  - {name: d, type: string, split: {from: c, separator: ':', index: -1}}
  - {name: e, type: array, element: {type: string}, split: {from: c, separator: ':'}, mask: {type: md5}}
  - {name: o, type: object, fields: [{name: x, type: string}]}
";
    assert_eq!(fields(good), "");
    insta::assert_snapshot!(
        fields(
            "  - {name: a, type: string, rename: {from: a}}\n  - {name: b, type: string, copy: {from: a..b}}\n  \
             - {name: c, type: string, copy: {from: a}, split: {from: a, separator: x, index: 0}}\n  \
             - {name: d, type: string, concat: {paths: []}}\n  - {name: e, type: string, concat: {sep: x}}\n  \
             - {name: f, type: string, split: {from: a, separator: '', index: 0}}\n  \
             - {name: g, type: string, split: {from: a, separator: x}}\n  \
             - {name: h, type: string, split: {from: a, separator: x, index: first}}\n  \
             - {name: i, type: string, mask: {type: sha265}}\n  - {name: j, type: int, mask: {type: redact}}\n  \
             - {name: k, type: string, mask: {to: x}}\n  - {name: l, type: string, rename: x}\n"
        ),
        @r"
    test.yml:3: fields.a.rename: renames the field to the name it has
    test.yml:4: fields.b.copy: `a..b` is no path: keys with dots between them
    test.yml:5: fields.c: a field has only one of rename, copy, concat, split
    test.yml:6: fields.d.concat: paths: at least one path is needed
    test.yml:7: fields.e.concat: unknown key `sep`, known are separator, paths
    test.yml:7: fields.e.concat: key `paths` is missing
    test.yml:8: fields.f.split: a `separator` of at least one character is needed
    test.yml:9: fields.g.split: an `index` is needed, or the type `array`, which takes all pieces
    test.yml:10: fields.h.split: index: expected a whole number; the first piece is 0, the last -1
    test.yml:11: fields.i.mask: unknown mask `sha265`, did you mean `sha256`?
    test.yml:12: fields.j.mask: only strings, lists of strings and json can be masked
    test.yml:13: fields.k.mask: key `type` is missing
    test.yml:14: fields.l.rename: expected a mapping, found a scalar
    "
    );
}

fn parser(yaml: &str) -> String {
    errors(&format!("schema: Test.Log\nparser: {yaml}\nfields: [{{name: a, type: string}}]\n"))
}

#[test]
fn parsers_and_their_mistakes() {
    for (yaml, message) in [
        ("{csv: {columns: [a]}, regex: {match: [x]}}", "parser: a schema has exactly one parser"),
        ("{cvs: {columns: [a]}}", "parser: unknown key `cvs`, did you mean `csv`?"),
        ("{csv: {columns: [a], delimeter: ;}}", "parser.csv: unknown key `delimeter`, did you mean `delimiter`?"),
        ("{csv: {columns: [a], delimiter: '\"'}}", "parser.csv: delimiter: one character that is no quote"),
        ("{csv: {columns: [a], skipLines: few}}", "parser.csv: skipLines: expected a number of lines"),
        ("{csv: {columns: [a], expandFields: {b: '%{a'}}}", "parser.csv.expandFields: `%{a`: a `%{` is not closed"),
        ("{fastmatch: {}}", "parser.fastmatch: key `match` is missing"),
        ("{fastmatch: {match: []}}", "parser.fastmatch.match: at least one pattern is needed"),
        ("{fastmatch: {match: ['a b c']}}", "parser.fastmatch: `a b c` has no tag such as `%{name}`"),
        ("{fastmatch: {match: ['%{a}%{b}']}}", "parser.fastmatch: `%{a}%{b}`: two tags without text between them"),
        ("{fastmatch: {match: ['%{a} %{b']}}", "parser.fastmatch: `%{a} %{b`: a `%{` is not closed"),
        ("{fastmatch: {match: ['%{}']}}", "parser.fastmatch: a pattern has at least four characters"),
        ("{fastmatch: {match: [\"%{a}\\n%{b}\"]}}", "parser.fastmatch: a pattern describes one line"),
        ("{regex: {match: ['(?P<a>x']}}", "parser.regex: no regular expression: unclosed group"),
        (
            "{regex: {match: ['(?P<a>x)(?=y)']}}",
            "parser.regex: no regular expression: look-around, including look-ahead and look-behind, is not supported",
        ),
        (
            "{regex: {match: ['x']}}",
            "parser.regex: no group of the expression has a name, as in `%{IP:address}` or `(?P<address>…)`",
        ),
        ("{regex: {match: ['%{NOPE:a}']}}", "parser.regex: unknown pattern `%{NOPE}`"),
    ] {
        assert_eq!(parser(yaml), format!("test.yml:2: {message}"), "{yaml}");
    }
}

#[test]
fn core_fields() {
    let udm = |yaml: &str| errors(&format!("schema: Test.Log\nfields: [{{name: a, type: string}}]\nudm: {yaml}\n"));
    assert_eq!(udm("[{name: source.ip, paths: [{path: a}, {path: b.c}]}]"), "");
    assert_eq!(udm("{source.ip: a, user.email: [b, c]}"), "");
    assert_eq!(
        udm("[{name: Source IP, paths: [{path: a}]}]"),
        "test.yml:3: udm: `Source IP` is no core field: lower-case words with dots, such as `source.ip`"
    );
    assert_eq!(udm("[{name: source.ip}]"), "test.yml:3: udm: key `paths` is missing");
    assert_eq!(
        udm("{source.ip: a, source: b}"),
        "test.yml:3: udm: core field `source` stands in the way of `source.ip`"
    );
}
