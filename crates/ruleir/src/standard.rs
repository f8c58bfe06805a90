//! Functions of Python's standard library, as far as they are modelled; what is not goes to Python.

use crate::fault::Fault;
use crate::ir::ForeignKind;
use crate::value::{Eval, Stop, V};

/// The answer, or nothing where Python has to be asked.
pub(crate) fn call<'a>(kind: ForeignKind, arguments: &[V<'a>]) -> Option<Eval<V<'a>>> {
    match (kind, arguments) {
        (ForeignKind::FnMatch, [V::Str(name), V::Str(pattern)]) if !pattern.contains('[') => {
            let within = Fault::GlobWithin.is_on() && name.contains(pattern.trim_matches('*'));
            Some(Ok(V::Bool(within || matches_glob(name, pattern))))
        }
        (ForeignKind::IpAddress, [V::Str(text)]) => match ip_address(text) {
            Some(true) => Some(Ok(V::Foreign { truth: true, is_none: false })),
            Some(false) if Fault::AnyAddress.is_on() && text.contains('.') => {
                Some(Ok(V::Foreign { truth: true, is_none: false }))
            }
            Some(false) => Some(Err(Stop::ValueError)),
            None => None,
        },
        // It reads what `str` makes of it, "None".
        (ForeignKind::IpAddress, [V::None]) => Some(Err(Stop::ValueError)),
        _ => None,
    }
}

/// Whether the whole name matches a pattern of `*`, `?` and letters.
pub(crate) fn matches_glob(name: &str, pattern: &str) -> bool {
    let mut rest = name.chars();
    let mut wanted = pattern.chars();
    // Behind the last star: what of the pattern follows, and where in the name to try it next.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let name_here = rest.clone();
        match (rest.next(), wanted.next()) {
            (_, Some('*')) => {
                rest.clone_from(&name_here);
                retry = Some((wanted.clone(), name_here));
            }
            (None, None) => return true,
            (Some(one), Some(other)) if other == '?' || one == other => {}
            _ => {
                let Some((behind, from)) = &mut retry else { return false };
                if from.next().is_none() {
                    return false;
                }
                (rest, wanted) = (from.clone(), behind.clone());
            }
        }
    }
}

/// Whether `ipaddress.ip_address` takes the text; `None` for what may be an address of version 6.
fn ip_address(text: &str) -> Option<bool> {
    if text.contains(':') {
        return None;
    }
    let mut octets = 0;
    for octet in text.split('.') {
        octets += 1;
        let is_number = matches!(octet.len(), 1..=3) && octet.bytes().all(|byte| byte.is_ascii_digit());
        let has_leading_zero = octet.len() > 1 && octet.starts_with('0');
        if octets > 4 || !is_number || has_leading_zero || octet.parse::<u16>().is_ok_and(|octet| octet > 255) {
            return Some(false);
        }
    }
    Some(octets == 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (name, pattern, holds) in [
            ("", "", true),
            ("", "*", true),
            ("a", "", false),
            ("abc", "a*c", true),
            ("abcbc", "a*bc", true),
            ("abcbd", "a*bc", false),
            ("a.b", "a?b", true),
            ("ab", "a?b", false),
            ("aXbYb", "a*b*b", true),
            ("line\nline", "line*line", true),
            ("Abc", "abc", false),
            ("éa", "?a", true),
            ("system.org.rate_limit.violation", "system.org.rate_limit.*", true),
            ("system.org.rate_limit", "system.org.rate_limit.*", false),
        ] {
            assert_eq!(matches_glob(name, pattern), holds, "{name} {pattern}");
        }
    }

    #[test]
    fn addresses() {
        for (text, taken) in [
            ("1.2.3.4", Some(true)),
            ("255.0.0.255", Some(true)),
            ("256.0.0.1", Some(false)),
            ("01.2.3.4", Some(false)),
            ("1.2.3", Some(false)),
            ("1.2.3.4.5", Some(false)),
            ("1.2.3.", Some(false)),
            ("1.2.3.4/8", Some(false)),
            ("ec2.amazonaws.com", Some(false)),
            ("", Some(false)),
            ("١.2.3.4", Some(false)),
            ("::1", None),
            ("a:b", None),
        ] {
            assert_eq!(ip_address(text), taken, "{text}");
        }
    }
}
