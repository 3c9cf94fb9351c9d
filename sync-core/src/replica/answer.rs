//! What the server answered: outcomes, verdicts, rights, documents, in this order, as one step.

use crate::{
    document::ChangeId,
    ids::{ActorId, CustomerId, DocumentId, IntentId},
    protocol::message::{SyncResponse, Verdict, WipeOrder},
    time::Timestamp,
};

use super::{InFlight, Replica, ReplicaError, ReplicaResult, Standing, Store};

/// How many changes got which verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerdictCounts {
    /// In the log.
    pub accepted: u64,
    /// In the log, below values written since.
    pub amended: u64,
    /// Kept at the server for a decision.
    pub quarantined: u64,
    /// Refused.
    pub rejected: u64,
    /// Depended on a refused one.
    pub superseded: u64,
    /// Not yet.
    pub retry: u64,
}

impl VerdictCounts {
    pub(super) fn count(&mut self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::Accepted { .. } => &mut self.accepted,
            Verdict::Amended => &mut self.amended,
            Verdict::Quarantined { .. } => &mut self.quarantined,
            Verdict::Rejected { .. } => &mut self.rejected,
            Verdict::Superseded => &mut self.superseded,
            Verdict::Retry(_) => &mut self.retry,
        };
        *counter += 1;
    }

    /// Adds another step's.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.amended += other.amended;
        self.quarantined += other.quarantined;
        self.rejected += other.rejected;
        self.superseded += other.superseded;
        self.retry += other.retry;
    }
}

/// An outbox entry that got its final verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The entry.
    pub entry: i64,
    /// The document.
    pub document: DocumentId,
    /// The change.
    pub change: ChangeId,
    /// The verdict.
    pub verdict: Verdict,
}

/// An intent and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentResult {
    /// The intent.
    pub id: IntentId,
    /// Its name, such as `claim`.
    pub kind: &'static str,
    /// `accepted`, `rejected` or `retry`.
    pub outcome: &'static str,
    /// The code of a refusal, or a mark.
    pub reason: Option<String>,
}

/// What one answer did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncProgress {
    /// It answers another message than the one on its way: nothing was done.
    pub ignored: bool,
    /// Ask again at once.
    pub more: bool,
    /// The server has begun a new log: everything is kept and offered again.
    pub reset: bool,
    /// Ask again no sooner.
    pub retry_after_ms: Option<u32>,
    /// Verdicts of this answer.
    pub verdicts: VerdictCounts,
    /// Entries that left the outbox for good, with their verdicts.
    pub settled: Vec<Settled>,
    /// Intents that got an outcome.
    pub intents: Vec<IntentResult>,
    /// Documents that arrived, whole or in part.
    pub pulled_documents: u64,
    /// Documents dropped because they may no longer be read.
    pub dropped_documents: u64,
    /// Customers dropped.
    pub evicted: Vec<CustomerId>,
    /// Documents that did not fit and are asked for again.
    pub misfits: u64,
    /// The order to erase everything, which this device follows from now on.
    pub wipe: Option<WipeOrder>,
}

/// What the shell does about a problem that came instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterProblem {
    /// Prove the device's key again, then send the same message.
    Reauthenticate,
    /// Make a new, smaller message.
    SendLess,
    /// Wait, then send the same message.
    Wait,
    /// Stop, and say why.
    Stop,
}

impl<S: Store> Replica<'_, S> {
    /// Takes the answer to message `number`: `None` is a 204, nothing to say and nothing to get. `fresh` is a random
    /// actor, used if something was refused.
    ///
    /// # Errors
    /// The store's; then nothing has happened.
    pub fn handle_response(
        &mut self,
        number: u64,
        response: Option<&SyncResponse>,
        now: Timestamp,
        fresh: ActorId,
    ) -> ReplicaResult<SyncProgress, S> {
        let in_flight = self.store.in_flight().map_err(ReplicaError::Store)?;
        let Some(in_flight) = in_flight.filter(|in_flight| in_flight.number == number) else {
            return Ok(SyncProgress {
                ignored: true,
                ..SyncProgress::default()
            });
        };
        let mut progress = SyncProgress::default();
        self.handle_contact(&in_flight, now)?;
        self.forget_said_beliefs(response.is_some());
        match response {
            Some(response) => self.take(&in_flight, response, now, fresh, &mut progress)?,
            // Nothing was said of what was sent, so it stays; the server has nothing either.
            None if in_flight.entries.is_empty() && in_flight.intents.is_empty() => {
                self.handle_compared(None, false)?
            }
            None => {
                for id in &in_flight.entries {
                    self.hold_entry(*id)?;
                }
            }
        }
        if !progress.more {
            self.state.last_sync = Some(now);
            self.state.recovering = false;
        }
        self.finish_losses(&mut progress)?;
        self.store.put_in_flight(None).map_err(ReplicaError::Store)?;
        if let Some(order) = response.and_then(|response| response.wipe.as_ref()) {
            self.handle_wipe(order, &mut progress)?;
        }
        self.save()?;
        Ok(progress)
    }

    fn handle_contact(&mut self, in_flight: &InFlight, now: Timestamp) -> ReplicaResult<(), S> {
        self.renew_lease(now);
        if self.state.standing == Standing::Revoked {
            self.state.standing = Standing::Active;
        }
        self.state.upgrade_required = false;
        self.state.undeclared.retain(|actor| !in_flight.actors.contains(actor));
        self.store
            .delete_confirmations(&in_flight.confirmations)
            .map_err(ReplicaError::Store)
    }

    fn take(
        &mut self,
        in_flight: &InFlight,
        response: &SyncResponse,
        now: Timestamp,
        fresh: ActorId,
        progress: &mut SyncProgress,
    ) -> ReplicaResult<(), S> {
        self.state.server_schema = response.schema_version;
        self.state.clock_offset_ms = now.since_ms(response.server_time);
        progress.more = response.more;
        progress.retry_after_ms = response.retry_after_ms;
        for (id, outcome) in in_flight.intents.iter().zip(&response.intents) {
            self.handle_outcome(*id, outcome, progress)?;
        }
        self.handle_verdicts(in_flight, &response.verdicts, response.server_time, fresh, progress)?;
        if response.reset {
            progress.reset = true;
            self.handle_reset()?;
        } else {
            self.handle_compared(response.compared.as_ref(), response.more)?;
        }
        for item in &response.access {
            self.handle_access(item)?;
        }
        self.handle_page(response, fresh, progress)?;
        if let Some(directory) = &response.directory {
            self.store.put_directory(directory).map_err(ReplicaError::Store)?;
            self.state.directory = Some(directory_hash(directory));
            self.take_lease(directory);
        }
        self.state.cursor = Some(response.cursor.to_vec());
        Ok(())
    }

    /// A new log: everything stays, and what this device has written or asked is offered again.
    fn handle_reset(&mut self) -> ReplicaResult<(), S> {
        self.state.recovering = true;
        self.begin_reconciling()?;
        self.state.undeclared.clone_from(&self.state.actors);
        self.store.reoffer_intents().map_err(ReplicaError::Store)?;
        let actors = self.state.actors.clone();
        for document in self.store.documents_by_actors(&actors).map_err(ReplicaError::Store)? {
            self.reoffer(document, false)?;
        }
        Ok(())
    }

    /// Takes what the server says about the person and this device beside an answer.
    ///
    /// # Errors
    /// The store's.
    pub fn handle_standing(&mut self, standing: Standing) -> ReplicaResult<(), S> {
        if self.state.standing == standing {
            return Ok(());
        }
        self.state.standing = standing;
        self.save()
    }

    /// Takes a problem that came instead of an answer, by its stable code.
    ///
    /// # Errors
    /// The store's.
    pub fn handle_problem(&mut self, code: &str, now: Timestamp) -> ReplicaResult<AfterProblem, S> {
        let after = match code {
            "reauthenticate" => AfterProblem::Reauthenticate,
            "too_large" if self.state.changes_max > 1 => {
                self.state.changes_max /= 2;
                AfterProblem::SendLess
            }
            // The server still works on this message, or on one that was given up here.
            "busy" | "sync_in_progress" => AfterProblem::Wait,
            "upgrade_required" => {
                self.state.upgrade_required = true;
                self.renew_lease(now);
                AfterProblem::Stop
            }
            "device_revoked" | "account_not_active" | "device_wiped" => {
                self.state.standing = Standing::Revoked;
                AfterProblem::Stop
            }
            _ => AfterProblem::Stop,
        };
        self.save()?;
        Ok(after)
    }
}

fn directory_hash(directory: &[u8]) -> [u8; 8] {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(directory);
    let mut hash = [0; 8];
    hash.copy_from_slice(&digest[..8]);
    hash
}
