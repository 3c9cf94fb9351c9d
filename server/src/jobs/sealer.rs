//! Chains the audit: every few seconds the rows that came since are covered by a link, which covers the link before
//! as well. Whoever changes, removes or inserts a sealed row breaks the chain from there on, and [`verify_chain`]
//! says where.
//!
//! It shows tampering to whoever keeps a link's hash elsewhere; it cannot show it to somebody who lets the tamperer
//! write the links anew.

use std::time::Duration;

use sha2::{Digest, Sha256};
use sync_core::{ids::OrgId, time::Timestamp};
use uuid::Uuid;

use crate::{
    seam::Seam,
    storage::{
        Database, StorageError, Tx,
        audit::{self, Link, StoredAudit},
        leases,
    },
};

/// How long a row may stand unsealed when the server is idle.
const INTERVAL: Duration = Duration::from_secs(2);
/// Rows under one link.
const ROWS_PER_LINK: i64 = 1_000;
/// Links of an organisation in one round, so that the others get their turn.
const LINKS_PER_ROUND: usize = 20;
/// Organisations looked at in one round.
const ORGANISATIONS_PER_ROUND: i64 = 200;
/// Links read at once when the chain is verified.
const LINKS_PER_READ: i64 = 500;
/// The lease by which one node seals for all.
const LEASE: &str = "sealer";
/// How long a node that has died keeps the others from sealing.
const LEASE_MS: i64 = 15_000;

/// Seals for as long as it is polled.
pub async fn run(database: Database, seam: Seam) {
    let holder = seam.uuid();
    loop {
        if let Err(error) = seal(&database, &seam, holder).await {
            tracing::warn!(%error, "the audit could not be sealed; it is tried again");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Seals what is unsealed, unless another node holds the lease. Returns how many links were written.
///
/// # Errors
/// The database's; what was committed before it stays.
pub async fn seal(database: &Database, seam: &Seam, holder: Uuid) -> Result<usize, StorageError> {
    // Looked at without writing: an idle server writes nothing.
    let mut tx = database.read().await?;
    let behind = audit::list_unsealed(&mut tx, ORGANISATIONS_PER_ROUND).await?;
    drop(tx);
    let mut links = 0;
    for org in behind {
        for _ in 0..LINKS_PER_ROUND {
            let mut tx = database.write().await?;
            let now = seam.now();
            if !leases::take(&mut tx, LEASE, holder, now, now.plus_ms(LEASE_MS)).await? {
                return Ok(links);
            }
            let sealed = seal_once(&mut tx, org, now).await?;
            tx.commit().await?;
            if !sealed {
                break;
            }
            links += 1;
        }
    }
    Ok(links)
}

async fn seal_once(tx: &mut Tx, org: OrgId, now: Timestamp) -> Result<bool, StorageError> {
    let before = audit::find_last_link(tx, org).await?;
    let after = before.as_ref().map_or(0, |link| link.last_audit_seq);
    let rows = audit::list_after(tx, org, after, ROWS_PER_LINK).await?;
    // Numbers are taken and rows written in one transaction, under a lock: a gap is none that will fill.
    let Some(last) = rows.last() else { return Ok(false) };
    let hash = hash_of(org, before.as_ref().map(|link| link.hash.as_slice()), &rows);
    let link = Link {
        last_audit_seq: last.audit_seq,
        first_audit_seq: after + 1,
        hash: hash.to_vec(),
    };
    audit::insert_link(tx, org, &link, now).await?;
    Ok(true)
}

/// What verifying the chain of an organisation showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// Rows covered by links that fit.
    pub sealed_rows: i64,
    /// Links that fit.
    pub links: i64,
    /// Rows that no link covers yet.
    pub unsealed_rows: i64,
    /// The hash of the last link that fits: keep it elsewhere to notice a chain written anew.
    pub last_hash: Option<Vec<u8>>,
    /// The first thing that is wrong.
    pub fault: Option<ChainFault>,
}

/// Where the audit and its chain disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A row's number is missing.
    #[error("audit row {0} is missing")]
    MissingRow(i64),
    /// The rows up to this link are not those that were sealed.
    #[error("the audit rows up to {0} are not those that were sealed")]
    Changed(i64),
    /// A link does not follow the one before it.
    #[error("the link up to audit row {0} does not follow the one before it")]
    BrokenLink(i64),
}

/// Computes the chain of an organisation anew and compares.
///
/// # Errors
/// The driver's.
pub async fn verify_chain(tx: &mut Tx, org: OrgId) -> Result<ChainReport, StorageError> {
    let mut report = ChainReport {
        sealed_rows: 0,
        links: 0,
        unsealed_rows: 0,
        last_hash: None,
        fault: None,
    };
    let mut covered = 0;
    loop {
        let links = audit::list_links_after(tx, org, covered, LINKS_PER_READ).await?;
        if links.is_empty() {
            break;
        }
        for link in links {
            if link.first_audit_seq != covered + 1 || link.last_audit_seq < link.first_audit_seq {
                report.fault = Some(ChainFault::BrokenLink(link.last_audit_seq));
                return Ok(report);
            }
            let count = link.last_audit_seq - covered;
            // One more than there should be does not come: the numbers are unique and the list is in order.
            let rows = audit::list_after(tx, org, covered, count).await?;
            if let Some(missing) = first_gap(&rows, covered, link.last_audit_seq) {
                report.fault = Some(ChainFault::MissingRow(missing));
                return Ok(report);
            }
            if hash_of(org, report.last_hash.as_deref(), &rows)[..] != link.hash[..] {
                report.fault = Some(ChainFault::Changed(link.last_audit_seq));
                return Ok(report);
            }
            covered = link.last_audit_seq;
            report.links += 1;
            report.sealed_rows += count;
            report.last_hash = Some(link.hash);
        }
    }
    count_unsealed(tx, org, covered, &mut report).await?;
    Ok(report)
}

async fn count_unsealed(tx: &mut Tx, org: OrgId, covered: i64, report: &mut ChainReport) -> Result<(), StorageError> {
    let head = audit::head(tx, org).await?;
    let mut after = covered;
    while after < head {
        let rows = audit::list_after(tx, org, after, ROWS_PER_LINK).await?;
        let until = head.min(after + ROWS_PER_LINK);
        if let Some(missing) = first_gap(&rows, after, until) {
            report.fault = Some(ChainFault::MissingRow(missing));
            return Ok(());
        }
        report.unsealed_rows += until - after;
        after = until;
    }
    Ok(())
}

/// The first number in (after, until] without a row.
fn first_gap(rows: &[StoredAudit], after: i64, until: i64) -> Option<i64> {
    (after + 1..=until)
        .zip(
            rows.iter()
                .map(|row| Some(row.audit_seq))
                .chain(std::iter::repeat(None)),
        )
        .find_map(|(expected, found)| (found != Some(expected)).then_some(expected))
}

/// SHA-256 over the organisation, the link before, and each row with the length of each of its parts, so that no two
/// different lists of rows read alike.
fn hash_of(org: OrgId, before: Option<&[u8]>, rows: &[StoredAudit]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"fieldpool audit v1");
    hash.update(org.as_bytes());
    hash.update(before.unwrap_or(&[0; 32]));
    for row in rows {
        hash.update(row.audit_seq.to_be_bytes());
        hash.update(row.at.to_be_bytes());
        for id in [row.user_id, row.device_id] {
            hash.update(id.unwrap_or(Uuid::nil()).as_bytes());
        }
        for text in [&row.action, &row.subject, &row.detail] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
