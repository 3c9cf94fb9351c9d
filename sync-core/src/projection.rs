//! From documents to what is searched and listed: pure functions that the server and the phone both call.

mod bigrams;

pub use bigrams::{Query, bigram_text, bigrams, fold, searchable_text};
