-- Full text on PostgreSQL: bigrams computed by the program, in an array with a GIN index.
CREATE TABLE search_entry (
    org_id          UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    kind            SMALLINT NOT NULL,
    bigrams         TEXT[]  NOT NULL,
    PRIMARY KEY (org_id, document_id)
);
CREATE INDEX search_entry_bigrams ON search_entry USING GIN (bigrams);
