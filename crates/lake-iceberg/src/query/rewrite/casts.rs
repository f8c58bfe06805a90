//! `x::string` and its kin: Snowflake's types, and its leniency in converting between them.
//!
//! Scalar casts become calls of our conversion functions, which take any type; a value that already has the type costs
//! nothing there. `::variant` says nothing here, as every value can stand where a variant is wanted.

use datafusion::sql::sqlparser::ast::{CastFormat, CastKind, DataType, ExactNumberInfo, Expr};

use super::build;

/// What a type name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Text,
    Whole,
    Decimal { precision: u64, scale: i64 },
    Float,
    Boolean,
    Timestamp,
    Date,
    Any,
}

pub(super) fn cast(
    kind: CastKind,
    expr: Expr,
    data_type: DataType,
    format: Option<CastFormat>,
    array: bool,
) -> Result<Expr, String> {
    let lenient = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
    Ok(match target(&data_type.to_string().to_lowercase()) {
        Some(target) => converted(expr, target, lenient),
        None => Expr::Cast { kind, expr: Box::new(expr), data_type, array, format },
    })
}

fn converted(expr: Expr, target: Target, lenient: bool) -> Expr {
    let function = match target {
        Target::Text => "to_varchar",
        Target::Whole => {
            if lenient {
                "try_to_number"
            } else {
                "to_number"
            }
        }
        Target::Float => {
            if lenient {
                "try_to_double"
            } else {
                "to_double"
            }
        }
        Target::Boolean => {
            if lenient {
                "try_to_boolean"
            } else {
                "to_boolean"
            }
        }
        Target::Timestamp => {
            if lenient {
                "try_to_timestamp"
            } else {
                "to_timestamp"
            }
        }
        Target::Date => return date(expr, lenient),
        Target::Any => return expr,
        Target::Decimal { precision, scale } => return decimal(expr, precision, scale, lenient),
    };
    build::call(function, vec![expr])
}

pub(super) fn date(expr: Expr, lenient: bool) -> Expr {
    let function = if lenient { "try_to_timestamp" } else { "to_timestamp" };
    build::cast(build::call(function, vec![expr]), DataType::Date)
}

pub(super) fn decimal(expr: Expr, precision: u64, scale: i64, lenient: bool) -> Expr {
    let kind = if lenient { CastKind::TryCast } else { CastKind::Cast };
    let data_type = DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale));
    Expr::Cast { kind, expr: Box::new(expr), data_type, array: false, format: None }
}

fn target(text: &str) -> Option<Target> {
    let head: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ')).collect();
    let numbers: Vec<i64> =
        text[head.len()..].split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    Some(match head.trim() {
        "string" | "text" | "varchar" | "char" | "character" | "nchar" | "nvarchar" | "nvarchar2" | "char varying"
        | "character varying" | "nchar varying" => Target::Text,
        "number" | "numeric" | "decimal" | "dec" => match numbers[..] {
            [precision, scale] if scale > 0 => Target::Decimal { precision: precision.unsigned_abs(), scale },
            _ => Target::Whole,
        },
        "int" | "integer" | "bigint" | "smallint" | "tinyint" | "byteint" => Target::Whole,
        "float" | "float4" | "float8" | "double" | "double precision" | "real" => Target::Float,
        "boolean" | "bool" => Target::Boolean,
        "timestamp"
        | "timestamp_ntz"
        | "timestamp_ltz"
        | "timestamp_tz"
        | "timestampntz"
        | "timestampltz"
        | "timestamptz"
        | "datetime"
        | "timestamp without time zone"
        | "timestamp with time zone" => Target::Timestamp,
        "date" => Target::Date,
        "variant" | "object" | "array" => Target::Any,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names() {
        for (text, expected) in [
            ("varchar(16777216)", Target::Text),
            ("number", Target::Whole),
            ("number(38,0)", Target::Whole),
            ("number(10,2)", Target::Decimal { precision: 10, scale: 2 }),
            ("timestamp_ntz(9)", Target::Timestamp),
            ("variant", Target::Any),
        ] {
            assert_eq!(target(text), Some(expected), "{text}");
        }
        assert_eq!(target("time"), None);
    }
}
