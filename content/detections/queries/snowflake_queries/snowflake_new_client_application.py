def rule(event):
    return bool(event.get("application"))


def title(event):
    return f"Snowflake: new application {event.get('application')} on {event.get('os') or 'an unknown system'}"


def alert_context(event):
    return event.to_dict()
