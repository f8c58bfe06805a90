import re

from uncia_snowflake import NAME, bare, changes, context, shape, user

# External access integrations are paths out; another rule tells of those.
CHANGED = re.compile(
    r"(?P<verb>CREATE (?:OR REPLACE )?|ALTER |DROP )(?:(?P<kind>SECURITY|STORAGE|API|NOTIFICATION|CATALOG) )?INTEGRATION "
    rf"(?:IF (?:NOT )?EXISTS )?(?P<name>{NAME})",
    re.IGNORECASE,
)


def _changed(event):
    return CHANGED.match(shape(event))


def rule(event):
    return changes(event) and _changed(event) is not None


def _kind(event):
    return (_changed(event)["kind"] or "").lower()


def title(event):
    changed = _changed(event)
    kind = f"{_kind(event)} integration".strip()
    return f"Snowflake: {user(event)} changed {kind} {bare(changed['name'])}: {changed['verb'].split()[0].lower()}"


def severity(event):
    return "HIGH" if _kind(event) == "security" else "DEFAULT"


def alert_context(event):
    return {**context(event), "integration": bare(_changed(event)["name"]), "kind": _kind(event)}
