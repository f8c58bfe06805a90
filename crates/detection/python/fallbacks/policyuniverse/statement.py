"""One statement of a resource policy, and what its conditions say of who may use it."""

from collections import namedtuple
from collections.abc import Mapping

from policyuniverse.arn import ARN

ConditionTuple = namedtuple("ConditionTuple", "category value")
PrincipalTuple = namedtuple("PrincipalTuple", "category value")

_CATEGORIES = {
    "aws:sourcearn": "arn",
    "aws:principalarn": "arn",
    "aws:sourceowner": "account",
    "aws:sourceaccount": "account",
    "aws:principalaccount": "account",
    "kms:calleraccount": "account",
    "aws:principalorgid": "organization",
    "aws:principalorgpaths": "organization",
    "aws:userid": "userid",
    "aws:sourceip": "cidr",
    "aws:sourcevpc": "vpc",
    "aws:sourcevpce": "vpce",
}

_PRINCIPALS = ("AWS", "Service", "Federated")

# Conditions that narrow; their negations do not say who is let in.
_OPERATORS = {"arnequals", "arnlike", "stringequals", "stringequalsignorecase", "stringlike", "ipaddress"}


def _listed(value):
    if value is None:
        return []
    return [value] if isinstance(value, (str, Mapping)) else list(value)


class Statement:
    """`principals`, `actions`, `resources` and `condition_entries` of a statement."""

    def __init__(self, statement):
        self.statement = statement
        self.effect = statement.get("Effect")
        self.resources = set(_listed(statement.get("Resource")))
        self.actions = {action.lower() for action in _listed(statement.get("Action"))}
        self.principals = self._principals()
        self.condition_entries = self._conditions()

    def uses_not_principal(self):
        """Whether the statement names who is left out instead of who is let in."""
        return "NotPrincipal" in self.statement

    def uses_not_resource(self):
        """Whether the statement names the resources it does not cover."""
        return "NotResource" in self.statement

    def _principals(self):
        principal = self.statement.get("Principal")
        if isinstance(principal, Mapping):
            return {name for kind in _PRINCIPALS for name in _listed(principal.get(kind))}
        return set(_listed(principal))

    def _conditions(self):
        entries = []
        for operator, conditions in (self.statement.get("Condition") or {}).items():
            plain = operator.lower().removeprefix("forallvalues:").removeprefix("foranyvalue:").removesuffix("ifexists")
            if plain not in _OPERATORS:
                continue
            for key, values in conditions.items():
                category = _CATEGORIES.get(key.lower())
                if category is not None:
                    entries.extend(ConditionTuple(category, value) for value in _listed(values))
        return entries

    def _of(self, category):
        return {entry.value for entry in self.condition_entries if entry.category == category}

    condition_arns = property(lambda self: self._of("arn"))
    condition_accounts = property(lambda self: self._of("account"))
    condition_orgids = property(lambda self: self._of("organization"))
    condition_userids = property(lambda self: self._of("userid"))
    condition_cidrs = property(lambda self: self._of("cidr"))
    condition_vpcs = property(lambda self: self._of("vpc"))
    condition_vpces = property(lambda self: self._of("vpce"))

    def whos_allowed(self):
        """Principals and condition values by category."""
        who = {PrincipalTuple("principal", principal) for principal in self.principals}
        return who | set(self.condition_entries)

    def is_internet_accessible(self):
        """Whether anyone at all is let in: an open principal, and no condition that narrows."""
        if self.effect != "Allow":
            return False
        if not self.uses_not_principal() and not any(map(_open_arn, self.principals)):
            return False
        return not self.condition_entries or any(map(_open_entry, self.condition_entries))


def _open_arn(text):
    if text == "*":
        return True
    arn = ARN(text)
    if arn.error:
        return "*" in text
    if arn.service or arn.tech == "s3":
        return False
    return not arn.account_number or arn.account_number == "*"


def _open_entry(entry):
    if entry.category == "arn":
        return _open_arn(entry.value)
    if entry.category == "organization":
        return False
    if entry.category == "userid":
        # Narrow is one wildcard at the end, for the session's name behind the role's id.
        return entry.value.find("*") != len(entry.value) - 1
    if entry.category == "cidr":
        return entry.value.endswith("/0")
    return "*" in entry.value
