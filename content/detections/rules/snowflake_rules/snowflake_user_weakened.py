def _flag(value):
    """A flag as a boolean, whether it is one or its text; None where there is none."""
    return {"true": True, "false": False}.get(str(value).lower())


def _turned(event, column, to):
    before, after = event.deep_get("BEFORE", column), event.deep_get("AFTER", column)
    return _flag(before) is (not to) and _flag(after) is to


def _reasons(event):
    reasons = []
    if _turned(event, "HAS_MFA", False):
        reasons.append("lost the second factor")
    if _turned(event, "HAS_PASSWORD", True):
        reasons.append("got a password")
    if _turned(event, "DISABLED", False):
        reasons.append("was enabled")
    if event.deep_get("AFTER", "BYPASS_MFA_UNTIL"):
        reasons.append("may sign in without the second factor")
    return reasons


def rule(event):
    return event.get("OBJECT_TYPE") == "USER" and event.get("CHANGE") == "changed" and bool(_reasons(event))


def title(event):
    return f"Snowflake: {event.get('OBJECT_NAME')} {', '.join(_reasons(event))}"


def severity(event):
    return "HIGH" if _turned(event, "HAS_MFA", False) else "DEFAULT"


def alert_context(event):
    return {
        "user": event.get("OBJECT_NAME"),
        "reasons": _reasons(event),
        "before": event.get("BEFORE"),
        "after": event.get("AFTER"),
    }
