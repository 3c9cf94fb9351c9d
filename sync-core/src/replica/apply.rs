//! A page of documents: each passes the airlock, is stored with what was there, and is shown with what is pending.
//!
//! The server's bytes are trusted no more than anybody's: what does not fit is asked for again as a whole, and the
//! rest of the page is kept.

use std::collections::BTreeSet;

use crate::{
    airlock::{Trial, admit},
    document::{ChangeId, Document, Kind},
    ids::{ActorId, ChangeHash, CustomerId, DeviceId, DocumentId, UserId},
    protocol::{
        message::{PullChange, PullDocument, SyncResponse, Verdict, digest, document_id},
        oplist,
    },
    time::Timestamp,
};

use super::{
    DocumentRow, Replica, ReplicaError, ReplicaResult, Settled, Store, StoredChange, SyncProgress, view::Held,
};

/// The hashes of a page, as far as all of it could be built.
struct PageDigest {
    hashes: Vec<ChangeHash>,
    complete: bool,
}

impl<S: Store> Replica<'_, S> {
    pub(super) fn handle_page(
        &mut self,
        page: &SyncResponse,
        fresh: ActorId,
        progress: &mut SyncProgress,
    ) -> ReplicaResult<(), S> {
        self.learn_actors(page)?;
        let mut sum = PageDigest {
            hashes: Vec::new(),
            complete: true,
        };
        let mut arrived = Vec::new();
        for pulled in &page.documents {
            let place = page.customers.get(pulled.customer as usize).copied();
            let Some((customer, id)) = place.and_then(|customer| self.place(pulled, customer)) else {
                sum.complete = false;
                progress.misfits += 1;
                continue;
            };
            if pulled.gone {
                self.handle_gone(id)?;
                continue;
            }
            progress.pulled_documents += 1;
            let misfits_before = progress.misfits;
            match Kind::from_number(pulled.kind) {
                Some(kind) => self.take_document(page, pulled, id, customer, kind, fresh, &mut sum, progress)?,
                None => {
                    sum.complete = false;
                    self.take_unknown(page, pulled, id, customer)?;
                }
            }
            let fits = progress.misfits == misfits_before;
            arrived.push((id, fits));
        }
        let expected = digest(&sum.hashes);
        let agrees = !sum.complete || expected[..16] == page.digest;
        for (id, fits) in arrived {
            match (agrees, fits) {
                (true, true) => self.store.delete_wanted(id).map_err(ReplicaError::Store)?,
                (true, false) => {}
                (false, _) => {
                    progress.misfits += 1;
                    self.want(id)?;
                }
            }
        }
        Ok(())
    }

    fn place(&self, pulled: &PullDocument, customer: CustomerId) -> Option<(CustomerId, DocumentId)> {
        let id = match Kind::from_number(pulled.kind) {
            Some(kind) => document_id(self.state.org, pulled.document, customer, kind),
            None => pulled.document,
        };
        id.map(|id| (customer, id))
    }

    fn learn_actors(&mut self, page: &SyncResponse) -> ReplicaResult<(), S> {
        for info in &page.actors {
            let device = info
                .device
                .checked_sub(1)
                .and_then(|index| page.devices.get(index as usize));
            if let Some(user) = page.users.get(info.user as usize) {
                self.store
                    .put_actor(info.actor, *user, device.copied())
                    .map_err(ReplicaError::Store)?;
            }
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one document of a page with what stands around it"
    )]
    fn take_document(
        &mut self,
        page: &SyncResponse,
        pulled: &PullDocument,
        id: DocumentId,
        customer: CustomerId,
        kind: Kind,
        fresh: ActorId,
        sum: &mut PageDigest,
        progress: &mut SyncProgress,
    ) -> ReplicaResult<(), S> {
        let before = self.load_held(id, kind)?;
        let (mut held, replaced) = if pulled.whole {
            let empty = Held {
                document: Document::new(kind),
                stored: Vec::new(),
            };
            (empty, before.stored)
        } else {
            (before, Vec::new())
        };
        let known = held.stored.len();
        let mut from_page = BTreeSet::new();
        let whole = self.admit_changes(page, pulled, kind, &mut held, sum, &mut from_page)?;
        if !whole {
            progress.misfits += 1;
            sum.complete = false;
            self.want(id)?;
        }
        if pulled.whole && (self.state.recovering || self.state.checking.is_some() || !whole) {
            keep_what_is_not_there(kind, replaced, &mut held);
        }
        if pulled.whole {
            self.store.delete_changes(id).map_err(ReplicaError::Store)?;
            self.store
                .append_changes(id, &held.stored)
                .map_err(ReplicaError::Store)?;
        } else {
            let new = &held.stored[known..];
            self.store.append_changes(id, new).map_err(ReplicaError::Store)?;
        }
        let responsible = pulled
            .responsible
            .checked_sub(1)
            .and_then(|index| page.users.get(index as usize).copied());
        self.show_arrived(id, customer, responsible, held, &from_page, fresh, progress)
    }

    /// Gates 1 to 4. `false` if something did not pass; what came before it is kept.
    fn admit_changes(
        &mut self,
        page: &SyncResponse,
        pulled: &PullDocument,
        kind: Kind,
        held: &mut Held,
        sum: &mut PageDigest,
        from_page: &mut BTreeSet<ChangeId>,
    ) -> ReplicaResult<bool, S> {
        for change in &pulled.changes {
            let Ok(decoded) = oplist::decode(&change.body, kind) else {
                return Ok(false);
            };
            from_page.insert(decoded.id());
            if let Some(applied) = held.document.state().change(decoded.id()) {
                sum.hashes.push(applied.hash);
                continue;
            }
            let name = decoded.id();
            let Ok(built) = admit(&mut held.document, decoded, change.body.len(), Trial::Build) else {
                return Ok(false);
            };
            sum.hashes.push(built.hash);
            let (author, device) = self.author_of(page, change, name.actor)?;
            held.stored.push(StoredChange {
                id: name,
                hash: built.hash,
                body: built.body,
                author,
                device,
                received_at: Some(page.server_time.plus_ms(change.received)),
                late: change.late,
            });
        }
        Ok(true)
    }

    fn author_of(
        &mut self,
        page: &SyncResponse,
        change: &PullChange,
        actor: ActorId,
    ) -> ReplicaResult<(Option<UserId>, Option<DeviceId>), S> {
        let named = change
            .author
            .checked_sub(1)
            .and_then(|index| page.users.get(index as usize).copied());
        let behind = self.store.actor(actor).map_err(ReplicaError::Store)?;
        let mine = self
            .state
            .actors
            .contains(&actor)
            .then_some((self.state.user, Some(self.state.device)));
        let behind = behind.or(mine);
        let device = behind.and_then(|(_, device)| device);
        Ok((named.or(behind.map(|(user, _)| user)), device))
    }

    /// Own changes that came back are recognised by actor and seq and leave the outbox; what is still pending is put
    /// on top, or issued again if it no longer fits.
    #[expect(
        clippy::too_many_arguments,
        reason = "one document of a page with what stands around it"
    )]
    fn show_arrived(
        &mut self,
        id: DocumentId,
        customer: CustomerId,
        responsible: Option<UserId>,
        held: Held,
        from_page: &BTreeSet<ChangeId>,
        fresh: ActorId,
        progress: &mut SyncProgress,
    ) -> ReplicaResult<(), S> {
        let mut copied = Vec::new();
        for entry in self.store.outbox_of_document(id).map_err(ReplicaError::Store)? {
            let applied = held.document.state().change(entry.change);
            let Some(applied) = applied.filter(|_| from_page.contains(&entry.change)) else {
                continue;
            };
            if applied.hash == entry.hash {
                self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
                let verdict = Verdict::Accepted { late: false };
                progress.verdicts.count(&verdict);
                progress.settled.push(Settled {
                    entry: entry.id,
                    document: id,
                    change: entry.change,
                    verdict,
                });
            } else {
                // Somebody else has written under this actor: a copy of this phone.
                copied.push(entry);
            }
        }
        let view = self.view_on(id, held)?;
        let mut unfit = view.unfit.clone();
        unfit.retain(|entry| !entry.reoffer);
        let again: Vec<_> = copied.into_iter().chain(unfit).collect();
        self.put_view(id, customer, responsible, &view)?;
        if again.is_empty() {
            return Ok(());
        }
        for entry in &again {
            self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
        }
        self.state.take_actor(fresh);
        let at = again[0].at;
        self.reissue(&again, at)
    }

    /// A kind this version does not know is stored as it came and shown to nobody.
    fn take_unknown(
        &mut self,
        page: &SyncResponse,
        pulled: &PullDocument,
        id: DocumentId,
        customer: CustomerId,
    ) -> ReplicaResult<(), S> {
        let known = self.store.changes(id).map_err(ReplicaError::Store)?.len();
        let first = if pulled.whole { 0 } else { known };
        let changes: Vec<StoredChange> = (first as u64..)
            .zip(&pulled.changes)
            .map(|(place, change)| StoredChange {
                // Its real name cannot be read here; the place keeps it apart.
                id: ChangeId {
                    actor: ActorId([0; 16]),
                    seq: place + 1,
                },
                hash: ChangeHash([0; 32]),
                body: change.body.to_vec(),
                author: None,
                device: None,
                received_at: Some(page.server_time.plus_ms(change.received)),
                late: change.late,
            })
            .collect();
        if pulled.whole {
            self.store.delete_changes(id).map_err(ReplicaError::Store)?;
        }
        self.store.append_changes(id, &changes).map_err(ReplicaError::Store)?;
        self.store
            .put_document(&DocumentRow {
                id,
                customer,
                kind: pulled.kind,
                author: None,
                device: None,
                responsible: None,
                created_at: Timestamp(0),
                received_at: Some(page.server_time),
                late: false,
                gone: false,
                checked_in_by: None,
                fields: serde_json::Map::new(),
                conflicts: Vec::new(),
            })
            .map_err(ReplicaError::Store)
    }
}

/// After a new log, what the server has not sent stays: it is offered to it again.
fn keep_what_is_not_there(kind: Kind, replaced: Vec<StoredChange>, held: &mut Held) {
    for change in replaced {
        if held.document.state().change(change.id).is_some() {
            continue;
        }
        let Ok(decoded) = oplist::decode(&change.body, kind) else {
            continue;
        };
        if held.document.restore(decoded, change.hash, change.body.len()).is_ok() {
            held.stored.push(change);
        }
    }
}
