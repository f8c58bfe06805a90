//! Nested access and operators, resolved while the planner knows the types.
//!
//! On a struct a step is a field, found without regard to case (and in the lake's spelling of the log's own name); on
//! a list it is an index from 0; on text the text is JSON and the step goes into it. So the same
//! `requestParameters:bucketName` works whether the schema has a struct there or free-form JSON.

use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{DFSchema, ExprSchema, Result, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, cast, lit, try_cast};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::fault::did_you_mean;
use super::functions;
use super::names::{nearest, transliterated};
use super::schema::{NAME, type_name};

/// Comes before DataFusion's own planners.
#[derive(Debug)]
pub(crate) struct PathPlanner;

enum Step {
    Field(String),
    Index(Box<Expr>),
}

impl ExprPlanner for PathPlanner {
    fn plan_field_access(
        &self,
        raw: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr } = raw;
        let step = match field_access {
            GetFieldAccess::NamedStructField { name } => match name.try_as_str() {
                Some(Some(text)) => Step::Field(text.to_owned()),
                _ => return plan_err!("a path step must be a name or a number, got {name}"),
            },
            GetFieldAccess::ListIndex { key } => Step::Index(key),
            range @ GetFieldAccess::ListRange { .. } => {
                return Ok(PlannerResult::Original(RawFieldAccessExpr { field_access: range, expr }));
            }
        };
        into(expr, step, schema).map(PlannerResult::Planned)
    }

    fn plan_binary_op(&self, raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = raw;
        let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        };
        let compares =
            matches!(op, BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq);
        let equates = matches!(op, BinaryOperator::Eq | BinaryOperator::NotEq);
        let computes = matches!(
            op,
            BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply | BinaryOperator::Divide
        );
        // Text next to a number is a number, as a variant would be; equality compares the digits, exactly.
        let numbers = |text: &DataType, other: &DataType| {
            is_text(text) && other.is_numeric() && (compares || computes || (equates && other.is_floating()))
        };
        let truths = |text: &DataType, other: &DataType| is_text(text) && *other == DataType::Boolean && equates;
        let converted = |expr: Expr, own: &DataType, other: &DataType| {
            if numbers(own, other) || (computes && is_text(own) && is_text(other)) {
                try_cast(expr, DataType::Float64)
            } else if truths(own, other) {
                try_cast(expr, DataType::Boolean)
            } else if op == BinaryOperator::Divide && own.is_integer() && other.is_integer() {
                // Snowflake's division has no remainder to throw away.
                cast(expr, DataType::Float64)
            } else {
                expr
            }
        };
        let left = converted(left, &left_type, &right_type);
        let right = converted(right, &right_type, &left_type);
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn into(expr: Expr, step: Step, schema: &DFSchema) -> Result<Expr> {
    let data_type = expr.get_type(schema)?;
    match (&data_type, step) {
        (DataType::Struct(fields), Step::Field(name)) => member(expr, fields, &name, schema),
        (DataType::Struct(fields), Step::Index(key)) => match *key {
            Expr::Literal(ScalarValue::Utf8(Some(name)), _) => member(expr, fields, &name, schema),
            _ => plan_err!("{} is an object: a step into it must be a name", shown(&expr, schema)),
        },
        (DataType::List(_) | DataType::LargeList(_), Step::Index(key)) => {
            let index = match *key {
                Expr::Literal(ScalarValue::Int64(Some(index)), _) => lit(index + 1),
                key => cast(key, DataType::Int64) + lit(1_i64),
            };
            Ok(datafusion::functions_nested::expr_fn::array_element(expr, index))
        }
        (DataType::List(_) | DataType::LargeList(_), Step::Field(name)) => {
            let list = shown(&expr, schema);
            plan_err!("{list} is an array: write {list}[0].{name} for its first element, or use lateral flatten")
        }
        (DataType::Null, _) => Ok(lit(ScalarValue::Null)),
        (text, Step::Field(name)) if is_text(text) => Ok(json_step(expr, lit(name))),
        (text, Step::Index(key)) if is_text(text) => Ok(json_step(expr, *key)),
        (other, Step::Field(name)) => {
            plan_err!(
                "{} is a {}, it has no field {name}",
                shown(&expr, schema),
                type_name(&Field::new("", other.clone(), true))
            )
        }
        (other, Step::Index(_)) => {
            plan_err!(
                "{} is a {}, it has no elements",
                shown(&expr, schema),
                type_name(&Field::new("", other.clone(), true))
            )
        }
    }
}

fn member(expr: Expr, fields: &Fields, name: &str, schema: &DFSchema) -> Result<Expr> {
    let found = fields
        .iter()
        .find(|field| field.name() == name)
        .or_else(|| fields.iter().find(|field| field.name().eq_ignore_ascii_case(name)))
        .or_else(|| fields.iter().find(|field| field.name().eq_ignore_ascii_case(&transliterated(name))));
    let Some(field) = found else {
        let near = nearest(name, fields.iter().map(|field| field.name().clone()));
        return plan_err!("unknown field {name} of {}{}", shown(&expr, schema), did_you_mean(&near));
    };
    let function = datafusion::functions::core::get_field();
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![expr, lit(field.name().as_str())])))
}

/// One step further into JSON text; steps of one path become one call.
fn json_step(expr: Expr, step: Expr) -> Expr {
    if let Expr::ScalarFunction(ScalarFunction { func, mut args }) = expr.clone()
        && func.name() == functions::JSON_GET
    {
        args.push(step);
        return Expr::ScalarFunction(ScalarFunction { func, args });
    }
    Expr::ScalarFunction(ScalarFunction::new_udf(functions::json_get(), vec![expr, step]))
}

/// The expression as its author wrote it, nearly.
fn shown(expr: &Expr, schema: &DFSchema) -> String {
    match expr {
        Expr::Column(column) => {
            let own = schema.field_from_column(column).ok().and_then(|field| field.metadata().get(NAME).cloned());
            own.unwrap_or_else(|| column.name.clone())
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "get_field" => {
            let steps = args[1..].iter().filter_map(|arg| match arg {
                Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
                _ => None,
            });
            [shown(&args[0], schema)].into_iter().chain(steps).collect::<Vec<_>>().join(".")
        }
        other => other.to_string(),
    }
}
