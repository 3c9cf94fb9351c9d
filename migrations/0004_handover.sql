-- Handovers: everything that somebody owned or was responsible for, given to others in one transaction, and what is
-- needed to give it back. Like the chain of owners they say who did what and hold no customer's words.

CREATE TABLE handover (
    org_id          UUID    NOT NULL,
    handover_id     UUID    NOT NULL,
    from_user_id    UUID    NOT NULL,
    by_user_id      UUID    NOT NULL,
    reason          TEXT    NOT NULL,
    -- JSON: the plan as it was asked for, and what moved, in all and to each.
    plan            TEXT    NOT NULL,
    outcome         TEXT    NOT NULL,
    done_at         BIGINT  NOT NULL,
    undo_until      BIGINT  NOT NULL,
    undone_at       BIGINT,
    undone_by_id    UUID,
    -- JSON: what went back, and what was left alone and why.
    undo_outcome    TEXT,
    PRIMARY KEY (org_id, handover_id)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX handover_by_time ON handover (org_id, done_at, handover_id);

-- What moved, one row an event of the chain of owners: a customer, or who is responsible for a document.
CREATE TABLE handover_item (
    org_id          UUID    NOT NULL,
    handover_id     UUID    NOT NULL,
    -- The event's place in the log.
    seq             BIGINT  NOT NULL,
    customer_id     UUID    NOT NULL,
    -- NULL: the customer itself.
    document_id     UUID,
    -- Before: the customer's team (its owner was the leaver), and the version of its assignment; of a document nothing
    -- more than that the leaver was responsible.
    from_team_id    UUID,
    from_version    BIGINT,
    -- After: the owner or the pool, or who is responsible (none: the owner), and the version of the assignment.
    to_user_id      UUID,
    to_pool_id      UUID,
    to_version      BIGINT,
    PRIMARY KEY (org_id, handover_id, seq)
) /* sqlite: WITHOUT ROWID */;
