def rule(event):
    return bool(event.get("query_text"))


def title(_):
    return "Snowflake: shares made yesterday"


def alert_context(event):
    return {"user": event.get("user_name"), "statement": (event.get("query_text") or "")[:2000]}
