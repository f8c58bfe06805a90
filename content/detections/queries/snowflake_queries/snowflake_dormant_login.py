def rule(event):
    return (event.get("days_away") or 0) >= 90


def title(event):
    return f"Snowflake: {event.get('user_name')} came back after {event.get('days_away')} days"


def severity(event):
    return "HIGH" if event.get("first_factor") == "PASSWORD" else "DEFAULT"


def dedup(event):
    return f"{event.get('p_source_id')}:{event.get('user_name')}"


def alert_context(event):
    return event.to_dict()
