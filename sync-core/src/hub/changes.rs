//! What becomes of the changes a device pushes for one document.

use std::collections::BTreeMap;

use crate::{
    airlock::{Trial, admit},
    document::{Action, BuiltChange, Change, ChangeId, Class, Document, DocumentState, Kind, OpRef, Refusal},
    ids::{ActorId, ChangeHash, UserId},
    protocol::{
        message::{RetryReason, digest},
        oplist,
    },
    seeded::{Bug, seeded},
    visibility::{ClassRights, DocumentFacts, document_access},
};

/// Operations up to which every change of a document is tried. A trial of so many takes about 7 ms.
const TRIAL_OPERATIONS_MAX: u64 = 4_000;

/// What a device pushed for one document.
#[derive(Debug, Clone)]
pub struct PushedDocument<'a> {
    /// The kind, if this version knows it.
    pub kind: Option<Kind>,
    /// The op-lists in order.
    pub bodies: Vec<&'a [u8]>,
    /// First bytes of the digest over the changes' hashes.
    pub digest: [u8; 4],
    /// Sixteen bytes of each hash, in a repetition after a disagreement.
    pub hashes: &'a [[u8; 16]],
}

/// The document as the server has it.
#[derive(Debug, Clone)]
pub struct ExistingDocument {
    /// The document with all its changes.
    pub document: Document,
    /// Who made it, who is responsible, who has checked in.
    pub facts: DocumentFacts,
    /// Which changes were accepted late.
    pub late: Vec<ChangeId>,
}

/// What the author of the pushed changes is to the customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerStanding {
    /// Nobody has created it, or the author never had to do with it: nobody learns which.
    Unknown,
    /// The author's rights now, and those he had just before each loss of which his device did not have to know.
    Known {
        /// Rights now.
        rights: ClassRights,
        /// What he was before each such loss.
        before_losses: Vec<BeforeLoss>,
        /// He claimed it and somebody else got it.
        claim_lost: bool,
        /// He created the customer: its card is his to begin, also in a pool in which he may only read it.
        created_it: bool,
    },
    /// The server has lost changes and gets them back from a device that may read them: those of others were judged when
    /// they were made, what is the device's own is judged as ever.
    Recovered {
        /// The others' actors and who stands behind each.
        others: BTreeMap<ActorId, UserId>,
        /// What the author is himself.
        own: Box<CustomerStanding>,
    },
    /// The message names another customer than the document has, or the customer of another organisation.
    Mismatch,
}

/// What somebody was to a customer just before he lost something of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeforeLoss {
    /// His rights then.
    pub rights: ClassRights,
    /// It was his, and so was what nobody else was responsible for.
    pub owned: bool,
    /// Who was responsible for the document then, if somebody else has been made so since.
    pub responsible: Option<Option<UserId>>,
}

/// A verdict given earlier to a change that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRefusal {
    /// SHA-256 of the canonical op-list.
    pub body_sha256: [u8; 32],
    /// The verdict as it was given, or as a decision made it.
    pub decision: ChangeDecision,
}

/// What becomes of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeDecision {
    /// It was accepted before; nothing is written again.
    Repeated {
        /// It arrived after handover.
        late: bool,
    },
    /// It was refused before; nothing is written again.
    RefusedBefore {
        /// The stored verdict: `rejected`, `superseded`, `quarantined` or, by a decision, `accepted`.
        verdict: String,
        /// The stored code.
        code: String,
        /// The stored ticket.
        ticket: uuid::Uuid,
    },
    /// It goes into the log.
    Accepted {
        /// Index into the built changes.
        built: usize,
        /// It arrived after handover.
        late: bool,
    },
    /// It is kept for a manager; all of one document's in a message share a ticket.
    Quarantined {
        /// Stable code.
        code: &'static str,
    },
    /// It is refused for ever.
    Rejected {
        /// Stable code.
        code: &'static str,
        /// A copy is kept for the audit and the actor frozen.
        equivocation: bool,
    },
    /// It depends on a refused one.
    Superseded,
    /// Not yet.
    Retry(RetryReason),
}

/// Decides the changes pushed for one document, in order. Gives a decision for each, the built form of those
/// accepted, and the document as it will be.
///
/// `actor_code` answers an actor that may not be used by this device (`actor_unknown`, `actor_foreign`,
/// `actor_frozen`); `known` finds an earlier refusal of a change.
pub fn decide_document(
    me: UserId,
    pushed: &PushedDocument<'_>,
    existing: Option<ExistingDocument>,
    standing: CustomerStanding,
    actor_code: impl Fn(ActorId) -> Option<&'static str>,
    known: impl Fn(ChangeId) -> Option<KnownRefusal>,
    mut trial: impl FnMut() -> Trial,
) -> (Vec<ChangeDecision>, Vec<BuiltChange>, Option<Document>) {
    let Some(kind) = pushed.kind else {
        let retry = ChangeDecision::Retry(RetryReason::UpgradeRequired);
        return (vec![retry; pushed.bodies.len()], Vec::new(), None);
    };
    let mut decider = Decider {
        me,
        kind,
        standing,
        is_new: existing.is_none(),
        facts: existing.as_ref().map(|existing| existing.facts),
        late: existing
            .as_ref()
            .map(|existing| existing.late.clone())
            .unwrap_or_default(),
        document: existing.map_or_else(|| Document::new(kind), |existing| existing.document),
        built: Vec::new(),
        hashes: Vec::new(),
        blocked: None,
    };
    let decisions: Vec<ChangeDecision> = pushed
        .bodies
        .iter()
        .map(|body| decider.decide(body, &actor_code, &known, trial()))
        .collect();
    if decider.hashes.len() == pushed.bodies.len() && digest(&decider.hashes)[..4] != pushed.digest {
        return disagreement(&decider.hashes, decisions, pushed.hashes);
    }
    let Decider { built, document, .. } = decider;
    (decisions, built, Some(document))
}

/// The device's hashes are not ours: it sends them whole, and what differs then is rejected.
fn disagreement(
    ours: &[ChangeHash],
    decisions: Vec<ChangeDecision>,
    theirs: &[[u8; 16]],
) -> (Vec<ChangeDecision>, Vec<BuiltChange>, Option<Document>) {
    let retry = ChangeDecision::Retry(RetryReason::DigestMismatch);
    if theirs.len() != ours.len() {
        return (vec![retry; decisions.len()], Vec::new(), None);
    }
    let mut refused = false;
    let decisions = ours
        .iter()
        .zip(theirs)
        .map(|(ours, theirs)| {
            if refused {
                return ChangeDecision::Superseded;
            }
            refused = ours.0[..16] != theirs[..];
            // Those before the first that differs are taken when they come again without it.
            if refused {
                ChangeDecision::Rejected {
                    code: "digest_mismatch",
                    equivocation: false,
                }
            } else {
                retry.clone()
            }
        })
        .collect();
    (decisions, Vec::new(), None)
}

struct Decider {
    me: UserId,
    kind: Kind,
    standing: CustomerStanding,
    is_new: bool,
    facts: Option<DocumentFacts>,
    late: Vec<ChangeId>,
    document: Document,
    built: Vec<BuiltChange>,
    /// Hashes of the changes so far, as long as every one could be built.
    hashes: Vec<ChangeHash>,
    /// What the changes after a refused one get.
    blocked: Option<ChangeDecision>,
}

impl Decider {
    fn decide(
        &mut self,
        body: &[u8],
        actor_code: &impl Fn(ActorId) -> Option<&'static str>,
        known: &impl Fn(ChangeId) -> Option<KnownRefusal>,
        trial: Trial,
    ) -> ChangeDecision {
        let decision = match oplist::decode(body, self.kind) {
            Ok(change) => self.decide_change(change, actor_code, known, trial),
            Err(_) => self.blocked.clone().unwrap_or_else(|| rejected("malformed")),
        };
        if self.blocked.is_none() {
            self.blocked = match &decision {
                ChangeDecision::Rejected { .. } | ChangeDecision::Superseded => Some(ChangeDecision::Superseded),
                ChangeDecision::Quarantined { .. } | ChangeDecision::Retry(_) => Some(decision.clone()),
                ChangeDecision::RefusedBefore { verdict, .. } if verdict != "accepted" => {
                    Some(ChangeDecision::Superseded)
                }
                _ => None,
            };
        }
        decision
    }

    fn decide_change(
        &mut self,
        change: Change,
        actor_code: &impl Fn(ActorId) -> Option<&'static str>,
        known: &impl Fn(ChangeId) -> Option<KnownRefusal>,
        trial: Trial,
    ) -> ChangeDecision {
        // What a frozen actor wrote before is answered as it was; it only writes nothing new.
        let refused = actor_code(change.actor);
        if let Some(code) = refused.filter(|code| *code != "actor_frozen") {
            return rejected(code);
        }
        if let Some(decision) = self.repetition(&change, known) {
            return decision;
        }
        if let Some(code) = refused {
            return rejected(code);
        }
        if let Some(blocked) = &self.blocked {
            return blocked.clone();
        }
        let late = match self.standing_of(change.actor) {
            Some(CustomerStanding::Mismatch) => return rejected("not_found"),
            Some(CustomerStanding::Unknown) => return ChangeDecision::Retry(RetryReason::MissingCustomer),
            Some(standing) => match self.permission(standing, &change) {
                Ok(late) => late,
                Err(decision) => return decision,
            },
            None => false,
        };
        let other = self.other(change.actor);
        let id = change.id();
        let body_bytes = oplist::encode(&change, self.kind, crate::document::SCHEMA_VERSION).len();
        let trial = self.affordable(trial);
        match admit(&mut self.document, change, body_bytes, trial) {
            Ok(built) => {
                self.hashes.push(built.hash);
                self.built.push(built);
                if self.facts.is_none() {
                    self.facts = Some(DocumentFacts {
                        kind: self.kind,
                        author: Some(other.unwrap_or(self.me)),
                        responsible: None,
                        owner: None,
                        checked_in_by: None,
                    });
                    // What somebody else has begun is not begun here.
                    self.is_new &= other.is_none();
                }
                if late {
                    self.late.push(id);
                }
                ChangeDecision::Accepted {
                    built: self.built.len() - 1,
                    late,
                }
            }
            Err(Refusal::MissingDependencies(missing)) => {
                ChangeDecision::Retry(RetryReason::MissingDependencies(missing))
            }
            Err(Refusal::TrialFailed) => ChangeDecision::Quarantined { code: "trial_failed" },
            Err(refusal) => rejected(refusal.code()),
        }
    }

    /// A trial builds the whole document, so of a large one only every so manyth change is tried; the gates hold for all.
    fn affordable(&self, trial: Trial) -> Trial {
        let large = self.document.state().op_count() > TRIAL_OPERATIONS_MAX;
        if large && trial == Trial::Apply {
            Trial::Build
        } else {
            trial
        }
    }

    /// A change that was judged before gets the same verdict; the same name with other content is equivocation.
    fn repetition(
        &mut self,
        change: &Change,
        known: &impl Fn(ChangeId) -> Option<KnownRefusal>,
    ) -> Option<ChangeDecision> {
        let id = change.id();
        if let Some(applied) = self.document.state().change(id) {
            let hash = applied.hash;
            let same = self.document.changes().iter().any(|held| held == change);
            if !same && !seeded(Bug::EquivocationAccepted) {
                return Some(self.refused_before(change, known).unwrap_or_else(equivocation));
            }
            self.hashes.push(hash);
            return Some(ChangeDecision::Repeated {
                late: self.late.contains(&id),
            });
        }
        known(id)?;
        Some(self.refused_before(change, known).unwrap_or_else(equivocation))
    }

    /// The decision given to this very change when it was refused.
    fn refused_before(
        &self,
        change: &Change,
        known: &impl Fn(ChangeId) -> Option<KnownRefusal>,
    ) -> Option<ChangeDecision> {
        use sha2::{Digest, Sha256};
        let refusal = known(change.id())?;
        let body = oplist::encode(change, self.kind, crate::document::SCHEMA_VERSION);
        let sha: [u8; 32] = Sha256::digest(&body).into();
        (sha == refusal.body_sha256).then_some(refusal.decision)
    }

    /// What counts for a change of this actor; none: it is somebody else's that is got back, and was judged.
    fn standing_of(&self, actor: ActorId) -> Option<&CustomerStanding> {
        match &self.standing {
            CustomerStanding::Recovered { others, own } => (!others.contains_key(&actor)).then_some(own),
            standing => Some(standing),
        }
    }

    /// Who made it, if it is got back.
    fn other(&self, actor: ActorId) -> Option<UserId> {
        match &self.standing {
            CustomerStanding::Recovered { others, .. } => others.get(&actor).copied(),
            _ => None,
        }
    }

    /// Whether the author may make this change, and whether it is late: his device has not confirmed a loss before which
    /// he might have made it. Of somebody who only lost a claim late visits, follow-ups and tickets are taken; everything
    /// else of his is kept for a manager.
    fn permission(&self, standing: &CustomerStanding, change: &Change) -> Result<bool, ChangeDecision> {
        let CustomerStanding::Known {
            rights,
            before_losses,
            claim_lost,
            created_it,
        } = standing
        else {
            return Err(rejected("not_found"));
        };
        let begins_card = *created_it && self.is_new && self.kind == Kind::Card;
        let was_allowed = before_losses.iter().any(|before| {
            let facts = self.facts.map(|facts| DocumentFacts {
                owner: if before.owned { Some(self.me) } else { facts.owner },
                responsible: before.responsible.unwrap_or(facts.responsible),
                ..facts
            });
            self.allows_on(facts.as_ref(), before.rights, change)
        });
        // What he begins without knowing of the loss is late also where he might still begin it.
        let comes_late = was_allowed && self.is_own_work();
        if begins_card || (self.allows(*rights, change) && !comes_late) {
            return Ok(false);
        }
        let claim_lost = *claim_lost && !before_losses.iter().any(|before| before.owned);
        let counts = !claim_lost || (self.is_own_work() && self.kind.class() == Class::Activity);
        if was_allowed && counts {
            return Ok(true);
        }
        let code = if claim_lost { "claim_lost" } else { "no_permission" };
        Err(ChangeDecision::Quarantined { code })
    }

    /// A new document of a kind of which there are many, or more of one that this message has begun.
    fn is_own_work(&self) -> bool {
        self.is_new && !self.kind.is_single()
    }

    fn allows(&self, rights: ClassRights, change: &Change) -> bool {
        self.allows_on(self.facts.as_ref(), rights, change)
    }

    fn allows_on(&self, facts: Option<&DocumentFacts>, rights: ClassRights, change: &Change) -> bool {
        let Some(facts) = facts else {
            let rights = rights.of(self.kind);
            return rights.may_write() || (rights.may_create() && !self.kind.is_single());
        };
        let rights = document_access(rights, self.me, facts);
        rights.may_write() || (rights.may_comment() && only_comments(self.document.state(), change))
    }
}

/// Whether a change does nothing but add comments. Writing under the key of one that is there would put another text
/// before it.
fn only_comments(state: &DocumentState, change: &Change) -> bool {
    let comments = state.container("comments");
    comments.is_some()
        && change.operations.iter().all(|operation| {
            matches!(operation.action, Action::Put(_))
                && operation.predecessors.is_empty()
                && matches!(operation.object, Some(OpRef::Known(object)) if Some(object) == comments)
                && state.register(comments, &operation.key).is_none()
        })
}

fn rejected(code: &'static str) -> ChangeDecision {
    ChangeDecision::Rejected {
        code,
        equivocation: false,
    }
}

fn equivocation() -> ChangeDecision {
    ChangeDecision::Rejected {
        code: "equivocation",
        equivocation: true,
    }
}
