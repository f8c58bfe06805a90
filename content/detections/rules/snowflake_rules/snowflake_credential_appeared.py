NAMES = {"PAT": "access token", "KEYPAIR": "key pair"}
# Second factors make a user harder to take over, not easier.
SECOND_FACTORS = ("PASSKEY", "TOTP")


def _kind(event):
    return event.deep_get("AFTER", "TYPE") or ""


def rule(event):
    if event.get("OBJECT_TYPE") != "CREDENTIAL" or event.get("CHANGE") != "gained":
        return False
    return bool(_kind(event)) and _kind(event) not in SECOND_FACTORS


def title(event):
    kind = NAMES.get(_kind(event), f"workload identity ({_kind(event)})")
    return f"Snowflake: {event.get('USER_NAME')} has a new {kind}, {event.get('OBJECT_NAME')}"


def severity(event):
    if _kind(event) != "PAT":
        return "DEFAULT"
    restricted = event.deep_get("AFTER", "ADDITIONAL_DETAILS", "ROLE_RESTRICTION")
    bypassing = event.deep_get("AFTER", "ADDITIONAL_DETAILS", "MINS_TO_BYPASS_NETWORK_POLICY_REQUIREMENT")
    return "HIGH" if bypassing or not restricted else "DEFAULT"


def alert_context(event):
    return {"user": event.get("USER_NAME"), "credential": event.get("AFTER")}
