//! Verdicts: what was accepted becomes part of the document, what was refused goes to the tray, and what was made on
//! top of it is issued again from its meaning.

use std::collections::BTreeMap;

use crate::{
    document::Kind,
    ids::{ActorId, DocumentId},
    protocol::{
        compare::is_fixed,
        message::{RetryReason, Verdict},
        oplist,
    },
    time::Timestamp,
};

use super::{
    InFlight, OutboxEntry, Replica, ReplicaError, ReplicaResult, Settled, Store, StoredChange, SyncProgress, TrayEntry,
    Wanted, record::is_begun_by_creator, send::WANTED_ATTEMPTS_MAX,
};

/// The server lacks an own change that it had accepted: it was put back from a backup. What is here stays and is
/// offered again.
const SEQ_GAP: &str = "seq_gap";
/// The person the document is about was erased: of the edit nothing but its id and this reason stays here.
const ERASED: &str = "erased";
/// Refusals that speak of who wrote or of where it was written, not of what: the same edit is issued again, under a new
/// actor and on what the server has.
const ISSUED_AGAIN: [&str; 6] = [
    SEQ_GAP,
    "equivocation",
    "actor_frozen",
    "actor_foreign",
    "actor_unknown",
    "already_created",
];

/// What to do with the entries that follow a refused one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    /// Nothing was refused.
    None,
    /// Their meaning is issued again.
    Rejected,
    /// They belong to the chain that a manager decides.
    Quarantined,
}

impl<S: Store> Replica<'_, S> {
    pub(super) fn handle_verdicts(
        &mut self,
        in_flight: &InFlight,
        verdicts: &[(u32, Verdict)],
        received_at: Timestamp,
        fresh: ActorId,
        progress: &mut SyncProgress,
    ) -> ReplicaResult<(), S> {
        let said: BTreeMap<u32, &Verdict> = verdicts.iter().map(|(index, verdict)| (*index, verdict)).collect();
        let accepted = Verdict::Accepted { late: false };
        let mut by_document: Vec<(DocumentId, Kind)> = Vec::new();
        let mut verdict_of: BTreeMap<i64, Verdict> = BTreeMap::new();
        for (index, id) in (0_u32..).zip(&in_flight.entries) {
            // An entry may have left the outbox since: its change came back with a page.
            let Some(entry) = self.store.outbox_entry(*id).map_err(ReplicaError::Store)? else {
                continue;
            };
            if by_document
                .last()
                .is_none_or(|(document, _)| *document != entry.document)
            {
                by_document.push((entry.document, entry.kind));
            }
            let verdict = said.get(&index).copied().unwrap_or(&accepted);
            progress.verdicts.count(verdict);
            verdict_of.insert(*id, verdict.clone());
        }
        for (document, kind) in by_document {
            self.settle_document(document, kind, &verdict_of, received_at, fresh, progress)?;
        }
        Ok(())
    }

    fn settle_document(
        &mut self,
        document: DocumentId,
        kind: Kind,
        verdict_of: &BTreeMap<i64, Verdict>,
        received_at: Timestamp,
        fresh: ActorId,
        progress: &mut SyncProgress,
    ) -> ReplicaResult<(), S> {
        let entries = self.store.outbox_of_document(document).map_err(ReplicaError::Store)?;
        let Some(customer) = entries.first().map(|entry| entry.customer) else {
            return Ok(());
        };
        let mut root = Root::None;
        let mut again: Vec<OutboxEntry> = Vec::new();
        let mut code = String::new();
        for mut entry in entries {
            let verdict = verdict_of.get(&entry.id);
            if let Some(verdict) = verdict.filter(|verdict| verdict.is_final()) {
                progress.settled.push(Settled {
                    entry: entry.id,
                    document,
                    change: entry.change,
                    verdict: verdict.clone(),
                });
            }
            match verdict {
                Some(Verdict::Accepted { late }) => self.accept(&entry, *late, received_at)?,
                Some(Verdict::Amended) => self.accept(&entry, true, received_at)?,
                // Somebody else's change, which the server no longer takes from here.
                Some(verdict) if verdict.is_final() && self.is_foreign(&entry) => {
                    self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
                }
                Some(Verdict::Rejected { code: said }) => {
                    self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
                    if said == ERASED {
                        self.handle_gone(document)?;
                    } else {
                        self.want_if_held(&entry)?;
                    }
                    if self.is_issued_again(&entry, said)? {
                        again.push(entry.clone());
                        if said != SEQ_GAP {
                            self.want(document)?;
                        }
                    } else {
                        self.put_in_tray(&entry, "rejected", said, entry.at)?;
                    }
                    if root == Root::None && !entry.chain {
                        root = Root::Rejected;
                        code.clone_from(said);
                    }
                }
                Some(Verdict::Quarantined { reason, .. }) => {
                    self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
                    self.want_if_held(&entry)?;
                    self.put_in_tray(&entry, "quarantined", reason, entry.at)?;
                    if root == Root::None && !entry.chain {
                        root = Root::Quarantined;
                        code.clone_from(reason);
                    }
                }
                Some(Verdict::Superseded) => {
                    self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
                    if root == Root::None && !entry.chain {
                        root = self.earlier_root(document)?;
                    }
                    if root == Root::Rejected && !entry.chain && !entry.reoffer {
                        again.push(entry);
                    } else {
                        let reason = if code.is_empty() { "superseded" } else { &code };
                        self.put_in_tray(&entry, "superseded", reason, entry.at)?;
                    }
                }
                // Recorded since: it is not sent, only to be refused there.
                Some(Verdict::Retry(_)) | None if code == ERASED => {
                    self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
                    self.put_in_tray(&entry, "rejected", ERASED, entry.at)?;
                }
                Some(Verdict::Retry(_)) | None if root == Root::Rejected && !entry.chain && !entry.reoffer => {
                    self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
                    again.push(entry);
                }
                Some(Verdict::Retry(_)) | None if root == Root::Quarantined && !entry.chain && !entry.reoffer => {
                    // It goes to the server all the same, so that the manager decides about the whole chain.
                    entry.chain = true;
                    entry.reason = Some(code.clone());
                    self.store.update_outbox(&entry).map_err(ReplicaError::Store)?;
                }
                Some(Verdict::Retry(reason)) => self.put_off(entry, reason)?,
                None => {}
            }
        }
        if root == Root::None {
            return self.refresh(document, customer, kind);
        }
        self.state.take_actor(fresh);
        self.refresh(document, customer, kind)?;
        self.issue_again(document, kind, again)?;
        self.refresh(document, customer, kind)
    }

    /// What depended on something rejected is issued again, unless it depended on the creation of its document.
    fn issue_again(&mut self, document: DocumentId, kind: Kind, again: Vec<OutboxEntry>) -> ReplicaResult<(), S> {
        if again.is_empty() {
            return Ok(());
        }
        let held = self.load_held(document, kind)?;
        let creation = again.first().is_some_and(creates);
        if is_begun_by_creator(&held.document) && !creation {
            for entry in &again {
                self.put_in_tray(entry, "superseded", "superseded", entry.at)?;
            }
            return Ok(());
        }
        self.reissue(&again, again[0].at)
    }

    /// Not for ever: where the server's copy does not come, the edit ends in the tray.
    fn is_issued_again(&mut self, entry: &OutboxEntry, code: &str) -> ReplicaResult<bool, S> {
        if entry.chain || entry.reoffer || !ISSUED_AGAIN.contains(&code) {
            return Ok(false);
        }
        let wanted = self.store.wanted().map_err(ReplicaError::Store)?;
        let asked = wanted.iter().find(|wanted| wanted.document == entry.document);
        Ok(asked.is_none_or(|asked| asked.attempts < WANTED_ATTEMPTS_MAX))
    }

    /// A change that depends on one refused by an earlier answer.
    fn earlier_root(&mut self, document: DocumentId) -> ReplicaResult<Root, S> {
        let tray = self.store.tray_of_document(document).map_err(ReplicaError::Store)?;
        Ok(match tray.last() {
            Some(entry) if entry.verdict == "quarantined" => Root::Quarantined,
            _ => Root::Rejected,
        })
    }

    fn accept(&mut self, entry: &OutboxEntry, late: bool, received_at: Timestamp) -> ReplicaResult<(), S> {
        self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
        // Part of a quarantined chain that was accepted in the end: the server sends it with its page.
        if entry.chain {
            return self.want(entry.document);
        }
        let change = StoredChange {
            id: entry.change,
            hash: entry.hash,
            body: entry.body.clone(),
            author: Some(self.state.user),
            device: Some(self.state.device),
            received_at: Some(received_at),
            late,
        };
        self.store
            .append_changes(entry.document, &[change])
            .map_err(ReplicaError::Store)
    }

    fn put_off(&mut self, mut entry: OutboxEntry, reason: &RetryReason) -> ReplicaResult<(), S> {
        let name = match reason {
            RetryReason::Later => "later",
            RetryReason::UpgradeRequired => "upgrade_required",
            RetryReason::MissingDependencies(_) => "missing_deps",
            RetryReason::MissingCustomer => "missing_customer",
            RetryReason::DigestMismatch => "digest_mismatch",
        };
        let repeated = entry.reason.as_deref() == Some(name);
        entry.hold = match reason {
            RetryReason::DigestMismatch if !entry.with_hash => {
                entry.with_hash = true;
                false
            }
            RetryReason::MissingDependencies(missing) => {
                let mine = missing.iter().any(|change| self.state.actors.contains(&change.actor));
                if mine && !repeated {
                    self.reoffer(entry.document, false)?;
                } else if !mine {
                    self.want(entry.document)?;
                }
                repeated || !mine
            }
            _ => true,
        };
        if entry.chain && name == "missing_deps" {
            // The server has decided about the chain without it.
            self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
            let code = entry.reason.clone().unwrap_or_else(|| "superseded".to_owned());
            return self.put_in_tray(&entry, "superseded", &code, entry.at);
        }
        entry.reason = Some(name.to_owned());
        self.store.update_outbox(&entry).map_err(ReplicaError::Store)
    }

    pub(super) fn hold_entry(&mut self, id: i64) -> ReplicaResult<(), S> {
        if let Some(mut entry) = self.store.outbox_entry(id).map_err(ReplicaError::Store)? {
            entry.hold = true;
            self.store.update_outbox(&entry).map_err(ReplicaError::Store)?;
        }
        Ok(())
    }

    /// Offers this device's own accepted changes of a document again, `foreign` those of others too: the server lacks
    /// them.
    pub(super) fn reoffer(&mut self, document: DocumentId, foreign: bool) -> ReplicaResult<(), S> {
        let Some(row) = self.store.document(document).map_err(ReplicaError::Store)? else {
            return Ok(());
        };
        let Some(kind) = Kind::from_number(row.kind) else {
            return Ok(());
        };
        let waiting = self.store.outbox_of_document(document).map_err(ReplicaError::Store)?;
        let own: Vec<StoredChange> = self
            .store
            .changes(document)
            .map_err(ReplicaError::Store)?
            .into_iter()
            .filter(|change| self.state.actors.contains(&change.id.actor) || (foreign && !is_fixed(change.id.actor)))
            .filter(|change| waiting.iter().all(|entry| entry.change != change.id))
            .collect();
        if own.is_empty() {
            return Ok(());
        }
        // In front of what was recorded since: taken out and put behind.
        for change in own {
            let at = change.received_at.unwrap_or_default();
            let entry = OutboxEntry {
                id: 0,
                document,
                customer: row.customer,
                kind,
                change: change.id,
                hash: change.hash,
                body: change.body,
                edits: Vec::new(),
                at,
                with_hash: false,
                hold: false,
                chain: false,
                reoffer: true,
                reason: None,
            };
            self.store.push_outbox(&entry).map_err(ReplicaError::Store)?;
        }
        for entry in waiting {
            self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
            self.store.push_outbox(&entry).map_err(ReplicaError::Store)?;
        }
        Ok(())
    }

    /// A refused change that an earlier log had accepted is still part of the document here: what the server has
    /// replaces it.
    fn want_if_held(&mut self, entry: &OutboxEntry) -> ReplicaResult<(), S> {
        if entry.reoffer {
            self.want(entry.document)
        } else {
            Ok(())
        }
    }

    pub(super) fn want(&mut self, document: DocumentId) -> ReplicaResult<(), S> {
        let known = self.store.wanted().map_err(ReplicaError::Store)?;
        if known.iter().any(|wanted| wanted.document == document) {
            return Ok(());
        }
        self.store
            .put_wanted(Wanted { document, attempts: 0 })
            .map_err(ReplicaError::Store)
    }

    pub(super) fn put_in_tray(
        &mut self,
        entry: &OutboxEntry,
        verdict: &str,
        reason: &str,
        at: Timestamp,
    ) -> ReplicaResult<(), S> {
        let erased = reason == ERASED;
        self.store
            .push_tray(&TrayEntry {
                id: 0,
                document: Some(entry.document),
                customer: entry.customer,
                kind: entry.kind.name().to_owned(),
                edits: if erased { Vec::new() } else { entry.edits.clone() },
                at,
                verdict: verdict.to_owned(),
                reason: reason.to_owned(),
                owner: None,
                since: None,
            })
            .map(|_| ())
            .map_err(ReplicaError::Store)
    }
}

/// Whether the change begins its document.
fn creates(entry: &OutboxEntry) -> bool {
    !entry.kind.is_single()
        && oplist::decode(&entry.body, entry.kind).is_ok_and(|change| change.dependencies.is_empty())
}
