//! What was touched in each scope, for each view of it apart: appended only, read above a cursor.

use sqlx::QueryBuilder;
use sync_core::ids::{DocumentId, OrgId};
use uuid::Uuid;

use super::{StorageError, Tx, documents::DocumentWrite, on, sizes::pieces};

/// Writes documents that have just been appended to into the feeds of those who see them.
pub(super) async fn append(tx: &mut Tx, org: OrgId, placed: &[(i64, &DocumentWrite)]) -> Result<(), StorageError> {
    // A row stands at the place of the document's first change of the block: a reader's cursor is never inside one.
    let mut rows: Vec<(&[u8; 18], i64, DocumentId)> = placed
        .iter()
        .flat_map(|(first, write)| write.feeds.iter().map(move |feed| (feed, *first, write.document)))
        .collect();
    rows.sort_unstable();
    insert(tx, org, &rows).await
}

/// Writes rows of feeds: key, place, document.
///
/// # Errors
/// The driver's.
pub async fn insert(tx: &mut Tx, org: OrgId, rows: &[(&[u8; 18], i64, DocumentId)]) -> Result<(), StorageError> {
    for piece in pieces(rows) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new("INSERT INTO feed (org_id, feed, seq, document_id) ");
            query.push_values(piece, |mut row, (feed, seq, document)| {
                row.push_bind(org.0)
                    .push_bind(&feed[..])
                    .push_bind(*seq)
                    .push_bind(document.0);
            });
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// Documents touched in each of these feeds after a place, in order, at most `limit` of each: place and document.
///
/// # Errors
/// The driver's.
pub async fn list(
    tx: &mut Tx,
    org: OrgId,
    feeds: &[[u8; 18]],
    after: i64,
    limit: i64,
) -> Result<Vec<Vec<(i64, DocumentId)>>, StorageError> {
    let mut lists = vec![Vec::new(); feeds.len()];
    if feeds.is_empty() {
        return Ok(lists);
    }
    let rows: Vec<(i64, i64, Uuid)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("");
        for (index, feed) in feeds.iter().enumerate() {
            if index > 0 {
                query.push(" UNION ALL ");
            }
            // The number of the feed is part of the text: there are as many texts as numbers of scopes.
            query.push(format!(
                "SELECT feed_number, seq, document_id FROM (SELECT CAST({index} AS BIGINT) AS feed_number, seq, \
                 document_id FROM feed WHERE org_id = "
            ));
            query.push_bind(org.0).push(" AND feed = ").push_bind(feed.to_vec());
            query.push(" AND seq > ").push_bind(after);
            query
                .push(" ORDER BY seq LIMIT ")
                .push_bind(limit)
                .push(format!(" + 0) AS feed_{index}"));
        }
        query.build_query_as().fetch_all(connection).await
    })?;
    for (feed, seq, document) in rows {
        if let Some(list) = usize::try_from(feed).ok().and_then(|feed| lists.get_mut(feed)) {
            list.push((seq, DocumentId(document)));
        }
    }
    for list in &mut lists {
        list.sort_unstable_by_key(|(seq, _)| *seq);
    }
    Ok(lists)
}
