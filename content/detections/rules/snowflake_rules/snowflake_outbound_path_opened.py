import re

from uncia_snowflake import NAME, changes, context, shape, user

OPENED = re.compile(
    r"(?:CREATE (?:OR REPLACE )?|ALTER )(?:(?:SECURE )?EXTERNAL FUNCTION|EXTERNAL ACCESS INTEGRATION) "
    rf"(?:IF (?:NOT )?EXISTS )?(?P<name>{NAME})"
    rf"|(?:CREATE (?:OR REPLACE )?|ALTER )NETWORK RULE (?:IF (?:NOT )?EXISTS )?(?P<rule>{NAME}) .*?\bMODE ?= ?EGRESS\b"
    r"|(?:CREATE|ALTER) .*?\bEXTERNAL_ACCESS_INTEGRATIONS ?= ?\( ?[\w\"$]",
    re.IGNORECASE,
)


def _opened(event):
    return OPENED.match(shape(event))


def rule(event):
    return changes(event) and _opened(event) is not None


def title(event):
    opened = _opened(event)
    return f"Snowflake: {user(event)} opened a path to other hosts: {opened['name'] or opened['rule'] or 'code with access'}"


def dedup(event):
    return f"{user(event)}:outbound"


def alert_context(event):
    return context(event)
