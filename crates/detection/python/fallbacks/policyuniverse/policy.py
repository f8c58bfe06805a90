"""A resource policy."""

from collections.abc import Mapping

from policyuniverse.action_categories import categories_for_actions
from policyuniverse.statement import Statement


class Policy:
    """The statements of a policy document, and questions over all of them."""

    def __init__(self, policy):
        self.policy = policy
        statements = policy.get("Statement") or []
        if isinstance(statements, Mapping):
            statements = [statements]
        self.statements = [Statement(statement) for statement in statements]

    principals = property(lambda self: {p for s in self.statements for p in s.principals})
    condition_entries = property(lambda self: {entry for s in self.statements for entry in s.condition_entries})

    def whos_allowed(self):
        """Who the allowing statements let in."""
        return {who for s in self.statements if s.effect == "Allow" for who in s.whos_allowed()}

    def action_summary(self):
        """Services to the access levels that the allowing statements give."""
        return categories_for_actions({a for s in self.statements if s.effect == "Allow" for a in s.actions})

    def is_internet_accessible(self):
        """Whether any statement lets anyone in."""
        return any(statement.is_internet_accessible() for statement in self.statements)

    def internet_accessible_actions(self):
        """The actions of the statements that let anyone in."""
        actions = (s.statement.get("Action") or () for s in self.statements if s.is_internet_accessible())
        return {action for listed in actions for action in ([listed] if isinstance(listed, str) else listed)}
