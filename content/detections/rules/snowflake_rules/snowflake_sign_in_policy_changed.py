import re

from uncia_snowflake import NAME, changes, context, shape, statement, user

KIND = r"(?P<kind>AUTHENTICATION|PASSWORD|SESSION)"
OF_POLICY = re.compile(
    rf"(?P<verb>CREATE (?:OR REPLACE )?|ALTER |DROP ){KIND} POLICY (?:IF (?:NOT )?EXISTS )?{NAME}", re.IGNORECASE
)
OF_HOLDER = re.compile(
    rf"ALTER (?:ACCOUNT|USER (?:IF EXISTS )?{NAME}) (?P<verb>SET|UNSET) (?:.* )?{KIND} POLICY\b", re.IGNORECASE
)
WEAKENED = re.compile(r"MFA_ENROLLMENT ?= ?'?OPTIONAL", re.IGNORECASE)


def _changed(event):
    text = shape(event)
    return OF_POLICY.match(text) or OF_HOLDER.match(text)


def rule(event):
    return changes(event) and _changed(event) is not None


def title(event):
    changed = _changed(event)
    verb = changed["verb"].split()[0].lower()
    return f"Snowflake: {user(event)} changed how people sign in: {verb} {changed['kind'].lower()} policy"


def severity(event):
    lost = _changed(event)["verb"].strip().upper() in ("DROP", "UNSET")
    return "HIGH" if lost or WEAKENED.search(statement(event)) else "DEFAULT"


def alert_context(event):
    return {**context(event), "kind": _changed(event)["kind"].lower(), "verb": _changed(event)["verb"].strip().lower()}
