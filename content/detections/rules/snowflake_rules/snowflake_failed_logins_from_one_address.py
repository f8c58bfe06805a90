from uncia_snowflake import is_failed_login, user


def rule(event):
    return is_failed_login(event)


def title(event):
    return f"Snowflake: repeated failed sign-ins from {event.get('CLIENT_IP')}"


def dedup(event):
    return event.get("CLIENT_IP")


def alert_context(event):
    return {
        "source_ip": event.get("CLIENT_IP"),
        "last_user": user(event),
        "client": event.get("REPORTED_CLIENT_TYPE"),
        "error": event.get("ERROR_MESSAGE"),
    }
