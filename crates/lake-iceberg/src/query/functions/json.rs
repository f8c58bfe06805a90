//! JSON text: reading it, going into it, making it.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, ListBuilder, StringArray, StringBuilder, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use uncia_document::{Document, Interner, Parser, Ref, Value};

use super::{BOOLEAN, Pure, UTF8, at, texts, wholes};
use crate::query::output::Cells;
use crate::query::schema::{JSON, JSON_LOOSE, JSON_TEXT};

pub(crate) const JSON_GET: &str = "json_get";

const GET: Pure = Pure::new(JSON_GET, (2, usize::MAX), UTF8, get).json_loose();

pub(super) const FUNCTIONS: &[Pure] = &[
    GET,
    Pure::new("parse_json", (1, 1), UTF8, |args| parse_json(args, false)).json(),
    Pure::new("try_parse_json", (1, 1), UTF8, |args| parse_json(args, true)).json(),
    Pure::new("to_json", (1, 1), UTF8, |args| json_texts(&args[0]).map(|texts| Arc::new(texts) as ArrayRef)).json(),
    Pure::new("json_is_null", (1, 1), BOOLEAN, is_null),
    Pure::new("object_keys", (1, 1), keys_type, object_keys),
    Pure::new("object_construct", (0, usize::MAX), UTF8, object_construct).json(),
    Pure::new("object_construct_keep_null", (0, usize::MAX), UTF8, object_construct).json(),
    Pure::new("typeof", (1, 1), UTF8, type_of),
    Pure::new("is_array", (1, 1), BOOLEAN, |args| kind_is(args, |value| value.is_array())),
    Pure::new("is_object", (1, 1), BOOLEAN, |args| kind_is(args, |value| value.is_object())),
    Pure::new("flatten_entries", (1, 3), entries_type, flatten_entries),
];

/// The function behind nested access to JSON.
pub(crate) fn json_get() -> Arc<ScalarUDF> {
    static SHARED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(GET.udf()));
    Arc::clone(&SHARED)
}

/// Keys of JSON met in queries; bounded, and apart from those of events.
static KEYS: LazyLock<Arc<Interner>> = LazyLock::new(Interner::new);

pub(super) fn parser() -> Parser {
    Parser::new(Arc::clone(&KEYS))
}

/// A JSON value as a variant cast to text is: strings without quotes, null as nothing.
pub(super) fn loose(value: Ref<'_>) -> Option<String> {
    match value.value() {
        Value::Null => None,
        Value::String(_) => value.as_str().map(str::to_owned),
        _ => Some(value.to_json()),
    }
}

/// An object's member: by exact key, or else without regard to case.
fn member<'a>(value: Ref<'a>, key: &str) -> Option<Ref<'a>> {
    value.get(key).or_else(|| value.members().find(|((_, name), _)| name.eq_ignore_ascii_case(key)).map(|(_, v)| v))
}

/// A step of a path: keys are text, indices are numbers.
enum Steps {
    Keys(StringArray),
    Indices(Int64Array),
}

fn get(args: &[ArrayRef]) -> Result<ArrayRef> {
    let json = json_texts(&args[0])?;
    let mut steps = Vec::with_capacity(args.len() - 1);
    for step in &args[1..] {
        steps.push(if step.data_type().is_numeric() {
            Steps::Indices(wholes(step)?)
        } else {
            Steps::Keys(texts(step)?)
        });
    }
    let mut parser = parser();
    let found = (0..json.len()).map(|row| {
        let document = parser.parse(at(&json, row)?.as_bytes()).ok()?;
        let mut value = document.root();
        for step in &steps {
            value = match step {
                Steps::Keys(keys) => member(value, at(keys, row)?)?,
                Steps::Indices(indices) => {
                    let index = usize::try_from(super::whole_at(indices, row)?).ok()?;
                    value.items().nth(index)?
                }
            };
        }
        loose(value)
    });
    Ok(Arc::new(found.collect::<StringArray>()))
}

/// Any column as the texts of JSON values; text is taken to be JSON already.
pub(super) fn json_texts(array: &ArrayRef) -> Result<StringArray> {
    match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => texts(array),
        data_type => {
            let field = Field::new("", data_type.clone(), true);
            let mut cells = Cells::new(Arc::clone(&KEYS));
            let rows = (0..array.len()).map(|row| {
                if array.is_null(row) {
                    return None;
                }
                let mut document = Document::new();
                let value = cells.value(&mut document, array, &field, row);
                Some(document.at(value).to_json())
            });
            Ok(rows.collect())
        }
    }
}

fn parse_json(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let json = json_texts(&args[0])?;
    let mut parser = parser();
    let mut out = StringBuilder::new();
    for row in 0..json.len() {
        let text = at(&json, row).map(str::trim).filter(|text| !text.is_empty());
        let Some(text) = text else {
            out.append_null();
            continue;
        };
        match parser.parse(text.as_bytes()) {
            Ok(_) => out.append_value(text),
            Err(_) if lenient => out.append_null(),
            // A scalar that was cut out of JSON stands without its quotes; it is its own value.
            Err(_) if !text.starts_with(['{', '[']) => out.append_value(text),
            Err(error) => return exec_err!("parse_json: {error} in {}; try_parse_json gives null instead", cut(text)),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= 40 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(40).collect::<String>())
    }
}

fn is_null(args: &[ArrayRef]) -> Result<ArrayRef> {
    let json = json_texts(&args[0])?;
    Ok(Arc::new((0..json.len()).map(|row| at(&json, row).map(|text| text == "null")).collect::<BooleanArray>()))
}

fn kind_is(args: &[ArrayRef], is: fn(Ref<'_>) -> bool) -> Result<ArrayRef> {
    let json = json_texts(&args[0])?;
    let mut parser = parser();
    let answers = (0..json.len()).map(|row| Some(parser.parse(at(&json, row)?.as_bytes()).is_ok_and(|d| is(d.root()))));
    Ok(Arc::new(answers.collect::<BooleanArray>()))
}

fn type_of(args: &[ArrayRef]) -> Result<ArrayRef> {
    let json = json_texts(&args[0])?;
    let mut parser = parser();
    let names = (0..json.len()).map(|row| {
        let document = parser.parse(at(&json, row)?.as_bytes());
        let Ok(document) = document else { return Some("VARCHAR") };
        Some(match document.root().value() {
            Value::Null => "NULL_VALUE",
            Value::Bool(_) => "BOOLEAN",
            Value::Number(_) if document.root().as_i64().is_some() => "INTEGER",
            Value::Number(_) => "DOUBLE",
            Value::Array(_) | Value::EmptyArray => "ARRAY",
            Value::Object(_) => "OBJECT",
            Value::String(_) | Value::Timestamp(_) => "VARCHAR",
        })
    });
    Ok(Arc::new(names.collect::<StringArray>()))
}

fn keys_type(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))))
}

fn object_keys(args: &[ArrayRef]) -> Result<ArrayRef> {
    let json = json_texts(&args[0])?;
    let mut parser = parser();
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..json.len() {
        let document = at(&json, row).and_then(|text| parser.parse(text.as_bytes()).ok());
        let Some(document) = document.filter(|document| document.root().is_object()) else {
            out.append(false);
            continue;
        };
        for ((_, key), _) in document.root().members() {
            out.values().append_value(key);
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

fn object_construct(args: &[ArrayRef]) -> Result<ArrayRef> {
    if !args.len().is_multiple_of(2) {
        return exec_err!("object_construct takes keys and values in turn");
    }
    let rows = args.first().map_or(1, |first| first.len());
    let mut cells = Cells::new(Arc::clone(&KEYS));
    let mut out = StringBuilder::new();
    let keys = args.iter().step_by(2).map(texts).collect::<Result<Vec<_>>>()?;
    for row in 0..rows {
        let mut document = Document::new();
        let mut scratch = uncia_document::Scratch::default();
        for (keys, values) in keys.iter().zip(args.iter().skip(1).step_by(2)) {
            let Some(key) = at(keys, row) else { continue };
            let field = Field::new("", values.data_type().clone(), true)
                .with_metadata([(JSON.to_owned(), JSON_LOOSE.to_owned())].into());
            let value = cells.value(&mut document, values, &field, row);
            if value == Value::Null {
                continue;
            }
            let key = document.push_key(&KEYS, key);
            scratch.members.push(uncia_document::Member { key, value });
        }
        let object = document.close_object(&mut scratch, 0);
        out.append_value(document.at(object).to_json());
    }
    Ok(Arc::new(out.finish()))
}

/// What `lateral flatten` gives for each element; `value` has the element's type where the input has one.
fn entry_fields(input: &DataType) -> Fields {
    let value = match input {
        DataType::List(item) | DataType::LargeList(item) => {
            Field::new("value", item.data_type().clone(), true).with_metadata(item.metadata().clone())
        }
        _ => Field::new("value", DataType::Utf8, true).with_metadata([(JSON.to_owned(), JSON_LOOSE.to_owned())].into()),
    };
    let this = Field::new("this", DataType::Utf8, true).with_metadata([(JSON.to_owned(), JSON_TEXT.to_owned())].into());
    Fields::from(vec![
        Field::new("key", DataType::Utf8, true),
        Field::new("path", DataType::Utf8, true),
        Field::new("index", DataType::Int64, true),
        value,
        this,
    ])
}

fn entries_type(types: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new("item", DataType::Struct(entry_fields(&types[0])), true))))
}

fn flatten_entries(args: &[ArrayRef]) -> Result<ArrayRef> {
    let outer = match args.get(2) {
        Some(outer) if !outer.is_empty() => texts(outer)?.iter().next().flatten() == Some("true"),
        _ => false,
    };
    let path = match args.get(1) {
        Some(path) => Some(texts(path)?),
        None => None,
    };
    let entries = entry_fields(args[0].data_type());
    let mut keys = StringBuilder::new();
    let mut paths = StringBuilder::new();
    let mut indices = Vec::new();
    let mut lengths = Vec::with_capacity(args[0].len());
    let (values, this): (ArrayRef, StringArray) = if let Some(list) = args[0].as_list_opt::<i32>() {
        let whole = json_texts(&args[0])?;
        let mut taken: Vec<Option<u32>> = Vec::new();
        let mut this = StringBuilder::new();
        for row in 0..list.len() {
            let offsets = list.value_offsets();
            let count = if list.is_null(row) { 0 } else { (offsets[row + 1] - offsets[row]) as usize };
            for n in 0..count {
                keys.append_null();
                paths.append_value(format!("[{n}]"));
                indices.push(Some(n as i64));
                taken.push(Some(offsets[row] as u32 + n as u32));
                this.append_option(at(&whole, row));
            }
            if count == 0 && outer {
                keys.append_null();
                paths.append_null();
                indices.push(None);
                taken.push(None);
                this.append_null();
            }
            lengths.push(count.max(usize::from(outer)));
        }
        let taken = arrow::array::UInt32Array::from(taken);
        (arrow::compute::take(list.values(), &taken, None)?, this.finish())
    } else {
        let json = json_texts(&args[0])?;
        let mut parser = parser();
        let mut values = StringBuilder::new();
        let mut this = StringBuilder::new();
        for row in 0..json.len() {
            let document = at(&json, row).and_then(|text| parser.parse(text.as_bytes()).ok());
            let inner = document.as_ref().and_then(|document| {
                let steps = path.as_ref().and_then(|path| at(path, row)).unwrap_or("");
                steps.split('.').filter(|step| !step.is_empty()).try_fold(document.root(), member)
            });
            let mut count = 0;
            for (n, item) in inner.iter().flat_map(|inner| inner.items()).enumerate() {
                keys.append_null();
                paths.append_value(format!("[{n}]"));
                indices.push(Some(n as i64));
                values.append_option(loose(item));
                count += 1;
            }
            for ((_, key), item) in inner.iter().flat_map(|inner| inner.members()) {
                keys.append_value(key);
                paths.append_value(key);
                indices.push(None);
                values.append_option(loose(item));
                count += 1;
            }
            let whole = inner.filter(|_| count > 0).map(Ref::to_json);
            if count == 0 && outer {
                keys.append_null();
                paths.append_null();
                indices.push(None);
                values.append_null();
                count = 1;
            }
            (0..count).for_each(|_| this.append_option(whole.as_deref()));
            lengths.push(count);
        }
        (Arc::new(values.finish()), this.finish())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys.finish()),
        Arc::new(paths.finish()),
        Arc::new(Int64Array::from(indices)),
        values,
        Arc::new(this),
    ];
    let entries = StructArray::try_new(entries, columns, None)?;
    let item = Arc::new(Field::new("item", entries.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), Arc::new(entries), None)?))
}
