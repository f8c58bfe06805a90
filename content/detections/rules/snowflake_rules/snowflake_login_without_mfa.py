from uncia_snowflake import user


def rule(event):
    if event.get("EVENT_TYPE") != "LOGIN" or event.get("IS_SUCCESS") != "YES":
        return False
    # Keys, tokens and single sign-on are no passwords; their second factor, if any, is proved elsewhere.
    if (event.get("FIRST_AUTHENTICATION_FACTOR") or "").upper() != "PASSWORD":
        return False
    # Snowflake's own operations sign in from nowhere.
    if event.get("CLIENT_IP") == "0.0.0.0":
        return False
    return not event.get("SECOND_AUTHENTICATION_FACTOR")


def title(event):
    return f"Snowflake: {user(event)} signed in with a password alone from {event.get('CLIENT_IP')}"


def dedup(event):
    return f"{user(event)}:{event.get('CLIENT_IP')}"


def alert_context(event):
    return {
        "user": user(event),
        "source_ip": event.get("CLIENT_IP"),
        "client": event.get("REPORTED_CLIENT_TYPE"),
        "client_version": event.get("REPORTED_CLIENT_VERSION"),
        "event_id": event.get("EVENT_ID"),
        "login_details": event.get("LOGIN_DETAILS"),
    }
