import re

from uncia_snowflake import NAME, changes, context, shape, user

# What the names of the monitoring's user, role and warehouse begin with.
NAMES = "UNCIA_"

OURS = rf'"?{NAMES}'
TAMPERED = re.compile(
    rf"(?P<verb>ALTER|DROP|CREATE OR REPLACE) (?P<what>USER|ROLE|WAREHOUSE) (?:IF EXISTS )?(?={OURS})(?P<name>{NAME})"
    rf"|(?P<revoked>REVOKE) .*?\b(?P<from>ROLE|USER|WAREHOUSE) (?={OURS})(?P<holder>{NAME})",
    re.IGNORECASE,
)
ROTATED = re.compile(r"\bRSA_PUBLIC_KEY|\bKEY PAIR\b", re.IGNORECASE)


def _tampered(event):
    return TAMPERED.match(shape(event))


def rule(event):
    # Asked first, as it is cheap: hardly any statement names the monitoring.
    return changes(event) and NAMES in (event.get("QUERY_TEXT") or "").upper() and _tampered(event) is not None


def title(event):
    tampered = _tampered(event)
    verb = (tampered["verb"] or tampered["revoked"]).split()[0].lower()
    return f"Snowflake: {user(event)} touched the monitoring: {verb} {tampered['name'] or tampered['holder']}"


def severity(event):
    altered = (_tampered(event)["verb"] or "").upper() == "ALTER"
    return "MEDIUM" if altered and ROTATED.search(shape(event)) else "DEFAULT"


def alert_context(event):
    return {**context(event), "object": _tampered(event)["name"] or _tampered(event)["holder"]}
