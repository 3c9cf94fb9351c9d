//! Taking a handover back: what nobody has moved since returns, what was done since stays.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sync_core::{
    hub::{Move, Successor},
    ids::{CustomerId, DocumentId, HandoverId, OrgId, UserId},
    seeded::{Bug, seeded},
    visibility::Scope,
};

use super::{leads_person, reading::sees, to_json};
use crate::{
    actions::{
        ActionError, Code,
        ownership::{Asker, Cause, Handing, Transfer, moved, write_transfers},
        reader::Reader,
    },
    app::App,
    storage::{
        Tx,
        audit::{self, AuditRow},
        handovers::{self, HandoverItem, HandoverRow},
        log,
        ownership::{self, Assignment},
        packed::{self, PackedDocument},
        people,
        scopes::Membership,
    },
};

/// Items read at once.
const ITEMS_PER_READ: i64 = 5_000;
/// Of what was left alone, so many are named; all are counted.
const LEFT_NAMED_MAX: usize = 500;

/// What went back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoOutcome {
    /// So many customers are his again.
    pub customers: u64,
    /// For so many documents he is responsible again.
    pub documents: u64,
    /// How much was left alone, by why: `moved_again`, its customer has gone to somebody else since; `changed_since`,
    /// somebody else was made responsible since.
    pub left_alone: BTreeMap<String, u64>,
    /// The first of what was left alone.
    pub left: Vec<LeftAlone>,
}

/// A customer or document that stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAlone {
    /// The customer.
    pub customer: CustomerId,
    /// The document; none: the customer itself.
    pub document: Option<DocumentId>,
    /// Why: see [`UndoOutcome::left_alone`].
    pub why: String,
}

impl UndoOutcome {
    fn leave(&mut self, item: &HandoverItem, why: &str) {
        *self.left_alone.entry(why.to_owned()).or_insert(0) += 1;
        if self.left.len() < LEFT_NAMED_MAX {
            self.left.push(LeftAlone {
                customer: item.customer,
                document: item.document,
                why: why.to_owned(),
            });
        }
    }
}

/// Undoes a handover within its time, in one transaction.
///
/// # Errors
/// `undo_expired`, `already_undone`; `not_found`, or `not_permitted` for those who see it and hand nothing over;
/// `account_not_active`; the database's. Nothing has moved then.
pub async fn undo(app: &App, asker: Asker, handover: HandoverId) -> Result<UndoOutcome, ActionError> {
    let org = asker.org;
    let mut tx = app.database.write().await?;
    // As for the handover itself: what is read from here on holds until the commit.
    log::take(&mut tx, org, 0, 0).await?;
    let reader = Reader::load(&mut tx, org, asker.user).await?;
    let row = find_to_undo(&mut tx, &reader, handover).await?;
    let now = app.seam.now();
    if row.undone.is_some() {
        return Err(ActionError::refused(Code::AlreadyUndone));
    }
    if now > row.undo_until {
        return Err(ActionError::refused(Code::UndoExpired).with("undo_until", row.undo_until.0));
    }
    let facts = Facts::read(&mut tx, org, &row).await?;
    let (outcome, returning) = facts.decide(row.from);
    let (first_seq, _) = log::take(&mut tx, org, outcome.customers + outcome.documents, 0).await?;
    let cause = Cause {
        org,
        event: "undo_handover",
        by: asker.user,
        reason: "",
        intent: None,
        at: now,
    };
    let transfers = facts.transfers(&cause, row.from, &returning, first_seq);
    write_transfers(&mut tx, org, transfers).await?;
    handovers::set_undone(&mut tx, org, row.id, (now, asker.user), &to_json(&outcome)?).await?;
    let detail = json!({
        "customers": outcome.customers, "documents": outcome.documents, "left_alone": outcome.left_alone,
    });
    let audited = AuditRow::new(now, "handover_undone", row.id)
        .by(asker.user)
        .with_detail(detail);
    audit::append(&mut tx, org, &[audited]).await?;
    tx.commit().await?;
    app.committer.news().notify_waiters();
    tracing::info!(
        customers = outcome.customers,
        documents = outcome.documents,
        "a handover was undone"
    );
    Ok(outcome)
}

async fn find_to_undo(tx: &mut Tx, reader: &Reader, handover: HandoverId) -> Result<HandoverRow, ActionError> {
    let unknown = || ActionError::refused(Code::NotFound);
    let row = handovers::find(tx, reader.org, handover).await?.ok_or_else(unknown)?;
    let leaver = people::find(tx, reader.org, row.from).await?.ok_or_else(unknown)?;
    if leads_person(reader, &leaver) {
        return Ok(row);
    }
    Err(if sees(reader, &leaver, &row)?.is_some() {
        ActionError::refused(Code::NotPermitted)
    } else {
        unknown()
    })
}

/// What moved, and where it is now.
struct Facts {
    items: Vec<HandoverItem>,
    assignments: BTreeMap<CustomerId, Assignment>,
    memberships: BTreeMap<CustomerId, Vec<Membership>>,
    /// All documents of the customers of which a document moved.
    documents: BTreeMap<CustomerId, Vec<PackedDocument>>,
}

/// What goes back.
struct Returning {
    customers: Vec<(CustomerId, Option<sync_core::ids::TeamId>)>,
    documents: Vec<Handing>,
}

impl Facts {
    async fn read(tx: &mut Tx, org: OrgId, row: &HandoverRow) -> Result<Self, ActionError> {
        let mut items: Vec<HandoverItem> = Vec::new();
        loop {
            let after = items.last().map_or(-1, |item| item.seq);
            let some = handovers::list_items(tx, org, row.id, after, None, ITEMS_PER_READ).await?;
            let is_last = (some.len() as i64) < ITEMS_PER_READ;
            items.extend(some);
            if is_last {
                break;
            }
        }
        let customers: BTreeSet<CustomerId> = items.iter().map(|item| item.customer).collect();
        let customers: Vec<CustomerId> = customers.into_iter().collect();
        let with_documents: BTreeSet<CustomerId> = items
            .iter()
            .filter(|item| item.document.is_some())
            .map(|item| item.customer)
            .collect();
        let with_documents: Vec<CustomerId> = with_documents.into_iter().collect();
        let (assignments, memberships) = ownership::list_with_memberships(tx, org, &customers, None).await?;
        Ok(Self {
            items,
            assignments,
            memberships,
            documents: packed::list_by_customer(tx, org, &with_documents).await?,
        })
    }

    fn decide(&self, leaver: UserId) -> (UndoOutcome, Returning) {
        let mut outcome = UndoOutcome::default();
        let mut returning = Returning {
            customers: Vec::new(),
            documents: Vec::new(),
        };
        let (mut moved, mut back) = (BTreeSet::new(), BTreeSet::new());
        for item in self.items.iter().filter(|item| item.document.is_none()) {
            moved.insert(item.customer);
            let version = self.assignments.get(&item.customer).map(|now| now.version);
            let untouched = version == item.versions.map(|(_, after)| after);
            if version.is_some() && (untouched || seeded(Bug::UndoTakesWhatMoved)) {
                back.insert(item.customer);
                returning.customers.push((item.customer, item.from_team));
            } else {
                outcome.leave(item, "moved_again");
            }
        }
        for item in &self.items {
            let Some(document) = item.document else { continue };
            let to = match item.to {
                Some(Successor::Person(user)) => Some(user),
                Some(Successor::Pool(_)) | None => None,
            };
            let documents = self
                .documents
                .get(&item.customer)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let now = documents.iter().find(|now| now.document == document);
            match now {
                _ if moved.contains(&item.customer) && !back.contains(&item.customer) => {
                    outcome.leave(item, "moved_again");
                }
                Some(now) if now.responsible == to => returning.documents.push(Handing {
                    customer: item.customer,
                    document,
                    kind: now.kind,
                    author: now.author,
                    from: to,
                    to: Some(leaver),
                }),
                _ => outcome.leave(item, "changed_since"),
            }
        }
        outcome.customers = returning.customers.len() as u64;
        outcome.documents = returning.documents.len() as u64;
        (outcome, returning)
    }

    fn transfers(&self, cause: &Cause<'_>, leaver: UserId, returning: &Returning, first_seq: i64) -> Vec<Transfer> {
        let named: BTreeSet<CustomerId> = returning.documents.iter().map(|handing| handing.customer).collect();
        let his = [Scope::Responsible(leaver)];
        let mut transfers = Vec::new();
        let mut settled = BTreeSet::new();
        let mut seqs = first_seq..;
        for ((customer, team), seq) in returning.customers.iter().zip(&mut seqs) {
            let Some(before) = self.assignments.get(customer) else {
                continue;
            };
            let begins = if named.contains(customer) { &his[..] } else { &[] };
            let after = moved(before, Move::Owner(leaver, *team), seq);
            let now = self.memberships(*customer);
            transfers.push(Transfer::of_customer(
                cause,
                Some(before),
                after,
                now,
                (&[], begins),
                seq,
            ));
            settled.insert(*customer);
        }
        for (handing, seq) in returning.documents.iter().zip(seqs) {
            let is_first = settled.insert(handing.customer);
            let ends: Vec<Scope> = handing
                .from
                .filter(|user| is_first && !self.keeps(*user, handing.customer, returning))
                .map(Scope::Responsible)
                .into_iter()
                .collect();
            let begins = if is_first { &his[..] } else { &[] };
            let now = self.memberships(handing.customer);
            transfers.push(Transfer::of_document(cause, handing, now, (&ends, begins), seq));
        }
        transfers
    }

    /// Whether somebody is responsible for a document of a customer that does not go back.
    fn keeps(&self, user: UserId, customer: CustomerId, returning: &Returning) -> bool {
        let documents = self.documents.get(&customer).map(Vec::as_slice).unwrap_or_default();
        documents
            .iter()
            .filter(|document| document.responsible == Some(user))
            .any(|document| {
                let goes = |handing: &Handing| handing.document == document.document;
                !returning.documents.iter().any(goes)
            })
    }

    fn memberships(&self, customer: CustomerId) -> &[Membership] {
        self.memberships.get(&customer).map(Vec::as_slice).unwrap_or_default()
    }
}
