import re

from uncia_snowflake import NAME, bare, changes, context, shape, user

CREATED = re.compile(rf"CREATE (?P<replaced>OR REPLACE )?USER (?:IF NOT EXISTS )?(?P<user>{NAME})", re.IGNORECASE)


def _created(event):
    return CREATED.match(shape(event))


def rule(event):
    return changes(event) and _created(event) is not None


def title(event):
    return f"Snowflake: {user(event)} created user {bare(_created(event)['user'])}"


def severity(event):
    options = shape(event).upper()
    lasting = re.search(r"\bPASSWORD ?=", options) and not re.search(r"\bMUST_CHANGE_PASSWORD ?= ?TRUE", options)
    return "MEDIUM" if lasting or _created(event)["replaced"] else "DEFAULT"


def alert_context(event):
    return {**context(event), "created_user": bare(_created(event)["user"])}
