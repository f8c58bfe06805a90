import re

from uncia_snowflake import NAME, changes, context, statement, succeeded, user

GUARDS = (
    "PREVENT_UNLOAD_TO_INLINE_URL|PREVENT_UNLOAD_TO_INTERNAL_STAGES|REQUIRE_STORAGE_INTEGRATION_FOR_STAGE_CREATION|"
    "REQUIRE_STORAGE_INTEGRATION_FOR_STAGE_OPERATION|PERIODIC_DATA_REKEYING|OAUTH_ADD_PRIVILEGED_ROLES_TO_BLOCKED_LIST|"
    "EXTERNAL_OAUTH_ADD_PRIVILEGED_ROLES_TO_BLOCKED_LIST"
)
LOWERED = re.compile(
    rf"ALTER (?:ACCOUNT|USER (?:IF EXISTS )?{NAME}) "
    rf"(?:SET (?:.*[ ,])?(?P<off>{GUARDS}) ?= ?'?FALSE\b|UNSET (?:.*[ ,])?(?P<unset>{GUARDS})\b)",
    re.IGNORECASE,
)
LET_IN = re.compile(
    r"\bSYSTEM\$(?P<off>OPT_OUT_MALICIOUS_IP_PROTECTION_BY_CATEGORY) ?\( ?'(?P<unset>[^']+)'", re.IGNORECASE
)


def _lowered(event):
    if changes(event):
        return LOWERED.match(statement(event))
    if succeeded(event) and "OPT_OUT_MALICIOUS_IP" in (event.get("QUERY_TEXT") or "").upper():
        return LET_IN.search(statement(event))
    return None


def rule(event):
    return _lowered(event) is not None


def _what(event):
    lowered = _lowered(event)
    return (lowered["off"] or lowered["unset"]).upper()


def title(event):
    if _what(event).startswith("OPT_OUT"):
        return f"Snowflake: {user(event)} let addresses in that are known to be malicious"
    return f"Snowflake: {user(event)} turned off {_what(event)}"


def alert_context(event):
    return {**context(event), "protection": _what(event)}
