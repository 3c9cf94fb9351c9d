//! The list of covers.

use std::collections::BTreeMap;

use sync_core::{
    ids::{CoverId, OrgId, UserId},
    time::Timestamp,
};

use super::{ListedCover, may_end, sees};
use crate::{
    actions::{ActionError, reader::Reader},
    storage::{
        Database, covers,
        people::{self, Account},
    },
};

/// Covers read at once when a page of them is put together.
const ROWS_PER_READ: i64 = 200;
/// Reads for one page; beyond it the page comes short and says where to go on.
const READS_MAX: usize = 10;

/// Covers that somebody may see, the newest first, before a place; and where the list goes on.
///
/// # Errors
/// `account_not_active`; the database's.
pub async fn list_covers(
    database: &Database,
    org: OrgId,
    user: UserId,
    before: Option<(Timestamp, CoverId)>,
    limit: i64,
) -> Result<(Vec<ListedCover>, Option<(Timestamp, CoverId)>), ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let accounts: BTreeMap<UserId, Account> = people::list(&mut tx, org)
        .await?
        .into_iter()
        .map(|account| (account.user, account))
        .collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut listed, mut place): (Vec<ListedCover>, _) = (Vec::new(), before);
    for _ in 0..READS_MAX {
        let rows = covers::list(&mut tx, org, place, ROWS_PER_READ).await?;
        let is_last = (rows.len() as i64) < ROWS_PER_READ;
        for row in rows {
            if listed.len() == limit {
                return Ok((listed, place));
            }
            place = Some((row.begun_at, row.id));
            let Some(of) = accounts.get(&row.of) else { continue };
            if sees(&reader, of, &row) {
                let may_end = row.ended_at.is_none() && may_end(&reader, of);
                listed.push(ListedCover { row, may_end });
            }
        }
        if is_last {
            return Ok((listed, None));
        }
    }
    Ok((listed, place))
}
