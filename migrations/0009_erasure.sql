-- People who were erased (docs/decisions/0023-erasing-a-person.md). A row says that the document under this id is gone for
-- good, with ids and a reason from a list, nobody's words: it is kept for ever, outlives a restore, and is what makes the
-- document gone again where an older backup still had it.
CREATE TABLE erasure (
    org_id          UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    kind            SMALLINT NOT NULL,
    -- Who had made the document.
    author_id       UUID    NOT NULL,
    -- request, consent_withdrawn, purpose_ended, unlawful
    reason          TEXT    NOT NULL,
    -- NULL: whoever runs the server.
    by_user_id      UUID,
    erased_at       BIGINT  NOT NULL,
    -- When the files were cleaned of what had been deleted; NULL: not yet.
    cleaned_at      BIGINT,
    PRIMARY KEY (org_id, document_id)
);
CREATE INDEX erasure_uncleaned ON erasure (org_id, erased_at) WHERE cleaned_at IS NULL;

-- Of two different changes under one name the second, kept for whoever looks into it. Not in the audit, whose rows hold
-- nobody's words and cannot be taken back.
CREATE TABLE equivocation (
    org_id          UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    body_sha256     BYTEA   NOT NULL,
    body            BYTEA   NOT NULL,
    author_id       UUID    NOT NULL,
    device_id       UUID,
    received_at     BIGINT  NOT NULL,
    PRIMARY KEY (org_id, document_id, body_sha256)
);
