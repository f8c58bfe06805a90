from uncia_snowflake import user


def _locations(event):
    return [written.get("location") for written in event.get("OBJECTS_MODIFIED") or [] if written.get("location")]


def rule(event):
    return bool(event.get("OBJECTS_MODIFIED")) and bool(_locations(event))


def _tables(event):
    return [read.get("objectName") for read in event.get("DIRECT_OBJECTS_ACCESSED") or [] if read.get("objectName")]


def title(event):
    tables = ", ".join(_tables(event)[:3]) or "a result"
    return f"Snowflake: {user(event)} wrote {tables} to {_locations(event)[0]}"


def dedup(event):
    return f"{user(event)}:{_locations(event)[0]}"


def alert_context(event):
    return {
        "user": user(event),
        "query_id": event.get("QUERY_ID"),
        "locations": _locations(event),
        "tables": _tables(event),
    }
