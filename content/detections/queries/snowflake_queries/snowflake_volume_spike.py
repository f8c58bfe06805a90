def rule(event):
    return bool(event.get("user_name"))


def title(event):
    return f"Snowflake: {event.get('user_name')} moved far more data than usual ({event.get('measure')})"


def severity(event):
    # Without a score there is no past to compare with.
    return "HIGH" if (event.get("z_score") or 0) >= 10 else "DEFAULT"


def dedup(event):
    return f"{event.get('p_source_id')}:{event.get('user_name')}"


def alert_context(event):
    return event.to_dict()
