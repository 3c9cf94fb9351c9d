//! The phone as apps in Kotlin, Swift and Python see it: one object, plain records, errors a screen can switch on.
//!
//! It is thin: [`Phone`] here wraps [`crate::Phone`] and decides nothing. Promises: every type may be shared between
//! threads; calls read and write the store while a sync runs; no panic crosses the border (it becomes
//! [`PhoneError::Internal`]); what a call has returned is durable. Ids are UUIDs as text, instants are milliseconds
//! since 1970, dates are `YYYY-MM-DD`.
//!
//! **Threads.** Every call blocks. Those that ask the server ([`Phone::enroll`], [`Phone::sync`], [`Phone::unlock`],
//! [`Phone::log_out`], [`Phone::search_online`], [`Phone::listen`]) wait for the network, up to minutes where the server is busy: call them from a worker
//! thread or a background job, never from the thread that draws. All others touch the local file only and take
//! milliseconds, but may wait for a page of a running sync to be written: drawing threads should not call them either.
//! A call that has begun cannot be taken back; [`Phone::set_flight_mode`] ends a sync before its next round trip.
//!
//! It does not schedule syncs, does not translate (screens do, by code) and keeps no secrets from who can read the
//! app's files: the store is not encrypted in this version.

mod documents;
mod error;
mod observers;
mod phone;
mod reading;
mod recording;
mod records;

pub use documents::{Conflict, Document, DocumentKind, DocumentState, Field, FieldValue, FieldWrite, WrittenValue};
pub use error::PhoneError;
pub use observers::{ObserverFailed, Observing, PhoneEvent, PhoneObserver, PokeListener};
pub use phone::{EncryptionKey, Phone};
pub use recording::{CustomerPart, FieldEdit, NewContact, NewCustomer, NewFollowUp, NewOpportunity, NewVisit, Place};
pub use records::{
    Customer, CustomerItem, Enrolled, IntentOutcome, OutboxEntry, Person, Provisional, Status, SyncResult, SyncTotals,
    TrayEntry, Verdicts,
};

/// The version of this library.
#[uniffi::export]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Has every phone of this process trust these certificates (PEM) and no others: for a company with an authority of its
/// own. Say it before a phone is opened; the first call counts.
///
/// # Errors
/// `InvalidCall` if there is no certificate in it.
#[uniffi::export]
pub fn trust_only(pem: Vec<u8>) -> Result<(), PhoneError> {
    error::guarded(|| {
        crate::transport::trust_only(&pem)
            .map_err(|error| PhoneError::invalid(format!("certificates to trust: {error}")))
    })
}

/// The version of the sync protocol that it speaks.
#[uniffi::export]
#[must_use]
pub fn protocol_version() -> u32 {
    u32::from(sync_core::protocol::message::PROTOCOL_VERSION)
}
