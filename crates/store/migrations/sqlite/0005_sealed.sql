-- Secrets at rest. Each is encrypted with a data key of its own, which is wrapped by the key-encryption key; that one is
-- not here. `revision` grows with every change, so that two writers cannot overwrite each other unknowingly.
CREATE TABLE sealed (
    name TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    content BLOB NOT NULL,
    updated_micros BIGINT NOT NULL
);

-- What happened to credentials: by whom, when. Details hold fingerprints and times, never a secret.
CREATE TABLE credential_log (
    number INTEGER NOT NULL PRIMARY KEY,
    at_micros BIGINT NOT NULL,
    who TEXT NOT NULL,
    credential TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
);
