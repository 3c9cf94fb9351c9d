//! Full-text search: bigrams of documents, computed by [`sync_core::projection`], in FTS5 on SQLite and in an array
//! with a GIN index on PostgreSQL.
//!
//! The index proposes; whoever asks compares the text and asks for the rights. It lags behind the log by seconds and
//! can be made again from it at any time.

use sha2::{Digest, Sha256};
use sqlx::{FromRow, Postgres, QueryBuilder, Sqlite, Transaction};
use sync_core::{
    ids::{CustomerId, DocumentId, OrgId, UserId},
    projection::Query,
};
use uuid::Uuid;

use super::{
    Reach, StorageError, Tx,
    customers::{DOCUMENT_COLUMNS, DocumentRow, RawDocument},
    on,
    sizes::pieces,
};

/// A document as the index reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexable {
    /// The document.
    pub document: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// Its kind, by number: one that this version does not know is indexed all the same.
    pub kind: i16,
    /// Its fields as JSON.
    pub fields: String,
}

/// What is written to the index for one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The document.
    pub document: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// Its kind, by number.
    pub kind: i16,
    /// Its bigrams in order, joined by spaces.
    pub bigrams: String,
}

/// An organisation whose log has gone on since it was last indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// The organisation.
    pub org: OrgId,
    /// How far the index has read its log.
    pub position: i64,
    /// How far the log reaches.
    pub head: i64,
}

/// A document that may match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The document.
    pub document: DocumentRow,
    /// Whose its customer is.
    pub owner: Option<UserId>,
}

/// The organisations whose index is behind, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn list_behind(tx: &mut Tx, limit: i64) -> Result<Vec<Behind>, StorageError> {
    let rows: Vec<(Uuid, i64, i64)> = on!(tx, |c| sqlx::query_as(
        "SELECT h.org_id, COALESCE(p.log_seq, 0), h.head \
         FROM log_head h LEFT JOIN search_position p ON p.org_id = h.org_id \
         WHERE h.head > COALESCE(p.log_seq, 0) ORDER BY h.org_id LIMIT $1 + 0"
    )
    .bind(limit)
    .fetch_all(c)
    .await)?;
    Ok(rows
        .into_iter()
        .map(|(org, position, head)| Behind {
            org: OrgId(org),
            position,
            head,
        })
        .collect())
}

/// The place in the log at which a batch of at most `changes` after `position` ends; `head` when there are fewer.
///
/// # Errors
/// The database's.
pub async fn batch_end(tx: &mut Tx, org: OrgId, position: i64, changes: i64, head: i64) -> Result<i64, StorageError> {
    let end: Option<(i64,)> = on!(tx, |c| sqlx::query_as(
        "SELECT log_seq FROM change WHERE org_id = $1 AND log_seq > $2 ORDER BY log_seq LIMIT 1 OFFSET $3"
    )
    .bind(org.0)
    .bind(position)
    .bind(changes - 1)
    .fetch_optional(c)
    .await)?;
    Ok(end.map_or(head, |(seq,)| seq))
}

/// The documents touched by changes after one place in the log and up to another. Erased ones are left out.
///
/// # Errors
/// The database's.
pub async fn list_touched(tx: &mut Tx, org: OrgId, after: i64, up_to: i64) -> Result<Vec<Indexable>, StorageError> {
    let rows: Vec<(Uuid, Uuid, i16, String)> = on!(tx, |c| sqlx::query_as(
        "SELECT document_id, customer_id, kind, fields FROM document \
         WHERE org_id = $1 AND erased_at IS NULL AND document_id IN \
         (SELECT document_id FROM change WHERE org_id = $1 AND log_seq > $2 AND log_seq <= $3)"
    )
    .bind(org.0)
    .bind(after)
    .bind(up_to)
    .fetch_all(c)
    .await)?;
    let read = |(document, customer, kind, fields)| Indexable {
        document: DocumentId(document),
        customer: CustomerId(customer),
        kind,
        fields,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Moves an organisation's position from where it was read to where a batch ended. False if another node has moved it
/// meanwhile: the batch is then not to be committed.
///
/// # Errors
/// The database's.
pub async fn advance(tx: &mut Tx, org: OrgId, from: i64, to: i64) -> Result<bool, StorageError> {
    let moved = on!(tx, |c| sqlx::query(
        "INSERT INTO search_position (org_id, log_seq) VALUES ($1, $2) \
         ON CONFLICT (org_id) DO UPDATE SET log_seq = excluded.log_seq WHERE search_position.log_seq = $3"
    )
    .bind(org.0)
    .bind(to)
    .bind(from)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(moved == 1)
}

/// Forgets an organisation's index: it is made again from the beginning of the log.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx, org: OrgId) -> Result<(), StorageError> {
    match tx {
        Tx::Sqlite(c) => {
            sqlx::query("DELETE FROM search_text WHERE rowid IN (SELECT entry FROM search_entry WHERE org_id = $1)")
                .bind(org.0)
                .execute(&mut **c)
                .await?;
        }
        Tx::Postgres(_) => {}
    }
    on!(tx, |c| sqlx::query("DELETE FROM search_entry WHERE org_id = $1")
        .bind(org.0)
        .execute(c)
        .await
        .map(drop))?;
    on!(tx, |c| sqlx::query("DELETE FROM search_position WHERE org_id = $1")
        .bind(org.0)
        .execute(c)
        .await
        .map(drop))
}

/// Takes one document out of the index.
///
/// # Errors
/// The database's.
pub async fn remove(tx: &mut Tx, org: OrgId, document: DocumentId) -> Result<(), StorageError> {
    if let Tx::Sqlite(c) = tx {
        sqlx::query(
            "DELETE FROM search_text WHERE rowid = (SELECT entry FROM search_entry WHERE org_id = $1 AND document_id = $2)",
        )
        .bind(org.0)
        .bind(document.0)
        .execute(&mut **c)
        .await?;
    }
    on!(tx, |c| sqlx::query(
        "DELETE FROM search_entry WHERE org_id = $1 AND document_id = $2"
    )
    .bind(org.0)
    .bind(document.0)
    .execute(c)
    .await
    .map(drop))
}

/// Writes documents to the index, in place of what stood there.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, org: OrgId, entries: &[Entry]) -> Result<(), StorageError> {
    match tx {
        Tx::Sqlite(c) => put_sqlite(c, org, entries).await,
        Tx::Postgres(c) => put_postgres(c, org, entries).await,
    }
}

async fn put_sqlite(c: &mut Transaction<'_, Sqlite>, org: OrgId, entries: &[Entry]) -> Result<(), StorageError> {
    let mut changed: Vec<(i64, &str)> = Vec::new();
    for chunk in pieces(entries) {
        let mut insert =
            QueryBuilder::<Sqlite>::new("INSERT INTO search_entry (org_id, document_id, customer_id, kind, digest) ");
        insert.push_values(chunk, |mut row, entry| {
            row.push_bind(org.0)
                .push_bind(entry.document.0)
                .push_bind(entry.customer.0)
                .push_bind(entry.kind)
                .push_bind(digest(&entry.bigrams));
        });
        insert.push(
            " ON CONFLICT (org_id, document_id) DO UPDATE \
             SET customer_id = excluded.customer_id, digest = excluded.digest \
             WHERE search_entry.digest <> excluded.digest OR search_entry.customer_id <> excluded.customer_id \
             RETURNING entry, document_id",
        );
        let written: Vec<(i64, Uuid)> = insert.build_query_as().fetch_all(&mut **c).await?;
        changed.extend(written.into_iter().filter_map(|(number, document)| {
            let entry = chunk.iter().find(|entry| entry.document.0 == document)?;
            Some((number, entry.bigrams.as_str()))
        }));
    }
    // With one statement, in the order of their numbers: with each statement, and with each step back, FTS5 writes what
    // it has gathered as a segment of its own, and merges.
    changed.sort_unstable();
    if changed.is_empty() {
        return Ok(());
    }
    let texts = serde_json::to_string(&changed).map_err(|error| StorageError::Encode(error.into()))?;
    sqlx::query(
        "INSERT OR REPLACE INTO search_text (rowid, bigrams) \
         SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each($1)",
    )
    .bind(texts)
    .execute(&mut **c)
    .await?;
    Ok(())
}

// Eight bytes of SHA-256: two texts of one document that share them are not met with.
fn digest(bigrams: &str) -> i64 {
    let sha = Sha256::digest(bigrams.as_bytes());
    i64::from_be_bytes(sha[..8].try_into().unwrap_or_default())
}

async fn put_postgres(c: &mut Transaction<'_, Postgres>, org: OrgId, entries: &[Entry]) -> Result<(), StorageError> {
    for chunk in pieces(entries) {
        let mut insert = QueryBuilder::<Postgres>::new(
            "INSERT INTO search_entry (org_id, document_id, customer_id, kind, bigrams) ",
        );
        insert.push_values(chunk, |mut row, entry| {
            let mut bigrams: Vec<&str> = entry.bigrams.split(' ').filter(|token| !token.is_empty()).collect();
            bigrams.sort_unstable();
            bigrams.dedup();
            row.push_bind(org.0)
                .push_bind(entry.document.0)
                .push_bind(entry.customer.0)
                .push_bind(entry.kind)
                .push_bind(bigrams);
        });
        insert.push(
            " ON CONFLICT (org_id, document_id) DO UPDATE \
             SET customer_id = excluded.customer_id, bigrams = excluded.bigrams \
             WHERE search_entry.bigrams IS DISTINCT FROM excluded.bigrams \
             OR search_entry.customer_id <> excluded.customer_id",
        );
        insert.build().execute(&mut **c).await?;
    }
    Ok(())
}

/// Documents of the customers in reach that the index proposes for a query, at most `limit`; what was indexed last
/// comes first on SQLite, in no order on PostgreSQL. A query without a pair of characters proposes nothing.
///
/// # Errors
/// The database's.
pub async fn list_candidates(
    tx: &mut Tx,
    org: OrgId,
    reach: &Reach,
    query: &Query,
    limit: i64,
) -> Result<Vec<Candidate>, StorageError> {
    let phrases = query.phrases();
    if phrases.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<RawCandidate> = match tx {
        Tx::Sqlite(c) => {
            let mut text = QueryBuilder::<Sqlite>::new("SELECT ");
            text.push(DOCUMENT_COLUMNS).push(
                ", c.owner_id FROM search_text t CROSS JOIN search_entry e CROSS JOIN document d CROSS JOIN customer c \
                 WHERE e.entry = t.rowid AND d.org_id = e.org_id AND d.document_id = e.document_id \
                 AND c.org_id = e.org_id AND c.customer_id = e.customer_id \
                 AND d.erased_at IS NULL AND search_text MATCH ",
            );
            text.push_bind(fts5_expression(&phrases))
                .push(" AND e.org_id = ")
                .push_bind(org.0);
            reach.push_condition(&mut text, org, "e.customer_id");
            text.push(" ORDER BY t.rowid DESC LIMIT ").push_bind(limit).push(" + 0");
            text.build_query_as().fetch_all(&mut **c).await?
        }
        Tx::Postgres(c) => {
            let mut tokens: Vec<String> = phrases.into_iter().flatten().collect();
            tokens.sort_unstable();
            tokens.dedup();
            let mut text = QueryBuilder::<Postgres>::new("SELECT ");
            text.push(DOCUMENT_COLUMNS).push(
                ", c.owner_id FROM search_entry e \
                 JOIN document d ON d.org_id = e.org_id AND d.document_id = e.document_id \
                 JOIN customer c ON c.org_id = e.org_id AND c.customer_id = e.customer_id \
                 WHERE d.erased_at IS NULL AND e.bigrams @> ",
            );
            text.push_bind(tokens).push(" AND e.org_id = ").push_bind(org.0);
            reach.push_condition(&mut text, org, "e.customer_id");
            text.push(" LIMIT ").push_bind(limit).push(" + 0");
            text.build_query_as().fetch_all(&mut **c).await?
        }
    };
    let read = |raw: RawCandidate| {
        Some(Candidate {
            document: raw.document.read()?,
            owner: raw.owner_id.map(UserId),
        })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

#[derive(FromRow)]
struct RawCandidate {
    #[sqlx(flatten)]
    document: RawDocument,
    owner_id: Option<Uuid>,
}

// Tokens hold letters and digits only, so nothing in them can end the quotation.
fn fts5_expression(phrases: &[Vec<String>]) -> String {
    let quoted: Vec<String> = phrases
        .iter()
        .map(|tokens| format!("\"{}\"", tokens.join(" ")))
        .collect();
    quoted.join(" AND ")
}
