-- One text for SQLite and PostgreSQL 15+. See README.md for the portable subset.
-- Every primary key begins with org_id, and no statement joins across organisations.
-- Times are milliseconds since the Unix epoch. Ids are made by the program.

-- Organisations, people, teams, pools ---------------------------------------------------------------------------

CREATE TABLE organisation (
    org_id          UUID    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    timezone        TEXT    NOT NULL,
    -- A new log id begins after a restore; cursors of the old one are answered with a reset.
    log_id          UUID    NOT NULL,
    -- JSON: stages, tiers, pipeline, policy switches, grace times. Sent to phones inside the directory.
    settings        TEXT    NOT NULL,
    -- Goes up with every change that the phones' directory shows.
    directory_version BIGINT NOT NULL,
    created_at      BIGINT  NOT NULL
);

-- The counters of an organisation: sequence order equals commit order because they are taken under this row's lock.
CREATE TABLE log_head (
    org_id          UUID    NOT NULL PRIMARY KEY,
    head            BIGINT  NOT NULL,
    audit_head      BIGINT  NOT NULL
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE team (
    org_id          UUID    NOT NULL,
    team_id         UUID    NOT NULL,
    name            TEXT    NOT NULL,
    parent_id       UUID,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (org_id, team_id),
    UNIQUE (org_id, name)
);

-- Each team with itself (depth 0) and everything below it.
CREATE TABLE team_closure (
    org_id          UUID    NOT NULL,
    ancestor_id     UUID    NOT NULL,
    descendant_id   UUID    NOT NULL,
    depth           BIGINT  NOT NULL,
    PRIMARY KEY (org_id, ancestor_id, descendant_id)
);
CREATE INDEX team_closure_by_descendant ON team_closure (org_id, descendant_id);

CREATE TABLE pool (
    org_id          UUID    NOT NULL,
    pool_id         UUID    NOT NULL,
    name            TEXT    NOT NULL,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (org_id, pool_id),
    UNIQUE (org_id, name)
);

CREATE TABLE user_account (
    org_id          UUID    NOT NULL,
    user_id         UUID    NOT NULL,
    -- Unique on the whole server: it is what a person signs in with.
    login           TEXT    NOT NULL UNIQUE,
    name            TEXT    NOT NULL,
    email           TEXT,
    role            TEXT    NOT NULL,
    team_id         UUID,
    state           TEXT    NOT NULL CHECK (state IN ('active', 'offboarding', 'disabled')),
    -- Argon2id in PHC form; NULL: cannot sign in with a password.
    password_hash   TEXT,
    -- Goes up when role, team, pools or state change: what was decided with an older one is decided again.
    acl_version     BIGINT  NOT NULL,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (org_id, user_id)
);

CREATE TABLE pool_member (
    org_id          UUID    NOT NULL,
    pool_id         UUID    NOT NULL,
    user_id         UUID    NOT NULL,
    administrator   BOOLEAN NOT NULL,
    PRIMARY KEY (org_id, pool_id, user_id)
);
CREATE INDEX pool_member_by_user ON pool_member (org_id, user_id);

-- Scopes: which customers a viewer may have to do with, and since when ------------------------------

-- A scope is 17 bytes: its type (sync_core::visibility::Scope), then the id of the user, pool, team or organisation.
CREATE TABLE viewer_scope (
    org_id          UUID    NOT NULL,
    user_id         UUID    NOT NULL,
    scope           BYTEA   NOT NULL,
    relation        TEXT    NOT NULL,
    from_seq        BIGINT  NOT NULL,
    to_seq          BIGINT,
    PRIMARY KEY (org_id, user_id, scope, relation, from_seq)
) /* sqlite: WITHOUT ROWID */;

CREATE TABLE scope_member (
    org_id          UUID    NOT NULL,
    scope           BYTEA   NOT NULL,
    customer_id     UUID    NOT NULL,
    from_seq        BIGINT  NOT NULL,
    to_seq          BIGINT,
    PRIMARY KEY (org_id, scope, from_seq, customer_id)
) /* sqlite: WITHOUT ROWID */;
-- Holds every column: otherwise SQLite, which keeps no statistics, reads the whole organisation for a list of customers.
CREATE INDEX scope_member_by_customer ON scope_member (org_id, customer_id, scope, from_seq, to_seq);
CREATE INDEX scope_member_by_end ON scope_member (org_id, scope, to_seq) WHERE to_seq IS NOT NULL;

-- What was touched in a scope, for each view of it (sync_core::visibility::View) apart, so that no probe moves
-- because of something its viewer may not read. Appended only; a sync reads what lies above its cursor.
CREATE TABLE feed (
    org_id          UUID    NOT NULL,
    -- 18 bytes: scope, then view.
    feed            BYTEA   NOT NULL,
    seq             BIGINT  NOT NULL,
    document_id     UUID    NOT NULL,
    PRIMARY KEY (org_id, feed, seq)
) /* sqlite: WITHOUT ROWID */;

-- Customers: ownership is the server's alone -------------------------------------------------------------------

CREATE TABLE customer (
    org_id          UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    owner_id        UUID,
    pool_id         UUID,
    -- The owner's team when he became the owner; NULL in a pool.
    team_id         UUID,
    assignment_version BIGINT NOT NULL,
    assigned_seq    BIGINT  NOT NULL,
    created_seq     BIGINT  NOT NULL,
    created_by      UUID    NOT NULL,
    created_at      BIGINT  NOT NULL,
    external_id     TEXT,
    -- Read model of the card, for lists and filters.
    name            TEXT    NOT NULL,
    stage           TEXT,
    tier            TEXT,
    region          TEXT,
    industry        TEXT,
    source          TEXT,
    PRIMARY KEY (org_id, customer_id),
    CHECK ((owner_id IS NULL) <> (pool_id IS NULL))
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX customer_by_owner ON customer (org_id, owner_id);
CREATE INDEX customer_by_pool ON customer (org_id, pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX customer_by_team ON customer (org_id, team_id) WHERE team_id IS NOT NULL;
CREATE INDEX customer_by_name ON customer (org_id, name, customer_id);
CREATE UNIQUE INDEX customer_by_external_id ON customer (org_id, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE collaborator (
    org_id          UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    user_id         UUID    NOT NULL,
    may_write       BOOLEAN NOT NULL,
    PRIMARY KEY (org_id, customer_id, user_id)
);

-- The chain of owners. Append-only.
CREATE TABLE ownership_event (
    org_id          UUID    NOT NULL,
    seq             BIGINT  NOT NULL,
    customer_id     UUID    NOT NULL,
    -- create, claim, release, assign, responsible
    event           TEXT    NOT NULL,
    document_id     UUID,
    by_user_id      UUID    NOT NULL,
    from_owner_id   UUID,
    from_pool_id    UUID,
    to_owner_id     UUID,
    to_pool_id      UUID,
    reason          TEXT    NOT NULL,
    intent_id       UUID,
    at              BIGINT  NOT NULL,
    PRIMARY KEY (org_id, seq)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX ownership_event_by_customer ON ownership_event (org_id, customer_id, seq);

-- Documents and changes ----------------------------------------------------------------------------------------

CREATE TABLE document (
    org_id          UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    kind            SMALLINT NOT NULL,
    generation      BIGINT  NOT NULL,
    author_id       UUID    NOT NULL,
    device_id       UUID,
    -- NULL: the owner of the customer.
    responsible_id  UUID,
    -- Goes up with every append; every append compares it and swaps.
    version         BIGINT  NOT NULL,
    first_seq       BIGINT  NOT NULL,
    last_seq        BIGINT  NOT NULL,
    created_at      BIGINT  NOT NULL,
    received_at     BIGINT  NOT NULL,
    late            BOOLEAN NOT NULL,
    -- Who has checked in to a visit: from then on he alone writes it.
    checked_in_by   UUID,
    external_id     TEXT,
    -- Read model: sync_core::projection, JSON.
    fields          TEXT    NOT NULL,
    -- JSON array of conflicts; NULL: none.
    conflicts       TEXT,
    erased_at       BIGINT,
    PRIMARY KEY (org_id, document_id)
) /* sqlite: WITHOUT ROWID */;
CREATE UNIQUE INDEX document_by_external_id ON document (org_id, kind, external_id) WHERE external_id IS NOT NULL;

-- Which documents a customer has, and what devices are sent of each: who may read it and, unless they are many, its
-- changes (storage::packed). A cache of document and change, kept in the same transactions, in the order in which
-- customers are delivered: a customer is one place of this table instead of one for each document and change.
CREATE TABLE packed_document (
    org_id          UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    packed          BYTEA   NOT NULL,
    PRIMARY KEY (org_id, customer_id, document_id)
) /* sqlite: WITHOUT ROWID */;

-- The truth. Append-only, never deleted, in the order of the log. A document's actor and seq are used once: whoever
-- appends compares the version of the document on which the change was judged.
CREATE TABLE change (
    org_id          UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    actor           BYTEA   NOT NULL,
    seq             BIGINT  NOT NULL,
    log_seq         BIGINT  NOT NULL,
    customer_id     UUID    NOT NULL,
    kind            SMALLINT NOT NULL,
    hash            BYTEA   NOT NULL,
    start_op        BIGINT  NOT NULL,
    op_count        BIGINT  NOT NULL,
    -- Dependency hashes, 32 bytes each, sorted.
    dependencies    BYTEA   NOT NULL,
    -- The op-list; NULL once erased.
    body            BYTEA,
    author_id       UUID    NOT NULL,
    device_id       UUID,
    device_time     BIGINT  NOT NULL,
    received_at     BIGINT  NOT NULL,
    late            BOOLEAN NOT NULL,
    erased_at       BIGINT,
    PRIMARY KEY (org_id, log_seq)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX change_by_document ON change (org_id, document_id, log_seq);

-- Verdicts that are no acceptance: rejected, superseded, quarantined (with what a decision made of it).
CREATE TABLE refusal (
    org_id          UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    actor           BYTEA   NOT NULL,
    seq             BIGINT  NOT NULL,
    customer_id     UUID    NOT NULL,
    kind            SMALLINT NOT NULL,
    -- quarantined turns into accepted, rejected or superseded by a decision.
    verdict         TEXT    NOT NULL CHECK (verdict IN ('rejected', 'superseded', 'quarantined', 'accepted')),
    reason          TEXT    NOT NULL,
    -- One ticket a chain of dependent changes.
    ticket_id       UUID    NOT NULL,
    -- SHA-256 of the op-list; the op-list itself unless its storage is refused.
    body_sha256     BYTEA   NOT NULL,
    body            BYTEA,
    author_id       UUID    NOT NULL,
    device_id       UUID,
    device_time     BIGINT  NOT NULL,
    received_at     BIGINT  NOT NULL,
    decided_by      UUID,
    decided_at      BIGINT,
    decision_reason TEXT,
    PRIMARY KEY (org_id, document_id, actor, seq)
);
CREATE INDEX refusal_by_ticket ON refusal (org_id, ticket_id);
CREATE INDEX refusal_open ON refusal (org_id, received_at) WHERE verdict = 'quarantined';

CREATE TABLE intent (
    org_id          UUID    NOT NULL,
    intent_id       UUID    NOT NULL,
    device_id       UUID,
    user_id         UUID    NOT NULL,
    -- create, claim, release, assign, responsible
    type            TEXT    NOT NULL,
    customer_id     UUID    NOT NULL,
    content_sha256  BYTEA   NOT NULL,
    outcome         TEXT    NOT NULL,
    reason          TEXT,
    -- JSON: what the refusal may tell (owner, time), for the same answer at a repetition.
    detail          TEXT,
    received_at     BIGINT  NOT NULL,
    PRIMARY KEY (org_id, intent_id)
);
CREATE INDEX intent_by_customer ON intent (org_id, customer_id, received_at);

-- Devices -----------------------------------------------------------------------------------------------------

CREATE TABLE device (
    org_id          UUID    NOT NULL,
    device_id       UUID    NOT NULL,
    user_id         UUID    NOT NULL,
    name            TEXT    NOT NULL,
    -- Ed25519 public key, 32 bytes: made on the device, which alone can answer for it.
    public_key      BYTEA   NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('active', 'revoked', 'wiped')),
    app_version     TEXT    NOT NULL,
    enrolled_at     BIGINT  NOT NULL,
    -- Challenges issued at or before this instant are spent.
    last_proof_at   BIGINT  NOT NULL,
    last_seen_at    BIGINT,
    -- How many changes it last said were pending.
    pending         BIGINT  NOT NULL,
    -- Estimated offset of its clock: device minus server.
    clock_offset_ms BIGINT,
    last_message    BIGINT  NOT NULL,
    last_message_sha256 BYTEA,
    -- Highest cursor it has acknowledged.
    acknowledged_seq BIGINT NOT NULL,
    -- Attempts to write as somebody else.
    security_flags  BIGINT  NOT NULL,
    PRIMARY KEY (org_id, device_id)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX device_by_user ON device (org_id, user_id);

CREATE TABLE actor (
    org_id          UUID    NOT NULL,
    actor           BYTEA   NOT NULL,
    -- NULL for web users, imports and the hub.
    device_id       UUID,
    user_id         UUID,
    state           TEXT    NOT NULL CHECK (state IN ('active', 'frozen')),
    declared_at     BIGINT  NOT NULL,
    PRIMARY KEY (org_id, actor)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX actor_by_device ON actor (org_id, device_id) WHERE device_id IS NOT NULL;

-- Orders to drop a customer, and what became of them.
CREATE TABLE eviction (
    org_id          UUID    NOT NULL,
    device_id       UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    lost_seq        BIGINT  NOT NULL,
    ordered_at      BIGINT  NOT NULL,
    acknowledged_at BIGINT,
    confirmed_at    BIGINT,
    PRIMARY KEY (org_id, device_id, customer_id, lost_seq)
);
CREATE INDEX eviction_unconfirmed ON eviction (org_id, ordered_at) WHERE confirmed_at IS NULL;

-- People's sessions, throttling, keys ---------------------------------------------------------------------------

CREATE TABLE session (
    org_id          UUID    NOT NULL,
    -- SHA-256 of the random token; the token itself is never stored.
    token_sha256    BYTEA   NOT NULL UNIQUE,
    user_id         UUID    NOT NULL,
    created_at      BIGINT  NOT NULL,
    expires_at      BIGINT  NOT NULL,
    PRIMARY KEY (org_id, token_sha256)
);
CREATE INDEX session_by_user ON session (org_id, user_id);

-- Failures of signing in, by account and by address. Of the server, not of an organisation: nobody is signed in yet.
CREATE TABLE sign_in_failure (
    subject         TEXT    NOT NULL PRIMARY KEY,
    failures        BIGINT  NOT NULL,
    window_began_at BIGINT  NOT NULL
);

CREATE TABLE server_key (
    kid             TEXT    NOT NULL PRIMARY KEY,
    -- token (HS256), cursor (AEAD), challenge (HMAC)
    purpose         TEXT    NOT NULL,
    secret          BYTEA   NOT NULL,
    created_at      BIGINT  NOT NULL,
    retired_at      BIGINT
);

-- Audit -------------------------------------------------------------------------------------------------------

CREATE TABLE audit (
    org_id          UUID    NOT NULL,
    audit_seq       BIGINT  NOT NULL,
    at              BIGINT  NOT NULL,
    user_id         UUID,
    device_id       UUID,
    action          TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    -- JSON; ids and counts, no customer's words.
    detail          TEXT    NOT NULL,
    PRIMARY KEY (org_id, audit_seq)
) /* sqlite: WITHOUT ROWID */;

-- The chain: each link covers the audit rows from its first to its last and the link before. Written by the sealer.
CREATE TABLE audit_link (
    org_id          UUID    NOT NULL,
    last_audit_seq  BIGINT  NOT NULL,
    first_audit_seq BIGINT  NOT NULL,
    hash            BYTEA   NOT NULL,
    sealed_at       BIGINT  NOT NULL,
    PRIMARY KEY (org_id, last_audit_seq)
);

-- Background work that only one node may do at a time.
CREATE TABLE lease (
    name            TEXT    NOT NULL PRIMARY KEY,
    holder          UUID    NOT NULL,
    until           BIGINT  NOT NULL
);

-- How far the search index has read each organisation's log. The index itself differs by database (0002).
CREATE TABLE search_position (
    org_id          UUID    NOT NULL PRIMARY KEY,
    log_seq         BIGINT  NOT NULL
);
