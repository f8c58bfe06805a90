from uncia_snowflake import is_failed_login, login_context, user


def rule(event):
    return (
        is_failed_login(event)
        and (event.get("FIRST_AUTHENTICATION_FACTOR") or "").upper() == "PASSWORD"
        and bool(event.get("USER_NAME"))
    )


def unique(event):
    return user(event)


def title(event):
    return f"Snowflake: passwords tried on many users from {event.get('CLIENT_IP')}"


def dedup(event):
    return event.get("CLIENT_IP")


def alert_context(event):
    return login_context(event)
