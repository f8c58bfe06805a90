import re

from uncia_snowflake import context, statement, succeeded, user

CREATED = re.compile(
    r"(?:CREATE (?:OR REPLACE )?(?:TEMP(?:ORARY)? )?STAGE (?:IF NOT EXISTS )?|ALTER STAGE (?:IF EXISTS )?)"
    r'(?P<stage>(?:"(?:[^"]|"")*"|[\w$.])+) .*?\bURL ?= ?\'(?P<url>[^\']+)\'',
    re.IGNORECASE,
)


def rule(event):
    return succeeded(event) and CREATED.match(statement(event)) is not None


def title(event):
    created = CREATED.match(statement(event))
    return f"Snowflake: {user(event)} pointed stage {created['stage']} at {created['url']}"


def dedup(event):
    return CREATED.match(statement(event))["url"]


def alert_context(event):
    found = context(event)
    created = CREATED.match(statement(event))
    found["stage"] = created["stage"]
    found["url"] = created["url"]
    return found
