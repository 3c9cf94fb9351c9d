//! From documents to what is searched and listed: pure functions that the server and the phone both call.

mod bigrams;
mod document;

pub use bigrams::{Query, bigram_text, bigrams, fold, searchable_text};
pub use document::{Attribution, Conflict, ConflictValue, Projection, checked_in_by, project};
