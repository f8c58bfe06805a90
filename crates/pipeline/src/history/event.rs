//! A row of the lake as the event that rules saw: the columns with `p_extra` laid over them, nulls left out.

use uncia_document::{Parser, Ref, write_key};
use uncia_model::fields;

/// The normal form of a row's event. Members stand in the order of the columns, what only `p_extra` has behind them.
pub(super) fn rule_bytes(row: Ref<'_>, parser: &mut Parser) -> Vec<u8> {
    let extra = row.get(fields::EXTRA);
    let parsed = extra.and_then(Ref::as_str).and_then(|text| parser.parse(text.as_bytes()).ok());
    let extra = match &parsed {
        Some(document) => Some(document.root()),
        None => extra,
    };
    let mut json = Vec::with_capacity(1_024);
    write_object(row, extra.filter(|extra| extra.is_object()), Some(fields::EXTRA), &mut json);
    json
}

/// An object with another one laid over it.
fn write_object(base: Ref<'_>, over: Option<Ref<'_>>, without: Option<&str>, json: &mut Vec<u8>) {
    json.push(b'{');
    let begin = json.len();
    for ((_, key), value) in base.members().filter(|((_, key), _)| Some(*key) != without) {
        match over.and_then(|over| over.get(key)) {
            Some(more) if value.is_object() && more.is_object() => {
                begin_member(key, begin, json);
                write_object(value, Some(more), None, json);
            }
            Some(instead) => write_member(key, instead, begin, json),
            None => write_member(key, value, begin, json),
        }
    }
    for ((_, key), value) in over.iter().flat_map(|over| over.members()) {
        let is_new = Some(key) == without || base.get(key).is_none();
        if is_new {
            write_member(key, value, begin, json);
        }
    }
    json.push(b'}');
}

/// Nulls and empty lists are no members of the normal form.
fn write_member(key: &str, value: Ref<'_>, begin: usize, json: &mut Vec<u8>) {
    if value.is_null() || (value.is_array() && value.items().len() == 0) {
        return;
    }
    begin_member(key, begin, json);
    value.write_json(json);
}

fn begin_member(key: &str, begin: usize, json: &mut Vec<u8>) {
    if json.len() > begin {
        json.push(b',');
    }
    write_key(key, json);
}

#[cfg(test)]
mod tests {
    use uncia_document::Interner;

    use super::*;

    #[test]
    fn columns_with_the_rest_over_them() {
        let cases = [
            (r#"{"a":1,"b":null,"p_extra":null}"#, r#"{"a":1}"#),
            (
                r#"{"a":{"x":1,"y":[]},"l":[],"p_extra":"{\"a\":{\"z\":2},\"n\":{\"m\":null}}"}"#,
                r#"{"a":{"x":1,"z":2},"n":{"m":null}}"#,
            ),
            (
                r#"{"a":3,"s":"t","p_extra":{"a":"3 of them","p_extra":"own"}}"#,
                r#"{"a":"3 of them","s":"t","p_extra":"own"}"#,
            ),
            (r#"{"a":null,"p_extra":"{\"a\":{\"b\":1}}"}"#, r#"{"a":{"b":1}}"#),
            (r#"{"list":[1],"p_extra":"{\"list\":[1,{\"odd\":2}]}"}"#, r#"{"list":[1,{"odd":2}]}"#),
        ];
        let mut parser = Parser::new(Interner::new());
        for (row, event) in cases {
            let row = parser.parse(row.as_bytes()).unwrap();
            let bytes = rule_bytes(row.root(), &mut parser);
            assert_eq!(std::str::from_utf8(&bytes).unwrap(), event);
        }
    }
}
