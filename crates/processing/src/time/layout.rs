//! Layouts of Go, `layout=2006-01-02 15:04:05`, as strftime formats: older schemas of Panther name times so.
//!
//! Go reads a fraction behind the seconds whether the layout has one or not, so a layout becomes two formats.

/// What a layout may hold, the longer of two beginnings first, and the directive it stands for.
const PARTS: &[(&str, &str)] = &[
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("2006", "%Y"),
    ("-07:00:00", "%z"),
    ("-07:00", "%z"),
    ("-0700", "%z"),
    ("-07", "%z"),
    ("Z07:00:00", "%z"),
    ("Z07:00", "%z"),
    ("Z0700", "%z"),
    ("Z07", "%z"),
    ("002", "%j"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("_2", "%e"),
    ("PM", "%p"),
    ("pm", "%p"),
    ("1", "%m"),
    ("2", "%d"),
    ("3", "%I"),
    ("4", "%M"),
    ("5", "%S"),
    ("%", "%%"),
];

/// The strftime formats that read what the layout reads.
pub(super) fn formats(layout: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut fractional = String::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        if let Some((part, directive)) = PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            rest = &rest[part.len()..];
            plain.push_str(directive);
            fractional.push_str(directive);
            if *directive == "%S" {
                let fraction = fraction(rest);
                let separator = rest.chars().next().filter(|_| fraction > 0).unwrap_or('.');
                rest = &rest[fraction..];
                fractional.push(separator);
                fractional.push_str("%f");
            }
            continue;
        }
        plain.push(c);
        fractional.push(c);
        rest = &rest[c.len_utf8()..];
    }
    if fractional == plain { vec![plain] } else { vec![fractional, plain] }
}

/// Bytes of a `.000` or `,999`.
fn fraction(text: &str) -> usize {
    let Some(digits) = text.strip_prefix(['.', ',']) else { return 0 };
    let count = digits.bytes().take_while(|digit| matches!(digit, b'0' | b'9')).count();
    if count > 0 { count + 1 } else { 0 }
}
