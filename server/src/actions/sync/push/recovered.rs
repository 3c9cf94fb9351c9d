//! What a restored server gets back: changes that others made and that this device still holds.
//!
//! They were judged when they were made, so nobody's rights to write are asked; the device must be one that may read the
//! document, and what it brings is written down beside it. An actor never pays for what another device says of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sync_core::{
    hub::{ChangeDecision, CustomerStanding},
    ids::{ActorId, CustomerId, DeviceId, DocumentId, UserId},
    protocol::{
        compare::{Behind, is_fixed},
        message::{RetryReason, SyncRequest, Verdict},
        oplist,
    },
    visibility::{DocumentFacts, document_access},
};

use super::{Facts, Pushed, Pusher};
use crate::{
    actions::{ActionError, commit::Job},
    seam::Seam,
    storage::{
        Tx,
        audit::AuditRow,
        documents::{LoadedDocument, NewChange},
        people,
        recovery::RecoveredRow,
        verdicts::{self, ActorRow},
    },
};

/// The server no longer takes what others wrote.
const RECOVERY_OVER: &str = "recovery_over";
/// The server has something else under this name.
const DIFFERS: &str = "recovered_differs";

/// Who stands behind the actors of changes that the device did not make itself: as the server knows it, or, where it has
/// lost that too, as the device says, if there is such a person.
pub(super) async fn read_behind(
    tx: &mut Tx,
    pusher: &Pusher<'_>,
    request: &SyncRequest,
) -> Result<BTreeMap<ActorId, Behind>, ActionError> {
    let said = request
        .reconcile
        .as_ref()
        .map_or(&[][..], |reconcile| &reconcile.behind);
    if said.is_empty() {
        return Ok(BTreeMap::new());
    }
    let actors: Vec<ActorId> = said.iter().map(|behind| behind.actor).collect();
    let known = verdicts::list_actors(tx, pusher.org, &actors).await?;
    let mut people_known = BTreeSet::new();
    for user in said.iter().map(|behind| behind.user).collect::<BTreeSet<_>>() {
        if people::find(tx, pusher.org, user).await?.is_some() {
            people_known.insert(user);
        }
    }
    let own = |actor: &ActorId| known.get(actor).is_some_and(|row| row.device == Some(pusher.device));
    let behind = said
        .iter()
        .filter(|behind| !is_fixed(behind.actor) && !own(&behind.actor) && !request.actors.contains(&behind.actor))
        .map(|behind| match known.get(&behind.actor) {
            Some(row) => Behind {
                user: row.user.unwrap_or(behind.user),
                device: row.device,
                ..*behind
            },
            None => *behind,
        })
        .filter(|behind| people_known.contains(&behind.user) || known.contains_key(&behind.actor));
    Ok(behind.map(|behind| (behind.actor, behind)).collect())
}

fn actors<'a>(pushed: &'a Pushed<'_>) -> impl Iterator<Item = Option<ActorId>> + 'a {
    let decode = |body: &[u8]| Some(oplist::decode(body, pushed.kind?).ok()?.actor);
    pushed.message.changes.iter().map(move |body| decode(body))
}

/// Whether a document brings back something of others.
pub(super) fn is_recovered(pushed: &Pushed<'_>, facts: &Facts) -> bool {
    !facts.behind.is_empty() && actors(pushed).flatten().any(|actor| facts.behind.contains_key(&actor))
}

/// The server is not getting back anything: what others wrote it does not take, what is the device's own comes again
/// without that.
pub(super) fn refuse_all(pushed: &Pushed<'_>, facts: &Facts) -> Vec<Verdict> {
    let refuse = |actor: Option<ActorId>| match actor {
        Some(actor) if facts.behind.contains_key(&actor) => Verdict::Rejected {
            code: RECOVERY_OVER.to_owned(),
        },
        _ => Verdict::Retry(RetryReason::Later),
    };
    actors(pushed).map(refuse).collect()
}

/// Taken from a device that may read the document. A customer that is not here yet, or somebody else's as far as this
/// server knows, may become right when others have brought what they hold and the operator has assigned him again. What is
/// the device's own in the same document is judged by `own`.
pub(super) fn standing(
    pusher: &Pusher<'_>,
    facts: &Facts,
    customer: CustomerId,
    pushed: &Pushed<'_>,
    loaded: Option<&LoadedDocument>,
    own: CustomerStanding,
) -> CustomerStanding {
    if loaded.is_some_and(|loaded| loaded.row.customer != customer || Some(loaded.row.kind) != pushed.kind) {
        return CustomerStanding::Mismatch;
    }
    let (Some(assignment), Some(kind)) = (facts.assignments.get(&customer), pushed.kind) else {
        return CustomerStanding::Unknown;
    };
    let memberships = facts.memberships.get(&customer).map(Vec::as_slice).unwrap_or_default();
    let rights = pusher.standing.rights_at(memberships, facts.head);
    let author = actors(pushed).next().flatten();
    let document = loaded.map_or_else(
        || DocumentFacts {
            kind,
            author: author.map(|author| author_of(pusher, facts, author).0),
            responsible: None,
            owner: assignment.owner,
            checked_in_by: None,
        },
        |loaded| loaded.row.facts(assignment.owner),
    );
    if document_access(rights, pusher.user, &document).may_read() {
        let others = facts.behind.values().map(|behind| (behind.actor, behind.user));
        CustomerStanding::Recovered {
            others: others.collect(),
            own: Box::new(own),
        }
    } else {
        CustomerStanding::Unknown
    }
}

/// Who made a change, and on which device.
pub(super) fn author_of(pusher: &Pusher<'_>, facts: &Facts, actor: ActorId) -> (UserId, Option<DeviceId>) {
    match facts.behind.get(&actor) {
        Some(behind) => (behind.user, behind.device),
        None => (pusher.user, Some(pusher.device)),
    }
}

/// Something else under the same name is no fault of the device whose actor it is.
pub(super) fn spare_actors(pushed: &Pushed<'_>, facts: &Facts, decisions: &mut [ChangeDecision]) {
    for (actor, decision) in actors(pushed).zip(decisions) {
        let is_foreign = actor.is_some_and(|actor| facts.behind.contains_key(&actor));
        if is_foreign && matches!(decision, ChangeDecision::Rejected { equivocation: true, .. }) {
            *decision = ChangeDecision::Rejected {
                code: DIFFERS,
                equivocation: false,
            };
        }
    }
}

/// Writes down what a device has brought back of others.
pub(super) fn note(
    pusher: &Pusher<'_>,
    seam: &Seam,
    facts: &Facts,
    document: DocumentId,
    customer: CustomerId,
    changes: &[NewChange],
    job: &mut Job,
) {
    let foreign: Vec<&Behind> = changes
        .iter()
        .filter_map(|change| facts.behind.get(&change.built.change.actor))
        .collect();
    if foreign.is_empty() {
        return;
    }
    for behind in &foreign {
        let listed = job.actors.iter().any(|row| row.actor == behind.actor);
        if !listed && !facts.actors.contains_key(&behind.actor) {
            job.actors.push(ActorRow {
                actor: behind.actor,
                device: behind.device,
                user: Some(behind.user),
                frozen: false,
            });
        }
    }
    let authors: BTreeSet<UserId> = foreign.iter().map(|behind| behind.user).collect();
    job.recovered.push(RecoveredRow {
        document,
        customer,
        device: pusher.device,
        changes: foreign.len() as i64,
    });
    job.audit.push(
        AuditRow::new(seam.now(), "recover", document)
            .by(pusher.user)
            .with_device(pusher.device)
            .with_detail(json!({ "customer": customer, "changes": foreign.len(), "authors": authors })),
    );
}
