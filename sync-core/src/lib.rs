//! Fieldpool's core: documents, rights and sync decisions.
//!
//! Pure: no IO, no clock, no randomness, no async, no globals. The same crate runs inside phone apps, in the
//! server and in the simulator.

pub mod airlock;
pub mod directory;
pub mod document;
pub mod hub;
pub mod ids;
pub mod projection;
pub mod protocol;
pub mod replica;
pub mod seeded;
pub mod time;
pub mod visibility;
