def rule(event):
    return bool(event.get("table_name"))


def title(event):
    return f"Snowflake: {event.get('user_name')} read {event.get('table_name')} for the first time"


def alert_context(event):
    return event.to_dict()
