-- Values that arrived after their author had lost the customer, for fields that somebody else had written meanwhile: the
-- other's value is shown, this one waits here for whoever has the customer now (sync_core::hub::amend).
CREATE TABLE proposal (
    org_id          UUID    NOT NULL,
    proposal_id     UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    kind            SMALLINT NOT NULL,
    field           TEXT    NOT NULL,
    -- The entry of a field that is a map; NULL: the field itself.
    entry           TEXT,
    -- The value, JSON.
    value           TEXT    NOT NULL,
    -- The change that wrote it.
    actor           BYTEA   NOT NULL,
    seq             BIGINT  NOT NULL,
    author_id       UUID    NOT NULL,
    device_id       UUID,
    device_time     BIGINT  NOT NULL,
    received_at     BIGINT  NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('open', 'accepted', 'dismissed')),
    decided_by      UUID,
    decided_at      BIGINT,
    PRIMARY KEY (org_id, proposal_id)
);
CREATE INDEX proposal_by_customer ON proposal (org_id, customer_id, state, received_at);
