import re

from uncia_snowflake import NAME, changes, context, shape, user

DESTROYED = re.compile(
    rf"(?P<verb>DROP|CREATE OR REPLACE|UNDROP) (?:TRANSIENT )?(?:DATABASE|SCHEMA) (?!ROLE )(?:IF EXISTS )?(?P<name>{NAME})",
    re.IGNORECASE,
)
CUT = re.compile(
    rf"ALTER (?:ACCOUNT|(?:DATABASE|SCHEMA|TABLE) (?:IF EXISTS )?(?P<name>{NAME})) (?P<verb>SET) "
    r"(?:.*[ ,])?(?:MIN_)?DATA_RETENTION_TIME_IN_DAYS ?= ?0\b",
    re.IGNORECASE,
)


def _destroyed(event):
    text = shape(event)
    return DESTROYED.match(text) or CUT.match(text)


def rule(event):
    return changes(event) and _destroyed(event) is not None


def title(event):
    destroyed = _destroyed(event)
    verb = destroyed["verb"].upper()
    name = destroyed["name"] or "the account"
    if verb == "SET":
        return f"Snowflake: {user(event)} cut the history of {name}"
    done = {"DROP": "dropped", "UNDROP": "brought back"}.get(verb, "replaced")
    return f"Snowflake: {user(event)} {done} {name}"


def severity(event):
    return {"SET": "HIGH", "UNDROP": "INFO"}.get(_destroyed(event)["verb"].upper(), "DEFAULT")


def alert_context(event):
    return {**context(event), "object": _destroyed(event)["name"]}
