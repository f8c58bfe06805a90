"""Reads timestamps: ISO 8601 and its looser kin, RFC 2822, access logs, syslog and the usual written forms."""

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime


class ParserError(ValueError):
    """The text is no timestamp."""


_ISO = re.compile(
    r"(?P<year>\d{4})-?(?P<month>\d{2})-?(?P<day>\d{2})"
    r"(?:[T\s]\s*(?P<hour>\d{1,2})(?::?(?P<minute>\d{2}))?(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?)?"
    r"\s*(?P<zone>Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?"
)

# What the standard library reads; it takes more than this, and some of it wrongly.
_MAIL = re.compile(r"([A-Z][a-z]{2},\s*)?\d{1,2}\s[A-Z][a-z]{2}\s\d{4}\s\d{2}:\d{2}(:\d{2})?(\s([+-]\d{4}|[A-Z]{1,4}))?")

_FORMATS = (
    "%d/%b/%Y:%H:%M:%S %z",
    "%m/%d/%Y %H:%M:%S.%f",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%Y/%m/%d %H:%M:%S.%f",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %Y %H:%M:%S",
    "%b %d %Y %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p",
    "%b %d, %Y, %I:%M:%S %p",
    "%Y-%m-%d %I:%M:%S %p",
    "%Y-%m-%d %I:%M %p",
    "%B %d, %Y %H:%M:%S",
    "%B %d, %Y",
    "%b %d, %Y",
    "%d %b %Y %H:%M:%S",
    "%d %b %Y",
    "%d %B %Y",
)


def _zone(text):
    if text is None:
        return None
    if text[0] not in "+-":
        return timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _iso(text):
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    part = found.groupdict()
    micros = int((part["fraction"] or "0")[:6].ljust(6, "0"))
    numbers = [int(part[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")]
    return datetime(*numbers, micros, _zone(part["zone"]))


def parse(timestr, default=None, ignoretz=False, **_options):
    """The moment a text names; naive when the text names no zone."""
    if not isinstance(timestr, str):
        raise TypeError(f"Parser must be a string or character stream, not {type(timestr).__name__}")
    text = timestr.strip()
    try:
        moment = _iso(text) or _written(text, default)
    except ValueError as error:
        raise ParserError(f"{error}: {timestr}") from error
    if moment is None:
        raise ParserError(f"Unknown string format: {timestr}")
    return moment.replace(tzinfo=None) if ignoretz else moment


def _written(text, default):
    zone = None
    bare = re.sub(r"\s+", " ", text)
    named = re.fullmatch(r"(.*\d)\s*(?:UTC|GMT|Z)", bare)
    if named:
        bare, zone = named.group(1), timezone.utc
    for form in _FORMATS:
        try:
            moment = datetime.strptime(bare, form)
        except ValueError:
            continue
        return moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone)
    if _MAIL.fullmatch(bare):
        return parsedate_to_datetime(bare)
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", bare)
    if clock:
        day = default or datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
        hour, minute, second = (int(number or 0) for number in clock.groups())
        return day.replace(hour=hour, minute=minute, second=second, tzinfo=zone)
    return None


def isoparse(dt_str):
    """The moment an ISO 8601 text names."""
    text = dt_str.decode() if isinstance(dt_str, bytes) else dt_str
    moment = _iso(text)
    if moment is None:
        raise ValueError(f"not an ISO 8601 timestamp: {text}")
    return moment
