def rule(event):
    return bool(event.get("user_name"))


def title(event):
    return f"Snowflake: {event.get('user_name')} extracts data piece by piece, on {event.get('days')} days"


def dedup(event):
    return f"{event.get('p_source_id')}:{event.get('user_name')}:{event.get('query_parameterized_hash')}"


def alert_context(event):
    found = event.to_dict()
    found["query_text"] = (found.get("query_text") or "")[:2000]
    return found
