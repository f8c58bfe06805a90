//! Number literals to column values, without a doubt about what was rounded.

/// What a literal is in a column of doubles.
#[derive(Debug, PartialEq)]
pub(crate) enum Double {
    /// The shortest decimal of the value is the literal's.
    Exact(f64),
    /// The nearest value; the literal says more.
    Rounded(f64),
    /// Beyond the range of doubles.
    Outside,
}

/// The integer that the literal is, however it is written.
pub(crate) fn integer(literal: &str) -> Option<i64> {
    if let Ok(value) = literal.parse() {
        return Some(value);
    }
    let (negative, digits, exponent) = decimal(literal)?;
    if digits.is_empty() {
        return Some(0);
    }
    // `decimal` strips trailing zeros, so an integer has no negative exponent.
    let zeros = usize::try_from(exponent).ok().filter(|zeros| digits.len() + zeros <= 19)?;
    let text = format!("{}{digits}{}", if negative { "-" } else { "" }, "0".repeat(zeros));
    text.parse().ok()
}

pub(crate) fn double(literal: &str) -> Double {
    let value: f64 = match literal.parse() {
        Ok(value) if f64::is_finite(value) => value,
        _ => return Double::Outside,
    };
    // Any decimal of up to 15 digits in the normal range survives the way through a double.
    let short = literal.len() <= 15 && !literal.contains(['e', 'E']);
    if short || is_shortest(literal, value) {
        return Double::Exact(value);
    }
    Double::Rounded(value)
}

/// Whether the shortest decimal of the value is the literal's.
fn is_shortest(literal: &str, value: f64) -> bool {
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    // Most literals were written by a program that wrote the shortest one in the usual way.
    shortest == literal || decimal(literal) == decimal(shortest)
}

/// A literal as sign, digits without zeros around them, and the power of ten of the last digit. Zero has no digits.
fn decimal(literal: &str) -> Option<(bool, String, i64)> {
    let (negative, unsigned) = match literal.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, literal),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().ok()?;
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    let exponent = exponent.checked_sub(fraction.len() as i64)?.checked_add((all.len() - digits.len()) as i64)?;
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some((false, String::new(), 0));
    }
    Some((negative, digits.to_owned(), exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (literal, value) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("12345678901234567890", None),
            ("1.0", Some(1)),
            ("-1.50e1", Some(-15)),
            ("1e3", Some(1000)),
            ("1E+18", Some(1_000_000_000_000_000_000)),
            ("1e19", None),
            ("1e-1", None),
            ("0.5", None),
            ("0e999999999999", Some(0)),
            ("1e99999999999999999999", None),
        ] {
            assert_eq!(integer(literal), value, "{literal}");
        }
    }

    #[test]
    fn doubles() {
        for (literal, value) in [
            ("0.1", Double::Exact(0.1)),
            ("1.10", Double::Exact(1.1)),
            ("100", Double::Exact(100.0)),
            ("1e2", Double::Exact(100.0)),
            ("-2.5E-3", Double::Exact(-0.0025)),
            ("12345678901234567890", Double::Rounded(12_345_678_901_234_567_000.0)),
            ("0.12345678901234567890", Double::Rounded(0.123_456_789_012_345_68)),
            ("5e-324", Double::Exact(5e-324)),
            ("1e-400", Double::Rounded(0.0)),
            ("1e400", Double::Outside),
            ("9007199254740993", Double::Rounded(9_007_199_254_740_992.0)),
        ] {
            assert_eq!(double(literal), value, "{literal}");
        }
    }
}
