//! The points of a person, with their reasons.

use serde_json::Value;

use super::part::{InsightPart, PartKind, RISK_MOST};
use crate::posture::EvidenceRow;

/// How much of a risk somebody is, from 0 to 100.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RiskScore {
    pub points: u32,
    /// Those that weigh most come first.
    pub reasons: Vec<Reason>,
}

/// Why somebody has points, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub factor: String,
    pub points: u32,
    pub text: String,
    pub advice: String,
}

impl RiskScore {
    /// Adds up the factors whose query gave a row.
    #[must_use]
    pub fn of<'a>(answers: impl IntoIterator<Item = (&'a InsightPart, &'a [EvidenceRow])>) -> Self {
        let mut score = Self::default();
        for (part, rows) in answers {
            let (PartKind::Factor { points, reason, advice }, Some(row)) = (&part.kind, rows.first()) else { continue };
            let (factor, text, advice) = (part.id.clone(), filled(reason, row), advice.clone());
            score.reasons.push(Reason { factor, points: *points, text, advice });
        }
        score.points =
            score.reasons.iter().fold(0, |sum: u32, reason| sum.saturating_add(reason.points)).min(RISK_MOST);
        score.reasons.sort_by(|a, b| b.points.cmp(&a.points).then_with(|| a.factor.cmp(&b.factor)));
        score
    }

    #[must_use]
    pub const fn level(&self) -> &'static str {
        match self.points {
            0..=19 => "LOW",
            20..=49 => "MEDIUM",
            50..=79 => "HIGH",
            _ => "CRITICAL",
        }
    }
}

/// A reason with a row's values in place of `{column}`; a column that the row has not is left as it is written.
fn filled(reason: &str, row: &EvidenceRow) -> String {
    let mut text = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        rest = after;
        let value = after.split_once('}').and_then(|(name, left)| Some((row.get(name)?, left)));
        match value {
            Some((Value::String(value), left)) => {
                text.push_str(value);
                rest = left;
            }
            Some((Value::Null, left)) => {
                text.push_str("nothing");
                rest = left;
            }
            Some((value, left)) => {
                text.push_str(&value.to_string());
                rest = left;
            }
            None => text.push('{'),
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::InsightSet;
    use super::*;

    fn row(value: Value) -> EvidenceRow {
        let Value::Object(columns) = value else { panic!("{value}") };
        columns.into()
    }

    #[test]
    fn points_add_up_to_a_hundred_at_most() {
        let part = |id: &str, points: u32| {
            let text = format!(
                "{{PartID: {id}, Title: T, Query: SELECT 1, Points: {points}, Reason: '{{n}} of {{who}}, {{x}}', Advice: Stop.}}"
            );
            InsightSet::load([(id.to_owned(), text)]).parts.remove(0)
        };
        let (a, b, c) = (part("a", 30), part("b", 90), part("c", 5));
        let rows = [row(json!({"N": 3, "who": "MAYA"}))];
        let score = RiskScore::of([(&a, &rows[..]), (&b, &rows[..]), (&c, &[][..])]);
        assert_eq!((score.points, score.level()), (100, "CRITICAL"));
        let reasons: Vec<&str> = score.reasons.iter().map(|reason| reason.factor.as_str()).collect();
        assert_eq!(reasons, ["b", "a"]);
        assert_eq!(score.reasons[0].text, "3 of MAYA, {x}");
        assert_eq!(RiskScore::of([(&c, &[][..])]).level(), "LOW");
        assert_eq!(RiskScore::of([(&a, &rows[..])]).level(), "MEDIUM");
    }
}
