import re

from uncia_snowflake import NAME, changes, context, shape, statement, user

OF_POLICY = re.compile(
    rf"(?P<verb>CREATE (?:OR REPLACE )?|ALTER |DROP )NETWORK (?P<what>POLICY|RULE) (?:IF (?:NOT )?EXISTS )?(?P<name>{NAME})",
    re.IGNORECASE,
)
OF_HOLDER = re.compile(
    rf"ALTER (?:(?P<what>ACCOUNT)|USER (?:IF EXISTS )?(?P<name>{NAME})|(?:SECURITY )?INTEGRATION (?:IF EXISTS )?{NAME}) "
    r"(?P<verb>SET|UNSET) (?:.*[ ,])?NETWORK_POLICY\b",
    re.IGNORECASE,
)
OUTWARD = re.compile(r"\bMODE ?= ?'?EGRESS", re.IGNORECASE)
EVERYBODY = re.compile(r"(?:ALLOWED_IP_LIST|VALUE_LIST) ?= ?\([^)]*'(?:0\.0\.0\.0/0|::/0)'", re.IGNORECASE)


def _changed(event):
    text = shape(event)
    return OF_POLICY.match(text) or OF_HOLDER.match(text)


def rule(event):
    # Rules for traffic that goes out are no doors in.
    return changes(event) and _changed(event) is not None and not OUTWARD.search(statement(event))


def title(event):
    changed = _changed(event)
    what = " ".join(part for part in ((changed["what"] or "user").lower(), changed["name"]) if part)
    return f"Snowflake: {user(event)} changed who may connect: {changed['verb'].split()[0].lower()} {what}"


def severity(event):
    lost = _changed(event)["verb"].strip().upper() in ("DROP", "UNSET")
    return "HIGH" if lost or EVERYBODY.search(statement(event)) else "DEFAULT"


def alert_context(event):
    return {**context(event), "open_to_everybody": EVERYBODY.search(statement(event)) is not None}
