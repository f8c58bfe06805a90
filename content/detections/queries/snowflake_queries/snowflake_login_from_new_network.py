def rule(event):
    return bool(event.get("network"))


def title(event):
    return f"Snowflake: {event.get('user_name')} signed in from a new network, {event.get('client_ip')}"


def severity(event):
    return "MEDIUM" if event.get("first_factor") == "PASSWORD" else "DEFAULT"


def dedup(event):
    return f"{event.get('p_source_id')}:{event.get('user_name')}:{event.get('network')}"


def alert_context(event):
    return event.to_dict()
