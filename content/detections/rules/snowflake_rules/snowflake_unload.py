import re

from uncia_snowflake import context, statement, succeeded, user

# An address or a named stage. The user's and the table's own stages (@~, @%table) are inside of Snowflake.
TARGET = re.compile(
    r"COPY INTO (?:'(?P<url>(?:s3\w*|gcs|azure|https?)://[^']+)'|'?@(?P<stage>(?!~|[^/ ]*%)[^\s']+))",
    re.IGNORECASE,
)
# Jobs unload every night; a person who unloads this much wants it elsewhere.
MANY_ROWS = 1_000_000


def rule(event):
    if event.get("QUERY_TYPE") != "UNLOAD" or not succeeded(event):
        return False
    target = TARGET.match(statement(event))
    if target is None:
        return False
    # A service's stages are part of its job; an address written into the statement never is.
    return bool(target["url"]) or event.get("USER_TYPE") not in ("SERVICE", "LEGACY_SERVICE", "SNOWFLAKE_SERVICE")


def _target(event):
    target = TARGET.match(statement(event))
    return target["url"] or f"@{target['stage']}"


def title(event):
    rows = event.get("ROWS_UNLOADED") or 0
    return f"Snowflake: {user(event)} unloaded {rows:,} rows to {_target(event)}"


def severity(event):
    outside = event.get("OUTBOUND_DATA_TRANSFER_BYTES") or _target(event)[0] != "@"
    if outside or (event.get("ROWS_UNLOADED") or 0) >= MANY_ROWS:
        return "HIGH"
    return "DEFAULT"


def dedup(event):
    return f"{user(event)}:{_target(event).split('/')[0] if _target(event)[0] == '@' else _target(event)}"


def alert_context(event):
    found = context(event)
    found["target"] = _target(event)
    found["rows"] = event.get("ROWS_UNLOADED")
    found["outbound_bytes"] = event.get("OUTBOUND_DATA_TRANSFER_BYTES")
    found["outbound_region"] = event.get("OUTBOUND_DATA_TRANSFER_REGION")
    return found
