-- Temporary cover: somebody stands in for another for a while. What the rows give is in viewer_scope (all his customers)
-- or scope_member (some of them); these say who gave it, until when, and how it ended.
CREATE TABLE cover (
    org_id          UUID    NOT NULL,
    cover_id        UUID    NOT NULL,
    -- Whose customers.
    of_user_id      UUID    NOT NULL,
    -- Who looks after them.
    by_user_id      UUID    NOT NULL,
    given_by_id     UUID    NOT NULL,
    reason          TEXT    NOT NULL,
    -- All his customers, those he gets meanwhile included; otherwise the ones that are members of the cover's scope
    -- from begun_seq on.
    everything      BOOLEAN NOT NULL,
    -- How many they were at the beginning.
    customers       BIGINT  NOT NULL,
    begun_at        BIGINT  NOT NULL,
    begun_seq       BIGINT  NOT NULL,
    until_at        BIGINT  NOT NULL,
    ended_at        BIGINT,
    -- NULL: its time was over.
    ended_by_id     UUID,
    PRIMARY KEY (org_id, cover_id)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX cover_by_time ON cover (org_id, begun_at, cover_id);
CREATE INDEX cover_open ON cover (org_id, by_user_id) WHERE ended_at IS NULL;
-- Of all organisations: what the job that ends covers asks every few seconds.
CREATE INDEX cover_due ON cover (until_at) WHERE ended_at IS NULL;
