import re

from uncia_snowflake import context, statement, succeeded, user

TARGET = re.compile(r"""COPY INTO '?@(?P<stage>~|(?:"(?:[^"]|"")*"|[\w$.%])+)""", re.IGNORECASE)


def _target(event):
    return TARGET.match(statement(event))


def rule(event):
    return event.get("QUERY_TYPE") == "UNLOAD" and succeeded(event) and _target(event) is not None


def title(event):
    return f"Snowflake: {user(event)} unloaded data into @{_target(event)['stage']}"


def alert_context(event):
    found = context(event)
    found["stage"] = _target(event)["stage"].split(".")[-1].strip('"').upper()
    found["rows"] = event.get("ROWS_UNLOADED")
    return found
