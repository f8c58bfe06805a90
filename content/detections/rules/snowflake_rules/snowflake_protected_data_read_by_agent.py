from uncia_snowflake import user


def rule(event):
    if not event.get("POLICIES_REFERENCED"):
        return False
    return bool(event.get("AGENTS_INFO")) or (event.get("EVENT_SOURCE") or "").lower() == "horizon_irc"


def _tables(event):
    return sorted({item.get("objectName") or "a table" for item in event.get("POLICIES_REFERENCED")})


def title(event):
    reader = "an agent" if event.get("AGENTS_INFO") else "another engine"
    return f"Snowflake: {reader} read {', '.join(_tables(event)[:3])} as {user(event)}"


def alert_context(event):
    return {
        "user": user(event),
        "query_id": event.get("QUERY_ID"),
        "tables": _tables(event),
        "agents": event.get("AGENTS_INFO"),
        "source": event.get("EVENT_SOURCE"),
    }
