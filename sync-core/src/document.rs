//! Documents: kinds, schema, folded state, typed edits and views.

mod kind;

pub use kind::{Class, Kind, UnknownKind};
