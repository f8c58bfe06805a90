from uncia_snowflake import SERVICE_TYPES, account_user, is_login, login_context, user


def rule(event):
    if not is_login(event) or event.get("IS_SUCCESS") != "YES":
        return False
    # Keys, tokens and single sign-on are no passwords; their second factor, if any, is proved elsewhere.
    if (event.get("FIRST_AUTHENTICATION_FACTOR") or "").upper() != "PASSWORD":
        return False
    if event.get("SECOND_AUTHENTICATION_FACTOR"):
        return False
    # Programs have no second factor to give; that they have a password is a finding of posture.
    return account_user(event).get("TYPE") not in SERVICE_TYPES


def title(event):
    return f"Snowflake: {user(event)} signed in with a password alone from {event.get('CLIENT_IP')}"


def dedup(event):
    return f"{user(event)}:{event.get('CLIENT_IP')}"


def alert_context(event):
    return {**login_context(event), "login_details": event.get("LOGIN_DETAILS")}
