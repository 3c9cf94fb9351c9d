//! Making the read model anew from the log: fields, conflicts and summaries are caches of the changes.
//!
//! Works beside a running server: a document that was written meanwhile is left to that writer. The search index is
//! forgotten and made again in the background.

use std::collections::BTreeMap;

use serde::Serialize;
use sync_core::{
    airlock::{Trial, admit},
    document::{ChangeId, Document, Kind},
    ids::{CustomerId, DocumentId, OrgId},
    projection::{Attribution, checked_in_by, project},
    protocol::oplist,
};
use uuid::Uuid;

use super::ActionError;
use crate::storage::{
    Database, Tx,
    customers::{CustomerRow, DocumentRow},
    documents::{self, LoggedChange},
    organisation,
    ownership::{self, CardSummary},
    packed::{self, PackedChanges, PackedDocument},
    read_model::{self, ReadModelRow},
    search,
};

/// Documents of one transaction.
pub(super) const DOCUMENTS_PER_BATCH: i64 = 200;

/// What a rebuild did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// Documents looked at.
    pub documents: u64,
    /// Documents whose rows were not what the log says, and are now.
    pub documents_rewritten: u64,
    /// Customers whose summary was not what their card says, and is now.
    pub customers_rewritten: u64,
    /// Documents that cannot be read back: the log itself is damaged there. Restore them from a backup.
    pub unreadable: Vec<Unreadable>,
}

/// A document that cannot be read back from the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The organisation.
    pub org: OrgId,
    /// The document.
    pub document: DocumentId,
    /// Why.
    pub reason: String,
}

/// Rebuilds every organisation's read model. `progress` is told how many documents have been done.
///
/// # Errors
/// The database's; what was committed before it stays.
pub async fn rebuild(database: &Database, mut progress: impl FnMut(u64) + Send) -> Result<Rebuilt, ActionError> {
    let mut tx = database.read().await?;
    let organisations = organisation::list(&mut tx).await?;
    drop(tx);
    let mut rebuilt = Rebuilt::default();
    for organisation in organisations {
        let org = organisation.org;
        let mut after = Uuid::nil();
        loop {
            let mut tx = database.write().await?;
            let rows = read_model::list_after(&mut tx, org, after, DOCUMENTS_PER_BATCH).await?;
            let Some(last) = rows.last() else { break };
            after = last.id.0;
            rebuild_batch(&mut tx, org, rows, &mut rebuilt).await?;
            tx.commit().await?;
            progress(rebuilt.documents);
        }
        let mut tx = database.write().await?;
        rebuilt.documents_rewritten += packed::delete_stray(&mut tx, org).await?;
        search::forget(&mut tx, org).await?;
        tx.commit().await?;
    }
    Ok(rebuilt)
}

async fn rebuild_batch(
    tx: &mut Tx,
    org: OrgId,
    rows: Vec<ReadModelRow>,
    rebuilt: &mut Rebuilt,
) -> Result<(), ActionError> {
    rebuilt.documents += u64::try_from(rows.len()).unwrap_or(0);
    for (row, refolded) in refold(tx, org, rows).await? {
        let Some(mut document) = row.document else { continue };
        match refolded {
            Ok(Some(expected)) => {
                if !expected.agrees_with(&document, row.last_seq) || row.packed != expected.packed {
                    expected.write_to(&mut document);
                    if read_model::update(tx, org, &document, expected.last_seq, &expected.packed).await? {
                        rebuilt.documents_rewritten += 1;
                    }
                }
                if document.kind == Kind::Card {
                    let summary = CardSummary::of(&expected.fields);
                    let customer = crate::storage::customers::find_customer(tx, org, document.customer).await?;
                    if customer.is_some_and(|customer| !summary_agrees(&summary, &customer)) {
                        ownership::update_cards(tx, org, &[(document.customer, &summary)]).await?;
                        rebuilt.customers_rewritten += 1;
                    }
                }
            }
            Ok(None) => {}
            Err(reason) => rebuilt.unreadable.push(Unreadable {
                org,
                document: row.id,
                reason,
            }),
        }
    }
    Ok(())
}

pub(super) fn summary_agrees(summary: &CardSummary, customer: &CustomerRow) -> bool {
    summary.name == customer.name
        && summary.stage == customer.stage
        && summary.tier == customer.tier
        && summary.region == customer.region
        && summary.industry == customer.industry
        && summary.source == customer.source
}

/// What the log says about a document.
pub(super) struct Expected {
    pub(super) customer: CustomerId,
    pub(super) fields: serde_json::Map<String, serde_json::Value>,
    pub(super) conflicts: Option<String>,
    pub(super) checked_in_by: Option<sync_core::ids::UserId>,
    pub(super) last_seq: i64,
    pub(super) changes: usize,
    /// What devices are sent of it, as it is stored.
    pub(super) packed: Vec<u8>,
}

impl Expected {
    pub(super) fn agrees_with(&self, document: &DocumentRow, last_seq: i64) -> bool {
        let same = |stored: &str, expected: &serde_json::Value| {
            serde_json::from_str::<serde_json::Value>(stored).is_ok_and(|stored| stored == *expected)
        };
        let conflicts_agree = match (&document.conflicts, &self.conflicts) {
            (None, None) => true,
            (Some(stored), Some(expected)) => {
                serde_json::from_str(expected).is_ok_and(|expected| same(stored, &expected))
            }
            _ => false,
        };
        same(&document.fields, &serde_json::Value::Object(self.fields.clone()))
            && conflicts_agree
            && document.checked_in_by == self.checked_in_by
            // An event of ownership may have a later place than the last change.
            && last_seq >= self.last_seq
    }

    fn write_to(&self, document: &mut DocumentRow) {
        document.fields = serde_json::Value::Object(self.fields.clone()).to_string();
        document.conflicts.clone_from(&self.conflicts);
        document.checked_in_by = self.checked_in_by;
    }
}

/// Folds documents from their changes again, with the hash of each change computed anew. Nothing for an erased document
/// or one of a kind of a newer version; the reason for one that does not fit together.
///
/// # Errors
/// The database's.
pub(super) async fn refold(
    tx: &mut Tx,
    org: OrgId,
    rows: Vec<ReadModelRow>,
) -> Result<Vec<(ReadModelRow, Result<Option<Expected>, String>)>, ActionError> {
    let ids: Vec<DocumentId> = rows.iter().map(|row| row.id).collect();
    let mut changes = documents::list_changes(tx, org, &ids, 0).await?;
    let refold_one = |row: ReadModelRow| {
        let logged = changes.remove(&row.id).unwrap_or_default();
        let refolded = match &row.document {
            Some(document) => expected(document, row.erased, &logged),
            None => Ok(None),
        };
        (row, refolded)
    };
    Ok(rows.into_iter().map(refold_one).collect())
}

/// Whether nothing is left of an erased document but the hashes and places of its changes.
fn is_gone(row: &DocumentRow, logged: &[LoggedChange]) -> bool {
    row.fields == "{}" && row.conflicts.is_none() && logged.iter().all(|change| change.body.is_none())
}

fn expected(row: &DocumentRow, erased: bool, logged: &[LoggedChange]) -> Result<Option<Expected>, String> {
    if erased {
        return if is_gone(row, logged) {
            Ok(None)
        } else {
            Err("it was erased, and something of it is still there; erase it again".to_owned())
        };
    }
    if logged.iter().any(|change| change.body.is_none()) {
        return Ok(None);
    }
    let Some(last) = logged.last() else {
        return Err("it has no change in the log".to_owned());
    };
    let mut document = Document::new(row.kind);
    let mut attributions: BTreeMap<ChangeId, Attribution> = BTreeMap::new();
    for change in logged {
        let at = change.log_seq;
        let body = change.body.as_deref().unwrap_or_default();
        let decoded = oplist::decode(body, row.kind).map_err(|error| format!("change {at}: {error}"))?;
        if decoded.id() != change.id {
            return Err(format!("change {at} is not the one that its row names"));
        }
        let built = admit(&mut document, decoded, body.len(), Trial::Build)
            .map_err(|refusal| format!("change {at}: {refusal}"))?;
        if built.hash != change.hash {
            return Err(format!("change {at} does not have the hash that its row says"));
        }
        attributions.insert(
            change.id,
            Attribution {
                author: change.author,
                device: change.device,
            },
        );
    }
    let attribution = |change: ChangeId| attributions.get(&change).copied();
    let projection = project(document.state(), attribution);
    let checked_in_by = checked_in_by(document.state(), attribution);
    let conflicts =
        (!projection.conflicts.is_empty()).then(|| serde_json::to_string(&projection.conflicts).unwrap_or_default());
    Ok(Some(Expected {
        customer: row.customer,
        fields: projection.fields,
        conflicts,
        checked_in_by,
        last_seq: last.log_seq,
        changes: logged.len(),
        packed: packed::stored(&PackedDocument {
            document: row.id,
            kind: row.kind,
            author: row.author,
            responsible: row.responsible,
            checked_in_by,
            changes: PackedChanges::of(logged),
        }),
    }))
}
