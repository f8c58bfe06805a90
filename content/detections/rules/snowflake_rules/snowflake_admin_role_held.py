from uncia_snowflake import ADMIN_ROLES


def _is_state(event):
    return bool(event.get("OBJECT_TYPE"))


def _role(event):
    return (event.get("ROLE_NAME") if _is_state(event) else event.get("ROLE")) or ""


def _holder(event):
    return (event.get("USER_NAME") if _is_state(event) else event.get("GRANTEE_NAME")) or "unknown user"


def rule(event):
    if _role(event).upper() not in ADMIN_ROLES:
        return False
    if _is_state(event):
        return event.get("OBJECT_TYPE") == "GRANT_TO_USER" and event.get("CHANGE") == "gained"
    return not event.get("DELETED_ON")


def title(event):
    return f"Snowflake: {_holder(event)} holds {_role(event).upper()}"


def alert_context(event):
    granted_by = event.deep_get("AFTER", "GRANTED_BY") if _is_state(event) else event.get("GRANTED_BY")
    return {"user": _holder(event), "role": _role(event).upper(), "granted_by": granted_by}
