//! The changes of a message: read what they refer to, let the hub decide, and turn the decisions into a job.

mod facts;
mod recovered;

use std::{collections::BTreeSet, num::NonZeroU64};

use serde_json::json;
use sha2::{Digest, Sha256};
use sync_core::{
    airlock::Trial,
    document::Kind,
    hub::{
        BeforeLoss, ChangeDecision, CustomerStanding, ExistingDocument, KnownRefusal, PushedDocument, decide_document,
    },
    ids::{CustomerId, DeviceId, DocumentId, LogId, OrgId, UserId},
    projection::project,
    protocol::{
        compare::is_fixed,
        message::{PushDocument, RetryReason, SyncRequest, Verdict, document_id},
        oplist,
    },
    seeded::{Bug, seeded},
    time::Timestamp,
    visibility::{ClassRights, Relation},
};
use uuid::Uuid;

pub(super) use self::facts::{Facts, read_facts, read_losses};
use super::{
    late::{self, Taken},
    standing::Standing,
    write::{Target, document_write, entered_scope},
};
use crate::{
    actions::commit::Job,
    seam::Seam,
    storage::{
        audit::AuditRow,
        documents::{LoadedDocument, NewChange},
        erasures::EquivocationRow,
        ownership::CardSummary,
        verdicts::{ActorRow, RefusalRow},
    },
};

/// Bytes of one device that wait for a manager's decision; what comes beyond is told to come later.
const QUARANTINE_BYTES_MAX: i64 = 10 * 1024 * 1024;
/// One change in so many is also saved, loaded and compared.
const RELOAD_EVERY: u64 = 64;
/// Version of the UUIDs that are derived and not made by a device.
const DERIVED_VERSION: usize = 5;
/// Codes of changes that are not by one of the device's own actors.
const FORGERIES: [&str; 2] = ["actor_unknown", "actor_foreign"];
/// The same code of a change by an actor that writes no more.
const FROZEN: &str = "actor_frozen";

/// A document of the message with its id and customer.
pub(super) struct Pushed<'a> {
    pub(super) message: &'a PushDocument,
    pub(super) kind: Option<Kind>,
    pub(super) document: Option<DocumentId>,
    pub(super) customer: Option<CustomerId>,
}

pub(super) fn name_documents(org: OrgId, request: &SyncRequest) -> Vec<Pushed<'_>> {
    let customer = |index: u32| request.customers.get(index as usize).copied();
    request
        .documents
        .iter()
        .map(|message| {
            let kind = Kind::from_number(message.kind);
            let customer = customer(message.customer);
            let document = kind
                .zip(customer)
                .and_then(|(kind, customer)| document_id(org, message.document, customer, kind));
            Pushed {
                message,
                kind,
                document,
                customer,
            }
        })
        .collect()
}

/// Who pushes.
pub(super) struct Pusher<'a> {
    pub(super) org: OrgId,
    pub(super) user: UserId,
    pub(super) device: DeviceId,
    pub(super) acl_version: i64,
    pub(super) log: LogId,
    /// How far in the log the device has got.
    pub(super) acknowledged_seq: i64,
    pub(super) enrolled_at: Timestamp,
    pub(super) standing: &'a Standing,
    /// One change in so many is tried in Automerge.
    pub(super) tried_every: NonZeroU64,
    /// The device hands in what it holds: whatever it brings is settled.
    pub(super) drains: bool,
    /// Everything it brings waits for a manager's decision.
    pub(super) is_kept_apart: bool,
    /// The server is getting back what it had before it came back from a backup.
    pub(super) recovering: bool,
    /// It may bring back what others wrote.
    pub(super) recovers: bool,
}

/// What came out: verdicts in the order of the message, and the work to be written.
pub(super) struct Decided {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) job: Job,
}

/// Decides a message's changes. CPU only.
pub(super) fn decide(
    pusher: &Pusher<'_>,
    seam: &Seam,
    request: &SyncRequest,
    pushed: &[Pushed<'_>],
    mut facts: Facts,
) -> Decided {
    let mut job = Job::new(pusher.org);
    job.judged = Some((pusher.user, pusher.acl_version));
    job.actors = request
        .actors
        .iter()
        .filter(|actor| !facts.actors.contains_key(actor) && !is_fixed(**actor))
        .map(|actor| ActorRow {
            actor: *actor,
            device: Some(pusher.device),
            user: Some(pusher.user),
            frozen: false,
        })
        .collect();
    for row in job.actors.clone() {
        facts.actors.insert(row.actor, row);
    }
    let mut verdicts = Vec::new();
    let mut count = u64::from_le_bytes(seam.random());
    let mut named = BTreeSet::new();
    for pushed in pushed {
        // Each document stands once in a message; what comes again for it was not built on what comes first.
        let repeated = pushed.document.is_some_and(|document| !named.insert(document));
        verdicts.extend(if repeated {
            malformed(pushed)
        } else {
            decide_one(pusher, seam, pushed, &mut facts, &mut job, &mut count)
        });
    }
    let foreign = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Verdict::Rejected { code } if FORGERIES.contains(&code.as_str())))
        .count();
    if foreign > 0 {
        job.flags = Some((pusher.device, u32::try_from(foreign).unwrap_or(u32::MAX).min(16)));
    }
    if !job.documents.is_empty() {
        let changes: usize = job.documents.iter().map(|write| write.changes.len()).sum();
        job.audit.push(
            AuditRow::new(seam.now(), "accept", pusher.device)
                .by(pusher.user)
                .with_device(pusher.device)
                .with_detail(json!({ "documents": job.documents.len(), "changes": changes })),
        );
    }
    Decided { verdicts, job }
}

fn decide_one(
    pusher: &Pusher<'_>,
    seam: &Seam,
    pushed: &Pushed<'_>,
    facts: &mut Facts,
    job: &mut Job,
    count: &mut u64,
) -> Vec<Verdict> {
    let Some(customer) = pushed.customer else {
        return malformed(pushed);
    };
    // A kind this server does not know can have any id.
    let Some(document) = pushed
        .document
        .or(pushed.kind.is_none().then_some(DocumentId(Uuid::nil())))
    else {
        return malformed(pushed);
    };
    // Before anything else of it is looked at.
    if facts.loaded.get(&document).is_some_and(|loaded| loaded.row.erased) {
        return erased(pusher, seam, pushed, document, job);
    }
    let is_recovered = recovered::is_recovered(pushed, facts);
    if is_recovered && !pusher.recovers {
        return recovered::refuse_all(pushed, facts);
    }
    let loaded = facts.loaded.remove(&document);
    let takes_place = |kind: Kind| !may_be_new(pusher.org, customer, kind, document);
    if loaded.is_none() && pushed.kind.is_some_and(takes_place) {
        return malformed(pushed);
    }
    let own = customer_standing(
        pusher,
        seam.now(),
        facts,
        customer,
        document,
        pushed.kind,
        loaded.as_ref(),
    );
    let standing = if is_recovered {
        recovered::standing(pusher, facts, customer, pushed, loaded.as_ref(), own)
    } else {
        own
    };
    let assignment = facts.assignments.get(&customer).copied();
    let existing = loaded.as_ref().map(|loaded| ExistingDocument {
        document: loaded.document.clone(),
        facts: loaded.row.facts(assignment.and_then(|assignment| assignment.owner)),
        late: loaded.late.clone(),
    });
    let wire = PushedDocument {
        kind: pushed.kind,
        bodies: pushed.message.changes.iter().map(|body| &body[..]).collect(),
        digest: pushed.message.digest,
        hashes: &pushed.message.hashes,
    };
    let actor_code = |actor| match facts.actors.get(&actor) {
        _ if is_recovered && facts.behind.contains_key(&actor) => None,
        None if is_fixed(actor) => Some("actor_foreign"),
        None => Some("actor_unknown"),
        Some(_) if seeded(Bug::AuthorBindingSkipped) => None,
        Some(row) if row.device != Some(pusher.device) => Some("actor_foreign"),
        Some(row) if row.frozen => Some(FROZEN),
        Some(_) => None,
    };
    let known = |change| {
        facts
            .refusals
            .get(&(document, change))
            .filter(|_| !seeded(Bug::RefusalForgotten))
            .map(known_refusal)
    };
    let trial = || {
        *count = count.wrapping_add(1);
        if count.is_multiple_of(RELOAD_EVERY) {
            Trial::Reload
        } else if count.is_multiple_of(pusher.tried_every.get()) {
            Trial::Apply
        } else {
            Trial::Build
        }
    };
    let (mut decisions, built, after) =
        decide_document(pusher.user, &wire, existing, standing, actor_code, known, trial);
    if pusher.drains {
        settle_what_waits(&mut decisions);
    }
    if is_recovered {
        recovered::spare_actors(pushed, facts, &mut decisions);
    }
    let ticket = seam.uuid();
    let mut verdicts: Vec<Verdict> = decisions
        .iter()
        .zip(&pushed.message.changes)
        .map(|(decision, body)| {
            refuse(
                pusher, seam, pushed, document, customer, decision, body, ticket, facts, job,
            )
        })
        .collect();
    late::say_amended_again(pusher, loaded.as_ref(), &decisions, &wire, &mut verdicts);
    if built.is_empty() {
        return verdicts;
    }
    let (Some(kind), Some(mut after), Some(assignment)) = (pushed.kind, after, assignment) else {
        return verdicts;
    };
    let late: Vec<bool> = decisions
        .iter()
        .filter_map(|decision| match decision {
            ChangeDecision::Accepted { late, .. } => Some(*late),
            _ => None,
        })
        .collect();
    let taken = Taken {
        document,
        customer,
        kind,
        before: loaded.as_ref(),
        built: &built,
        decisions: &decisions,
    };
    let restored = late::amend(pusher, seam, &taken, &mut after, &mut verdicts, job);
    let changes = built
        .into_iter()
        .zip(late)
        .map(|(built, late)| {
            let (author, device) = recovered::author_of(pusher, facts, built.change.actor);
            NewChange {
                built,
                author,
                device,
                late: late && !seeded(Bug::LateMarkDropped),
            }
        })
        .chain(restored)
        .collect::<Vec<_>>();
    if is_recovered {
        recovered::note(pusher, seam, facts, document, customer, &changes, job);
    }
    let first = changes.first().map_or((pusher.user, Some(pusher.device)), |change| {
        (change.author, change.device)
    });
    let memberships = facts.memberships.get(&customer).map(Vec::as_slice).unwrap_or_default();
    // Asked only where it matters: of what is new at somebody else's customer.
    let stands_in = loaded.is_none()
        && assignment.owner != Some(pusher.user)
        && pusher
            .standing
            .relations_at(memberships, facts.head)
            .contains(Relation::Cover);
    let write = document_write(
        Target {
            document,
            customer,
            kind,
            assignment,
            author: first.0,
            device: first.1,
            stands_in,
        },
        loaded.as_ref(),
        &after,
        changes,
        memberships,
        facts.head,
    );
    job.customers.insert(customer, assignment.version);
    job.enters
        .extend(entered_scope(&write, memberships).map(|scope| (customer, scope)));
    if kind == Kind::Card {
        let fields = project(after.state(), |_| None).fields;
        job.cards.push((customer, CardSummary::of(&fields)));
    }
    job.documents.push(write);
    verdicts
}

/// What a draining device made on something that the server lacks would wait for ever: it gets no pages.
fn settle_what_waits(decisions: &mut [ChangeDecision]) {
    for decision in decisions {
        if let ChangeDecision::Retry(RetryReason::MissingDependencies(_)) = decision {
            *decision = ChangeDecision::Quarantined { code: "missing_deps" };
        }
    }
}

fn malformed(pushed: &Pushed<'_>) -> Vec<Verdict> {
    let verdict = Verdict::Rejected {
        code: "malformed".into(),
    };
    vec![verdict; pushed.message.changes.len()]
}

/// Nothing is taken for a document that was erased, nothing of it is kept and nothing of it is looked at, whoever says it.
fn erased(pusher: &Pusher<'_>, seam: &Seam, pushed: &Pushed<'_>, document: DocumentId, job: &mut Job) -> Vec<Verdict> {
    let count = pushed.message.changes.len();
    job.audit.push(
        AuditRow::new(seam.now(), "refuse", document)
            .by(pusher.user)
            .with_device(pusher.device)
            .with_detail(json!({ "verdict": "rejected", "code": "erased", "changes": count })),
    );
    let verdict = Verdict::Rejected { code: "erased".into() };
    vec![verdict; count]
}

/// Whether a document may come into being under this id. A customer has one card, under the id that follows from both;
/// and nobody puts a visit where somebody's card, dossier or managers' notes will be.
fn may_be_new(org: OrgId, customer: CustomerId, kind: Kind, document: DocumentId) -> bool {
    if kind.is_single() {
        document == DocumentId::derived(org, customer, kind, 0)
    } else {
        document.0.get_version_num() != DERIVED_VERSION
    }
}

/// Whose changes are kept for a manager's decision, all of them.
const WITHOUT_RIGHTS: CustomerStanding = CustomerStanding::Known {
    rights: ClassRights::NONE,
    before_losses: Vec::new(),
    claim_lost: false,
    created_it: false,
};

fn customer_standing(
    pusher: &Pusher<'_>,
    now: Timestamp,
    facts: &Facts,
    customer: CustomerId,
    document: DocumentId,
    kind: Option<Kind>,
    loaded: Option<&LoadedDocument>,
) -> CustomerStanding {
    if loaded.is_some_and(|loaded| loaded.row.customer != customer || Some(loaded.row.kind) != kind) {
        return CustomerStanding::Mismatch;
    }
    // Nothing of a draining device is told to wait: it would wait for ever. Nor what was written for a customer that only
    // the time since a backup had made his, once nothing more is got back.
    let unknown = if pusher.drains || facts.believed.contains(&customer) {
        WITHOUT_RIGHTS
    } else {
        CustomerStanding::Unknown
    };
    if pusher.is_kept_apart {
        return WITHOUT_RIGHTS;
    }
    let Some(assignment) = facts.assignments.get(&customer) else {
        return unknown;
    };
    let memberships = facts.memberships.get(&customer).map(Vec::as_slice).unwrap_or_default();
    let rights = pusher.standing.rights_at(memberships, facts.head);
    let losses = pusher.standing.losses(memberships, facts.head);
    // Who created it for a pool may have nothing to do with it, and still brings its card.
    let created_it = assignment.created_by == pusher.user;
    if rights.is_empty() && losses.is_empty() && !created_it {
        return unknown;
    }
    CustomerStanding::Known {
        rights,
        before_losses: losses
            .into_iter()
            .filter(|(lost, _)| facts.losses.may_come_late(customer, *lost, now))
            .map(|(lost, rights)| BeforeLoss {
                rights,
                owned: pusher
                    .standing
                    .relations_at(memberships, lost - 1)
                    .contains(Relation::Owner),
                responsible: facts.losses.responsible_before(document, lost),
            })
            .collect(),
        claim_lost: facts.lost_claims.contains(&customer),
        created_it,
    }
}

fn known_refusal(row: &RefusalRow) -> KnownRefusal {
    KnownRefusal {
        body_sha256: row.body_sha256,
        decision: ChangeDecision::RefusedBefore {
            verdict: row.verdict.clone(),
            code: row.reason.clone(),
            ticket: row.ticket,
        },
    }
}

/// The verdict of a decision; what is refused anew is added to the job.
#[expect(clippy::too_many_arguments, reason = "one row of a table with as many columns")]
fn refuse(
    pusher: &Pusher<'_>,
    seam: &Seam,
    pushed: &Pushed<'_>,
    document: DocumentId,
    customer: CustomerId,
    decision: &ChangeDecision,
    body: &[u8],
    ticket: Uuid,
    facts: &mut Facts,
    job: &mut Job,
) -> Verdict {
    let (verdict, code, keep) = match decision {
        ChangeDecision::Accepted { late, .. } | ChangeDecision::Repeated { late } => {
            return Verdict::Accepted { late: *late };
        }
        ChangeDecision::Retry(reason) => return Verdict::Retry(reason.clone()),
        ChangeDecision::RefusedBefore { verdict, code, ticket } => {
            return match verdict.as_str() {
                "accepted" => Verdict::Accepted { late: true },
                "quarantined" => Verdict::Quarantined {
                    reason: code.clone(),
                    ticket: *ticket,
                },
                "superseded" => Verdict::Superseded,
                _ => Verdict::Rejected { code: code.clone() },
            };
        }
        ChangeDecision::Quarantined { code } => ("quarantined", *code, true),
        ChangeDecision::Rejected { code, equivocation } => ("rejected", *code, *equivocation),
        ChangeDecision::Superseded => ("superseded", "superseded", false),
    };
    if verdict == "quarantined" {
        facts.quarantined_bytes += body.len() as i64;
        if facts.quarantined_bytes > QUARANTINE_BYTES_MAX {
            return Verdict::Retry(RetryReason::Later);
        }
    }
    // Under an actor's name nothing is kept that its device has not said: it would be held against the device.
    let is_named = !FORGERIES.contains(&code) && code != FROZEN;
    let change = pushed
        .kind
        .and_then(|kind| oplist::decode(body, kind).ok())
        .filter(|change| is_named && !facts.behind.contains_key(&change.actor));
    if let (Some(change), Some(kind)) = (&change, pushed.kind) {
        let canonical = oplist::encode(change, kind, sync_core::document::SCHEMA_VERSION);
        let equivocation = matches!(decision, ChangeDecision::Rejected { equivocation: true, .. });
        // What stands here under this name may be what another device says of it.
        if equivocation && !pusher.recovering && !facts.recovered.contains(&document) {
            job.freeze.push(change.actor);
        }
        // The row of the first change under this name stays; the copy of a second is kept apart.
        job.refusals.push(RefusalRow {
            document,
            change: change.id(),
            customer,
            kind,
            verdict: verdict.to_owned(),
            reason: code.to_owned(),
            ticket,
            body_sha256: Sha256::digest(&canonical).into(),
            body: (keep && !seeded(Bug::QuarantineLost)).then_some(canonical),
            author: pusher.user,
            device: Some(pusher.device),
            device_time: change.time,
        });
    }
    let copy = equivocation_copy(pusher, document, decision, body);
    job.audit.push(
        AuditRow::new(seam.now(), "refuse", document)
            .by(pusher.user)
            .with_device(pusher.device)
            .with_detail(json!({
                "customer": customer, "verdict": verdict, "code": code,
                "copy": copy.as_ref().map(|copy| hex::encode(copy.body_sha256)),
            })),
    );
    job.equivocations.extend(copy);
    match verdict {
        "quarantined" => Verdict::Quarantined {
            reason: code.to_owned(),
            ticket,
        },
        "superseded" => Verdict::Superseded,
        _ => Verdict::Rejected { code: code.to_owned() },
    }
}

/// Of two changes under one name the second is kept, and the audit names it by its hash.
fn equivocation_copy(
    pusher: &Pusher<'_>,
    document: DocumentId,
    decision: &ChangeDecision,
    body: &[u8],
) -> Option<EquivocationRow> {
    matches!(decision, ChangeDecision::Rejected { equivocation: true, .. }).then(|| EquivocationRow {
        document,
        body_sha256: Sha256::digest(body).into(),
        body: body.to_vec(),
        author: pusher.user,
        device: Some(pusher.device),
    })
}
