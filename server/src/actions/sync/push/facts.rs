//! What a message refers to, read in one snapshot before anything is decided.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    document::ChangeId,
    ids::{ActorId, CustomerId, DocumentId},
    protocol::{compare::Behind, message::SyncRequest, oplist},
};

use super::{Pushed, Pusher, recovered};
use crate::{
    actions::{ActionError, edit::load_error, sync::late::Losses},
    storage::{
        Tx,
        documents::{self, LoadedDocument},
        ownership::{self, Assignment},
        recovery,
        scopes::Membership,
        verdicts::{self, ActorRow, RefusalRow},
    },
};

/// Everything the hub needs to know for one message, read in one snapshot.
pub(in crate::actions::sync) struct Facts {
    pub(in crate::actions::sync) head: i64,
    pub(in crate::actions::sync) assignments: BTreeMap<CustomerId, Assignment>,
    pub(in crate::actions::sync) memberships: BTreeMap<CustomerId, Vec<Membership>>,
    pub(in crate::actions::sync) lost_claims: Vec<CustomerId>,
    pub(in crate::actions::sync) losses: Losses,
    pub(in crate::actions::sync) loaded: BTreeMap<DocumentId, LoadedDocument>,
    pub(in crate::actions::sync) refusals: BTreeMap<(DocumentId, ChangeId), RefusalRow>,
    pub(in crate::actions::sync) actors: BTreeMap<ActorId, ActorRow>,
    pub(in crate::actions::sync) quarantined_bytes: i64,
    /// Customers that the device believed to be somebody else's than this server, when it came back from a backup.
    pub(in crate::actions::sync) believed: BTreeSet<CustomerId>,
    /// Documents of which some device has brought back what others wrote.
    pub(in crate::actions::sync) recovered: BTreeSet<DocumentId>,
    /// Who stands behind changes that the device did not make itself.
    pub(in crate::actions::sync) behind: BTreeMap<ActorId, Behind>,
}

/// Reads the facts, but for what [`read_losses`] adds.
pub(in crate::actions::sync) async fn read_facts(
    tx: &mut Tx,
    pusher: &Pusher<'_>,
    head: i64,
    request: &SyncRequest,
    pushed: &[Pushed<'_>],
) -> Result<Facts, ActionError> {
    let org = pusher.org;
    let documents: Vec<DocumentId> = pushed.iter().filter_map(|pushed| pushed.document).collect();
    let mut actors: Vec<ActorId> = request.actors.clone();
    for message in pushed {
        let Some(kind) = message.kind else { continue };
        // The author stands first in an op-list; a body that cannot be read is judged later.
        actors.extend(
            message
                .message
                .changes
                .iter()
                .filter_map(|body| Some(oplist::decode(body, kind).ok()?.actor)),
        );
    }
    actors.sort_unstable();
    actors.dedup();
    let behind = recovered::read_behind(tx, pusher, request).await?;
    let loaded = documents::load(tx, org, &documents).await.map_err(load_error)?;
    let (assignments, memberships) = ownership::list_with_memberships(tx, org, &request.customers, None).await?;
    Ok(Facts {
        head,
        refusals: verdicts::list_refusals(tx, org, &documents).await?,
        actors: verdicts::list_actors(tx, org, &actors).await?,
        assignments,
        memberships,
        loaded,
        lost_claims: Vec::new(),
        losses: Losses::default(),
        quarantined_bytes: 0,
        believed: BTreeSet::new(),
        recovered: BTreeSet::new(),
        behind,
    })
}

/// Adds what decides how something is refused or marked: lost claims, what the device knows of losses, what it has in
/// quarantine.
pub(in crate::actions::sync) async fn read_losses(
    tx: &mut Tx,
    pusher: &Pusher<'_>,
    request: &SyncRequest,
    facts: &mut Facts,
) -> Result<(), ActionError> {
    let org = pusher.org;
    facts.lost_claims = verdicts::list_lost_claims(tx, org, pusher.user, &request.customers).await?;
    facts.losses = Losses::read(tx, pusher, &facts.memberships, facts.head).await?;
    let documents: Vec<DocumentId> = facts.loaded.keys().copied().collect();
    facts.recovered = recovery::list_recovered_among(tx, org, &documents).await?;
    facts.quarantined_bytes = verdicts::quarantined_bytes(tx, org, pusher.device).await?;
    if !pusher.recovers {
        facts.believed = recovery::list_believed(tx, org, pusher.device, &request.customers).await?;
    }
    Ok(())
}
