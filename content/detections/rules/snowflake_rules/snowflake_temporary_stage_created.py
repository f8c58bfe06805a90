import re

from uncia_snowflake import NAME, bare, changes, context, shape, user

CREATED = re.compile(
    rf"CREATE (?:OR REPLACE )?TEMP(?:ORARY)? STAGE (?:IF NOT EXISTS )?(?P<stage>{NAME})", re.IGNORECASE
)


def _created(event):
    return CREATED.match(shape(event))


def rule(event):
    return changes(event) and _created(event) is not None


def title(event):
    return f"Snowflake: {user(event)} created temporary stage {bare(_created(event)['stage'])}"


def alert_context(event):
    return {**context(event), "stage": bare(_created(event)["stage"])}
