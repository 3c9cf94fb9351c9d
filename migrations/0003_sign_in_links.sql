-- Links that sign a person in once, without a password. A used one is deleted, so what is here may still be used
-- until its time is over. Like sessions they are in no backup.

CREATE TABLE sign_in_link (
    org_id          UUID    NOT NULL,
    -- SHA-256 of the random token; the token itself is never stored.
    token_sha256    BYTEA   NOT NULL UNIQUE,
    user_id         UUID    NOT NULL,
    created_at      BIGINT  NOT NULL,
    expires_at      BIGINT  NOT NULL,
    PRIMARY KEY (org_id, token_sha256)
);
