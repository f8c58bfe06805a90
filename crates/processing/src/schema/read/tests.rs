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
    test.yml:3: log types with a `parser` are not supported: records must be JSON
    test.yml:1: schema: `acme` is no log type: two to four parts of letters and digits, as in `Vendor.Product`
    test.yml:6: fields.a: unknown key `tpye`, did you mean `type`?
    test.yml:5: fields.a: key `type` is missing
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
    test.yml:8: fields.f: the transformation `mask` is not supported
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
