def rule(event):
    return bool(event.get("user_name"))


def title(event):
    return f"Snowflake: {event.get('user_name')} looked through the account in a hurry"


def severity(event):
    # Both together is how somebody behaves who does not know the account yet.
    return "HIGH" if (event.get("listings") or 0) >= 40 and (event.get("whole_tables") or 0) >= 15 else "DEFAULT"


def dedup(event):
    return f"{event.get('p_source_id')}:{event.get('user_name')}"


def alert_context(event):
    return event.to_dict()
