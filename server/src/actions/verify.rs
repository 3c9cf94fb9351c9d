//! Whether everything agrees: the log with its hashes, documents, lists, scopes and the chain of the audit.
//!
//! Reads one moment of an organisation, also while a server writes. It changes nothing; `rebuild` mends what is only a
//! cache.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sync_core::{
    document::Kind,
    ids::{CustomerId, OrgId},
    visibility::{Scope, customer_scopes},
};
use uuid::Uuid;

use super::{
    ActionError,
    rebuild::{DOCUMENTS_PER_BATCH, Expected, refold, summary_agrees},
};
use crate::{
    jobs::sealer,
    storage::{
        Database, Tx,
        customers::{self, CustomerRow},
        log, organisation,
        ownership::CardSummary,
        packed, read_model,
    },
};

/// Customers read at a time.
const CUSTOMERS_PER_BATCH: i64 = 500;
/// Differences that are told one by one; the others are counted.
const DIFFERENCES_TOLD_MAX: usize = 20;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether everything agrees.
    pub ok: bool,
    /// Organisations.
    pub organisations: u64,
    /// Customers.
    pub customers: u64,
    /// Documents.
    pub documents: u64,
    /// Changes whose hashes were computed anew.
    pub changes: u64,
    /// Rows of the audit covered by its chain.
    pub audit_rows_sealed: i64,
    /// Rows of the audit that no link covers yet.
    pub audit_rows_unsealed: i64,
    /// How many differences there are.
    pub differences_total: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The organisation.
    pub org: OrgId,
    /// Which check: `log`, `document`, `customer`, `scope` or `audit`.
    pub check: &'static str,
    /// What it is about: an id or a place.
    pub subject: String,
    /// What does not agree.
    pub what: String,
}

impl Report {
    fn differs(&mut self, org: OrgId, check: &'static str, subject: impl ToString, what: impl Into<String>) {
        self.differences_total += 1;
        if self.differences.len() < DIFFERENCES_TOLD_MAX {
            self.differences.push(Difference {
                org,
                check,
                subject: subject.to_string(),
                what: what.into(),
            });
        }
    }
}

/// Compares everything. `progress` is told how many documents have been done.
///
/// # Errors
/// The database's.
pub async fn verify(database: &Database, mut progress: impl FnMut(u64) + Send) -> Result<Report, ActionError> {
    let mut report = Report::default();
    let mut tx = database.read().await?;
    let organisations = organisation::list(&mut tx).await?;
    drop(tx);
    for organisation in organisations {
        // One snapshot for each organisation: what is written meanwhile is not half seen.
        let mut tx = database.read().await?;
        report.organisations += 1;
        verify_log(&mut tx, organisation.org, &mut report).await?;
        let cards = verify_documents(&mut tx, organisation.org, &mut report, &mut progress).await?;
        verify_customers(&mut tx, organisation.org, &cards, &mut report).await?;
        verify_audit(&mut tx, organisation.org, &mut report).await?;
        tx.rollback().await?;
    }
    report.ok = report.differences_total == 0;
    Ok(report)
}

async fn verify_log(tx: &mut Tx, org: OrgId, report: &mut Report) -> Result<(), ActionError> {
    let head = log::head(tx, org).await?;
    let last = read_model::last_place(tx, org).await?;
    if last > head {
        report.differs(org, "log", last, format!("the log goes beyond its head {head}"));
    }
    let told = i64::try_from(DIFFERENCES_TOLD_MAX).unwrap_or(i64::MAX);
    for place in read_model::list_stray_changes(tx, org, told).await? {
        report.differs(
            org,
            "log",
            place,
            "the change belongs to no document, or to one of another customer",
        );
    }
    for document in packed::list_stray(tx, org, told).await? {
        report.differs(
            org,
            "document",
            document,
            "it is packed for a customer it does not belong to; run `rebuild`",
        );
    }
    Ok(())
}

async fn verify_documents(
    tx: &mut Tx,
    org: OrgId,
    report: &mut Report,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<BTreeMap<CustomerId, CardSummary>, ActionError> {
    let mut cards = BTreeMap::new();
    let mut after = Uuid::nil();
    loop {
        let rows = read_model::list_after(tx, org, after, DOCUMENTS_PER_BATCH).await?;
        let Some(last) = rows.last() else { return Ok(cards) };
        after = last.id.0;
        report.documents += u64::try_from(rows.len()).unwrap_or(0);
        for (row, refolded) in refold(tx, org, rows).await? {
            match (refolded, row.document) {
                (Ok(Some(expected)), Some(document)) => {
                    report.changes += u64::try_from(expected.changes).unwrap_or(0);
                    if !expected.agrees_with(&document, row.last_seq) || row.packed != expected.packed {
                        report.differs(
                            org,
                            "document",
                            row.id,
                            "its row is not what the log says; run `rebuild`",
                        );
                    }
                    note_card(&expected, document.kind, &mut cards);
                }
                (Err(reason), _) => report.differs(org, "document", row.id, reason),
                (Ok(_), _) => {}
            }
        }
        progress(report.documents);
    }
}

fn note_card(expected: &Expected, kind: Kind, cards: &mut BTreeMap<CustomerId, CardSummary>) {
    if kind == Kind::Card {
        cards.insert(expected.customer, CardSummary::of(&expected.fields));
    }
}

async fn verify_customers(
    tx: &mut Tx,
    org: OrgId,
    cards: &BTreeMap<CustomerId, CardSummary>,
    report: &mut Report,
) -> Result<(), ActionError> {
    let mut after = Uuid::nil();
    loop {
        let rows = customers::list_by_id(tx, org, after, CUSTOMERS_PER_BATCH).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id.0;
        let ids: Vec<CustomerId> = rows.iter().map(|row| row.id).collect();
        let mut open: BTreeMap<CustomerId, BTreeSet<Scope>> = BTreeMap::new();
        for (customer, scope) in read_model::list_open_scopes(tx, org, &ids).await? {
            match Scope::from_bytes(&scope) {
                Ok(scope) => drop(open.entry(customer).or_default().insert(scope)),
                Err(_) => report.differs(
                    org,
                    "scope",
                    customer,
                    "it is in a scope that this version does not know",
                ),
            }
        }
        for row in rows {
            report.customers += 1;
            if cards.get(&row.id).is_some_and(|card| !summary_agrees(card, &row)) {
                report.differs(
                    org,
                    "customer",
                    row.id,
                    "its line in lists is not what its card says; run `rebuild`",
                );
            }
            let open = open.remove(&row.id).unwrap_or_default();
            verify_scopes(tx, org, &row, &open, report).await?;
        }
    }
}

// The scopes that follow from owner, pool, team and collaborators, and no others of these kinds: a row too many would
// show the customer to somebody.
async fn verify_scopes(
    tx: &mut Tx,
    org: OrgId,
    customer: &CustomerRow,
    open: &BTreeSet<Scope>,
    report: &mut Report,
) -> Result<(), ActionError> {
    let facts = customers::customer_facts(tx, org, customer).await?;
    let expected: BTreeSet<Scope> = customer_scopes(&facts, org).into_iter().collect();
    for missing in expected.difference(open) {
        report.differs(
            org,
            "scope",
            customer.id,
            format!("it is not in {missing}, where its owner or pool puts it"),
        );
    }
    let by_facts = |scope: &&Scope| {
        matches!(
            scope,
            Scope::Book(_) | Scope::Pool(_) | Scope::Team(_) | Scope::Collab(_) | Scope::CollabRead(_) | Scope::Org(_)
        )
    };
    for extra in open.difference(&expected).filter(by_facts) {
        report.differs(
            org,
            "scope",
            customer.id,
            format!("it is in {extra}, where nothing puts it"),
        );
    }
    Ok(())
}

async fn verify_audit(tx: &mut Tx, org: OrgId, report: &mut Report) -> Result<(), ActionError> {
    let chain = sealer::verify_chain(tx, org).await?;
    report.audit_rows_sealed += chain.sealed_rows;
    report.audit_rows_unsealed += chain.unsealed_rows;
    if let Some(fault) = chain.fault {
        report.differs(org, "audit", chain.sealed_rows, fault.to_string());
    }
    Ok(())
}
