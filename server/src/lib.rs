//! Fieldpool's server: sync endpoint, JSON API, commands.

pub mod storage;
