//! `table(generator(rowcount => 90))`: that many rows without columns, which `seq4()` counts from 0.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArguments, Ident, ObjectName, TableFactor,
    TableFunctionArgs, Value,
};

use super::{build, folded};

/// Rows of one generator; more would be made in memory for nothing.
const MOST_ROWS: u64 = 10_000_000;

/// Puts a series of numbers in the place of a generator.
pub(super) fn replace(factor: &mut TableFactor) -> Result<(), String> {
    let (arguments, alias) = match factor {
        TableFactor::TableFunction { expr: Expr::Function(function), alias }
            if folded(&function.name) == ["generator"] =>
        {
            let FunctionArguments::List(list) = &function.args else { return Ok(()) };
            (&list.args, alias.take())
        }
        TableFactor::Function { name, args, alias, .. } if folded(name) == ["generator"] => (&*args, alias.take()),
        _ => return Ok(()),
    };
    let count = rows(arguments)?;
    let bound = |number: u64| FunctionArg::Unnamed(FunctionArgExpr::Expr(build::number(number)));
    *factor = TableFactor::Table {
        name: ObjectName::from(vec![Ident::new("range")]),
        alias,
        args: Some(TableFunctionArgs { args: vec![bound(0), bound(count)], settings: None }),
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
    Ok(())
}

fn rows(arguments: &[FunctionArg]) -> Result<u64, String> {
    let given = arguments.iter().find_map(|argument| match argument {
        FunctionArg::Named { name, arg, operator: FunctionArgOperator::RightArrow }
            if name.value.eq_ignore_ascii_case("rowcount") =>
        {
            Some(arg)
        }
        FunctionArg::Unnamed(arg) => Some(arg),
        _ => None,
    });
    let Some(FunctionArgExpr::Expr(Expr::Value(value))) = given else {
        return Err("generator needs rowcount => and a number".to_owned());
    };
    let number = match &value.value {
        Value::Number(digits, _) | Value::SingleQuotedString(digits) => digits.to_string().parse::<u64>().ok(),
        _ => None,
    };
    match number {
        Some(number) if number <= MOST_ROWS => Ok(number),
        Some(number) => Err(format!("generator: {number} rows are more than {MOST_ROWS}")),
        None => Err("generator needs rowcount => and a number".to_owned()),
    }
}
