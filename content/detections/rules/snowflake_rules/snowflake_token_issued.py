import re

from uncia_snowflake import context, shape, statement, succeeded, user

ISSUED = re.compile(r"\bSYSTEM\$(?P<what>GENERATE_SCIM_ACCESS_TOKEN|SHOW_OAUTH_CLIENT_SECRETS) ?\(", re.IGNORECASE)
NAMED = re.compile(ISSUED.pattern + r" ?'(?P<integration>[^']*)'", re.IGNORECASE)


def _issued(event):
    # Asked first, as it is cheap: nearly no statement names a system function.
    if "SYSTEM$" not in (event.get("QUERY_TEXT") or "").upper():
        return None
    return ISSUED.search(shape(event))


def rule(event):
    return succeeded(event) and _issued(event) is not None


def _integration(event):
    named = NAMED.search(statement(event))
    return named["integration"] if named else "an integration"


def title(event):
    what = "a provisioning token" if "SCIM" in _issued(event)["what"].upper() else "client secrets"
    return f"Snowflake: {user(event)} obtained {what} of {_integration(event)}"


def alert_context(event):
    return {**context(event), "integration": _integration(event)}
