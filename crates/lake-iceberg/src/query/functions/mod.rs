//! Functions that Snowflake has and DataFusion lacks, or has with another meaning. One file for each family.
//!
//! All take any types and look at them when they run: Snowflake's functions are as lenient, and a coerced argument
//! would hide a column from pruning. Where types make a call superfluous (`to_timestamp` of a timestamp) it is taken
//! out before planning ends.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use super::schema::{JSON, JSON_LOOSE, JSON_TEXT};

mod array;
mod convert;
mod json;
mod text;
mod time;

pub(crate) use json::{JSON_GET, json_get};

/// All functions of the pack but [`now`].
pub(crate) fn pack() -> Vec<ScalarUDF> {
    let families = [array::FUNCTIONS, convert::FUNCTIONS, json::FUNCTIONS, text::FUNCTIONS, time::FUNCTIONS];
    families.into_iter().flatten().map(Pure::udf).collect()
}

/// `current_timestamp()`: what the clock said when the statement came, throughout the statement.
pub(crate) fn now(micros: i64) -> ScalarUDF {
    ScalarUDF::new_from_impl(time::Now::at(micros))
}

type Run = fn(&[ArrayRef]) -> Result<ArrayRef>;
type Simplify = fn(&[Expr], &SimplifyContext) -> Result<Option<Expr>>;

/// Any number of arguments of any type.
fn anything() -> Signature {
    Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], Volatility::Immutable)
}

/// One function: how many arguments, what it gives, and how.
#[derive(Clone, Copy)]
struct Pure {
    name: &'static str,
    /// Fewest and most arguments.
    arguments: (usize, usize),
    returns: fn(&[DataType]) -> Result<DataType>,
    run: Run,
    simplify: Option<Simplify>,
    /// The text it gives is JSON, see [`JSON`].
    json: Option<&'static str>,
}

const UTF8: fn(&[DataType]) -> Result<DataType> = |_| Ok(DataType::Utf8);
const BOOLEAN: fn(&[DataType]) -> Result<DataType> = |_| Ok(DataType::Boolean);
const INT64: fn(&[DataType]) -> Result<DataType> = |_| Ok(DataType::Int64);
const FLOAT64: fn(&[DataType]) -> Result<DataType> = |_| Ok(DataType::Float64);

impl Pure {
    const fn new(
        name: &'static str,
        arguments: (usize, usize),
        returns: fn(&[DataType]) -> Result<DataType>,
        run: Run,
    ) -> Self {
        Self { name, arguments, returns, run, simplify: None, json: None }
    }

    const fn simplified(mut self, simplify: Simplify) -> Self {
        self.simplify = Some(simplify);
        self
    }

    /// Gives the text of any JSON value.
    const fn json(mut self) -> Self {
        self.json = Some(JSON_TEXT);
        self
    }

    /// Gives a value cut out of JSON.
    const fn json_loose(mut self) -> Self {
        self.json = Some(JSON_LOOSE);
        self
    }

    fn udf(&self) -> ScalarUDF {
        ScalarUDF::new_from_impl(PureFunction { pure: *self, signature: anything() })
    }
}

#[derive(Clone)]
struct PureFunction {
    pure: Pure,
    signature: Signature,
}

impl std::fmt::Debug for PureFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.pure.name)
    }
}

// A function is its name: there is one of each.
impl PartialEq for PureFunction {
    fn eq(&self, other: &Self) -> bool {
        self.pure.name == other.pure.name
    }
}

impl Eq for PureFunction {}

impl Hash for PureFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pure.name.hash(state);
    }
}

impl ScalarUDFImpl for PureFunction {
    fn name(&self) -> &str {
        self.pure.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let (fewest, most) = self.pure.arguments;
        if types.len() < fewest || types.len() > most {
            let wanted = match (fewest, most) {
                (fewest, usize::MAX) => format!("at least {fewest}"),
                (fewest, most) if fewest == most => fewest.to_string(),
                (fewest, most) => format!("{fewest} to {most}"),
            };
            let plural = if wanted == "1" { "" } else { "s" };
            return exec_err!("{} takes {wanted} argument{plural}, got {}", self.pure.name, types.len());
        }
        (self.pure.returns)(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let field = Field::new(self.pure.name, self.return_type(&types)?, true);
        let Some(json) = self.pure.json else { return Ok(Arc::new(field)) };
        Ok(Arc::new(field.with_metadata([(JSON.to_owned(), json.to_owned())].into())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let result = (self.pure.run)(&arrays)?;
        if constant && result.len() == 1 {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if let Some(simplify) = self.pure.simplify
            && let Some(simpler) = simplify(&args, info)?
        {
            return Ok(ExprSimplifyResult::Simplified(simpler));
        }
        Ok(ExprSimplifyResult::Original(args))
    }
}

/// An argument as text, whatever it was.
fn texts(array: &ArrayRef) -> Result<StringArray> {
    let array = if *array.data_type() == DataType::Utf8 { Arc::clone(array) } else { cast(array, &DataType::Utf8)? };
    Ok(array.as_any().downcast_ref::<StringArray>().expect("it was cast to text").clone())
}

/// An argument as whole numbers.
fn wholes(array: &ArrayRef) -> Result<arrow::array::Int64Array> {
    let array = cast(array, &DataType::Int64)?;
    Ok(array.as_any().downcast_ref::<arrow::array::Int64Array>().expect("it was cast to whole numbers").clone())
}

fn at(texts: &StringArray, row: usize) -> Option<&str> {
    (!texts.is_null(row)).then(|| texts.value(row))
}

fn whole_at(numbers: &arrow::array::Int64Array, row: usize) -> Option<i64> {
    (!numbers.is_null(row)).then(|| numbers.value(row))
}
