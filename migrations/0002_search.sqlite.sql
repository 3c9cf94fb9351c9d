-- Full text on SQLite: bigrams computed by the program, in a contentless FTS5 table whose rowid is search_entry's.
CREATE TABLE search_entry (
    entry           INTEGER PRIMARY KEY,
    org_id          UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    kind            SMALLINT NOT NULL,
    -- Of the bigrams: what has the same words is not indexed again.
    digest          BIGINT  NOT NULL,
    UNIQUE (org_id, document_id)
);
CREATE VIRTUAL TABLE search_text USING fts5 (bigrams, content = '', contentless_delete = 1, tokenize = 'ascii', detail = 'full');
