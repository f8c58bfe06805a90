def rule(event):
    return bool(event.get("user_name"))


def title(event):
    return f"Snowflake: {event.get('user_name')} was refused far more often than usual"


def severity(event):
    return "DEFAULT" if (event.get("statements") or 0) > 1 else "LOW"


def alert_context(event):
    return event.to_dict()
