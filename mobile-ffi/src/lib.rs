//! The phone: a store in SQLite, a transport, and a shell around the engine of `sync-core`.
//!
//! [`Phone`] is used as a plain Rust library by `fieldpool rep`, by the bench and by the simulator; the bindings for
//! Kotlin, Swift and Python (`ffi`, behind the feature `uniffi`) lie over the same type. Every step is one transaction
//! of the store: a killed process has done it whole or not at all, and what a call has returned is durable. It decides
//! nothing: rights, verdicts and merging are `sync_core::replica`'s.

pub mod directory;
pub mod error;
#[cfg(feature = "uniffi")]
pub mod ffi;
pub mod phone;
pub mod seam;
pub mod store;
pub mod transport;

pub use error::PhoneError;
pub use phone::{Phone, SyncFailure, SyncReport};
pub use seam::Seam;
pub use store::{Store, StoreKey};
pub use transport::{HttpTransport, Request, Response, Traffic, Transport, TransportError};

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!("fieldpool");
