//! The window function that finds the matches of a pattern: for each row, the matches it is a row of.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, StringArray, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowUDFImpl};

use super::search::{Entry, Recogniser};

/// One pattern of one statement, as a function of its symbols' conditions.
#[derive(Clone, Debug)]
pub(crate) struct MatchRows {
    name: String,
    recogniser: Arc<Recogniser>,
    signature: Signature,
}

impl MatchRows {
    pub(crate) fn new(name: String, recogniser: Recogniser) -> Self {
        Self { name, recogniser: Arc::new(recogniser), signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

// A name is given once in a statement.
impl PartialEq for MatchRows {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.recogniser == other.recogniser
    }
}

impl Eq for MatchRows {}

impl Hash for MatchRows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// What is told of a row in a match.
fn entry_fields() -> Fields {
    Fields::from(vec![
        Field::new("number", DataType::Int64, true),
        Field::new("sequence", DataType::Int64, true),
        Field::new("symbol", DataType::Utf8, true),
        Field::new("shown", DataType::Boolean, true),
    ])
}

fn entry_field() -> FieldRef {
    Arc::new(Field::new("item", DataType::Struct(entry_fields()), true))
}

impl WindowUDFImpl for MatchRows {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Partition { recogniser: Arc::clone(&self.recogniser) }))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::List(entry_field()), true)))
    }
}

#[derive(Debug)]
struct Partition {
    recogniser: Arc<Recogniser>,
}

impl PartitionEvaluator for Partition {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        let mut conditions: Vec<BooleanArray> = Vec::with_capacity(values.len());
        for value in values.iter().take(self.recogniser.defined.len()) {
            conditions.push(cast(value, &DataType::Boolean)?.as_boolean().clone());
        }
        let entries = self.recogniser.entries(&conditions, num_rows);
        let mut entries = entries.map_err(|message| exec_datafusion_err!("match_recognize: {message}"))?;
        entries.sort_by_key(|entry| entry.row);
        Ok(lists(&entries, &self.recogniser.symbols, num_rows))
    }
}

/// Entries in the order of their rows as a list for each row.
fn lists(entries: &[Entry], symbols: &[String], rows: usize) -> ArrayRef {
    let whole = |number: Option<usize>| number.and_then(|number| i64::try_from(number).ok());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(entries.iter().map(|entry| whole(entry.number)).collect::<Int64Array>()),
        Arc::new(entries.iter().map(|entry| whole(entry.sequence)).collect::<Int64Array>()),
        Arc::new(entries.iter().map(|entry| entry.symbol.map(|symbol| &symbols[symbol])).collect::<StringArray>()),
        Arc::new(entries.iter().map(|entry| Some(entry.shown)).collect::<BooleanArray>()),
    ];
    let items = StructArray::new(entry_fields(), columns, None);
    let mut offsets: Vec<i32> = Vec::with_capacity(rows + 1);
    let mut place = 0;
    for row in 0..=rows {
        while entries.get(place).is_some_and(|entry| entry.row < row) {
            place += 1;
        }
        offsets.push(i32::try_from(place).expect("entries are bounded far below"));
    }
    Arc::new(ListArray::new(entry_field(), OffsetBuffer::new(ScalarBuffer::from(offsets)), Arc::new(items), None))
}
