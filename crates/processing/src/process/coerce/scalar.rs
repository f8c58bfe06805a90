//! Scalars: what each type takes, and what it refuses. An empty string is null for every type but strings.

use crate::process::plan::Required;
use uncia_document::{Text, Value};

use super::Coercion;
use crate::process::mismatch::Mismatch;
use crate::time::TimeFormat;

impl Coercion<'_> {
    /// Strings, booleans, and numbers by their literal.
    #[inline]
    pub(super) fn string(&mut self, value: Value) -> Result<Value, Mismatch> {
        match value {
            Value::String(_) => Ok(value),
            Value::Number(literal) => Ok(Value::String(literal)),
            Value::Bool(true) => Ok(self.document.push_string("true")),
            Value::Bool(false) => Ok(self.document.push_string("false")),
            _ => Err(self.unexpected("a string", value)),
        }
    }

    /// Integer literals, as numbers or in strings; never through a float.
    pub(super) fn integer(&mut self, least: i64, most: i64, value: Value) -> Result<Value, Mismatch> {
        let text = match value {
            Value::String(text) if text.is_empty() => return Ok(Value::Null),
            Value::Number(text) | Value::String(text) => text,
            _ => return Err(self.unexpected("an integer", value)),
        };
        let literal = self.document.text(text);
        let Ok(number) = literal.parse::<i64>() else { return Err(self.unexpected("an integer", value)) };
        if number < least || number > most {
            return Err(self.unexpected(&format!("an integer from {least} to {most}"), value));
        }
        if matches!(value, Value::Number(_)) || is_json_number(literal) {
            return Ok(Value::Number(text));
        }
        Ok(self.document.push_number(number))
    }

    pub(super) fn float(&mut self, value: Value) -> Result<Value, Mismatch> {
        let text = match value {
            Value::String(text) if text.is_empty() => return Ok(Value::Null),
            Value::Number(text) | Value::String(text) => text,
            _ => return Err(self.unexpected("a number", value)),
        };
        let literal = self.document.text(text);
        let number = match literal.parse::<f64>() {
            Ok(number) if number.is_finite() => number,
            _ => return Err(self.unexpected("a number", value)),
        };
        if matches!(value, Value::Number(_)) || is_json_number(literal) {
            return Ok(Value::Number(text));
        }
        // `+1`, `.5`, `007`: numbers to most senders, but not to JSON.
        let literal = number.to_string();
        Ok(Value::Number(self.document.push_text(&literal)))
    }

    pub(super) fn boolean(&mut self, value: Value) -> Result<Value, Mismatch> {
        let truth = match value {
            Value::Bool(_) => return Ok(value),
            Value::Number(text) => match self.document.text(text) {
                "0" => Some(false),
                "1" => Some(true),
                _ => None,
            },
            Value::String(text) => match self.document.text(text) {
                "" => return Ok(Value::Null),
                "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
                "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
                _ => None,
            },
            _ => None,
        };
        match truth {
            Some(truth) => Ok(Value::Bool(truth)),
            None => Err(self.unexpected("a boolean", value)),
        }
    }

    /// The first format that reads the value.
    pub(super) fn timestamp(&mut self, formats: &[TimeFormat], offset: i32, value: Value) -> Result<Value, Mismatch> {
        let read = |text: Text, read: &dyn Fn(&TimeFormat, &str) -> Option<_>| {
            let text = self.document.text(text);
            formats.iter().find_map(|format| read(format, text))
        };
        let stamp = match value {
            Value::String(text) if text.is_empty() => return Ok(Value::Null),
            Value::String(text) => read(text, &|format, text| format.read_text(text, offset)),
            Value::Number(text) => read(text, &TimeFormat::read_number),
            _ => None,
        };
        match stamp {
            Some(stamp) => Ok(Value::Timestamp(stamp)),
            None if self.required == Required::Waived => Ok(self.other_timestamp(value)),
            None => Err(self.unexpected("a timestamp in one of the schema's formats", value)),
        }
    }

    /// An abbreviated record may have been an event before: its instants are then in the normal form, or blackened.
    #[cold]
    fn other_timestamp(&self, value: Value) -> Value {
        let (Value::String(text) | Value::Number(text)) = value else { return value };
        let text = self.document.text(text).replacen(' ', "T", 1);
        let stamp = TimeFormat::Rfc3339.read_text(&format!("{text}Z"), 0);
        stamp.map_or(value, Value::Timestamp)
    }
}

/// Whether a text that reads as a number is also JSON's way to write it.
fn is_json_number(literal: &str) -> bool {
    let digits = literal.strip_prefix('-').unwrap_or(literal);
    let whole_end = digits.bytes().take_while(u8::is_ascii_digit).count();
    let has_leading_zero = whole_end > 1 && digits.starts_with('0');
    let rest = &digits[whole_end..];
    let fraction_fits = match rest.strip_prefix('.') {
        Some(fraction) => fraction.starts_with(|c: char| c.is_ascii_digit()),
        None => true,
    };
    whole_end > 0 && !has_leading_zero && fraction_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_numbers() {
        for (literal, is) in [
            ("0", true),
            ("-12", true),
            ("1.5", true),
            ("1e5", true),
            ("1.5E-3", true),
            ("+1", false),
            ("007", false),
            (".5", false),
            ("1.", false),
            ("-.5", false),
            ("1.e5", false),
        ] {
            assert_eq!(is_json_number(literal), is, "{literal}");
            assert_eq!(serde_json::from_str::<f64>(literal).is_ok(), is, "{literal}");
        }
    }
}
