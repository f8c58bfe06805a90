def rule(event):
    return event.get("STATE") == "OPEN"


def title(event):
    return f"Snowflake Trust Center: {event.get('SCANNER_ID')} in {event.get('SCANNER_PACKAGE_ID')}"


def severity(event):
    found = (event.get("SEVERITY") or "").upper()
    return found if found in ("LOW", "MEDIUM", "HIGH", "CRITICAL") else "DEFAULT"


def alert_context(event):
    return {
        "scanner": event.get("SCANNER_ID"),
        "package": event.get("SCANNER_PACKAGE_ID"),
        "first_found": event.get("CREATED_ON"),
    }
