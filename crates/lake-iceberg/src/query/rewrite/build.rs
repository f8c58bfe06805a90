//! Small pieces of syntax tree.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, DollarQuotedString, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, ObjectName, OrderByExpr, UnaryOperator,
    Value, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

pub(super) fn null() -> Expr {
    Expr::value(Value::Null)
}

pub(super) fn boolean(value: bool) -> Expr {
    Expr::value(Value::Boolean(value))
}

pub(super) fn string(text: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(text.into()))
}

pub(super) fn number(number: impl ToString) -> Expr {
    Expr::value(Value::Number(number.to_string(), false))
}

pub(super) fn arguments(args: Vec<Expr>) -> FunctionArguments {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() })
}

pub(super) fn function(name: &str, args: Vec<Expr>) -> Function {
    Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: arguments(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

pub(super) fn window(partition_by: Vec<Expr>, order_by: Vec<OrderByExpr>, frame: Option<WindowFrame>) -> WindowType {
    WindowType::WindowSpec(WindowSpec { window_name: None, partition_by, order_by, window_frame: frame })
}

/// All rows of the window, or those up to the current one.
pub(super) fn rows_between(running: bool) -> WindowFrame {
    let end = if running { WindowFrameBound::CurrentRow } else { WindowFrameBound::Following(None) };
    WindowFrame { units: WindowFrameUnits::Rows, start_bound: WindowFrameBound::Preceding(None), end_bound: Some(end) }
}

/// `f(x ORDER BY …)`
pub(super) fn order_arguments(function: &mut Function, order: Vec<OrderByExpr>) {
    if let FunctionArguments::List(list) = &mut function.args {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
}

pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(function(name, args))
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

pub(super) fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(expr))) }
}

pub(super) fn case(condition: Expr, then: Expr, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: then }],
        else_result: otherwise.map(Box::new),
    }
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// `(a, b, c)` to `one(a) OR one(b) OR one(c)`; anything else to `one(it)`.
pub(super) fn any_of(patterns: Expr, negated: bool, one: impl Fn(Expr) -> Expr) -> Expr {
    let patterns = match patterns {
        Expr::Tuple(patterns) => patterns,
        Expr::Nested(pattern) => vec![*pattern],
        pattern => vec![pattern],
    };
    let any = patterns.into_iter().map(one).reduce(|left, right| binary(left, BinaryOperator::Or, right));
    let any = Expr::Nested(Box::new(any.unwrap_or_else(null)));
    if negated { not(any) } else { any }
}

/// A pattern that must match the whole text, as Snowflake's `rlike` and `regexp_like` do.
pub(super) fn anchored(pattern: Expr) -> Expr {
    if let Expr::Value(value) = &pattern
        && let Value::SingleQuotedString(text) | Value::DollarQuotedString(DollarQuotedString { value: text, .. }) =
            &value.value
    {
        return string(format!("^(?:{text})$"));
    }
    let open = binary(string("^(?:"), BinaryOperator::StringConcat, pattern);
    Expr::Nested(Box::new(binary(open, BinaryOperator::StringConcat, string(")$"))))
}
