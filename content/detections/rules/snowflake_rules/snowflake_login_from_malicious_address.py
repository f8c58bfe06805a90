import json

from uncia_snowflake import login_context, user


def _opened(value):
    """What is written as JSON within JSON, or an empty object."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if hasattr(value, "get") else {}


def _finding(event):
    details = event.get("LOGIN_DETAILS")
    if not details:
        return {}
    return _opened(_opened(details).get("malicious_ip_protection_info"))


def rule(event):
    return bool(event.get("LOGIN_DETAILS")) and bool(_finding(event).get("categories"))


def _categories(event):
    return ", ".join(_finding(event).get("categories") or [])


def title(event):
    done = "signed in" if event.get("IS_SUCCESS") == "YES" else "tried to sign in"
    return f"Snowflake: {user(event)} {done} from {event.get('CLIENT_IP')} ({_categories(event)})"


def severity(event):
    return "DEFAULT" if event.get("IS_SUCCESS") == "YES" else "LOW"


def dedup(event):
    return f"{user(event)}:{event.get('CLIENT_IP')}:{event.get('IS_SUCCESS')}"


def alert_context(event):
    found = login_context(event)
    found["categories"] = _categories(event)
    found["risk"] = _finding(event).get("riskClassification")
    found["result"] = _finding(event).get("result")
    return found
