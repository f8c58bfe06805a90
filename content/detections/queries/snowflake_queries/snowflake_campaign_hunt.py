from uncia_snowflake_campaigns import CAMPAIGN_OF


def rule(event):
    return event.get("client_ip") in CAMPAIGN_OF


def title(event):
    campaign = CAMPAIGN_OF[event.get("client_ip")]
    return f"Snowflake: {event.get('user_name')} signed in from {event.get('client_ip')}, known from {campaign['name']}, in the past"


def severity(event):
    return "DEFAULT" if event.get("successes") else "LOW"


def alert_context(event):
    return event.to_dict()
