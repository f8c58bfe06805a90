def rule(event):
    return (event.get("password_logins") or 0) > 0 and (event.get("sso_logins") or 0) > 0


def title(event):
    return f"Snowflake: {event.get('user_name')} signed in with a password instead of single sign-on"


def severity(event):
    return "LOW" if event.get("second_factor") else "DEFAULT"


def dedup(event):
    return f"{event.get('p_source_id')}:{event.get('user_name')}"


def alert_context(event):
    return event.to_dict()
