"""Time zones."""

from datetime import timedelta, timezone

UTC = timezone.utc


def tzutc():
    """UTC."""
    return UTC


def tzoffset(_name, offset):
    """A fixed offset from UTC, seconds or a timedelta."""
    return timezone(offset if isinstance(offset, timedelta) else timedelta(seconds=offset))
