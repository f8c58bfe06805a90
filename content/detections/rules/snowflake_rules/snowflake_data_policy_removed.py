import re

from uncia_snowflake import NAME, changes, context, shape, user

KIND = "(?:MASKING|ROW ACCESS|PROJECTION|AGGREGATION|JOIN|PRIVACY)"
REMOVED = re.compile(
    rf"DROP {KIND} POLICY (?:IF EXISTS )?{NAME}"
    rf"|ALTER (?:\w+ ){{1,2}}(?:IF EXISTS )?{NAME} .*?\b(?:UNSET {KIND} POLICY|DROP (?:ALL )?ROW ACCESS POLIC(?:Y|IES))\b",
    re.IGNORECASE,
)
REWRITTEN = re.compile(
    rf"ALTER {KIND} POLICY (?:IF EXISTS )?{NAME} SET BODY\b|CREATE OR REPLACE {KIND} POLICY {NAME}", re.IGNORECASE
)


def _removed(event):
    text = shape(event)
    return REMOVED.match(text) or REWRITTEN.match(text)


def rule(event):
    # Asked first, as it is cheap: few changes are about policies.
    return changes(event) and " POLIC" in (event.get("QUERY_TEXT") or "").upper() and _removed(event) is not None


def title(event):
    done = "removed" if REMOVED.match(shape(event)) else "rewrote"
    return f"Snowflake: {user(event)} {done} a data policy: {_removed(event)[0][:200]}"


def severity(event):
    return "DEFAULT" if REMOVED.match(shape(event)) else "MEDIUM"


def alert_context(event):
    return {**context(event), "change": _removed(event)[0][:2000]}
