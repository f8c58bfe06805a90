import re

from uncia_snowflake import NAME, bare, changes, context, shape, user

ENABLED = re.compile(rf"ALTER USER (?:IF EXISTS )?(?P<user>{NAME}) SET .*?\bDISABLED ?= ?FALSE\b", re.IGNORECASE)


def _enabled(event):
    return ENABLED.match(shape(event))


def rule(event):
    return changes(event) and _enabled(event) is not None


def title(event):
    return f"Snowflake: {user(event)} enabled user {bare(_enabled(event)['user'])}"


def alert_context(event):
    return {**context(event), "enabled_user": bare(_enabled(event)["user"])}
