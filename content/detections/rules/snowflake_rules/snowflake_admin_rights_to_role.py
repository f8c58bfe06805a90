from uncia_snowflake import ADMIN_ROLES

# Roles that Snowflake itself gives these rights.
SYSTEM_ROLES = (*ADMIN_ROLES, "SYSADMIN", "USERADMIN")


def rule(event):
    if event.get("DELETED_ON") or (event.get("GRANTEE_NAME") or "").upper() in SYSTEM_ROLES:
        return False
    if event.get("PRIVILEGE") == "MANAGE GRANTS":
        return True
    inherits = event.get("GRANTED_ON") == "ROLE" and event.get("PRIVILEGE") in ("USAGE", "OWNERSHIP")
    return inherits and (event.get("NAME") or "").upper() in ADMIN_ROLES


def _what(event):
    return "MANAGE GRANTS" if event.get("PRIVILEGE") == "MANAGE GRANTS" else f"role {event.get('NAME')}"


def title(event):
    return f"Snowflake: role {event.get('GRANTEE_NAME')} got {_what(event)}"


def alert_context(event):
    return {"role": event.get("GRANTEE_NAME"), "right": _what(event), "granted_by": event.get("GRANTED_BY")}
