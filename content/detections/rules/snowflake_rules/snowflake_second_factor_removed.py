import re

from uncia_snowflake import NAME, bare, changes, context, shape, user

REMOVED = re.compile(
    rf"ALTER USER (?:IF EXISTS )?(?:(?P<user>(?!(?:SET|REMOVE) ){NAME}) )?"
    r"(?:SET .*?\b(?P<bypassed>MINS_TO_BYPASS_MFA ?= ?[1-9]\d*)|SET .*?\bDISABLE_MFA ?= ?TRUE|REMOVE MFA METHOD )",
    re.IGNORECASE,
)


def _removed(event):
    return REMOVED.match(shape(event))


def rule(event):
    return changes(event) and _removed(event) is not None


def _owner(event):
    return bare(_removed(event)["user"]) or user(event)


def title(event):
    done = "bypassed" if _removed(event)["bypassed"] else "removed"
    return f"Snowflake: {user(event)} {done} the second factor of {_owner(event)}"


def alert_context(event):
    return {**context(event), "owner": _owner(event), "bypass": _removed(event)["bypassed"]}
