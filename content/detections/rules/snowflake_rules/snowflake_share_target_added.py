def _targets(event, side):
    listed = (event.deep_get(side, "TARGET_ACCOUNTS") or "").split(",")
    return {account.strip().upper() for account in listed if account.strip()}


def _added(event):
    return sorted(_targets(event, "AFTER") - _targets(event, "BEFORE"))


def rule(event):
    return event.get("OBJECT_TYPE") == "SHARE" and event.get("CHANGE") in ("gained", "changed") and bool(_added(event))


def title(event):
    return f"Snowflake: share {event.get('OBJECT_NAME')} opened to {', '.join(_added(event))}"


def alert_context(event):
    return {"share": event.get("OBJECT_NAME"), "added": _added(event), "now": sorted(_targets(event, "AFTER"))}
