//! Fieldpool's server: sync endpoint, JSON API, commands.

pub mod export;
pub mod import;
pub mod storage;
