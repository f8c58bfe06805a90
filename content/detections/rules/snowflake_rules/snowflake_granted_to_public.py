HARMLESS = ("USAGE", "REFERENCES", "REFERENCE_USAGE", "MONITOR")
READING = ("SELECT", "READ")


def rule(event):
    return (event.get("GRANTEE_NAME") or "").upper() == "PUBLIC" and not event.get("DELETED_ON")


def _object(event):
    parts = (event.get("TABLE_CATALOG"), event.get("TABLE_SCHEMA"), event.get("NAME"))
    return ".".join(part for part in parts if part)


def title(event):
    return f"Snowflake: everybody got {event.get('PRIVILEGE')} on {event.get('GRANTED_ON')} {_object(event)}"


def severity(event):
    privilege = (event.get("PRIVILEGE") or "").upper()
    if privilege in HARMLESS:
        return "LOW"
    return "DEFAULT" if privilege in READING else "HIGH"


def alert_context(event):
    return {
        "privilege": event.get("PRIVILEGE"),
        "object": _object(event),
        "kind": event.get("GRANTED_ON"),
        "granted_by": event.get("GRANTED_BY"),
    }
