//! RFC 3339: the format of most logs, so it is read by position, without a general machine.

use uncia_document::Timestamp;

use super::calendar::{days, days_in_month, instant};

/// `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±hh:mm)`; digits of the fraction beyond nanoseconds are cut off.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (head, mut rest) = bytes.split_at_checked(19)?;
    let separators = (head[4], head[7], head[10] | 0x20, head[13], head[16]);
    if separators != (b'-', b'-', b't', b':', b':') {
        return None;
    }
    let pair = |at: usize| two_digits(&head[at..at + 2]);
    let year = i64::from(pair(0)? * 100 + pair(2)?);
    let (month, day, hour, minute, second) = (pair(5)?, pair(8)?, pair(11)?, pair(14)?, pair(17)?);
    let date_exists = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    if !date_exists || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        nanos = fraction_nanos(&fraction[..digits]);
        rest = &fraction[digits..];
    }
    let offset = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two_digits(&[*h1, *h2])?, two_digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::from(hours * 3600 + minutes * 60);
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let of_day = i64::from(hour * 3600 + minute * 60 + second);
    instant(days(year, month, day) * 86_400 + of_day - offset, nanos)
}

/// The fraction's digits as nanoseconds: padded on the right, cut after nine.
pub(super) fn fraction_nanos(digits: &[u8]) -> u32 {
    let mut nanos = 0;
    for place in 0..9 {
        let digit = digits.get(place).map_or(0, |digit| u32::from(digit - b'0'));
        nanos = nanos * 10 + digit;
    }
    nanos
}

fn two_digits(text: &[u8]) -> Option<u32> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (text, instant) in [
            ("2018-03-24T17:15:20.865716Z", Some("2018-03-24 17:15:20.865716000")),
            ("2018-03-24T17:15:20Z", Some("2018-03-24 17:15:20.000000000")),
            ("2018-03-24t17:15:20.1234567891z", Some("2018-03-24 17:15:20.123456789")),
            ("2018-03-24T17:15:20-06:00", Some("2018-03-24 23:15:20.000000000")),
            ("2016-12-31T23:59:60Z", Some("2017-01-01 00:00:00.000000000")),
            ("0000-01-01T00:00:00+00:01", None),
            ("2018-03-24T17:15:20-0600", None),
            ("2018-03-24 17:15:20Z", None),
            ("2018-03-24T17:15:20", None),
            ("2018-03-24T17:15:20.Z", None),
            ("2018-02-29T00:00:00Z", None),
            ("2018-13-01T00:00:00Z", None),
            ("2018-03-24T24:00:00Z", None),
            ("2018-03-24T17:15:2éZ", None),
            ("", None),
        ] {
            assert_eq!(read(text).map(|stamp| stamp.to_string()).as_deref(), instant, "{text}");
        }
    }
}
