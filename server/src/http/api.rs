//! The JSON API and what phones call, one file a resource.

pub(super) mod devices;
pub(super) mod tokens;
