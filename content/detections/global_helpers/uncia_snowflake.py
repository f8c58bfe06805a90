"""Reading Snowflake's statement and sign-in histories the same way in every rule."""

import re

# Literals come first, so that comment marks inside of them are left alone.
_LITERAL_OR_COMMENT = re.compile(
    r"""
    (?P<literal> '(?:[^'\\]|\\.|'')*' | "(?:[^"]|"")*" | \$\$.*?\$\$ )
    | --[^\n]* | //[^\n]* | /\*.*?\*/
    """,
    re.VERBOSE | re.DOTALL,
)


def statement(event):
    """The statement without comments, on one line, so that rules can match its beginning."""
    text = event.get("QUERY_TEXT") or ""
    text = _LITERAL_OR_COMMENT.sub(lambda found: found.group("literal") or " ", text)
    return " ".join(text.split())


def succeeded(event):
    return (event.get("EXECUTION_STATUS") or "").upper() == "SUCCESS"


def user(event):
    return event.get("USER_NAME") or "unknown user"


def context(event):
    """What an analyst wants to see first of a statement."""
    return {
        "user": user(event),
        "role": event.get("ROLE_NAME"),
        "warehouse": event.get("WAREHOUSE_NAME"),
        "query_id": event.get("QUERY_ID"),
        "session_id": event.get("SESSION_ID"),
        # EVENT_ID of the sign-in in the login history, which knows the address.
        "login_event_id": event.get("AUTHN_EVENT_ID"),
        "statement": statement(event)[:2000],
    }
