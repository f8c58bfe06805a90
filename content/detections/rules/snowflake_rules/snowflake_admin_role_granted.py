import re

from uncia_snowflake import context, statement, succeeded, user

# The system roles that can give themselves everything else.
GRANT = re.compile(
    r'GRANT ROLE "?(?P<role>ACCOUNTADMIN|SECURITYADMIN|ORGADMIN|GLOBALORGADMIN)"? '
    r"TO (?P<kind>USER|ROLE) (?P<grantee>\"(?:[^\"]|\"\")*\"|[\w$.]+)",
    re.IGNORECASE,
)


def rule(event):
    return succeeded(event) and GRANT.match(statement(event)) is not None


def title(event):
    grant = GRANT.match(statement(event))
    grantee = grant["grantee"].strip('"')
    return f"Snowflake: {user(event)} granted {grant['role'].upper()} to {grant['kind'].lower()} {grantee}"


def severity(event):
    grant = GRANT.match(statement(event))
    if grant["grantee"].strip('"').upper() == user(event).upper():
        return "CRITICAL"
    return "DEFAULT"


def alert_context(event):
    found = context(event)
    grant = GRANT.match(statement(event))
    found["granted_role"] = grant["role"].upper()
    found["grantee"] = grant["grantee"].strip('"')
    return found
