//! What is known to crash, bloat or corrupt Automerge 0.12, said as far as op-lists can say it. Each is answered with
//! its code, nothing of it stays, and the document is still written by everybody. What op-lists cannot say is shown
//! to be no op-list at all.

#[path = "support/documents.rs"]
mod documents;

use automerge::{Automerge, ObjType, ReadDoc, transaction::CommitOptions, transaction::Transactable};
use documents::{encode, heads, merge, shown, shown_by_automerge};
use sync_core::{
    airlock::{Trial, admit},
    document::{
        Action, Change, ChangeId, DEPTH_MAX, Document, Edit, KEY_BYTES_MAX, Kind, MAP_ENTRIES_MAX, Op, OpId, OpRef,
        Refusal, SCALAR_BYTES_MAX, Value, ValueError, check_change, fixed_changes,
    },
    ids::{ActorId, ChangeHash},
    protocol::{
        limits::{
            CHANGE_ACTORS_MAX, CHANGE_BYTES_MAX, CHANGE_DEPENDENCIES_MAX, CHANGE_OPERATIONS_MAX, COUNTER_MAX,
            DOCUMENT_BYTES_MAX, DOCUMENT_OPERATIONS_MAX, MISSING_DEPENDENCIES_MAX, PREDECESSORS_MAX,
        },
        oplist::{self, OpListError},
    },
    time::Timestamp,
};

const AUTHOR: ActorId = ActorId([7; 16]);
const COLLEAGUE: ActorId = ActorId([9; 16]);
const STRANGER: ActorId = ActorId([11; 16]);

/// A follow-up begun by its author: four changes of which two are a colleague's.
fn follow_up() -> Document {
    let mut document = Document::new(Kind::FollowUp);
    write(&mut document, AUTHOR, "text", "rang him");
    write(&mut document, COLLEAGUE, "text", "rang her");
    write(&mut document, AUTHOR, "channel", "phone");
    write(&mut document, COLLEAGUE, "due", "2026-12-24");
    document
}

fn write(document: &mut Document, actor: ActorId, key: &str, value: &str) -> Change {
    let edit = Edit::Set {
        key: key.to_owned(),
        value: Value::Str(value.to_owned()),
    };
    document
        .edit(actor, Timestamp(1_770_000_000_000), &[edit])
        .unwrap()
        .unwrap()
        .change
}

/// The next good change of the author on all heads; each test spoils one thing in it.
fn next(document: &Document, operations: Vec<Op>) -> Change {
    next_of(document, AUTHOR, operations)
}

fn next_of(document: &Document, actor: ActorId, operations: Vec<Op>) -> Change {
    let state = document.state();
    let seq = state.last_seq(actor);
    let mut dependencies: Vec<ChangeId> = state.heads().collect();
    dependencies.extend((seq > 0).then_some(ChangeId { actor, seq }));
    dependencies.sort_unstable();
    dependencies.dedup();
    Change {
        actor,
        seq: seq + 1,
        dependencies,
        time: Timestamp(1_770_000_000_000),
        operations,
    }
}

fn put(key: &str, value: Value) -> Op {
    Op {
        action: Action::Put(value),
        object: None,
        key: key.to_owned(),
        predecessors: Vec::new(),
    }
}

fn map(object: Option<OpRef>, key: &str) -> Op {
    Op {
        action: Action::MakeMap,
        object,
        key: key.to_owned(),
        predecessors: Vec::new(),
    }
}

fn note(text: &str) -> Vec<Op> {
    vec![put("x_newer", Value::Str(text.to_owned()))]
}

/// Sends the change as its op-list through the whole airlock. A refusal leaves the document as it was, and a good
/// change is accepted after it.
fn send(document: &mut Document, change: &Change) -> Result<(), Refusal> {
    let kind = document.state().kind();
    let body = encode(change, kind);
    let decoded = oplist::decode(&body, kind).expect("it is an op-list");
    let before = document.clone();
    let answer = admit(document, decoded, body.len(), Trial::Reload);
    if answer.is_err() {
        assert_eq!(document, &before, "nothing of it stays");
        let good = next_of(document, COLLEAGUE, note("still works"));
        let length = encode(&good, kind).len();
        admit(&mut document.clone(), good, length, Trial::Reload).expect("the document can still be written");
    }
    answer.map(drop)
}

fn code(document: &mut Document, change: &Change) -> &'static str {
    send(document, change).expect_err("it is refused").code()
}

#[test]
fn t004_a_change_of_one_document_is_refused_by_another() {
    let mut one = follow_up();
    let mut other = Document::new(Kind::FollowUp);
    write(&mut other, AUTHOR, "text", "another customer");
    let second = write(&mut other, AUTHOR, "text", "edited");
    assert_eq!(code(&mut one, &second), "seq_gap", "the author is further on here");
    let third = next_of(&other, STRANGER, note("x"));
    let mut begun = Document::new(Kind::FollowUp);
    write(&mut begun, COLLEAGUE, "text", "a third customer");
    assert_eq!(code(&mut begun, &third), "missing_deps");
    // Documents that begin with a fixed change: those of another kind begin with another one.
    let card = next_of(&Document::new(Kind::Card), STRANGER, note("x"));
    assert_eq!(code(&mut Document::new(Kind::Dossier), &card), "missing_deps");
    // A map of another document is no map of this one.
    let tags = fixed_changes(Kind::Card)[0].change.actor;
    let foreign = OpRef::Known(OpId {
        counter: 1,
        actor: tags,
    });
    let mut entry = put("vip", Value::Bool(true));
    entry.object = Some(foreign);
    assert_eq!(code(&mut one.clone(), &next(&one, vec![entry])), "unknown_object");
}

#[test]
fn t005_a_second_change_with_a_used_number_is_never_applied() {
    let mut document = follow_up();
    let mut again = next(&document, note("one"));
    send(&mut document, &again).unwrap();
    again.operations = note("another");
    assert_eq!(send(&mut document, &again), Err(Refusal::SeqGap { last_seq: 3 }));
}

#[test]
fn t007_a_gap_in_the_numbers_is_answered_with_the_last_one() {
    let mut document = follow_up();
    let good = next(&document, note("x"));
    for seq in [0, 1, 2, good.seq + 1, 99, 1 << 32, i64::MAX as u64, u64::MAX] {
        let change = Change { seq, ..good.clone() };
        assert_eq!(
            send(&mut document, &change),
            Err(Refusal::SeqGap { last_seq: 2 }),
            "{seq}"
        );
    }
    let stranger = Change {
        actor: STRANGER,
        seq: 2,
        ..good
    };
    assert_eq!(send(&mut document, &stranger), Err(Refusal::SeqGap { last_seq: 0 }));
}

#[test]
fn t008_counters_follow_from_the_dependencies_and_end_at_their_bound() {
    // Neither a too small nor a huge first counter can be said: it is not part of an op-list.
    let document = follow_up();
    let change = next(&document, note("x"));
    let start = check_change(document.state(), &change, 100).unwrap();
    let built = admit(&mut document.clone(), change, 100, Trial::Reload).unwrap();
    assert_eq!(built.start_op, start);
    assert_eq!(
        start,
        document.state().op_count() + 1,
        "this document is a single line of changes"
    );
    // A document at the bound, which no sequence of admitted changes reaches.
    let mut full = document.state().clone();
    let last = next(&document, note("x"));
    full.apply(&last, ChangeHash([1; 32]), COUNTER_MAX - 3, 10);
    let after = |count: usize| Change {
        seq: last.seq + 1,
        dependencies: vec![last.id()],
        operations: note("y").into_iter().cycle().take(count).collect(),
        ..last.clone()
    };
    assert!(check_change(&full, &after(1), 10).is_ok());
    let refusal = check_change(&full, &after(2), 10).unwrap_err();
    assert_eq!(refusal.code(), "op_counter");
}

#[test]
fn t009_unknown_dependencies_are_listed_and_nothing_is_queued() {
    let mut document = follow_up();
    let mut change = next(&document, note("x"));
    let missing: Vec<ChangeId> = (1..=200).map(|seq| ChangeId { actor: STRANGER, seq }).collect();
    change.dependencies.extend(&missing);
    change.dependencies.sort_unstable();
    let listed = missing[..MISSING_DEPENDENCIES_MAX].to_vec();
    assert_eq!(send(&mut document, &change), Err(Refusal::MissingDependencies(listed)));
    let automerge = document.to_automerge().unwrap();
    assert!(automerge.get_missing_deps(&[]).is_empty());
}

#[test]
fn t009_a_change_must_name_what_it_was_made_on() {
    let mut document = follow_up();
    let good = next(&document, note("x"));
    let without = Change {
        dependencies: Vec::new(),
        ..good.clone()
    };
    assert_eq!(
        code(&mut document, &without),
        "dependencies",
        "its document could never be loaded again"
    );
    let mut without_own = good.clone();
    without_own.dependencies.retain(|dependency| dependency.actor != AUTHOR);
    assert_eq!(code(&mut document, &without_own), "dependencies");
    let stranger = Change {
        actor: STRANGER,
        seq: 1,
        dependencies: Vec::new(),
        ..good.clone()
    };
    assert_eq!(code(&mut document, &stranger), "already_created");
    let own_future = ChangeId {
        actor: AUTHOR,
        seq: good.seq,
    };
    let mut on_itself = good.clone();
    on_itself.dependencies.push(own_future);
    on_itself.dependencies.sort_unstable();
    assert_eq!(
        send(&mut document, &on_itself),
        Err(Refusal::MissingDependencies(vec![own_future]))
    );
    // Order and repetition of dependencies: the codec sorts, the gate wants each once.
    let mut twice = good.clone();
    twice.dependencies.push(twice.dependencies[0]);
    assert_eq!(code(&mut document, &twice), "dependencies");
    let mut single = Document::new(Kind::Card);
    let first = next_of(&single, STRANGER, note("x"));
    let rootless = Change {
        dependencies: Vec::new(),
        ..first
    };
    assert_eq!(
        code(&mut single, &rootless),
        "dependencies",
        "a card begins with its fixed change"
    );
}

#[test]
fn t010_ten_thousand_orphans_leave_no_trace() {
    let mut document = follow_up();
    let before = document.clone();
    let good = next(&document, note("x"));
    for number in 0..10_000_u64 {
        let orphan = ChangeId {
            actor: STRANGER,
            seq: number + 1,
        };
        let change = Change {
            actor: COLLEAGUE,
            seq: 3,
            dependencies: vec![orphan],
            ..good.clone()
        };
        let refusal = admit(&mut document, change, 100, Trial::Apply).unwrap_err();
        assert_eq!(refusal.code(), "missing_deps");
    }
    assert_eq!(document, before);
}

#[test]
fn t011_nothing_of_automerge_is_an_op_list() {
    let mut automerge = Automerge::new();
    let mut transaction = automerge.transaction();
    let text = transaction.put_object(automerge::ROOT, "text", ObjType::Text).unwrap();
    transaction.splice_text(&text, 0, 0, &"long ".repeat(100)).unwrap();
    transaction.commit_with(CommitOptions::default().with_message("a message"));
    let mut change = automerge.get_last_local_change().unwrap();
    let mut sync = automerge::sync::State::new();
    let message = automerge::sync::SyncDoc::generate_sync_message(&automerge, &mut sync).unwrap();
    let bodies = [
        ("document", automerge.save()),
        ("uncompressed document", automerge.save_nocompress()),
        ("change", change.raw_bytes().to_vec()),
        ("compressed change", change.bytes().to_vec()),
        ("incremental save", automerge.save_after(&[])),
        ("sync message", message.encode()),
        ("bundle", automerge.bundle([change.hash()]).unwrap().bytes().to_vec()),
    ];
    for (name, body) in bodies {
        for kind in Kind::ALL {
            assert!(oplist::decode(&body, kind).is_err(), "{name} as {kind}");
        }
    }
}

#[test]
fn t011_what_op_lists_cannot_say_is_not_read() {
    let document = follow_up();
    let kind = document.state().kind();
    let body = encode(&next(&document, note("x")), kind);
    // Extra bytes, such as an author footer, or a message after the end.
    for extra in [&b"\0"[..], b"author", &[0xff; 40]] {
        assert_eq!(
            oplist::decode(&[&body[..], extra].concat(), kind),
            Err(OpListError::Trailing)
        );
    }
    // Lists, texts, counters, increments, marks and insertions: the two bits of an action have three meanings.
    let head = body.len() - (1 + 1 + 1 + "x_newer".len() + 1 + 1 + 1);
    assert_eq!(body[head] & 3, 1, "this is the head of the operation");
    for (bits, what) in [(3, "action"), (3 << 2, "object")] {
        let mut other = body.clone();
        other[head] |= bits;
        assert!(
            matches!(
                oplist::decode(&other, kind),
                Err(OpListError::Invalid(_) | OpListError::Truncated)
            ),
            "{what}"
        );
    }
    // An empty actor, or an actor that the table does not have.
    assert_eq!(
        oplist::decode(&[0, 1, 0, 0, 0], kind),
        Err(OpListError::Invalid("actor table"))
    );
    let mut stray = vec![1];
    stray.extend_from_slice(&AUTHOR.0);
    stray.extend_from_slice(&[3, 0, 1, 1, 1, 0]);
    assert_eq!(oplist::decode(&stray, kind), Err(OpListError::Invalid("actor index")));
}

#[test]
fn t013_counts_that_ask_for_more_than_there_is_take_no_memory() {
    let kind = Kind::Card;
    let prefix = |parts: &[&[u8]]| [&[1][..], &AUTHOR.0, &parts.concat()].concat();
    let huge: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let three_million: &[u8] = &[0xc0, 0x8d, 0xb7, 1];
    for (what, body) in [
        ("actors", huge.to_vec()),
        ("dependencies", prefix(&[&[1, 0], huge])),
        ("operations", prefix(&[&[1, 0, 0], three_million])),
        ("text", prefix(&[&[1, 0, 0, 1, 1, 0], huge])),
        ("text", prefix(&[&[1, 0, 0, 1, 1, 1, 6], huge])),
        ("bytes", prefix(&[&[1, 0, 0, 1, 1, 1, 7], huge])),
        ("predecessors", prefix(&[&[1, 0, 0, 1, 0xf1, 1], huge])),
    ] {
        assert_eq!(oplist::decode(&body, kind), Err(OpListError::TooLarge(what)), "{what}");
    }
    let count = |number: usize| [number as u8 | 0x80, (number >> 7) as u8];
    for (what, body) in [
        ("actors", count(CHANGE_ACTORS_MAX + 1).to_vec()),
        ("dependencies", prefix(&[&[1, 0], &count(CHANGE_DEPENDENCIES_MAX + 1)])),
        ("operations", prefix(&[&[1, 0, 0], &count(CHANGE_OPERATIONS_MAX + 1)])),
        (
            "predecessors",
            prefix(&[&[1, 0, 0, 1, 0xf1, 1], &count(PREDECESSORS_MAX - 14)]),
        ),
    ] {
        assert_eq!(oplist::decode(&body, kind), Err(OpListError::TooLarge(what)), "{what}");
    }
    assert_eq!(
        oplist::decode(&vec![0; CHANGE_BYTES_MAX + 1], kind),
        Err(OpListError::TooLarge("bytes"))
    );
    // Numbers of more than 64 bits.
    assert_eq!(oplist::decode(&[0xff; 11], kind), Err(OpListError::Invalid("number")));
}

#[test]
fn t019_a_change_says_something_and_not_too_much() {
    let mut document = follow_up();
    let empty = next(&document, Vec::new());
    assert_eq!(code(&mut document, &empty), "operation_count");
    let many = next(&document, vec![put("zz", Value::Null); CHANGE_OPERATIONS_MAX + 1]);
    let refusal = admit(&mut document.clone(), many.clone(), 100, Trial::Build).unwrap_err();
    assert_eq!(refusal.code(), "operation_count");
    let body = encode(&many, Kind::FollowUp);
    assert_eq!(
        oplist::decode(&body, Kind::FollowUp),
        Err(OpListError::TooLarge("operations"))
    );
    // The same change twice in one message: the second is the next number's place.
    let good = next(&document, note("x"));
    send(&mut document, &good).unwrap();
    assert_eq!(send(&mut document, &good), Err(Refusal::SeqGap { last_seq: good.seq }));
}

#[test]
fn t020_maps_nested_too_deep_are_refused_before_anything_is_built() {
    let mut document = follow_up();
    let ladder = |depth: usize| -> Vec<Op> {
        (0..depth)
            .map(|at| map(at.checked_sub(1).map(|above| OpRef::Local(above as u32)), "deeper"))
            .collect()
    };
    for depth in [DEPTH_MAX + 1, 50, CHANGE_OPERATIONS_MAX] {
        let change = next(&document, ladder(depth));
        assert_eq!(code(&mut document, &change), "too_deep", "{depth}");
    }
    // Deeper by one with each change, past any limit of a single one.
    let mut refused = 0;
    let mut above = None;
    for _ in 0..10 {
        let change = next(&document, vec![map(above, "deeper")]);
        match send(&mut document, &change) {
            Ok(()) => {
                let applied = document.state().change(change.id()).unwrap();
                above = Some(OpRef::Known(OpId {
                    counter: applied.start_op,
                    actor: AUTHOR,
                }));
            }
            Err(refusal) => {
                assert_eq!(refusal.code(), "too_deep");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 10 - DEPTH_MAX);
}

#[test]
fn t021_a_document_does_not_outgrow_its_bounds() {
    let mut document = follow_up();
    let text = "长".repeat(2_500);
    let block = |index: usize| put(&format!("x{index}"), Value::Str(text.clone()));
    let mut refusal = None;
    for round in 0..200 {
        let change = next(&document, (0..8).map(|at| block(round * 8 + at)).collect());
        let length = encode(&change, Kind::FollowUp).len();
        assert!(length < CHANGE_BYTES_MAX);
        if let Err(error) = admit(&mut document, change, length, Trial::Build) {
            refusal = Some(error);
            break;
        }
    }
    assert_eq!(refusal.unwrap().code(), "doc_too_large");
    assert!(document.state().bytes() <= DOCUMENT_BYTES_MAX);
    assert!(document.state().bytes() > DOCUMENT_BYTES_MAX - CHANGE_BYTES_MAX);

    let mut busy = follow_up();
    let mut refusal = None;
    for _ in 0..30 {
        let operations = vec![put("zz", Value::Null); CHANGE_OPERATIONS_MAX];
        let change = next(&busy, operations);
        if let Err(error) = admit(&mut busy, change, 40_000, Trial::Build) {
            refusal = Some(error);
            break;
        }
    }
    assert_eq!(refusal.unwrap().code(), "doc_too_large");
    assert!(busy.state().op_count() <= DOCUMENT_OPERATIONS_MAX);
}

#[test]
fn t021_the_canonical_form_of_a_change_is_bounded_too() {
    let mut document = follow_up();
    let long = vec![put("zz", Value::Str("x".repeat(SCALAR_BYTES_MAX))); 9];
    let change = next(&document, long);
    assert!(encode(&change, Kind::FollowUp).len() > CHANGE_BYTES_MAX);
    // As if it had been written shorter on the wire than it is stored.
    let before = document.clone();
    let refusal = admit(&mut document, change, CHANGE_BYTES_MAX - 1, Trial::Build).unwrap_err();
    assert_eq!(refusal.code(), "doc_too_large");
    assert_eq!(document, before);
}

#[test]
fn t022_long_texts_long_keys_and_many_keys_are_refused() {
    let mut document = follow_up();
    let prose = next(&document, vec![put("text", Value::Str("x".repeat(10_001)))]);
    assert_eq!(code(&mut document, &prose), "schema");
    let megabyte = next(&document, vec![put("text", Value::Str("x".repeat(1 << 20)))]);
    assert_eq!(
        oplist::decode(&encode(&megabyte, Kind::FollowUp), Kind::FollowUp),
        Err(OpListError::TooLarge("bytes"))
    );
    let text = next(&document, vec![put("text", Value::Str("x".repeat(50_000)))]);
    assert_eq!(
        oplist::decode(&encode(&text, Kind::FollowUp), Kind::FollowUp),
        Err(OpListError::TooLarge("text"))
    );
    let key = next(&document, vec![put(&"k".repeat(10_240), Value::Null)]);
    assert_eq!(
        oplist::decode(&encode(&key, Kind::FollowUp), Kind::FollowUp),
        Err(OpListError::TooLarge("text"))
    );
    let longest = next(&document, vec![put(&"k".repeat(KEY_BYTES_MAX), Value::Null)]);
    send(&mut document, &longest).unwrap();
    let nameless = next(&document, vec![put("", Value::Null)]);
    assert_eq!(code(&mut document, &nameless), "schema");

    let mut keys = (0..10_000).map(|number| put(&format!("k{number}"), Value::Null));
    let mut refused = None;
    loop {
        let some: Vec<Op> = keys.by_ref().take(500).collect();
        if some.is_empty() {
            break;
        }
        let change = next(&document, some);
        let length = encode(&change, Kind::FollowUp).len();
        if let Err(refusal) = admit(&mut document, change, length, Trial::Build) {
            refused = Some(refusal);
            break;
        }
    }
    assert_eq!(refused.unwrap().code(), "doc_too_large");
    assert!(document.state().registers(None).count() <= MAP_ENTRIES_MAX);
}

#[test]
fn t023_a_value_of_another_type_is_refused_with_its_field() {
    let cases = [
        (Kind::FollowUp, "text", Value::Int(1)),
        (Kind::FollowUp, "text", Value::Null),
        (Kind::FollowUp, "done", Value::Str("yes".into())),
        (Kind::FollowUp, "due", Value::Str("2026-02-30".into())),
        (Kind::FollowUp, "due", Value::Timestamp(0)),
        (Kind::FollowUp, "channel", Value::Str("pigeon".into())),
        (Kind::Card, "name", Value::Bytes(vec![1])),
        (Kind::Card, "lat", Value::Int(31)),
        (Kind::Card, "lat", Value::F64(f64::NAN)),
        (Kind::Card, "lon", Value::F64(180.1)),
        (Kind::Opportunity, "amount_minor", Value::F64(1.0)),
        (Kind::Opportunity, "amount_minor", Value::Int(i64::MAX)),
        (Kind::Visit, "started_at", Value::Int(0)),
        (Kind::Ticket, "satisfaction", Value::Int(6)),
        (Kind::Card, "x_newer", Value::F64(f64::INFINITY)),
    ];
    for (kind, key, value) in cases {
        let mut document = Document::new(kind);
        document.edit(AUTHOR, Timestamp(1), &[]).unwrap();
        let change = next_of(&document, STRANGER, vec![put(key, value.clone())]);
        match send(&mut document, &change) {
            Err(Refusal::Schema { path, .. }) => assert_eq!(path, key),
            other => panic!("{kind} {key} {value:?}: {other:?}"),
        }
    }
}

#[test]
fn t023_maps_and_scalars_do_not_change_places() {
    let mut card = Document::new(Kind::Card);
    let tags = OpRef::Known(card.state().container("tags").unwrap());
    let scalar_for_map = put("tags", Value::Bool(true));
    let map_for_scalar = map(None, "name");
    let mut removed = Op {
        action: Action::Delete,
        predecessors: vec![tags],
        ..map(None, "tags")
    };
    let again = map(None, "tags");
    let map_for_entry = map(Some(tags), "vip");
    for operation in [scalar_for_map, map_for_scalar, removed.clone(), again, map_for_entry] {
        let change = next_of(&card, STRANGER, vec![operation.clone()]);
        assert_eq!(code(&mut card, &change), "schema", "{operation:?}");
    }
    removed.predecessors.clear();
    let change = next_of(&card, STRANGER, vec![removed]);
    assert_eq!(
        code(&mut card, &change),
        "unknown_predecessor",
        "a removal names what it removes"
    );
    // A scalar is no map.
    let name = next_of(&card, STRANGER, vec![put("name", Value::Str("长城".into()))]);
    send(&mut card, &name).unwrap();
    let winner = card.state().register(None, "name").unwrap().winner().unwrap().id;
    for object in [OpRef::Known(winner), OpRef::Local(0)] {
        let mut inside = put("x", Value::Null);
        inside.object = Some(object);
        let change = next_of(&card, STRANGER, vec![put("zz", Value::Null), inside]);
        assert_eq!(code(&mut card, &change), "unknown_object");
    }
}

#[test]
fn t024_what_a_newer_app_wrote_is_kept_by_an_older_one() {
    let mut phone = follow_up();
    let inner = Op {
        object: Some(OpRef::Local(0)),
        ..put("inner", Value::Int(7))
    };
    let newer = next_of(
        &phone,
        STRANGER,
        vec![map(None, "x_newer"), inner, put("x_flag", Value::Bool(true))],
    );
    send(&mut phone, &newer).unwrap();
    let kept = |document: &Document| -> Vec<String> {
        shown(document)
            .into_keys()
            .filter(|path| path.starts_with("/x_"))
            .collect()
    };
    let before = kept(&phone);
    assert_eq!(before.len(), 3);
    write(&mut phone, AUTHOR, "text", "edited by an app that does not know them");
    assert_eq!(kept(&phone), before);
    let automerge = phone.to_automerge().unwrap();
    assert_eq!(shown(&phone), shown_by_automerge(&automerge));
}

#[test]
fn t025_two_phones_that_begin_one_card_share_its_maps() {
    let begin = |actor: ActorId, tag: &str| {
        let mut card = Document::new(Kind::Card);
        let edit = Edit::SetEntry {
            map: "tags".into(),
            entry: tag.into(),
            value: Value::Bool(true),
        };
        card.edit(actor, Timestamp(1), &[edit]).unwrap();
        card
    };
    let (mut one, mut two) = (begin(AUTHOR, "vip"), begin(COLLEAGUE, "老客户"));
    let theirs = two.clone();
    merge(&mut two, &one);
    merge(&mut one, &theirs);
    assert_eq!(shown(&one), shown(&two));
    assert_eq!(heads(&one), heads(&two));
    assert_eq!(shown(&one)["/tags"].len(), 1, "one map, no conflict");
    let tags = shown(&one)
        .into_keys()
        .filter(|path| path.starts_with("/tags["))
        .count();
    assert_eq!(tags, 2);
    // A second map in the place of a known one cannot be made, whoever tries it.
    let change = next_of(&one, STRANGER, vec![map(None, "tags")]);
    assert_eq!(code(&mut one, &change), "schema");
}

#[test]
fn t026_numbers_do_not_overflow_because_nothing_counts() {
    // Counters and increments cannot be said; whole numbers of any size are only written and read.
    let mut document = follow_up();
    for value in [
        Value::Int(i64::MAX),
        Value::Int(i64::MIN),
        Value::Uint(u64::MAX),
        Value::Timestamp(i64::MIN),
    ] {
        let change = next(&document, vec![put("x_number", value)]);
        send(&mut document, &change).unwrap();
    }
}

#[test]
fn t027_text_that_one_database_reads_differently_is_refused() {
    let mut card = Document::new(Kind::Card);
    for text in ["a\0b", "a\u{1b}[31m", "two\nlines", "\u{202e}txet", "\u{2066}x"] {
        let change = next_of(&card, STRANGER, vec![put("name", Value::Str(text.into()))]);
        match send(&mut card, &change) {
            Err(Refusal::Schema { path, error }) => {
                assert_eq!((path.as_str(), error), ("name", ValueError::Characters), "{text:?}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
    for text in [
        "🦀 长城 e\u{301}",
        "zero\u{200b}width",
        "",
        "'; DROP TABLE customer; --",
    ] {
        let change = next_of(&card, STRANGER, vec![put("name", Value::Str(text.into()))]);
        send(&mut card, &change).unwrap_or_else(|refusal| panic!("{text:?}: {refusal}"));
    }
    let change = next_of(&card, STRANGER, vec![put("name", Value::Str("ab".into()))]);
    let mut body = encode(&change, Kind::Card);
    let end = body.len();
    body[end - 1] = 0xff;
    assert_eq!(oplist::decode(&body, Kind::Card), Err(OpListError::Invalid("text")));
}

#[test]
fn t028_clocks_that_are_impossible_never_refuse_a_change() {
    let mut document = follow_up();
    for time in [
        i64::MIN,
        i64::MAX,
        0,
        i64::MAX,
        -1,
        1 << 53,
        i64::MIN,
        4_102_444_800_000,
    ] {
        let change = Change {
            time: Timestamp(time),
            ..next(&document, note("x"))
        };
        send(&mut document, &change).unwrap_or_else(|refusal| panic!("{time}: {refusal}"));
        let kept = document.state().change(change.id()).unwrap();
        assert_eq!(kept.time, Timestamp(time), "the exact time is kept");
        let edited = Edit::Set {
            key: "text".into(),
            value: Value::Str(format!("at {time}")),
        };
        let built = document.edit(COLLEAGUE, Timestamp(time), &[edited]).unwrap().unwrap();
        assert_eq!(built.change.time, Timestamp(time));
    }
}

#[test]
fn references_to_what_is_not_there_are_refused() {
    let document = follow_up();
    let comments = OpRef::Known(document.state().container("comments").unwrap());
    let text = document.state().register(None, "text").unwrap();
    let (old, current) = (text.entries()[0].id, text.winner().unwrap().id);
    let unknown = [
        OpRef::Known(OpId {
            counter: 0,
            actor: AUTHOR,
        }),
        OpRef::Known(OpId {
            counter: u64::MAX,
            actor: AUTHOR,
        }),
        OpRef::Known(OpId {
            counter: 1,
            actor: STRANGER,
        }),
        OpRef::Known(OpId {
            counter: 1,
            actor: ActorId([0; 16]),
        }),
        OpRef::Local(0),
        OpRef::Local(u32::MAX),
    ];
    for reference in unknown {
        let inside = Op {
            object: Some(reference),
            ..put("x", Value::Null)
        };
        assert_eq!(
            code(&mut document.clone(), &next(&document, vec![inside])),
            "unknown_object",
            "{reference:?}"
        );
        let over = Op {
            predecessors: vec![reference],
            ..put("text", Value::Str("x".into()))
        };
        assert_eq!(
            code(&mut document.clone(), &next(&document, vec![over])),
            "unknown_predecessor",
            "{reference:?}"
        );
    }
    let replace = |key: &str, predecessors: Vec<OpRef>| Op {
        predecessors,
        ..put(key, Value::Str("x".into()))
    };
    for (what, operation) in [
        ("of another key", replace("x_newer", vec![OpRef::Known(current)])),
        (
            "of another map",
            Op {
                object: Some(comments),
                ..replace("text", vec![OpRef::Known(current)])
            },
        ),
        (
            "twice the same",
            replace("text", vec![OpRef::Known(current), OpRef::Known(current)]),
        ),
        (
            "out of order",
            replace("text", vec![OpRef::Known(current), OpRef::Known(old)]),
        ),
    ] {
        let answer = send(&mut document.clone(), &next(&document, vec![operation])).unwrap_err();
        assert!(
            matches!(answer.code(), "unknown_predecessor" | "schema"),
            "{what}: {answer}"
        );
    }
    // What was there but is not in the past of this change: made concurrently, so its author cannot have seen it.
    let first = document.changes()[0].id();
    let blind = Change {
        actor: STRANGER,
        seq: 1,
        dependencies: vec![first],
        ..next(&document, vec![replace("text", vec![OpRef::Known(current)])])
    };
    assert_eq!(code(&mut document.clone(), &blind), "unknown_predecessor");
    // Naming a value that was replaced long ago is odd but harmless.
    let stale = next(&document, vec![replace("text", vec![OpRef::Known(old)])]);
    send(&mut document.clone(), &stale).unwrap();
}

#[test]
fn a_document_is_begun_with_all_its_maps_and_only_then() {
    let full = {
        let mut document = Document::new(Kind::Contact);
        document.edit(AUTHOR, Timestamp(1), &[]).unwrap().unwrap().change
    };
    assert_eq!(full.operations.len(), 2, "phones and custom fields");
    let mut lacking = full.clone();
    lacking.operations.pop();
    assert_eq!(code(&mut begun_by_colleague(), &lacking), "already_created");
    let refused = |change: &Change| {
        let mut empty = Document::new(Kind::Contact);
        admit(&mut empty, change.clone(), 100, Trial::Reload)
            .unwrap_err()
            .code()
    };
    assert_eq!(refused(&lacking), "schema");
    let mut doubled = full.clone();
    doubled.operations.push(full.operations[0].clone());
    assert_eq!(refused(&doubled), "schema");
    admit(&mut Document::new(Kind::Contact), full, 100, Trial::Reload).unwrap();
}

fn begun_by_colleague() -> Document {
    let mut document = Document::new(Kind::Contact);
    document.edit(COLLEAGUE, Timestamp(1), &[]).unwrap();
    document
}

#[test]
fn evidence_is_neither_replaced_nor_removed_nor_written_twice_at_once() {
    let mut visit = Document::new(Kind::Visit);
    let started = Edit::Set {
        key: "started_at".into(),
        value: Value::Timestamp(1),
    };
    visit.edit(AUTHOR, Timestamp(1), &[started]).unwrap();
    let written = OpRef::Known(visit.state().register(None, "started_at").unwrap().winner().unwrap().id);
    let photos = OpRef::Known(visit.state().container("photos").unwrap());
    let again = put("started_at", Value::Timestamp(2));
    let over = Op {
        predecessors: vec![written],
        ..again.clone()
    };
    let removed = Op {
        action: Action::Delete,
        ..over.clone()
    };
    let ended = put("ended_at", Value::Timestamp(3));
    let photo = Op {
        object: Some(photos),
        ..put(&"ab".repeat(32), Value::Bool(true))
    };
    for operations in [
        vec![again],
        vec![over],
        vec![removed],
        vec![ended.clone(), ended],
        vec![photo.clone(), photo],
    ] {
        let change = next(&visit, operations.clone());
        assert_eq!(code(&mut visit, &change), "evidence_fixed", "{operations:?}");
    }
}

#[cfg(feature = "compression")]
mod frames {
    use std::io::Write;

    use sync_core::protocol::{
        frame::{self, FrameError},
        limits::{BODY_ENCODED_BYTES_MAX, MESSAGE_CHANGES_MAX, MESSAGE_INTENTS_MAX},
        message::{PushDocument, SyncRequest},
    };

    use super::*;

    fn request() -> SyncRequest {
        SyncRequest {
            device: uuid::Uuid::from_u128(1).into(),
            message: 1,
            sent_at: Timestamp(1),
            schema_version: 1,
            actors: vec![AUTHOR],
            cursor: None,
            directory: None,
            pending: 0,
            page_bytes_max: 1 << 20,
            intents: Vec::new(),
            customers: Vec::new(),
            documents: Vec::new(),
            confirmations: Vec::new(),
            wanted: Vec::new(),
            reconcile: None,
        }
    }

    fn document(changes: usize) -> PushDocument {
        PushDocument {
            document: None,
            kind: 1,
            customer: 0,
            digest: [0; 4],
            hashes: Vec::new(),
            changes: vec![serde_bytes::ByteBuf::new(); changes],
        }
    }

    fn refused(bytes: &[u8]) -> FrameError {
        frame::decode::<SyncRequest>(bytes).unwrap_err()
    }

    #[test]
    fn t013_a_bomb_is_cut_at_the_decoded_limit() {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..64 {
            encoder.write_all(&zeros).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 16 * 1024);
        assert_eq!(refused(&bomb), FrameError::TooLarge);
        assert_eq!(refused(&vec![0; BODY_ENCODED_BYTES_MAX + 1]), FrameError::TooLarge);
    }

    #[test]
    fn t013_lists_of_nothing_do_not_grow_in_memory() {
        // One byte each on the wire, and in sixteen megabytes of them 384 MB of empty buffers in memory.
        let many = SyncRequest {
            documents: vec![document(1 << 20)],
            ..request()
        };
        let bytes = frame::encode(&many);
        assert!(bytes.len() < 4096);
        drop(many);
        assert_eq!(refused(&bytes), FrameError::Malformed);
        let full = SyncRequest {
            documents: vec![document(MESSAGE_CHANGES_MAX)],
            ..request()
        };
        assert_eq!(frame::decode::<SyncRequest>(&frame::encode(&full)), Ok(full));
        let documents = SyncRequest {
            documents: vec![document(0); MESSAGE_CHANGES_MAX + 1],
            ..request()
        };
        assert_eq!(refused(&frame::encode(&documents)), FrameError::Malformed);
        let actors = SyncRequest {
            actors: vec![AUTHOR; MESSAGE_INTENTS_MAX],
            ..request()
        };
        assert_eq!(refused(&frame::encode(&actors)), FrameError::Malformed);
    }

    #[test]
    fn t015_skippable_and_further_frames_are_refused() {
        let good = frame::encode(&request());
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4][..], &good].concat();
        assert_eq!(refused(&skippable), FrameError::Compression);
        for extra in [&skippable[..12], &good, b"\0"] {
            assert_eq!(refused(&[&good[..], extra].concat()), FrameError::Compression);
        }
    }

    #[test]
    fn t016_a_window_beyond_eight_megabytes_is_refused() {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![7; 1 << 20]).unwrap();
        assert_eq!(refused(&encoder.finish().unwrap()), FrameError::Compression);
    }

    #[test]
    fn t018_a_message_cut_or_flipped_anywhere_is_refused_or_reads_as_another_message() {
        let mut document = document(0);
        document.changes = vec![serde_bytes::ByteBuf::from(encode(
            &next(&follow_up(), note("x")),
            Kind::FollowUp,
        ))];
        let good = frame::encode(&SyncRequest {
            documents: vec![document],
            ..request()
        });
        for end in 0..good.len() {
            assert!(frame::decode::<SyncRequest>(&good[..end]).is_err(), "cut at {end}");
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut flipped = good.clone();
                flipped[at] ^= 1 << bit;
                // There is no checksum in the frame: what still reads is judged change by change, by its digest.
                let _ = frame::decode::<SyncRequest>(&flipped);
            }
        }
    }
}
