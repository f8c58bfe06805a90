from uncia_snowflake import user


def rule(event):
    if (event.deep_get("OBJECT_MODIFIED_BY_DDL", "objectDomain", default="") or "").upper() not in ("SHARE", "LISTING"):
        return False
    return (event.deep_get("OBJECT_MODIFIED_BY_DDL", "operationType", default="") or "").upper() != "DROP"


def title(event):
    changed = event.get("OBJECT_MODIFIED_BY_DDL")
    kind, name = (changed.get("objectDomain") or "").lower(), changed.get("objectName")
    return f"Snowflake: {user(event)} changed {kind} {name}: {(changed.get('operationType') or '').lower()}"


def alert_context(event):
    changed = event.get("OBJECT_MODIFIED_BY_DDL")
    return {
        "user": user(event),
        "query_id": event.get("QUERY_ID"),
        "name": changed.get("objectName"),
        "operation": changed.get("operationType"),
        "properties": changed.get("properties"),
    }
