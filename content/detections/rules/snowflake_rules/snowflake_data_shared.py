import re

from uncia_snowflake import context, statement, succeeded, user

NAME = r'(?P<share>(?:"(?:[^"]|"")*"|[\w$.])+)'
CREATED = re.compile(rf"CREATE (?:OR REPLACE )?SHARE (?:IF NOT EXISTS )?{NAME}", re.IGNORECASE)
FILLED = re.compile(rf"GRANT .* TO SHARE {NAME}", re.IGNORECASE)
OPENED = re.compile(
    rf"ALTER SHARE (?:IF EXISTS )?{NAME} (?:ADD|SET) ACCOUNTS ?= ?(?P<accounts>[\w$\"., ]+)", re.IGNORECASE
)


def _share(event):
    text = statement(event)
    return OPENED.match(text) or CREATED.match(text) or FILLED.match(text)


def rule(event):
    return succeeded(event) and _share(event) is not None


def _accounts(event):
    opened = OPENED.match(statement(event))
    if not opened:
        return []
    # Options such as SHARE_RESTRICTIONS may follow the list.
    listed = re.split(r"\s+\w+\s*=", opened["accounts"] + " ")[0]
    return [account.strip() for account in listed.split(",") if account.strip()]


def title(event):
    share = _share(event)["share"].strip('"')
    accounts = _accounts(event)
    if accounts:
        return f"Snowflake: {user(event)} opened share {share} to {', '.join(accounts)}"
    return f"Snowflake: {user(event)} prepared share {share}"


def severity(event):
    # Only now do data leave the account.
    return "HIGH" if _accounts(event) else "DEFAULT"


def dedup(event):
    opened = "opened" if _accounts(event) else "prepared"
    return f"{user(event)}:{_share(event)['share'].upper()}:{opened}"


def alert_context(event):
    found = context(event)
    found["share"] = _share(event)["share"]
    found["accounts"] = _accounts(event)
    return found
