import re

from uncia_snowflake import context, statement, succeeded, user

SOURCE = re.compile(r"""GET '?@(?P<path>(?P<stage>~|(?:"(?:[^"]|"")*"|[\w$.%])+)[^\s']*)""", re.IGNORECASE)


def _source(event):
    return SOURCE.match(statement(event))


def rule(event):
    if event.get("QUERY_TYPE") != "GET_FILES" or not succeeded(event):
        return False
    source = _source(event)
    return source is not None and not source["path"].startswith("~/worksheet_data")


def title(event):
    return f"Snowflake: {user(event)} downloaded @{_source(event)['path']}"


def alert_context(event):
    found = context(event)
    found["stage"] = _source(event)["stage"].split(".")[-1].strip('"').upper()
    found["path"] = _source(event)["path"]
    return found
