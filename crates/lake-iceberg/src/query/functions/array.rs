//! Arrays: list columns, and JSON arrays in text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, cast};

use super::json::{json_texts, loose, parser};
use super::{BOOLEAN, INT64, Pure, UTF8, at, texts};

pub(super) const FUNCTIONS: &[Pure] = &[
    Pure::new("array_contains", (2, 2), BOOLEAN, contains).simplified(native_contains),
    Pure::new("array_size", (1, 1), INT64, size),
    Pure::new("to_list", (1, 1), list_type, to_list).simplified(native_list),
    Pure::new("array_to_string", (1, 2), UTF8, joined),
];

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::LargeList(_))
}

/// `array_contains(value, array)` as in Snowflake, or the other way round: whichever argument is the array. On a list
/// column it becomes DataFusion's `array_has`, which scans can prune with.
fn native_contains(args: &[Expr], info: &SimplifyContext) -> Result<Option<Expr>> {
    let [first, second] = args else { return Ok(None) };
    let (needle, list) = match (info.get_data_type(first)?, info.get_data_type(second)?) {
        (_, second_type) if is_list(&second_type) => (first, second),
        (first_type, _) if is_list(&first_type) => (second, first),
        _ => return Ok(None),
    };
    let (DataType::List(item) | DataType::LargeList(item)) = info.get_data_type(list)? else { return Ok(None) };
    if matches!(item.data_type(), DataType::Struct(_) | DataType::List(_)) {
        return Ok(None);
    }
    let same = info.get_data_type(needle)? == *item.data_type();
    let needle = if same { needle.clone() } else { cast(needle.clone(), item.data_type().clone()) };
    Ok(Some(datafusion::functions_nested::expr_fn::array_has(list.clone(), needle)))
}

fn contains(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [first, second] = args else { return exec_err!("array_contains takes 2 arguments") };
    let (needles, arrays) = if is_list(first.data_type()) { (second, first) } else { (first, second) };
    let arrays = json_texts(arrays)?;
    let needles = match needles.data_type() {
        DataType::Struct(_) | DataType::List(_) => json_texts(needles)?,
        _ => texts(needles)?,
    };
    let mut parser = parser();
    let mut answer = |row: usize| {
        // Both arguments may be text: the one that holds an array is the array.
        let (mut needle, mut array) = (at(&needles, row)?, at(&arrays, row)?);
        if !array.trim_start().starts_with('[') && needle.trim_start().starts_with('[') {
            (needle, array) = (array, needle);
        }
        let document = parser.parse(array.as_bytes()).ok()?;
        let found = document.root().items().any(|item| loose(item).as_deref() == Some(needle));
        Some(found)
    };
    Ok(Arc::new((0..arrays.len()).map(&mut answer).collect::<BooleanArray>()))
}

fn list_type(types: &[DataType]) -> Result<DataType> {
    let texts = || DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    Ok(if is_list(&types[0]) { types[0].clone() } else { texts() })
}

fn native_list(args: &[Expr], info: &SimplifyContext) -> Result<Option<Expr>> {
    let [only] = args else { return Ok(None) };
    Ok(is_list(&info.get_data_type(only)?).then(|| only.clone()))
}

/// A JSON array as a list of texts.
fn to_list(args: &[ArrayRef]) -> Result<ArrayRef> {
    if is_list(args[0].data_type()) {
        return Ok(Arc::clone(&args[0]));
    }
    let json = json_texts(&args[0])?;
    let mut parser = parser();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..json.len() {
        let document = at(&json, row).and_then(|text| parser.parse(text.as_bytes()).ok());
        let Some(document) = document.filter(|document| document.root().is_array()) else {
            lists.append(false);
            continue;
        };
        for item in document.root().items() {
            lists.values().append_option(loose(item));
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn size(args: &[ArrayRef]) -> Result<ArrayRef> {
    if let Some(list) = args[0].as_list_opt::<i32>() {
        let sizes = (0..list.len()).map(|row| (!list.is_null(row)).then(|| i64::from(list.value_length(row))));
        return Ok(Arc::new(sizes.collect::<Int64Array>()));
    }
    let json = json_texts(&args[0])?;
    let mut parser = parser();
    let sizes = (0..json.len()).map(|row| {
        let document = parser.parse(at(&json, row)?.as_bytes()).ok()?;
        document.root().is_array().then(|| document.root().items().len() as i64)
    });
    Ok(Arc::new(sizes.collect::<Int64Array>()))
}

fn joined(args: &[ArrayRef]) -> Result<ArrayRef> {
    let json = json_texts(&args[0])?;
    let separators = match args.get(1) {
        Some(separators) => texts(separators)?,
        None => StringArray::from(vec![""; json.len()]),
    };
    let mut parser = parser();
    let texts = (0..json.len()).map(|row| {
        let document = parser.parse(at(&json, row)?.as_bytes()).ok()?;
        let items: Vec<String> = document.root().items().map(|item| loose(item).unwrap_or_default()).collect();
        Some(items.join(at(&separators, row)?))
    });
    Ok(Arc::new(texts.collect::<StringArray>()))
}
