from uncia_snowflake import user


def _environment(event):
    """The client's description of itself as one text: an object, or JSON that was not opened."""
    found = event.get("CLIENT_ENVIRONMENT")
    if not found:
        return ""
    if isinstance(found, str):
        return found.lower()
    return f"{found.get('APPLICATION')} {found.get('OS')} {found.get('OS_VERSION')}".lower()


def _is_tool(event):
    return "rapeflake" in _environment(event) or "rapeflake" in (event.get("CLIENT_APPLICATION_ID") or "").lower()


def rule(event):
    environment = _environment(event)
    return _is_tool(event) or ("dbeaver_dbeaverultimate" in environment and "windows server 2022" in environment)


def title(event):
    tool = "rapeflake" if _is_tool(event) else "DBeaver Ultimate on Windows Server 2022"
    return f"Snowflake: session of {user(event)} with {tool}"


def severity(event):
    return "CRITICAL" if _is_tool(event) else "DEFAULT"


def alert_context(event):
    return {
        "user": user(event),
        "session_id": event.get("SESSION_ID"),
        "login_event_id": event.get("LOGIN_EVENT_ID"),
        "client": event.get("CLIENT_APPLICATION_ID"),
        "environment": _environment(event),
    }
