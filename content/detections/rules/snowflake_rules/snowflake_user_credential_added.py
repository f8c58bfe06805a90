import re

from uncia_snowflake import NAME, bare, changes, context, shape, user

# Without a name the statement is about the user who runs it.
ALTERED = re.compile(
    rf"ALTER USER (?:IF EXISTS )?(?:(?P<user>(?!(?:SET|ADD|ROTATE) ){NAME}) )?(?P<change>(?:SET|ADD|ROTATE) .*)",
    re.IGNORECASE,
)
CREDENTIALS = {
    "public key": re.compile(r"SET .*?\bRSA_PUBLIC_KEY(?:_2)? ?= ?''", re.IGNORECASE),
    "key pair": re.compile(r"(?:ADD|ROTATE) KEY PAIR ", re.IGNORECASE),
    "access token": re.compile(r"(?:ADD|ROTATE) (?:PROGRAMMATIC ACCESS TOKEN|PAT) ", re.IGNORECASE),
    "workload identity": re.compile(r"SET .*?\bWORKLOAD_IDENTITY ?=|ADD WORKLOAD IDENTITY", re.IGNORECASE),
    "password": re.compile(r"SET .*?\bPASSWORD ?= ?''", re.IGNORECASE),
}


def _altered(event):
    return ALTERED.match(shape(event))


def _credential(event):
    altered = _altered(event)
    if altered is None:
        return None
    return next((name for name, added in CREDENTIALS.items() if added.match(altered["change"])), None)


def rule(event):
    return changes(event) and _credential(event) is not None


def _owner(event):
    return bare(_altered(event)["user"]) or user(event)


def title(event):
    return f"Snowflake: {user(event)} added a credential to user {_owner(event)}: {_credential(event)}"


def severity(event):
    unrestricted = _credential(event) == "access token" and "ROLE_RESTRICTION" not in shape(event).upper()
    return "HIGH" if unrestricted and "ROTATE" not in _altered(event)["change"].upper() else "DEFAULT"


def alert_context(event):
    return {**context(event), "owner": _owner(event), "credential": _credential(event)}
