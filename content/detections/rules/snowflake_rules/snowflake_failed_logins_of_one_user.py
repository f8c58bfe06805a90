from uncia_snowflake import is_failed_login, login_context, user


def rule(event):
    return is_failed_login(event) and bool(event.get("USER_NAME"))


def title(event):
    return f"Snowflake: repeated failed sign-ins of {user(event)}"


def severity(event):
    return "LOW" if "JWT_TOKEN" in (event.get("ERROR_MESSAGE") or "") else "DEFAULT"


def dedup(event):
    return user(event)


def alert_context(event):
    return login_context(event)
