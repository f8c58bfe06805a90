POLICIES = ("NETWORK_POLICY", "PASSWORD_POLICY", "SESSION_POLICY")
GUARDS = (
    "PREVENT_UNLOAD_TO_INLINE_URL",
    "PREVENT_UNLOAD_TO_INTERNAL_STAGES",
    "REQUIRE_STORAGE_INTEGRATION_FOR_STAGE_CREATION",
    "REQUIRE_STORAGE_INTEGRATION_FOR_STAGE_OPERATION",
    "PERIODIC_DATA_REKEYING",
)
# Who is let in, and what stands for everybody.
ADMITTED = ("ALLOWED_IP_LIST", "VALUE_LIST")
EVERYBODY = ("0.0.0.0/0", "::/0")
# Numbers that protect by being high, and by being low.
FLOORS = ("PASSWORD_MIN_LENGTH", "PASSWORD_HISTORY", "PASSWORD_LOCKOUT_TIME_MINS")
CEILINGS = ("SESSION_IDLE_TIMEOUT_MINS", "SESSION_UI_IDLE_TIMEOUT_MINS", "PASSWORD_MAX_RETRIES")


def _admits_everybody(event, side):
    listed = ",".join(str(event.deep_get(side, column) or "") for column in ADMITTED)
    return any(part.strip() in EVERYBODY for part in listed.split(","))


def _number(event, side, column):
    text = str(event.deep_get(side, column))
    return int(text) if text.lstrip("-").isdigit() else None


def _moved(event, column, sign):
    before, after = _number(event, "BEFORE", column), _number(event, "AFTER", column)
    return before is not None and after is not None and (after - before) * sign > 0


def _reason(event):
    kind, change = event.get("OBJECT_TYPE"), event.get("CHANGE")
    if change == "lost":
        return "is gone" if kind in POLICIES else None
    if change != "changed":
        return None
    if kind == "PARAMETER":
        off = event.get("OBJECT_NAME") in GUARDS and str(event.deep_get("AFTER", "VALUE")).lower() == "false"
        return "was turned off" if off else None
    if kind in ("NETWORK_POLICY", "NETWORK_RULE"):
        opened = _admits_everybody(event, "AFTER") and not _admits_everybody(event, "BEFORE")
        return "admits everybody" if opened else None
    weaker = [column for column in FLOORS if _moved(event, column, -1)]
    weaker += [column for column in CEILINGS if _moved(event, column, 1)]
    return f"was weakened: {', '.join(weaker)}" if weaker else None


def rule(event):
    return _reason(event) is not None


def title(event):
    kind = (event.get("OBJECT_TYPE") or "").replace("_", " ").lower()
    return f"Snowflake: {kind} {event.get('OBJECT_NAME')} {_reason(event)}"


def alert_context(event):
    return {"object": event.get("OBJECT_NAME"), "before": event.get("BEFORE"), "after": event.get("AFTER")}
