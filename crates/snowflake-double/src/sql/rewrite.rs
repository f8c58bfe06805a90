//! Snowflake's functions and types said in DataFusion's, and everything else refused.
//!
//! A function that is not in the list is an error, even if DataFusion has one of that name: it may mean another thing
//! there (`regexp_like` is anchored at both ends in Snowflake), and a wrong answer is worse than none.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Statement, Value, VisitMut, VisitorMut,
};

use super::constant;
use crate::failure::SqlFailure;
use crate::views::derived::time;

/// Answers a function that looks into the account, by its name and argument, if there is such a function.
type SystemFunction = dyn Fn(&str, &str) -> Option<Result<String, SqlFailure>> + Send + Sync;

/// What functions of the context answer.
pub(crate) struct Context {
    pub(crate) now: i64,
    /// Whether the session's zone is UTC, the only one that is played.
    pub(crate) utc: bool,
    /// By upper-case name: `CURRENT_ROLE` and its kin.
    pub(crate) words: Vec<(&'static str, Option<String>)>,
    pub(crate) system: Box<SystemFunction>,
}

const SAME: [&str; 38] = [
    "COUNT",
    "SUM",
    "MIN",
    "MAX",
    "AVG",
    "COALESCE",
    "UPPER",
    "LOWER",
    "TRIM",
    "LTRIM",
    "RTRIM",
    "LENGTH",
    "SUBSTR",
    "SUBSTRING",
    "CONCAT",
    "ABS",
    "ROUND",
    "FLOOR",
    "CEIL",
    "NULLIF",
    "GREATEST",
    "LEAST",
    "ROW_NUMBER",
    "RANK",
    "DENSE_RANK",
    "LAG",
    "LEAD",
    "FIRST_VALUE",
    "LAST_VALUE",
    "REPLACE",
    "SPLIT_PART",
    "STARTSWITH",
    "ENDSWITH",
    "CONTAINS",
    "TO_TIMESTAMP_LTZ",
    "TO_TIMESTAMP_NTZ",
    "DATEADD",
    "DATEDIFF",
];

pub(super) fn rewrite(statement: &mut Statement, context: &Context) -> Result<(), SqlFailure> {
    match VisitMut::visit(statement, &mut Rewriter { context }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(failure) => Err(failure),
    }
}

struct Rewriter<'a> {
    context: &'a Context,
}

impl VisitorMut for Rewriter<'_> {
    type Break = SqlFailure;

    /// Date parts are bare words; as texts they are no columns to whoever visits them next.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlFailure> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string().to_uppercase();
        if !["DATEADD", "TIMEADD", "TIMESTAMPADD", "DATEDIFF", "TIMEDIFF", "TIMESTAMPDIFF", "DATE_TRUNC"]
            .contains(&name.as_str())
        {
            return ControlFlow::Continue(());
        }
        let FunctionArguments::List(list) = &mut function.args else { return ControlFlow::Continue(()) };
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(part))) = list.args.first_mut() else {
            return ControlFlow::Continue(());
        };
        match constant::part_name(part) {
            Some(name) => *part = string(&name),
            None => return ControlFlow::Break(SqlFailure::syntax(format!("'{part}' is not a date or time part"))),
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlFailure> {
        match self.expr(expr) {
            Ok(Some(other)) => {
                *expr = other;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(failure) => ControlFlow::Break(failure),
        }
    }
}

impl Rewriter<'_> {
    fn expr(&self, expr: &mut Expr) -> Result<Option<Expr>, SqlFailure> {
        match expr {
            Expr::BinaryOp { op: BinaryOperator::Divide | BinaryOperator::Modulo, .. } => {
                Err(SqlFailure::unsupported_here("divisions"))
            }
            Expr::RLike { .. } | Expr::SimilarTo { .. } => Err(SqlFailure::unsupported_here("regular expressions")),
            Expr::Cast { kind, expr: inner, data_type, .. } => {
                let inner = std::mem::replace(&mut **inner, null());
                cast(kind, inner, data_type).map(Some)
            }
            Expr::Function(function) => self.function(function),
            _ => Ok(None),
        }
    }

    fn function(&self, function: &mut Function) -> Result<Option<Expr>, SqlFailure> {
        let name = function.name.to_string().to_uppercase();
        let args: Vec<Expr> = constant::arguments(function).into_iter().cloned().collect();
        if let Some((_, answer)) = self.context.words.iter().find(|(word, _)| *word == name) {
            return Ok(Some(answer.as_deref().map_or_else(null, string)));
        }
        if name.starts_with("SYSTEM$") {
            let [Expr::Value(value)] = args.as_slice() else {
                return Err(SqlFailure::syntax(format!("{name} takes one text")));
            };
            let Value::SingleQuotedString(argument) = &value.value else {
                return Err(SqlFailure::syntax(format!("{name} takes one text")));
            };
            let answer = (self.context.system)(&name, argument).ok_or_else(|| SqlFailure::unknown_function(&name))?;
            return answer.map(|text| Some(string(&text)));
        }
        let wrong = || SqlFailure::syntax(format!("not enough or too many arguments for function [{name}]"));
        let rewritten = match name.as_str() {
            "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" | "GETDATE" | "SYSTIMESTAMP" => {
                call("TO_TIMESTAMP_LTZ", vec![string(&time(self.context.now))])
            }
            "SYSDATE" => call("TO_TIMESTAMP_NTZ", vec![string(&time(self.context.now))]),
            "CURRENT_DATE" => return Err(SqlFailure::unsupported_here("CURRENT_DATE, which depends on a time zone")),
            "IFF" => {
                let [condition, then, otherwise] = <[Expr; 3]>::try_from(args).map_err(|_| wrong())?;
                case(condition, then, otherwise)
            }
            "NVL" | "IFNULL" => {
                if args.len() != 2 {
                    return Err(wrong());
                }
                call("COALESCE", args)
            }
            "NVL2" => {
                let [value, then, otherwise] = <[Expr; 3]>::try_from(args).map_err(|_| wrong())?;
                case(Expr::IsNotNull(Box::new(value)), then, otherwise)
            }
            "ZEROIFNULL" => {
                let [value] = <[Expr; 1]>::try_from(args).map_err(|_| wrong())?;
                call("COALESCE", vec![value, number("0")])
            }
            "COUNT_IF" => {
                let [condition] = <[Expr; 1]>::try_from(args).map_err(|_| wrong())?;
                call("SUM", vec![case(condition, number("1"), number("0"))])
            }
            "TO_TIMESTAMP" => {
                let [value] = <[Expr; 1]>::try_from(args).map_err(|_| wrong())?;
                call("TO_TIMESTAMP_NTZ", vec![value])
            }
            "TIMEADD" | "TIMESTAMPADD" => call("DATEADD", args),
            "TIMEDIFF" | "TIMESTAMPDIFF" => call("DATEDIFF", args),
            "LEN" => call("LENGTH", args),
            "STARTSWITH" => call("starts_with", args),
            "ENDSWITH" => call("ends_with", args),
            "DATE_TRUNC" => return Ok(None),
            known if SAME.contains(&known) => return Ok(None),
            _ => return Err(SqlFailure::unknown_function(&name)),
        };
        Ok(Some(rewritten))
    }
}

fn cast(kind: &CastKind, inner: Expr, data_type: &DataType) -> Result<Expr, SqlFailure> {
    let lenient = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
    let text = data_type.to_string().to_uppercase();
    let (head, numbers) = text.split_once('(').unwrap_or((&text, ""));
    let numbers: Vec<u64> =
        numbers.split(|at: char| !at.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    let target = match head.trim() {
        "TIMESTAMP_LTZ" if !lenient => return Ok(call("TO_TIMESTAMP_LTZ", vec![inner])),
        "TIMESTAMP_NTZ" | "TIMESTAMP" | "DATETIME" if !lenient => return Ok(call("TO_TIMESTAMP_NTZ", vec![inner])),
        "STRING" | "TEXT" | "VARCHAR" | "CHAR" => DataType::Varchar(None),
        "NUMBER" | "NUMERIC" | "DECIMAL" | "INT" | "INTEGER" | "BIGINT" | "SMALLINT" | "TINYINT" => {
            let precision = numbers.first().copied().unwrap_or(38);
            let scale = numbers.get(1).copied().unwrap_or(0);
            if precision > 38 || scale > precision {
                return Err(SqlFailure::syntax(format!("invalid data type {text}")));
            }
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale as i64))
        }
        "FLOAT" | "FLOAT4" | "FLOAT8" | "DOUBLE" | "DOUBLE PRECISION" | "REAL" => DataType::DoublePrecision,
        "BOOLEAN" | "BOOL" => DataType::Boolean,
        "DATE" => DataType::Date,
        other => return Err(SqlFailure::unsupported_here(format!("casts to {other}"))),
    };
    let kind = if lenient { CastKind::TryCast } else { CastKind::Cast };
    Ok(Expr::Cast { kind, expr: Box::new(inner), data_type: target, array: false, format: None })
}

fn null() -> Expr {
    Expr::value(Value::Null)
}

fn string(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

fn number(text: &str) -> Expr {
    Expr::value(Value::Number(text.to_owned(), false))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn case(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: then }],
        else_result: Some(Box::new(otherwise)),
    }
}
