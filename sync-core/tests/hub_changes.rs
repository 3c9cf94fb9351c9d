//! The hub's verdicts on pushed changes: who may write what, what comes twice, what is forged, and that one bad change
//! spoils nothing beside it.

#[path = "support/documents.rs"]
mod documents;

use std::collections::BTreeMap;

use documents::{actor, encode, raw_change};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use sync_core::{
    airlock::Trial,
    document::{Change, ChangeId, Document, Edit, Kind, Value},
    hub::{
        BeforeLoss, ChangeDecision, CustomerStanding, ExistingDocument, KnownRefusal, PushedDocument, decide_document,
    },
    ids::{ActorId, ChangeHash, UserId},
    protocol::message::{RetryReason, digest},
    time::Timestamp,
    visibility::{ClassRights, DocumentFacts, Policy, Relation, Role, UserState, Viewer, class_rights},
};
use uuid::Uuid;

const ME: UserId = UserId(Uuid::from_u128(1));
const OTHER: UserId = UserId(Uuid::from_u128(2));
const MINE: ActorId = ActorId([7; 16]);
const THEIRS: ActorId = ActorId([9; 16]);

fn rights_of(relation: Relation) -> ClassRights {
    let viewer = Viewer {
        user: ME,
        role: Role::Rep,
        state: UserState::Active,
    };
    class_rights(viewer, relation.into(), &Policy::default())
}

fn known(relation: Relation) -> CustomerStanding {
    CustomerStanding::Known {
        rights: rights_of(relation),
        before_losses: Vec::new(),
        claim_lost: false,
        created_it: false,
    }
}

fn set(key: &str, value: &str) -> Edit {
    Edit::Set {
        key: key.into(),
        value: Value::Str(value.into()),
    }
}

fn comment(id: u128, text: &str) -> Edit {
    Edit::SetEntry {
        map: "comments".into(),
        entry: Uuid::from_u128(id).to_string(),
        value: Value::Str(text.into()),
    }
}

/// A phone's copy of a document, and what it pushes of it.
struct Phone {
    document: Document,
    bodies: Vec<Vec<u8>>,
    hashes: Vec<ChangeHash>,
}

impl Phone {
    fn new(kind: Kind) -> Self {
        Self::of(Document::new(kind))
    }

    fn of(document: Document) -> Self {
        Self {
            document,
            bodies: Vec::new(),
            hashes: Vec::new(),
        }
    }

    fn edit(mut self, edits: &[Edit]) -> Self {
        let built = self.document.edit(MINE, Timestamp(1), edits).unwrap().unwrap();
        self.bodies.push(built.body);
        self.hashes.push(built.hash);
        self
    }

    fn push(&self, existing: Option<ExistingDocument>, standing: CustomerStanding) -> Answer {
        push(
            self.document.state().kind(),
            &self.bodies,
            &self.hashes,
            existing,
            standing,
        )
    }
}

type Answer = (Vec<ChangeDecision>, Option<Document>);

fn push(
    kind: Kind,
    bodies: &[Vec<u8>],
    hashes: &[ChangeHash],
    existing: Option<ExistingDocument>,
    standing: CustomerStanding,
) -> Answer {
    let pushed = pushed(kind, bodies, hashes);
    let allowed = |actor: ActorId| (actor != MINE).then_some("actor_foreign");
    let (decisions, built, document) =
        decide_document(ME, &pushed, existing, standing, allowed, |_| None, || Trial::Reload);
    let accepted = decisions
        .iter()
        .filter(|decision| matches!(decision, ChangeDecision::Accepted { .. }))
        .count();
    assert_eq!(built.len(), accepted, "what is accepted is built, and nothing else");
    assert_eq!(decisions.len(), bodies.len(), "each change has one verdict");
    (decisions, document)
}

fn pushed<'a>(kind: Kind, bodies: &'a [Vec<u8>], hashes: &[ChangeHash]) -> PushedDocument<'a> {
    PushedDocument {
        kind: Some(kind),
        bodies: bodies.iter().map(Vec::as_slice).collect(),
        digest: digest(hashes)[..4].try_into().unwrap(),
        hashes: &[],
    }
}

fn existing(document: Document, author: UserId, responsible: Option<UserId>) -> ExistingDocument {
    let kind = document.state().kind();
    let facts = DocumentFacts {
        kind,
        author: Some(author),
        responsible,
        owner: None,
        checked_in_by: None,
    };
    ExistingDocument {
        document,
        facts,
        late: Vec::new(),
    }
}

fn theirs(kind: Kind, edits: &[Edit]) -> Document {
    let mut document = Document::new(kind);
    document.edit(THEIRS, Timestamp(1), edits).unwrap();
    document
}

fn accepted(index: usize) -> ChangeDecision {
    ChangeDecision::Accepted {
        built: index,
        late: false,
    }
}

fn rejected(code: &'static str) -> ChangeDecision {
    ChangeDecision::Rejected {
        code,
        equivocation: code == "equivocation",
    }
}

fn no_permission() -> ChangeDecision {
    ChangeDecision::Quarantined { code: "no_permission" }
}

#[test]
fn t002_a_change_of_a_foreign_actor_is_rejected_and_what_follows_it_superseded() {
    let mut forged = Document::new(Kind::FollowUp);
    let first = forged.edit(THEIRS, Timestamp(1), &[set("text", "x")]).unwrap().unwrap();
    let second = forged.edit(MINE, Timestamp(1), &[set("text", "y")]).unwrap().unwrap();
    let (bodies, hashes) = ([first.body, second.body], [first.hash, second.hash]);
    let (decisions, _) = push(Kind::FollowUp, &bodies, &hashes, None, known(Relation::Owner));
    assert_eq!(decisions, [rejected("actor_foreign"), ChangeDecision::Superseded]);
}

#[test]
fn t005_other_content_under_a_used_number_is_equivocation() {
    let first = Phone::new(Kind::FollowUp).edit(&[set("text", "one")]);
    let (_, document) = first.push(None, known(Relation::Owner));
    let twin = Phone::new(Kind::FollowUp)
        .edit(&[set("text", "two")])
        .edit(&[set("text", "three")]);
    let before = existing(document.unwrap(), ME, None);
    let (decisions, after) = twin.push(Some(before.clone()), known(Relation::Owner));
    assert_eq!(decisions, [rejected("equivocation"), ChangeDecision::Superseded]);
    assert!(
        after.is_none_or(|document| document == before.document),
        "nothing of it is applied"
    );
}

#[test]
fn t042_of_a_document_that_is_got_back_only_what_others_wrote_is_taken_unasked() {
    let mut document = Document::new(Kind::Visit);
    let first = document
        .edit(THEIRS, Timestamp(1), &[set("note", "theirs")])
        .unwrap()
        .unwrap();
    let second = document
        .edit(MINE, Timestamp(2), &[set("note", "mine")])
        .unwrap()
        .unwrap();
    let (bodies, hashes) = ([first.body, second.body], [first.hash, second.hash]);
    let pushed = pushed(Kind::Visit, &bodies, &hashes);
    let decide = |own: CustomerStanding| {
        let standing = CustomerStanding::Recovered {
            others: BTreeMap::from([(THEIRS, OTHER)]),
            own: Box::new(own),
        };
        decide_document(ME, &pushed, None, standing, |_| None, |_| None, || Trial::Reload).0
    };
    // The visit is not his for having brought it.
    assert_eq!(decide(known(Relation::Owner)), [accepted(0), no_permission()]);
    assert_eq!(
        decide(CustomerStanding::Unknown),
        [accepted(0), ChangeDecision::Retry(RetryReason::MissingCustomer)]
    );
}

#[test]
fn t006_what_comes_again_is_answered_as_before_and_written_once() {
    let phone = Phone::new(Kind::Visit)
        .edit(&[set("note", "one")])
        .edit(&[set("note", "two")]);
    let (decisions, document) = phone.push(None, known(Relation::Pool));
    assert_eq!(decisions, [accepted(0), accepted(1)]);
    let stored = existing(document.unwrap(), ME, None);
    // Also when the right to write it is gone meanwhile: it was decided.
    for relation in [Relation::Pool, Relation::CollaboratorRead] {
        let (decisions, document) = phone.push(Some(stored.clone()), known(relation));
        let again = ChangeDecision::Repeated { late: false };
        assert_eq!(decisions, [again.clone(), again]);
        assert_eq!(document.as_ref(), Some(&stored.document));
    }
}

#[test]
fn t006_a_refusal_that_comes_again_is_answered_with_the_stored_verdict() {
    let phone = Phone::new(Kind::Visit).edit(&[set("note", "one")]);
    let stored = ChangeDecision::RefusedBefore {
        verdict: "rejected".into(),
        code: "schema".into(),
        ticket: Uuid::from_u128(5),
    };
    let refusal = |body: &[u8]| KnownRefusal {
        body_sha256: Sha256::digest(body).into(),
        decision: stored.clone(),
    };
    let decide = |refusal: KnownRefusal| {
        let pushed = pushed(Kind::Visit, &phone.bodies, &phone.hashes);
        let standing = known(Relation::Owner);
        decide_document(
            ME,
            &pushed,
            None,
            standing,
            |_| None,
            |_| Some(refusal.clone()),
            || Trial::Reload,
        )
        .0
    };
    assert_eq!(decide(refusal(&phone.bodies[0])), std::slice::from_ref(&stored));
    assert_eq!(decide(refusal(b"other content")), [rejected("equivocation")]);
}

#[test]
fn t009_unknown_dependencies_are_asked_for_and_hold_up_what_follows() {
    let phone = Phone::new(Kind::FollowUp)
        .edit(&[set("text", "a")])
        .edit(&[set("text", "b")])
        .edit(&[set("text", "c")]);
    let missing = ChangeId { actor: THEIRS, seq: 4 };
    let mut change: Change = phone.document.changes()[1].clone();
    change.dependencies.push(missing);
    change.dependencies.sort_unstable();
    let bodies = [
        phone.bodies[0].clone(),
        encode(&change, Kind::FollowUp),
        phone.bodies[2].clone(),
    ];
    let (decisions, document) = push(Kind::FollowUp, &bodies, &phone.hashes, None, known(Relation::Owner));
    let retry = ChangeDecision::Retry(RetryReason::MissingDependencies(vec![missing]));
    assert_eq!(decisions, [accepted(0), retry.clone(), retry]);
    assert_eq!(document.unwrap().changes().len(), 1);
}

#[test]
fn t012_hashes_that_disagree_are_asked_for_and_then_only_the_difference_is_rejected() {
    let phone = Phone::new(Kind::FollowUp)
        .edit(&[set("text", "a")])
        .edit(&[set("text", "b")])
        .edit(&[set("text", "c")]);
    let mut wrong = phone.hashes.clone();
    wrong[1] = ChangeHash([9; 32]);
    let (decisions, document) = push(Kind::FollowUp, &phone.bodies, &wrong, None, known(Relation::Owner));
    let retry = ChangeDecision::Retry(RetryReason::DigestMismatch);
    assert_eq!(decisions, [retry.clone(), retry.clone(), retry.clone()]);
    assert!(document.is_none(), "nothing is taken until they agree");
    let halves: Vec<[u8; 16]> = wrong.iter().map(|hash| hash.0[..16].try_into().unwrap()).collect();
    let pushed = PushedDocument {
        hashes: &halves,
        ..pushed(Kind::FollowUp, &phone.bodies, &wrong)
    };
    let standing = known(Relation::Owner);
    let (decisions, built, _) = decide_document(ME, &pushed, None, standing, |_| None, |_| None, || Trial::Reload);
    assert_eq!(
        decisions,
        [retry, rejected("digest_mismatch"), ChangeDecision::Superseded]
    );
    assert!(built.is_empty());
}

#[test]
fn t018_a_body_that_is_no_op_list_is_rejected_alone() {
    let phone = Phone::new(Kind::FollowUp).edit(&[set("text", "a")]);
    let bodies = [phone.bodies[0].clone(), b"nonsense".to_vec(), Vec::new()];
    let (decisions, document) = push(Kind::FollowUp, &bodies, &phone.hashes, None, known(Relation::Owner));
    assert_eq!(
        decisions,
        [accepted(0), rejected("malformed"), ChangeDecision::Superseded]
    );
    assert_eq!(document.unwrap().changes().len(), 1);
}

#[test]
fn an_unknown_kind_waits_for_the_server_to_be_upgraded() {
    let phone = Phone::new(Kind::FollowUp).edit(&[set("text", "a")]);
    let pushed = PushedDocument {
        kind: None,
        ..pushed(Kind::FollowUp, &phone.bodies, &phone.hashes)
    };
    let standing = known(Relation::Owner);
    let (decisions, ..) = decide_document(ME, &pushed, None, standing, |_| None, |_| None, || Trial::Reload);
    assert_eq!(decisions, [ChangeDecision::Retry(RetryReason::UpgradeRequired)]);
}

#[test]
fn t069_documents_of_an_unknown_customer_wait_and_those_of_another_one_are_not_found() {
    let phone = Phone::new(Kind::FollowUp).edit(&[set("text", "a")]);
    let (decisions, document) = phone.push(None, CustomerStanding::Unknown);
    assert_eq!(decisions, [ChangeDecision::Retry(RetryReason::MissingCustomer)]);
    assert_eq!(document.unwrap().changes().len(), 0);
    let (decisions, _) = phone.push(None, CustomerStanding::Mismatch);
    assert_eq!(decisions, [rejected("not_found")]);
}

#[test]
fn t057_a_new_document_is_accepted_exactly_where_the_table_says_create() {
    for relation in Relation::ALL
        .into_iter()
        .filter(|relation| Role::Rep.may_have(*relation))
    {
        for kind in Kind::ALL {
            let phone = match kind {
                Kind::Card => Phone::new(kind).edit(&[set("name", "x")]),
                Kind::Dossier => Phone::new(kind).edit(&[set("needs", "x")]),
                Kind::Internal => Phone::new(kind).edit(&[set("notes", "x")]),
                _ => Phone::new(kind).edit(&[]),
            };
            let activity = matches!(kind, Kind::Visit | Kind::FollowUp | Kind::Ticket);
            let may = match relation {
                Relation::Owner | Relation::CollaboratorWrite | Relation::Cover | Relation::PoolAdmin => {
                    kind != Kind::Internal
                }
                Relation::Pool | Relation::Team => activity,
                _ => false,
            };
            let (decisions, _) = phone.push(None, known(relation));
            let expected = if may { accepted(0) } else { no_permission() };
            assert_eq!(decisions, [expected], "{relation:?} {kind:?}");
        }
    }
}

#[test]
fn a_visit_of_somebody_else_is_only_commented_on() {
    let visit = theirs(Kind::Visit, &[set("note", "his"), comment(1, "his own remark")]);
    let comments = visit.state().container("comments").unwrap();
    let stored = || Some(existing(visit.clone(), OTHER, Some(OTHER)));
    let owner = known(Relation::Owner);
    let remark = Phone::of(visit.clone()).edit(&[comment(2, "well done")]);
    assert_eq!(remark.push(stored(), owner.clone()).0, [accepted(0)]);
    let both = Phone::of(visit.clone()).edit(&[comment(2, "well done"), set("outcome", "sold")]);
    assert_eq!(both.push(stored(), owner.clone()).0, [no_permission()]);
    let over = Phone::of(visit.clone()).edit(&[comment(1, "what he never said")]);
    assert_eq!(over.push(stored(), owner.clone()).0, [no_permission()]);
    // Without naming what is there it would be shown before the other's text, as the later of two.
    let mut beside = Phone::of(visit.clone())
        .edit(&[comment(2, "x")])
        .document
        .changes()
        .last()
        .unwrap()
        .clone();
    beside.operations[0].key = Uuid::from_u128(1).to_string();
    assert!(beside.operations[0].predecessors.is_empty() && visit.state().registers(Some(comments)).count() == 1);
    let bodies = [encode(&beside, Kind::Visit)];
    assert_eq!(
        push(Kind::Visit, &bodies, &[], stored(), owner.clone()).0,
        [no_permission()]
    );
    // Who may only read does not comment either.
    assert_eq!(
        remark.push(stored(), known(Relation::CollaboratorRead)).0,
        [no_permission()]
    );
}

#[test]
fn a_planned_visit_is_written_by_whoever_is_responsible_until_another_has_checked_in() {
    let visit = theirs(
        Kind::Visit,
        &[Edit::Set {
            key: "planned_at".into(),
            value: Value::Timestamp(1),
        }],
    );
    let phone = Phone::of(visit.clone()).edit(&[Edit::Set {
        key: "started_at".into(),
        value: Value::Timestamp(2),
    }]);
    let stored = |checked_in_by: Option<UserId>| {
        let mut stored = existing(visit.clone(), OTHER, Some(ME));
        stored.facts.checked_in_by = checked_in_by;
        Some(stored)
    };
    for relation in [Relation::Responsible, Relation::Owner] {
        assert_eq!(phone.push(stored(None), known(relation)).0, [accepted(0)]);
        assert_eq!(
            phone.push(stored(Some(ME)), known(relation)).0,
            [accepted(0)],
            "he checks out, too"
        );
        assert_eq!(phone.push(stored(Some(OTHER)), known(relation)).0, [no_permission()]);
    }
    assert_eq!(phone.push(stored(None), known(Relation::Pool)).0, [no_permission()]);
}

#[test]
fn late_work_is_accepted_and_marked_but_of_a_lost_claim_only_new_activity() {
    let lost = |claim_lost| CustomerStanding::Known {
        rights: ClassRights::NONE,
        before_losses: vec![BeforeLoss {
            rights: rights_of(Relation::Owner),
            owned: true,
            responsible: None,
        }],
        claim_lost,
        created_it: false,
    };
    let visit = Phone::new(Kind::Visit)
        .edit(&[set("note", "was there")])
        .edit(&[set("outcome", "sold")]);
    let late = |built| ChangeDecision::Accepted { built, late: true };
    assert_eq!(visit.push(None, lost(false)).0, [late(0), late(1)]);
    let card = theirs(Kind::Card, &[set("name", "x")]);
    let edit = Phone::of(card.clone()).edit(&[set("name", "y")]);
    assert_eq!(
        edit.push(Some(existing(card.clone(), OTHER, None)), lost(false)).0,
        [late(0)]
    );
    // A claim lost long ago says nothing of a customer that was his since.
    assert_eq!(
        edit.push(Some(existing(card.clone(), OTHER, None)), lost(true)).0,
        [late(0)]
    );
    let lost = |claim_lost| CustomerStanding::Known {
        rights: ClassRights::NONE,
        before_losses: vec![BeforeLoss {
            rights: rights_of(Relation::Pool),
            owned: false,
            responsible: None,
        }],
        claim_lost,
        created_it: false,
    };
    let claim_lost = [ChangeDecision::Quarantined { code: "claim_lost" }];
    assert_eq!(edit.push(Some(existing(card, OTHER, None)), lost(true)).0, claim_lost);
    assert_eq!(visit.push(None, lost(true)).0, [late(0), late(1)]);
    let contact = Phone::new(Kind::Contact).edit(&[set("name", "Chen")]);
    assert_eq!(contact.push(None, lost(true)).0, claim_lost);
}

#[test]
fn a_visit_planned_by_another_is_checked_in_late_by_whoever_owned_the_customer() {
    let planned = theirs(
        Kind::Visit,
        &[Edit::Set {
            key: "planned_at".into(),
            value: Value::Timestamp(1),
        }],
    );
    let check_in = Phone::of(planned.clone()).edit(&[Edit::Set {
        key: "started_at".into(),
        value: Value::Timestamp(2),
    }]);
    let mut stored = existing(planned, OTHER, None);
    stored.facts.owner = Some(OTHER);
    let lost = |owned| CustomerStanding::Known {
        rights: ClassRights::NONE,
        before_losses: vec![BeforeLoss {
            rights: rights_of(Relation::Owner),
            owned,
            responsible: None,
        }],
        claim_lost: false,
        created_it: false,
    };
    let late = ChangeDecision::Accepted { built: 0, late: true };
    assert_eq!(check_in.push(Some(stored.clone()), lost(true)).0, [late]);
    assert_eq!(check_in.push(Some(stored), lost(false)).0, [no_permission()]);
}

#[test]
fn what_is_begun_without_knowing_of_a_loss_is_late_also_where_it_might_still_be_begun() {
    // A colleague of the same team may add visits; whoever was the owner adds them late all the same.
    let standing = CustomerStanding::Known {
        rights: rights_of(Relation::Team),
        before_losses: vec![BeforeLoss {
            rights: rights_of(Relation::Owner),
            owned: true,
            responsible: None,
        }],
        claim_lost: false,
        created_it: false,
    };
    let visit = Phone::new(Kind::Visit).edit(&[set("note", "was there")]);
    assert_eq!(
        visit.push(None, standing).0,
        [ChangeDecision::Accepted { built: 0, late: true }]
    );
    assert_eq!(visit.push(None, known(Relation::Team)).0, [accepted(0)]);
}

#[test]
fn t032_one_bad_change_spoils_what_depends_on_it_and_nothing_else() {
    let mut verdicts = BTreeMap::new();
    for number in 0..100 {
        let mut phone = Phone::new(Kind::Visit)
            .edit(&[set("note", "a")])
            .edit(&[set("note", "b")]);
        if number == 41 {
            let mut bad = phone.document.changes()[0].clone();
            bad.operations.pop();
            bad.operations.push(bad.operations[0].clone());
            phone.bodies[0] = encode(&bad, Kind::Visit);
        }
        let (decisions, _) = phone.push(None, known(Relation::Owner));
        for decision in decisions {
            *verdicts
                .entry(format!("{decision:?}").split(' ').next().unwrap().to_owned())
                .or_insert(0) += 1;
        }
    }
    let expected = [("Accepted", 198), ("Rejected", 1), ("Superseded", 1)];
    assert_eq!(verdicts, expected.map(|(name, count)| (name.to_owned(), count)).into());
}

#[test]
fn t035_a_push_repeated_in_whole_or_in_part_changes_nothing_more() {
    for seed in 0..200 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kind = Kind::ALL[rng.random_range(0..Kind::ALL.len())];
        let mut document = Document::new(kind);
        let (mut bodies, mut hashes) = (Vec::new(), Vec::new());
        for _ in 0..rng.random_range(1..6) {
            let change = raw_change(&mut rng, &document, actor(1));
            let body = encode(&change, kind);
            let built = sync_core::airlock::admit(&mut document, change, body.len(), Trial::Build).unwrap();
            bodies.push(body);
            hashes.push(built.hash);
        }
        let all = ClassRights::NONE.with(kind, sync_core::visibility::Rights::WRITE);
        let standing = CustomerStanding::Known {
            rights: all,
            before_losses: Vec::new(),
            claim_lost: false,
            created_it: false,
        };
        let decide = |from: usize, to: usize, existing: Option<ExistingDocument>| {
            let pushed = pushed(kind, &bodies[from..to], &hashes[from..to]);
            decide_document(
                ME,
                &pushed,
                existing,
                standing.clone(),
                |_| None,
                |_| None,
                || Trial::Build,
            )
        };
        // The first messages were cut or lost anywhere, then everything comes again, then once more.
        let cut = rng.random_range(0..=bodies.len());
        let (_, _, partly) = decide(0, cut, None);
        let stored = partly.filter(|document| !document.changes().is_empty());
        let stored = stored.map(|document| existing(document, ME, None));
        let (decisions, built, whole) = decide(0, bodies.len(), stored);
        assert_eq!(built.len(), bodies.len() - cut, "seed {seed}: {decisions:?}");
        let whole = whole.unwrap();
        assert_eq!(whole, document);
        let (decisions, built, again) = decide(0, bodies.len(), Some(existing(whole.clone(), ME, None)));
        assert!(
            built.is_empty()
                && decisions
                    .iter()
                    .all(|one| matches!(one, ChangeDecision::Repeated { .. }))
        );
        assert_eq!(again.unwrap(), whole);
    }
}
