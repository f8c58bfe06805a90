from uncia_snowflake import is_login, login_context, user


def rule(event):
    return (
        is_login(event)
        and event.get("IS_SUCCESS") == "YES"
        and (event.get("FIRST_AUTHENTICATION_FACTOR") or "").upper() == "PASSWORD"
    )


def title(event):
    return f"Snowflake: {user(event)} signed in with a password from {event.get('CLIENT_IP')}"


def alert_context(event):
    return login_context(event)
