//! Erasing a person: what is stored of a contact goes, from document, history, index and whatever was kept beside them; its
//! id takes nothing any more, on any phone and after any restore (docs/decisions/0023-erasing-a-person.md).

mod kept;

use serde_json::json;
use sync_core::{
    document::Kind,
    ids::{DocumentId, UserId},
    visibility::{Role, document_feeds, document_scopes, feeds_of},
};

pub use kept::{KeptError, is_kept, keep_beside, read_kept};

use super::{ActionError, Code, history::find_readable, ownership::Asker, reader::Reader};
use crate::{
    app::App,
    seam::Seam,
    storage::{
        Database, StorageError, Tx,
        audit::{self, AuditRow},
        customers::DocumentRow,
        documents,
        erasures::{self, ErasureRow},
        feeds, log,
        ownership::{self, OwnershipEvent},
        scopes, search,
    },
};

/// Erasures listed at once.
const LISTED_MAX: i64 = 1_000;

/// Why somebody is erased. Words of a list: a sentence might name him.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// He asked for it.
    Request,
    /// He no longer agrees to his data being kept.
    ConsentWithdrawn,
    /// What it was kept for is over.
    PurposeEnded,
    /// It should never have been kept.
    Unlawful,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::Request,
        Self::ConsentWithdrawn,
        Self::PurposeEnded,
        Self::Unlawful,
    ];

    /// The stable word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::PurposeEnded => "purpose_ended",
            Self::Unlawful => "unlawful",
        }
    }

    /// The reason with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == word)
    }
}

/// Whether somebody may erase people, and have all that is held about them: those who keep everybody's records in order.
#[must_use]
pub fn may_erase(reader: &Reader) -> bool {
    matches!(reader.viewer.role, Role::Admin | Role::BackOffice)
}

/// Erases a contact, in one transaction. One that was erased before is answered with what was done then.
///
/// # Errors
/// `not_found` alike for a contact that does not exist, one he may not read and a document that is no contact,
/// `not_permitted` for whoever may not erase, `account_not_active`; the database's.
pub async fn erase_contact(
    app: &App,
    asker: Asker,
    contact: DocumentId,
    reason: Reason,
) -> Result<ErasureRow, ActionError> {
    let mut tx = app.database.write().await?;
    // The counter first: whatever was decided for this document before finds a newer version when it is written.
    let (seq, _) = log::take(&mut tx, asker.org, 1, 0).await?;
    let reader = Reader::load(&mut tx, asker.org, asker.user).await?;
    if may_erase(&reader)
        && let Some(done) = erasures::find(&mut tx, asker.org, contact).await?
    {
        return Ok(done);
    }
    let row = find_contact(&mut tx, &reader, contact).await?;
    let now = app.seam.now();
    let erasure = ErasureRow {
        org: asker.org,
        document: contact,
        customer: row.customer,
        kind: row.kind,
        author: row.author,
        reason: reason.name().to_owned(),
        by: Some(asker.user),
        erased_at: now,
        cleaned_at: None,
    };
    let changes = erasures::erase(&mut tx, &erasure, seq).await?;
    tell_phones(&mut tx, &erasure, asker.user, seq).await?;
    let detail =
        json!({ "customer": row.customer, "kind": row.kind.name(), "reason": reason.name(), "changes": changes });
    let told = AuditRow::new(now, "person_erased", contact)
        .by(asker.user)
        .with_detail(detail);
    audit::append(&mut tx, asker.org, &[told]).await?;
    tx.commit().await?;
    app.committer.news().notify_waiters();
    tracing::info!(changes, "a person was erased");
    Ok(erasure)
}

/// A contact that the reader may read and would be allowed to erase.
///
/// # Errors
/// As [`erase_contact`].
pub async fn find_contact(tx: &mut Tx, reader: &Reader, contact: DocumentId) -> Result<DocumentRow, ActionError> {
    let row = find_readable(tx, reader, contact).await?;
    if row.kind != Kind::Contact {
        return Err(ActionError::refused(Code::NotFound));
    }
    if !may_erase(reader) {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    Ok(row)
}

/// Whoever sees the document learns of it with his next sync: through its feeds, and whoever reads the log through an event.
async fn tell_phones(tx: &mut Tx, erasure: &ErasureRow, by: UserId, seq: i64) -> Result<(), StorageError> {
    let memberships = scopes::list_memberships(tx, erasure.org, &[erasure.customer]).await?;
    let open: Vec<_> = memberships
        .iter()
        .filter(|membership| membership.to_seq.is_none())
        .map(|membership| membership.scope)
        .collect();
    let mut keys = feeds_of(&open, erasure.kind);
    keys.extend(document_feeds(&document_scopes(
        erasure.kind,
        erasure.author,
        None,
        false,
    )));
    keys.sort_unstable();
    keys.dedup();
    let rows: Vec<_> = keys.iter().map(|key| (key, seq, erasure.document)).collect();
    feeds::insert(tx, erasure.org, &rows).await?;
    let event = OwnershipEvent {
        seq,
        customer: erasure.customer,
        event: "erase",
        document: Some(erasure.document),
        by,
        from_owner: None,
        from_pool: None,
        to_owner: None,
        to_pool: None,
        reason: String::new(),
        intent: None,
        at: erasure.erased_at,
    };
    ownership::append_events(tx, erasure.org, &[event]).await
}

/// The erasures of an organisation, the latest first.
///
/// # Errors
/// `not_permitted` for whoever may not erase, `account_not_active`; the database's.
pub async fn list(app: &App, asker: Asker) -> Result<Vec<ErasureRow>, ActionError> {
    let mut tx = app.database.read().await?;
    let reader = Reader::load(&mut tx, asker.org, asker.user).await?;
    if !may_erase(&reader) {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    Ok(erasures::list(&mut tx, asker.org, LISTED_MAX).await?)
}

/// Cleans the database's files of what was erased, if anything was since they were last cleaned. Gives whether it did.
///
/// # Errors
/// The database's; then it is to be done again.
pub async fn clean(database: &Database, seam: &Seam) -> Result<bool, StorageError> {
    let mut tx = database.read().await?;
    let waiting = erasures::list_uncleaned(&mut tx).await?;
    let all = if waiting.is_empty() {
        return Ok(false);
    } else {
        erasures::list_all(&mut tx).await?
    };
    drop(tx);
    // The list first: from here on also a restore of an older backup ends without them.
    if let Err(error) = keep_beside(database, &all) {
        return Err(StorageError::Io(std::io::Error::other(error.to_string())));
    }
    // What an index that was being written meanwhile has put back.
    let mut tx = database.write().await?;
    for (org, document) in &waiting {
        search::remove(&mut tx, *org, *document).await?;
    }
    tx.commit().await?;
    database.clean().await?;
    let mut tx = database.write().await?;
    erasures::set_cleaned(&mut tx, &waiting, seam.now()).await?;
    tx.commit().await?;
    Ok(true)
}

/// Erases again what a list says was erased, in a database that was put back from a backup. What the backup no longer
/// knew of is written down as erased too: a phone may still bring it. Gives how many.
///
/// # Errors
/// The driver's.
pub async fn apply_again(tx: &mut Tx, seam: &Seam, kept: &[ErasureRow]) -> Result<u64, StorageError> {
    let mut applied = 0;
    for organisation in crate::storage::organisation::list(tx).await? {
        let here: Vec<&ErasureRow> = kept.iter().filter(|erasure| erasure.org == organisation.org).collect();
        for erasure in &here {
            // Under the customer that the document has here, should it have been moved since.
            let stored = documents::list_by_id(tx, erasure.org, &[erasure.document]).await?;
            let customer = stored.first().map_or(erasure.customer, |row| row.customer);
            let again = ErasureRow {
                customer,
                ..(*erasure).clone()
            };
            erasures::erase(tx, &again, 0).await?;
            applied += 1;
        }
        if !here.is_empty() {
            let row = AuditRow::new(seam.now(), "erasures_applied", organisation.org)
                .with_detail(json!({ "erasures": here.len() }));
            audit::append(tx, organisation.org, &[row]).await?;
        }
    }
    Ok(applied)
}
