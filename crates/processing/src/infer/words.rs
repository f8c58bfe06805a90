//! Texts and numbers as scalars of a schema: what all of them could be read as.

/// What the numbers at a place have been.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    whole: bool,
    /// Integer literals beyond 64 bits, and others beyond what a double reaches.
    long: bool,
    fractions: bool,
}

/// What a place's numbers are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberKind {
    BigInt,
    Float,
    /// Exact only as they are written.
    Text,
}

impl Numbers {
    pub(crate) fn add(&mut self, literal: &str) {
        let is_integer = || literal.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if literal.parse::<i64>().is_ok() {
            self.whole = true;
        } else if is_integer() || !literal.parse::<f64>().is_ok_and(f64::is_finite) {
            self.long = true;
        } else {
            self.fractions = true;
        }
    }

    pub(crate) fn any(&self) -> bool {
        self.whole || self.long || self.fractions
    }

    pub(crate) fn kind(&self) -> NumberKind {
        match (self.long, self.fractions) {
            (true, _) => NumberKind::Text,
            (false, true) => NumberKind::Float,
            (false, false) => NumberKind::BigInt,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.whole |= other.whole;
        self.long |= other.long;
        self.fractions |= other.fractions;
    }
}

/// Indicators that a text's own form gives away, in the order of precedence.
pub(crate) const INDICATORS: [&str; 4] = ["ip", "url", "aws_arn", "email"];

/// What the texts at a place have been, in numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    count: u64,
    empty: u64,
    whole: u64,
    fractions: u64,
    truths: u64,
    indicators: [u64; INDICATORS.len()],
}

/// What a place's texts are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextKind {
    BigInt,
    Float,
    Boolean,
    Text,
}

impl Texts {
    pub(crate) fn add(&mut self, text: &str) {
        self.count += 1;
        let text = text.trim();
        let Some(&first) = text.as_bytes().first() else {
            self.empty += 1;
            return;
        };
        // Once a place has held plain words it stays a string; only its indicators are still of interest.
        if first.is_ascii_digit() && is_plain_integer(text) {
            self.whole += 1;
        } else if (first.is_ascii_digit() || first == b'-') && is_plain_decimal(text) {
            self.fractions += 1;
        } else if matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") {
            self.truths += 1;
        } else if let Some(place) = indicator(text) {
            self.indicators[place] += 1;
        }
    }

    pub(crate) fn any(&self) -> bool {
        self.count > 0
    }

    pub(crate) fn kind(&self, key: &str) -> TextKind {
        if names_identifiers(key) {
            return TextKind::Text;
        }
        match self.count {
            count if count == self.whole => TextKind::BigInt,
            count if count == self.whole + self.fractions => TextKind::Float,
            count if count == self.truths => TextKind::Boolean,
            _ => TextKind::Text,
        }
    }

    /// The indicator that at least this share of the texts is.
    pub(crate) fn indicator(&self, least_percent: u64) -> Option<&'static str> {
        let count = self.count - self.empty;
        let place = self.indicators.iter().position(|&of| of > 0 && of * 100 >= count * least_percent)?;
        Some(INDICATORS[place])
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.empty += other.empty;
        self.whole += other.whole;
        self.fractions += other.fractions;
        self.truths += other.truths;
        for (has, more) in self.indicators.iter_mut().zip(other.indicators) {
            *has += more;
        }
    }
}

/// Digits that lose nothing as a number: no sign, no leading zero, at most 15 of them.
fn is_plain_integer(text: &str) -> bool {
    text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

/// The same for decimals, which may be negative. An exponent is more often part of a hash than of a number.
fn is_plain_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let Some((whole, fraction)) = digits.split_once('.') else { return false };
    let has_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    has_digits(fraction) && has_digits(whole) && is_plain_integer(whole) && digits.len() <= 16
}

/// Keys whose values are names even when they are made of digits.
fn names_identifiers(key: &str) -> bool {
    let folded = key.to_ascii_lowercase();
    let is_id = key.ends_with("Id")
        || key.ends_with("ID")
        || folded == "id"
        || folded.ends_with("_id")
        || folded.ends_with("-id")
        || folded.ends_with(".id");
    is_id || ["number", "code", "zip", "phone", "version"].iter().any(|end| folded.ends_with(end))
}

fn indicator(text: &str) -> Option<usize> {
    if text.len() <= 45 && text.parse::<std::net::IpAddr>().is_ok() {
        return Some(0);
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Some(1);
    }
    if text.starts_with("arn:") && text.split(':').count() >= 6 {
        return Some(2);
    }
    is_email(text).then_some(3)
}

fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let is_name = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
    let is_domain = |c: char| c.is_alphanumeric() || ".-".contains(c);
    let has_dot = domain.split_once('.').is_some_and(|(host, rest)| !host.is_empty() && !rest.is_empty());
    !name.is_empty() && text.len() <= 254 && has_dot && name.chars().all(is_name) && domain.chars().all(is_domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(of: &[&str]) -> Texts {
        let mut texts = Texts::default();
        of.iter().for_each(|text| texts.add(text));
        texts
    }

    #[test]
    fn texts_that_could_be_something_else() {
        for (key, of, kind) in [
            ("count", &["1", "20"] as &[_], TextKind::BigInt),
            ("count", &["1", "2.5"], TextKind::Float),
            ("count", &["1", "true"], TextKind::Text),
            ("count", &["1", ""], TextKind::Text),
            ("flag", &["true", "False"], TextKind::Boolean),
            ("flag", &["t"], TextKind::Text),
            ("account", &["012345678901"], TextKind::Text),
            ("account", &["+1"], TextKind::Text),
            ("account", &["-1"], TextKind::Text),
            ("serial", &["1234567890123456"], TextKind::Text),
            ("hash", &["12e5"], TextKind::Text),
            ("userId", &["12"], TextKind::Text),
            ("user_id", &["12"], TextKind::Text),
            ("paid", &["12"], TextKind::BigInt),
            ("zip", &["12345"], TextKind::Text),
            ("version", &["1.10"], TextKind::Text),
            ("ratio", &["-0.5"], TextKind::Float),
            ("ratio", &["00.5"], TextKind::Text),
        ] {
            assert_eq!(texts(of).kind(key), kind, "{key} {of:?}");
        }
    }

    #[test]
    fn indicators_show_in_the_texts() {
        for (of, least, indicator) in [
            (&["10.0.0.1", "::1"] as &[_], 100, Some("ip")),
            (&["10.0.0.1", "host"], 100, None),
            (&["10.0.0.1", ""], 100, Some("ip")),
            (&["https://a.example/x"], 100, Some("url")),
            (&["arn:aws:iam::123456789012:root"], 100, Some("aws_arn")),
            (&["arn:short"], 100, None),
            (&["ana@corp.example"], 100, Some("email")),
            (&["@corp.example", "ana@corp"], 50, None),
        ] {
            assert_eq!(texts(of).indicator(least), indicator, "{of:?}");
        }
    }

    #[test]
    fn numbers_keep_what_they_are() {
        for (literals, kind) in [
            (&["1", "-9223372036854775808"] as &[_], NumberKind::BigInt),
            (&["1", "1.0"], NumberKind::Float),
            (&["1e3"], NumberKind::Float),
            (&["12345678901234567890"], NumberKind::Text),
            (&["1", "1e400"], NumberKind::Text),
        ] {
            let mut numbers = Numbers::default();
            literals.iter().for_each(|literal| numbers.add(literal));
            assert_eq!(numbers.kind(), kind, "{literals:?}");
        }
    }
}
