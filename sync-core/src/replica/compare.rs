//! Finding out, after the server has come back from a backup or when asked, where it and this device differ, and healing
//! that in both directions: what is missing here is asked for, what is missing there is offered.

use crate::protocol::{
    compare::{self, Behind, Belief, Compare, Compared, HeldDocument, HeldSum, Reconcile, bucket_of},
    limits::{COMPARED_DOCUMENTS_MAX, MESSAGE_BELIEFS_MAX, MESSAGE_COMPARED_ACTORS_MAX},
};

use super::{AccessRow, Checking, OutboxEntry, Replica, ReplicaError, ReplicaResult, Store};

impl<S: Store> Replica<'_, S> {
    /// Has everything here compared with what the server has, with the next sync.
    ///
    /// # Errors
    /// The store's.
    pub fn check(&mut self) -> ReplicaResult<(), S> {
        self.state.checking = Some(Checking::NextSync);
        self.save()
    }

    /// The server has begun a new log: everything is to be compared, and it is told whose the customers were.
    pub(super) fn begin_reconciling(&mut self) -> ReplicaResult<(), S> {
        let known = self.store.all_access().map_err(ReplicaError::Store)?;
        self.state.beliefs = known.iter().filter(|row| row.version > 0).map(belief).collect();
        self.state.checking = Some(Checking::All);
        Ok(())
    }

    pub(super) fn begin_checking(&mut self) -> ReplicaResult<(), S> {
        if self.state.checking == Some(Checking::NextSync) {
            self.state.checking = Some(Checking::All);
            self.save()?;
        }
        Ok(())
    }

    pub(super) fn has_to_compare(&self) -> bool {
        !matches!(self.state.checking, None | Some(Checking::NextSync))
    }

    /// What the next message says of it. While there is anything else to say or to get, that goes first.
    pub(super) fn reconcile(&mut self, entries: &[OutboxEntry], is_busy: bool) -> ReplicaResult<Option<Reconcile>, S> {
        let Some(checking) = self.state.checking.clone() else {
            self.state.compare_said = false;
            return Ok(None);
        };
        let beliefs: Vec<Belief> = self.state.beliefs.iter().take(MESSAGE_BELIEFS_MAX).copied().collect();
        self.state.compare_said =
            !(is_busy || self.state.recovering || !beliefs.is_empty() || checking == Checking::NextSync);
        let compare = if self.state.compare_said {
            self.compare(&checking)?
        } else {
            Compare::Later
        };
        let behind = self.behind(entries)?;
        Ok(Some(Reconcile {
            compare,
            beliefs,
            behind,
        }))
    }

    fn compare(&mut self, checking: &Checking) -> ReplicaResult<Compare, S> {
        let held = self.store.held().map_err(ReplicaError::Store)?;
        Ok(match checking {
            Checking::NextSync => Compare::Later,
            Checking::All => Compare::All(HeldSum::of(&held)),
            Checking::Buckets => Compare::Buckets(HeldSum::by_bucket(&held)),
            Checking::Documents(buckets) => {
                let buckets = fitting(buckets, &held).to_vec();
                let documents = held.into_iter().filter(|held| buckets.contains(&held.bucket()));
                Compare::Documents {
                    documents: compare::fitting(documents),
                    buckets,
                }
            }
        })
    }

    fn behind(&mut self, entries: &[OutboxEntry]) -> ReplicaResult<Vec<Behind>, S> {
        let mut behind: Vec<Behind> = Vec::new();
        for entry in entries {
            let actor = entry.change.actor;
            if !self.is_foreign(entry) || behind.iter().any(|known| known.actor == actor) {
                continue;
            }
            if let Some((user, device)) = self.store.actor(actor).map_err(ReplicaError::Store)? {
                behind.push(Behind { actor, user, device });
            }
        }
        Ok(behind)
    }

    pub(super) fn forget_said_beliefs(&mut self, answered: bool) {
        if answered && self.state.checking.is_some() {
            let said = self.state.beliefs.len().min(MESSAGE_BELIEFS_MAX);
            self.state.beliefs.drain(..said);
        }
    }

    /// Takes what came out of a comparison.
    pub(super) fn handle_compared(&mut self, compared: Option<&Compared>, more: bool) -> ReplicaResult<(), S> {
        let said = std::mem::take(&mut self.state.compare_said);
        let Some(checking) = self.state.checking.clone().filter(|_| said) else {
            return Ok(());
        };
        match compared {
            // Something has come in between: once more after it. A server that never compares is asked the next time.
            None if more => Ok(()),
            None => {
                self.state.checking = Some(Checking::NextSync);
                Ok(())
            }
            Some(Compared::Same { again }) => self.end_checking(*again),
            Some(Compared::Buckets) => {
                self.state.checking = Some(Checking::Buckets);
                Ok(())
            }
            Some(Compared::Documents(buckets)) if buckets.is_empty() => self.end_checking(false),
            Some(Compared::Documents(buckets)) => {
                self.state.checking = Some(Checking::Documents(buckets.clone()));
                Ok(())
            }
            Some(Compared::Differ {
                wanted,
                offered,
                foreign,
                again,
            }) => {
                let Checking::Documents(buckets) = checking else {
                    return self.end_checking(*again);
                };
                let held = self.store.held().map_err(ReplicaError::Store)?;
                let left = buckets[fitting(&buckets, &held).len()..].to_vec();
                for document in wanted {
                    self.want(*document)?;
                }
                for document in offered {
                    self.reoffer(*document, *foreign)?;
                }
                if left.is_empty() {
                    return self.end_checking(*again);
                }
                self.state.checking = Some(Checking::Documents(left));
                Ok(())
            }
        }
    }

    /// All is compared. If the server is not getting back anything more, what others wrote is not offered any longer.
    fn end_checking(&mut self, again: bool) -> ReplicaResult<(), S> {
        self.state.checking = again.then_some(Checking::NextSync);
        if again {
            return Ok(());
        }
        for document in self.store.outbox_documents().map_err(ReplicaError::Store)? {
            for entry in self.store.outbox_of_document(document).map_err(ReplicaError::Store)? {
                if self.is_foreign(&entry) {
                    self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
                }
            }
        }
        Ok(())
    }

    /// Offered again though somebody else wrote it.
    pub(super) fn is_foreign(&self, entry: &OutboxEntry) -> bool {
        entry.reoffer && !self.state.actors.contains(&entry.change.actor)
    }
}

fn belief(row: &AccessRow) -> Belief {
    Belief {
        customer: row.customer,
        owner: row.owner,
        pool: row.pool,
        version: row.version,
    }
}

/// The first of these buckets whose documents fit into one message: at least one.
fn fitting<'a>(buckets: &'a [u8], held: &[HeldDocument]) -> &'a [u8] {
    let (mut documents, mut actors) = (0, 0);
    let count = buckets.iter().take_while(|bucket| {
        for held in held.iter().filter(|held| bucket_of(held.document) == **bucket) {
            documents += 1;
            actors += held.actors.len();
        }
        documents <= COMPARED_DOCUMENTS_MAX && actors <= MESSAGE_COMPARED_ACTORS_MAX
    });
    let count = count.count().max(1).min(buckets.len());
    &buckets[..count]
}
