//! A device's engine: what a phone decides, over a store that the shell provides.
//!
//! `record` and `intend` take what a person does, [`Replica::poll_message`] gives the next message,
//! [`Replica::handle_response`] and [`Replica::handle_problem`] take the answer. The shell opens one transaction of
//! its store around each of these calls and commits it before it tells anybody; then a killed process has either
//! done the whole step or nothing of it.
//!
//! Promises: every outbox entry ends in exactly one final verdict; nothing a person has confirmed is lost, it is in
//! the outbox, at the server or in the tray; a page that does not fit never panics and is asked for again. Time and
//! randomness are arguments. It does not know how bytes travel and does not wait for anything.

mod access;
mod answer;
mod apply;
mod compare;
mod intents;
mod leave;
mod look;
mod record;
mod send;
mod settle;
mod state;
mod store;
mod view;

pub use answer::{AfterProblem, IntentResult, Settled, SyncProgress, VerdictCounts};
pub use look::FieldWrite;
pub use record::{Recorded, Target};
pub use state::{Checking, DeviceState, Identity, LEASE_MS, Standing};
pub use store::{
    AccessRow, DocumentRow, InFlight, IntentRow, OutboxEntry, Provisional, Store, StoredChange, TrayEntry, Wanted,
};

use crate::document::EditError;

/// A device's engine over one open transaction of its store.
#[derive(Debug)]
pub struct Replica<'a, S: Store> {
    store: &'a mut S,
    state: DeviceState,
}

/// Why the engine refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError<E> {
    /// The store failed; nothing was done.
    #[error("the phone's store failed: {0}")]
    Store(E),
    /// Nobody has signed in on this phone.
    #[error("nobody has signed in on this phone yet; enroll it first")]
    NotEnrolled,
    /// The person may not do this to this customer or document.
    #[error("you may not do this here")]
    NotPermitted,
    /// There is no such customer or document on this phone, or it is not shown to this person.
    #[error("there is no such {0} on this phone; check the id, or sync first")]
    NotFound(&'static str),
    /// The phone has been away from its server for too long, or was locked by it.
    #[error("this phone is locked; sign in on it again while it can reach the server, nothing unsent on it is lost")]
    Locked,
    /// The person is leaving, or the phone was revoked: it only hands in what it still holds.
    #[error("this phone only hands in what it still holds and is wiped then; nothing new can be recorded on it")]
    Leaving,
    /// There is unsent work: so many changes and requests.
    #[error("{0} changes have not been sent yet; sync first, or say that they are to be discarded")]
    Unsent(usize),
    /// A value does not fit.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl<E> ReplicaError<E> {
    /// The stable code people and programs see.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(_) => "store_failed",
            Self::NotEnrolled => "not_enrolled",
            Self::NotPermitted => "not_permitted",
            Self::NotFound(_) => "not_found",
            Self::Locked => "locked",
            Self::Leaving => "offboarding",
            Self::Unsent(_) => "unsent_work",
            Self::Edit(error) => error.code(),
        }
    }
}

/// What the engine's calls give.
pub type ReplicaResult<T, S> = Result<T, ReplicaError<<S as Store>::Error>>;

impl<'a, S: Store> Replica<'a, S> {
    /// Begins a phone's store, or, if the same person signs in again, gives it a new device and a new actor: what
    /// was pending is issued again under it.
    ///
    /// # Errors
    /// [`ReplicaError::NotPermitted`] if the store is another person's.
    pub fn enroll(store: &'a mut S, identity: Identity, now: crate::time::Timestamp) -> ReplicaResult<Self, S> {
        let known = store.state().map_err(ReplicaError::Store)?;
        let again = known.is_some();
        let state = match known {
            None => DeviceState::new(identity, now),
            Some(known) if known.org == identity.org && known.user == identity.user => known.renewed(identity, now),
            Some(_) => return Err(ReplicaError::NotPermitted),
        };
        let mut replica = Self { store, state };
        if again {
            replica.reissue_everything(now)?;
        }
        replica.save()?;
        Ok(replica)
    }

    /// Opens an enrolled phone.
    ///
    /// # Errors
    /// [`ReplicaError::NotEnrolled`].
    pub fn open(store: &'a mut S) -> ReplicaResult<Self, S> {
        let state = store.state().map_err(ReplicaError::Store)?;
        let state = state.ok_or(ReplicaError::NotEnrolled)?;
        Ok(Self { store, state })
    }

    /// Who and where this device is.
    #[must_use]
    pub fn state(&self) -> &DeviceState {
        &self.state
    }

    fn save(&mut self) -> ReplicaResult<(), S> {
        self.store.put_state(&self.state).map_err(ReplicaError::Store)
    }
}
