"""Reading Snowflake's statement and sign-in histories the same way in every rule."""

import re

# Literals come first, so that comment marks inside of them are left alone. Snowflake cuts statements at 100,000 characters,
# so each of these may be open at the end; what is open there ends there, and no text makes the search start over.
_LITERAL = r"""'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)|\$\$.*?(?:\$\$|\Z)"""
_QUOTED_NAME = r'"(?:[^"]|"")*(?:"|\Z)'
_COMMENT = r"--[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z)"
_LITERAL_OR_COMMENT = re.compile(f"(?P<kept>{_LITERAL}|{_QUOTED_NAME})|{_COMMENT}", re.DOTALL)
_LITERAL_OR_NAME = re.compile(f"(?P<literal>{_LITERAL})|{_QUOTED_NAME}", re.DOTALL)
# A name may be written as a literal, which would hide it from whoever ignores literals.
_IDENTIFIER = re.compile(r"\bIDENTIFIER ?\( ?'([^'\\]*)' ?\)", re.IGNORECASE)

# A name as statements write it, for patterns: qualified or not, parts quoted or not.
NAME = r'(?:"(?:[^"]|"")*"|[\w$]+)(?:\.+(?:"(?:[^"]|"")*"|[\w$]+))*'

# System roles that can give themselves everything else.
ADMIN_ROLES = ("ACCOUNTADMIN", "SECURITYADMIN", "ORGADMIN", "GLOBALORGADMIN")
# Users that are no people.
SERVICE_TYPES = ("SERVICE", "LEGACY_SERVICE", "SNOWFLAKE_SERVICE")

# Statements that change no object but rows. Nearly all are; whoever looks for changes need not read their text.
_NO_CHANGES = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "COPY",
    "UNLOAD",
    "GET_FILES",
    "PUT_FILES",
    "LIST_FILES",
    "SHOW",
    "DESCRIBE",
    "EXPLAIN",
    "USE",
    "BEGIN_TRANSACTION",
    "COMMIT",
    "ROLLBACK",
)


def _without_comment(found):
    return found.group("kept") or " "


def _without_literal(found):
    return "''" if found.group("literal") else found.group(0)


def statement(event):
    """The statement without comments, on one line, so that rules can match its beginning."""
    text = event.get("QUERY_TEXT") or ""
    text = _LITERAL_OR_COMMENT.sub(_without_comment, text)
    return _IDENTIFIER.sub(r"\1", " ".join(text.split()))


def shape(event):
    """The statement with its literals emptied: what it does, whatever texts it carries."""
    return _LITERAL_OR_NAME.sub(_without_literal, statement(event))


def bare(name):
    """The last part of a name as Snowflake keeps it: quoted as it is written, else in capitals."""
    last = re.findall(r'"(?:[^"]|"")*"|[\w$]+', name or "")[-1:]
    if not last:
        return ""
    return last[0][1:-1].replace('""', '"') if last[0].startswith('"') else last[0].upper()


def account_user(event):
    """What the newest snapshot of the account says of the event's user; empty if there is none."""
    for table, found in (event.get("p_enrichment") or {}).items():
        if not table.endswith("_users"):
            continue
        for row in found.get("p_any_usernames") or []:
            if row.get("NAME") == event.get("USER_NAME"):
                return row
    return {}


def succeeded(event):
    return (event.get("EXECUTION_STATUS") or "").upper() == "SUCCESS"


def changes(event):
    """Whether the statement may have changed an object, a grant or a parameter."""
    return event.get("QUERY_TYPE") not in _NO_CHANGES and succeeded(event)


def user(event):
    return event.get("USER_NAME") or "unknown user"


def is_login(event):
    # Snowflake's own operations sign in from nowhere.
    return event.get("EVENT_TYPE") == "LOGIN" and event.get("CLIENT_IP") not in (
        None,
        "0.0.0.0",
        "INTERNAL_SNOWFLAKE_IP/0.0.0.0",
    )


def is_failed_login(event):
    # OVERFLOW_FAILURE_EVENTS_ELIDED stands for failures that Snowflake left out; counted by nobody, blamed on no address.
    return (
        is_login(event)
        and event.get("IS_SUCCESS") == "NO"
        and event.get("ERROR_MESSAGE") != "OVERFLOW_FAILURE_EVENTS_ELIDED"
    )


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


def login_context(event):
    """What an analyst wants to see first of a sign-in."""
    return {
        "user": user(event),
        "source_ip": event.get("CLIENT_IP"),
        "client": event.get("REPORTED_CLIENT_TYPE"),
        "client_version": event.get("REPORTED_CLIENT_VERSION"),
        "first_factor": event.get("FIRST_AUTHENTICATION_FACTOR"),
        "second_factor": event.get("SECOND_AUTHENTICATION_FACTOR"),
        "error": event.get("ERROR_MESSAGE"),
        "event_id": event.get("EVENT_ID"),
    }
