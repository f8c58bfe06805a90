//! Domain names in the letters people read: `xn--…` labels decoded (RFC 3492), so that a look-alike shows itself.

/// The decoded name, or `None` if no label needs it.
pub(super) fn decode_domain(name: &str) -> Option<String> {
    if !name.as_bytes().windows(4).any(|four| four.eq_ignore_ascii_case(b"xn--")) {
        return None;
    }
    let labels: Vec<String> =
        name.split('.').map(|label| decode_label(label).unwrap_or_else(|| label.to_owned())).collect();
    Some(labels.join("."))
}

fn decode_label(label: &str) -> Option<String> {
    let prefix = label.get(..4)?;
    if !prefix.eq_ignore_ascii_case("xn--") || label.len() > 63 || !label.is_ascii() {
        return None;
    }
    let (basic, encoded) = label[4..].rsplit_once('-').unwrap_or(("", &label[4..]));
    let mut out: Vec<char> = basic.chars().collect();
    let (mut code, mut at, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = encoded.bytes();
    while digits.len() > 0 {
        let before = at;
        let mut weight = 1_u32;
        let mut k = 36;
        loop {
            let digit = match digits.next()? {
                b @ b'a'..=b'z' => b - b'a',
                b @ b'A'..=b'Z' => b - b'A',
                b @ b'0'..=b'9' => b - b'0' + 26,
                _ => return None,
            };
            at = at.checked_add(u32::from(digit).checked_mul(weight)?)?;
            let threshold = if k <= bias { 1 } else { (k - bias).min(26) };
            if u32::from(digit) < threshold {
                break;
            }
            weight = weight.checked_mul(36 - threshold)?;
            k += 36;
        }
        let count = out.len() as u32 + 1;
        bias = adapt(at - before, count, before == 0);
        code = code.checked_add(at / count)?;
        at %= count;
        out.insert(at as usize, char::from_u32(code)?);
        at += 1;
    }
    Some(out.into_iter().collect())
}

fn adapt(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (name, decoded) in [
            ("example.com", None),
            ("xn--bcher-kva.example", Some("bücher.example")),
            ("XN--80ak6aa92e.com", Some("аррӏе.com")),
            ("xn--fsq.xn--0zwm56d", Some("例.测试")),
            ("xn--a b", Some("xn--a b")),
            ("xn--99999999", Some("xn--99999999")),
        ] {
            assert_eq!(decode_domain(name).as_deref(), decoded, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_panics(name in "(xn--)?[a-z0-9-]{0,60}") {
            let _ = decode_domain(&name);
        }
    }
}
