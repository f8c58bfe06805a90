//! What a YAML scalar means, by the core schema of YAML 1.2 as Panther's tool reads it.

use saphyr_parser::{ScalarStyle, Tag};

use super::yaml::Yaml;

/// The value of a scalar as it is written.
pub(super) fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Yaml {
    let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    if core == Some("str") || (style != ScalarStyle::Plain && core.is_none()) {
        return Yaml::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Yaml::Null,
        "true" | "True" | "TRUE" => Yaml::Bool(true),
        "false" | "False" | "FALSE" => Yaml::Bool(false),
        _ => number(text).unwrap_or_else(|| Yaml::Text(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Yaml> {
    let first = text.trim_start_matches(['-', '+']).bytes().next()?;
    if !first.is_ascii_digit() && first != b'.' {
        return None;
    }
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    integer(digits, negative).or_else(|| float(digits, negative, text))
}

fn integer(digits: &str, negative: bool) -> Option<Yaml> {
    let radix = match digits.get(..2) {
        Some("0b") => 2,
        Some("0o") => 8,
        Some("0x") => 16,
        _ => 10,
    };
    let body = if radix == 10 { digits } else { &digits[2..] };
    let body: String = body.chars().filter(|letter| *letter != '_').collect();
    if body.is_empty() || !body.chars().all(|letter| letter.is_digit(radix)) {
        return None;
    }
    let decimal = match radix {
        10 => match body.trim_start_matches('0') {
            "" => "0".to_owned(),
            body => body.to_owned(),
        },
        _ => u128::from_str_radix(&body, radix).ok()?.to_string(),
    };
    let sign = if negative && decimal != "0" { "-" } else { "" };
    Some(Yaml::Int(format!("{sign}{decimal}")))
}

fn float(digits: &str, negative: bool, text: &str) -> Option<Yaml> {
    let sign = if negative { -1.0 } else { 1.0 };
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(Yaml::Float(sign * f64::INFINITY, text.to_owned())),
        ".nan" | ".NaN" | ".NAN" => return Some(Yaml::Float(f64::NAN, text.to_owned())),
        _ => {}
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let digits_only = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_holds = exponent.is_none_or(|text| digits_only(text.strip_prefix(['-', '+']).unwrap_or(text)));
    let mantissa_holds = mantissa.bytes().any(|byte| byte.is_ascii_digit())
        && mantissa.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'_')
        && mantissa.matches('.').count() <= 1
        && (exponent.is_some() || mantissa.contains('.'));
    if !exponent_holds || !mantissa_holds {
        return None;
    }
    let plain: String = digits.chars().filter(|letter| *letter != '_').collect();
    Some(Yaml::Float(sign * plain.parse::<f64>().ok()?, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::content::yaml::parse;

    #[test]
    fn scalars_are_those_of_yaml_1_2() {
        for (yaml, expected) in [
            ("yes", r#""yes""#),
            ("No", r#""No""#),
            ("on", r#""on""#),
            ("off", r#""off""#),
            ("True", "true"),
            ("tRue", r#""tRue""#),
            ("~", "null"),
            ("Null", "null"),
            ("'null'", r#""null""#),
            ("0644", "644"),
            ("0o644", "420"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("-7", "-7"),
            ("+7", "7"),
            ("-0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1:30", r#""1:30""#),
            ("2024-01-02", r#""2024-01-02""#),
            ("2024-01-02T03:04:05Z", r#""2024-01-02T03:04:05Z""#),
            ("1.5", "1.5"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("1.2.3", r#""1.2.3""#),
            ("1e", r#""1e""#),
            ("10.0.0.1", r#""10.0.0.1""#),
            ("-", r#"[null]"#),
            ("'5'", r#""5""#),
            ("!!str 5", r#""5""#),
            ("=", r#""=""#),
            ("0x", r#""0x""#),
            ("08", "8"),
        ] {
            assert_eq!(parse(yaml).unwrap().to_json().unwrap().to_string(), expected, "{yaml}");
        }
    }
}
