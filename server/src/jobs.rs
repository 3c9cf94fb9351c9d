//! Work in the background: it may lag, may be repeated, and is done by one node at a time.

pub mod indexer;
