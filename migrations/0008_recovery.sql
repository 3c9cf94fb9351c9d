-- After a restore: what was lost with the time since the backup is got back from phones, and the operator looks through
-- people and devices before the server serves.

-- Since when phones bring back what others wrote; NULL: they do not.
ALTER TABLE organisation ADD COLUMN recovering_since BIGINT;
-- Since when people and devices stand as on the day of the backup and nobody has confirmed them; NULL: they are right.
ALTER TABLE organisation ADD COLUMN unconfirmed_since BIGINT;

-- Documents of which a device has brought back changes that others had made.
CREATE TABLE recovered_document (
    org_id          UUID    NOT NULL,
    document_id     UUID    NOT NULL,
    device_id       UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    changes         BIGINT  NOT NULL,
    at              BIGINT  NOT NULL,
    PRIMARY KEY (org_id, document_id, device_id)
);

-- Whose a customer was as far as a device knew, where the restored server says otherwise.
CREATE TABLE believed_owner (
    org_id          UUID    NOT NULL,
    customer_id     UUID    NOT NULL,
    device_id       UUID    NOT NULL,
    owner_id        UUID,
    pool_id         UUID,
    version         BIGINT  NOT NULL,
    at              BIGINT  NOT NULL,
    PRIMARY KEY (org_id, customer_id, device_id)
);
