//! The fixed changes: every document of a kind of which a customer has one begins with the same change, so that two
//! devices that create it at once hold the same maps.
//!
//! They are known by hash, never sent, and never altered: a new schema version that needs a map adds a further fixed
//! change with its own actor on top of the last one.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::{Action, Change, Kind, Op, build};
use crate::{
    ids::{ActorId, ChangeHash},
    time::Timestamp,
};

/// A change embedded in every build.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedChange {
    /// What it does.
    pub change: Change,
    /// The hash it must have; a test pins it.
    pub hash: ChangeHash,
}

/// The fixed changes of a kind, in causal order; none for kinds whose creator makes the maps.
#[must_use]
pub fn fixed_changes(kind: Kind) -> &'static [FixedChange] {
    static CARD: OnceLock<[FixedChange; 1]> = OnceLock::new();
    static DOSSIER: OnceLock<[FixedChange; 1]> = OnceLock::new();
    static INTERNAL: OnceLock<[FixedChange; 1]> = OnceLock::new();
    match kind {
        Kind::Card => CARD.get_or_init(|| [first(kind)]),
        Kind::Dossier => DOSSIER.get_or_init(|| [first(kind)]),
        Kind::Internal => INTERNAL.get_or_init(|| [first(kind)]),
        _ => &[],
    }
}

/// The actor of a kind's first fixed change.
#[must_use]
pub fn fixed_actor(kind: Kind, version: u16) -> ActorId {
    let digest = Sha256::digest(format!("fieldpool fixed change {} {version}", kind.name()));
    let mut actor = [0; 16];
    actor.copy_from_slice(&digest[..16]);
    ActorId(actor)
}

fn first(kind: Kind) -> FixedChange {
    let operations = kind
        .containers()
        .filter(|field| field.since == 1)
        .map(|field| Op {
            action: Action::MakeMap,
            object: None,
            key: field.key.to_owned(),
            predecessors: Vec::new(),
        })
        .collect();
    let change = Change {
        actor: fixed_actor(kind, 1),
        seq: 1,
        dependencies: Vec::new(),
        time: Timestamp(0),
        operations,
    };
    let hash = build::change_hash(&build::automerge_change(&change, 1, Vec::new()));
    FixedChange { change, hash }
}
