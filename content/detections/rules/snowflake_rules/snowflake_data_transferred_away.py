# Movements that no user makes with a statement of theirs.
OWN_MOVEMENTS = ("REPLICATION", "INTERNAL")
GIGABYTE = 1_000_000_000


def _place(event, side):
    parts = (event.get(f"{side}_CLOUD") or "", event.get(f"{side}_REGION") or "")
    return " ".join(parts).upper().replace("_", "-").strip()


def rule(event):
    if (event.get("TRANSFER_TYPE") or "").upper() in OWN_MOVEMENTS or int(event.get("BYTES_TRANSFERRED") or 0) <= 0:
        return False
    source, target = _place(event, "SOURCE"), _place(event, "TARGET")
    return bool(source) and bool(target) and source != target


def title(event):
    account, kind = event.get("ACCOUNT_NAME"), event.get("TRANSFER_TYPE")
    return f"Snowflake: data of account {account} transferred to {_place(event, 'TARGET')} ({kind})"


def severity(event):
    transferred = int(event.get("BYTES_TRANSFERRED") or 0)
    if transferred >= 100 * GIGABYTE:
        return "HIGH"
    return "MEDIUM" if transferred >= GIGABYTE else "DEFAULT"


def alert_context(event):
    return {
        "account": event.get("ACCOUNT_NAME"),
        "from": _place(event, "SOURCE"),
        "to": _place(event, "TARGET"),
        "bytes": event.get("BYTES_TRANSFERRED"),
        "type": event.get("TRANSFER_TYPE"),
    }
