//! Grok: names for regular expressions, `%{IP:address}` for a named group of one.
//!
//! The names are those that grok users know; their expressions are written for RE2's language, without looking around.

/// Definitions may refer to each other this deep.
const MAX_DEPTH: usize = 32;
/// Bytes of an unfolded expression.
const MAX_BYTES: usize = 1024 * 1024;

/// An expression without tags, and the names of its generated groups.
pub(super) struct Unfolded {
    pub(super) text: String,
    fields: Vec<String>,
}

impl Unfolded {
    /// The field that a generated group stands for. Field names may hold characters that group names may not.
    pub(super) fn field(&self, group: &str) -> Option<&str> {
        let place: usize = group.strip_prefix(GROUP)?.parse().ok()?;
        self.fields.get(place).map(String::as_str)
    }
}

const GROUP: &str = "grok_field_";

/// Replaces each `%{NAME}` by a group and each `%{NAME:field}` by a named one, at all depths.
pub(super) fn unfold(pattern: &str, definitions: &[(String, String)]) -> Result<Unfolded, String> {
    for (name, _) in definitions {
        let good = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !good {
            return Err(format!("`{name}`: a pattern's name is upper-case letters, digits and `_`"));
        }
        if built_in(name).is_some() {
            return Err(format!("`{name}` is a built-in pattern"));
        }
    }
    let mut unfolded = Unfolded { text: String::new(), fields: Vec::new() };
    let mut path = Vec::new();
    unfold_into(pattern, definitions, &mut path, &mut unfolded)?;
    Ok(unfolded)
}

fn unfold_into<'a>(
    pattern: &'a str,
    definitions: &'a [(String, String)],
    path: &mut Vec<&'a str>,
    out: &mut Unfolded,
) -> Result<(), String> {
    let mut rest = pattern;
    while let Some(at) = rest.find("%{") {
        out.text.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let end = inner.find('}').ok_or("a `%{` is not closed")?;
        let (name, field) = match inner[..end].split_once(':') {
            Some((name, field)) => (name.trim(), Some(field.trim())),
            None => (inner[..end].trim(), None),
        };
        let own = definitions.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str());
        let Some(text) = own.or_else(|| built_in(name)) else {
            return Err(format!("unknown pattern `%{{{name}}}`"));
        };
        if path.contains(&name) || path.len() >= MAX_DEPTH {
            return Err(format!("patterns refer to each other in a circle: {} -> {name}", path.join(" -> ")));
        }
        match field {
            Some(field) if !field.is_empty() => {
                out.text.push_str(&format!("(?P<{GROUP}{}>", out.fields.len()));
                out.fields.push(field.to_owned());
            }
            _ => out.text.push_str("(?:"),
        }
        path.push(name);
        unfold_into(text, definitions, path, out)?;
        path.pop();
        out.text.push(')');
        if out.text.len() > MAX_BYTES {
            return Err(format!("the expression unfolds to more than {MAX_BYTES} bytes"));
        }
        rest = &inner[end + 1..];
    }
    out.text.push_str(rest);
    Ok(())
}

fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

const BUILT_IN: &[(&str, &str)] = &[
    ("DATA", r".*?"),
    ("GREEDYDATA", r".*"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("WORD", r"\b\w+\b"),
    ("QUOTEDSTRING", r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`"#),
    ("QS", r"%{QUOTEDSTRING}"),
    ("HEXDIGIT", r"[0-9a-fA-F]"),
    ("UUID", r"%{HEXDIGIT}{8}-(?:%{HEXDIGIT}{4}-){3}%{HEXDIGIT}{12}"),
    ("INT", r"[+-]?\d+"),
    ("BASE10NUM", r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)"),
    ("NUMBER", r"%{BASE10NUM}"),
    ("BASE16NUM", r"[+-]?(?:0[xX])?%{HEXDIGIT}+"),
    ("POSINT", r"[1-9]\d*"),
    ("NONNEGINT", r"\d+"),
    ("CISCOMAC", r"(?:%{HEXDIGIT}{4}\.){2}%{HEXDIGIT}{4}"),
    ("WINDOWSMAC", r"(?:%{HEXDIGIT}{2}-){5}%{HEXDIGIT}{2}"),
    ("COMMONMAC", r"(?:%{HEXDIGIT}{2}:){5}%{HEXDIGIT}{2}"),
    ("MAC", r"%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC}"),
    // Longer forms first: an alternation takes the first that matches.
    (
        "IPV6",
        concat!(
            r"(?:(?:%{HEXDIGIT}{1,4}:){7}%{HEXDIGIT}{1,4}",
            r"|(?:%{HEXDIGIT}{1,4}:){6}%{IPV4}",
            r"|::(?:[fF]{4}(?::0{1,4})?:)?%{IPV4}",
            r"|(?:%{HEXDIGIT}{1,4}:){1,4}:(?:%{HEXDIGIT}{1,4}:)*%{IPV4}",
            r"|(?:%{HEXDIGIT}{1,4}:){1,6}(?::%{HEXDIGIT}{1,4}){1,6}",
            r"|:(?::%{HEXDIGIT}{1,4}){1,7}",
            r"|(?:%{HEXDIGIT}{1,4}:){1,7}:",
            r"|::)(?:%[0-9A-Za-z._-]+)?"
        ),
    ),
    ("IPV4INT", r"25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d"),
    ("IPV4", r"(?:%{IPV4INT}\.){3}%{IPV4INT}"),
    ("IP", r"%{IPV6}|%{IPV4}"),
    ("HOSTNAME", r"\b[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,62})(?:\.[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,62}))*\.?"),
    ("HOST", r"%{HOSTNAME}"),
    ("IPORHOST", r"%{IP}|%{HOSTNAME}"),
    ("HOSTPORT", r"(?:\[%{IPV6}\]|%{IPORHOST}):%{POSINT}"),
    ("USERNAME", r"[a-zA-Z0-9._-]+"),
    ("USER", r"%{USERNAME}"),
    ("UNIXPATH", r"(?:/[\w_%!$@:.,+~=()-]*)+"),
    ("WINPATH", r"(?:[A-Za-z]:|\\)(?:\\[^\\?*]*)+"),
    ("PATH", r"%{UNIXPATH}|%{WINPATH}"),
    ("TTY", r"/dev/(?:pts|tty(?:[pq])?)(?:\w+)?/?(?:\d+)"),
    ("URIPROTO", r"[A-Za-z](?:[A-Za-z0-9+.-]+)+"),
    ("URIHOST", r"(?:\[%{IPV6}\]|%{IPORHOST})(?::%{POSINT})?"),
    ("URIPATH", r"(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_-]*)+"),
    ("URIPARAM", r"\?[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\[\]<>-]*"),
    ("URIPATHPARAM", r"%{URIPATH}(?:%{URIPARAM})?"),
    ("URI", r"%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?"),
    (
        "MONTH",
        concat!(
            r"\b(?:[Jj]an(?:uary)?|[Ff]eb(?:ruary)?|[Mm]ar(?:ch)?|[Aa]pr(?:il)?|[Mm]ay|[Jj]une?|[Jj]uly?",
            r"|[Aa]ug(?:ust)?|[Ss]ep(?:t(?:ember)?)?|[Oo]ct(?:ober)?|[Nn]ov(?:ember)?|[Dd]ec(?:ember)?)\b"
        ),
    ),
    ("MONTHNUM", r"1[0-2]|0?[1-9]"),
    ("MONTHNUM2", r"0[1-9]|1[0-2]"),
    ("MONTHDAY", r"3[01]|[12]\d|0?[1-9]"),
    (
        "DAY",
        r"[Mm]on(?:day)?|[Tt]ue(?:sday)?|[Ww]ed(?:nesday)?|[Tt]hu(?:rsday)?|[Ff]ri(?:day)?|[Ss]at(?:urday)?|[Ss]un(?:day)?",
    ),
    ("YEAR", r"\d\d(?:\d\d)?"),
    ("HOUR", r"2[0-3]|[01]?\d"),
    ("MINUTE", r"[0-5]\d"),
    ("SECOND", r"(?:[0-5]?\d|60)(?:[:.,]\d+)?"),
    ("KITCHEN", r"%{HOUR}:%{MINUTE} ?(?:AM|PM|am|pm)?"),
    ("TIME", r"%{HOUR}:%{MINUTE}(?::%{SECOND})?"),
    ("DATE_US", r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"),
    ("DATE_EU", r"%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"),
    ("ISO8601_TIMEZONE", r"[Zz]|[+-]%{HOUR}(?::?%{MINUTE})?"),
    ("ISO8601_SECOND", r"%{SECOND}"),
    (
        "TIMESTAMP_ISO8601",
        r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{ISO8601_SECOND})?(?:%{ISO8601_TIMEZONE})?",
    ),
    ("DATE", r"%{DATE_US}|%{DATE_EU}"),
    ("DATETIME", r"%{DATE}[- ]%{TIME}"),
    ("TZ", r"[A-Z]{3,4}"),
    ("TZOFFSET", r"[+-]\d{2}:?\d{2}"),
    ("TIMESTAMP_RFC822", r"%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}"),
    ("TIMESTAMP_RFC2822", r"%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} (?:%{TZOFFSET}|%{TZ})"),
    ("TIMESTAMP_OTHER", r"%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}"),
    ("TIMESTAMP_EVENTLOG", r"\d{4}%{MONTHNUM2}\d{2}%{HOUR}%{MINUTE}\d{2}"),
    ("SYSLOGTIMESTAMP", r"%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("HTTPDATE", r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{TZOFFSET}"),
    ("NS", r"%{NOTSPACE}"),
    ("PID", r"\d+"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(name: &str, text: &str) -> bool {
        let unfolded = unfold(&format!("^%{{{name}}}$"), &[]).unwrap();
        regex::Regex::new(&super::super::translate::to_rust(&unfolded.text)).unwrap().is_match(text)
    }

    #[test]
    fn every_pattern_takes_what_it_is_for() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("DATA", &["", "x y"], &[]),
            ("GREEDYDATA", &["", "x y"], &[]),
            ("NOTSPACE", &["a-b"], &["a b", ""]),
            ("SPACE", &["", " \t"], &["a"]),
            ("WORD", &["a_1"], &["a-b"]),
            ("QUOTEDSTRING", &[r#""a \" b""#, "'x'"], &["\"", "a"]),
            ("QS", &["\"\""], &["a"]),
            ("HEXDIGIT", &["B", "e", "9"], &["g"]),
            ("UUID", &["ABCDEF01-0000-4000-8000-00000000000b"], &["ABCDEF01"]),
            ("INT", &["-12", "+1"], &["1.5"]),
            ("BASE10NUM", &["1.5", ".5", "-3"], &["1.", "a"]),
            ("NUMBER", &["12"], &["x"]),
            ("BASE16NUM", &["0xfF", "ab"], &["0xg"]),
            ("POSINT", &["10"], &["0"]),
            ("NONNEGINT", &["0"], &["-1"]),
            ("CISCOMAC", &["0011.22aa.BB33"], &["00:11"]),
            ("WINDOWSMAC", &["00-11-22-aa-BB-33"], &["00:11:22:aa:BB:33"]),
            ("COMMONMAC", &["00:11:22:aa:BB:33"], &["00-11-22-aa-BB-33"]),
            ("MAC", &["00:11:22:aa:BB:33", "0011.22aa.BB33"], &["001122"]),
            (
                "IPV6",
                &["::", "::1", "fe80::1%eth0", "2001:db8::8a2e:370:7334", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "1::"],
                &["1.2.3.4", "a"],
            ),
            ("IPV4", &["255.0.10.99"], &["256.1.1.1", "1.2.3"]),
            ("IP", &["10.0.0.1", "::1"], &["host"]),
            ("HOSTNAME", &["a", "web-1.example.com."], &["-a", "a b"]),
            ("IPORHOST", &["10.0.0.1", "web"], &[" "]),
            ("HOSTPORT", &["web:80", "[::1]:443"], &["web"]),
            ("USER", &["j.doe-1"], &["a b"]),
            ("UNIXPATH", &["/var/log/x.log", "/"], &["a/b"]),
            ("WINPATH", &[r"C:\Windows\x.exe", r"\\srv\share"], &["/a"]),
            ("TTY", &["/dev/pts/0"], &["/dev/null"]),
            ("URIPATHPARAM", &["/a/b?c=d&e"], &["a"]),
            ("URI", &["https://u:p@host:8080/a?b=c", "http://[::1]/"], &["host/a"]),
            ("MONTH", &["Jan", "september"], &["Foo"]),
            ("MONTHNUM", &["1", "09", "12"], &["13"]),
            ("MONTHDAY", &["1", "09", "31"], &["32"]),
            ("DAY", &["Mon", "sunday"], &["Foo"]),
            ("KITCHEN", &["3:04PM"], &["x"]),
            ("TIME", &["23:59", "1:02:03.123"], &["24:00"]),
            ("DATE", &["12/31/2020", "31.12.20"], &["x"]),
            ("DATETIME", &["12/31/2020 10:11:12"], &["12/31/2020"]),
            ("TIMESTAMP_ISO8601", &["2020-01-02T03:04:05.678+01:00", "2020-01-02 03:04"], &["2020-01-02"]),
            ("TIMESTAMP_RFC822", &["Mon Jan 02 2006 15:04 MST"], &["x"]),
            ("TIMESTAMP_RFC2822", &["Mon, 02 Jan 2006 15:04:05 +0000"], &["x"]),
            ("TIMESTAMP_OTHER", &["Mon Jan 02 15:04:05 UTC 2006"], &["x"]),
            ("TIMESTAMP_EVENTLOG", &["20060102150405"], &["2006"]),
            ("SYSLOGTIMESTAMP", &["Jan  2 15:04:05"], &["2 Jan"]),
            ("HTTPDATE", &["02/Jan/2006:15:04:05 -0700"], &["x"]),
        ];
        for (name, good, bad) in table {
            for text in *good {
                assert!(matches(name, text), "{name} does not take {text}");
            }
            for text in *bad {
                assert!(!matches(name, text), "{name} takes {text}");
            }
        }
        for (name, _) in BUILT_IN {
            assert!(unfold(&format!("%{{{name}}}"), &[]).is_ok(), "{name}");
        }
    }

    #[test]
    fn definitions() {
        let own = |name: &str, text: &str| vec![(name.to_owned(), text.to_owned())];
        let unfolded = unfold("%{PAIR:@pair}", &own("PAIR", "%{INT:a.b}x")).unwrap();
        assert_eq!(unfolded.text, r"(?P<grok_field_0>(?P<grok_field_1>[+-]?\d+)x)");
        assert_eq!(unfolded.field("grok_field_1"), Some("a.b"));
        for (pattern, definitions, message) in [
            ("%{A}", own("A", "%{A}"), "patterns refer to each other in a circle: A -> A"),
            ("x", own("IP", "x"), "`IP` is a built-in pattern"),
            ("x", own("a", "x"), "`a`: a pattern's name is upper-case letters, digits and `_`"),
            ("%{NOPE}", Vec::new(), "unknown pattern `%{NOPE}`"),
            ("%{IP", Vec::new(), "a `%{` is not closed"),
        ] {
            assert_eq!(unfold(pattern, &definitions).err().as_deref(), Some(message));
        }
    }
}
