//! What becomes of late work: until when it counts, and that a late value never covers one its author had not seen.

use std::collections::BTreeSet;

use sync_core::{
    document::{ChangeId, Document, Edit, Kind, Value},
    hub::{Amendment, LATE_AFTER_LOSS, LATE_AFTER_ORDER, Loss, amend, was_amended},
    ids::{ActorId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

const LEAVER: UserId = UserId(Uuid::from_u128(1));
const OWNER: UserId = UserId(Uuid::from_u128(2));
const OFFICE: UserId = UserId(Uuid::from_u128(3));
const LATE: ActorId = ActorId([1; 16]);
const NEW: ActorId = ActorId([2; 16]);
const WEB: ActorId = ActorId([3; 16]);

fn hub(user: UserId) -> ActorId {
    let mut actor = [9; 16];
    actor[0] = user.0.as_bytes()[15];
    ActorId(actor)
}

fn author(change: ChangeId) -> Option<UserId> {
    let known = [
        (LATE, LEAVER),
        (NEW, OWNER),
        (WEB, OFFICE),
        (hub(OWNER), OWNER),
        (hub(OFFICE), OFFICE),
    ];
    known
        .into_iter()
        .find_map(|(actor, user)| (actor == change.actor).then_some(user))
}

fn set(key: &str, value: &str) -> Edit {
    Edit::Set {
        key: key.into(),
        value: Value::Str(value.into()),
    }
}

fn tag(entry: &str) -> Edit {
    Edit::SetEntry {
        map: "tags".into(),
        entry: entry.into(),
        value: Value::Bool(true),
    }
}

/// The office's card; what the new owner has made of it since; what the leaver made of it without knowing.
fn parted(owner: &[Edit], leaver: &[&[Edit]]) -> (Document, BTreeSet<ChangeId>) {
    let mut base = Document::new(Kind::Card);
    base.edit(
        WEB,
        Timestamp(1),
        &[set("name", "华联"), set("region", "上海"), set("stage", "a")],
    )
    .unwrap();
    let mut phone = base.clone();
    if !owner.is_empty() {
        base.edit(NEW, Timestamp(2), owner).unwrap();
    }
    let mut late = BTreeSet::new();
    for edits in leaver {
        let built = phone.edit(LATE, Timestamp(3), edits).unwrap().unwrap();
        late.insert(built.change.id());
        take(&mut base, &phone, built.change.id());
    }
    (base, late)
}

/// Brings a change from one copy to another, as the airlock does.
fn take(to: &mut Document, from: &Document, id: ChangeId) {
    let change = from.changes().iter().find(|change| change.id() == id).unwrap().clone();
    let bytes = change.operations.len() * 100;
    sync_core::airlock::admit(to, change, bytes, sync_core::airlock::Trial::Reload).unwrap();
}

fn amended(document: &mut Document, late: &BTreeSet<ChangeId>) -> Amendment {
    amend(document, LEAVER, late, author, hub, Timestamp(9))
}

fn shown(document: &Document, key: &str) -> Vec<Value> {
    let register = document.state().register(None, key).unwrap();
    let visible = register.visible();
    visible
        .iter()
        .map(|entry| match &entry.content {
            sync_core::document::Content::Scalar(value) => value.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn text(value: &str) -> Value {
    Value::Str(value.into())
}

#[test]
fn a_late_value_is_below_one_its_author_had_not_seen_and_becomes_a_proposal() {
    // Six late edits have the higher counters: left alone they would win.
    let late: Vec<[Edit; 1]> = (0..6).map(|number| [set("region", &format!("{number}"))]).collect();
    let late: Vec<&[Edit]> = late.iter().map(<[Edit; 1]>::as_slice).collect();
    let (mut document, late) = parted(&[set("region", "苏州")], &late);
    assert_eq!(shown(&document, "region")[0], text("5"));
    let amendment = amended(&mut document, &late);
    assert_eq!(shown(&document, "region"), [text("苏州")]);
    assert_eq!(amendment.changes.len(), 1);
    assert_eq!(
        amendment.changes[0].0, OWNER,
        "it stays under the name of whoever wrote it"
    );
    let [proposal] = &amendment.proposals[..] else {
        panic!("{:?}", amendment.proposals)
    };
    assert_eq!((proposal.field.as_str(), &proposal.value), ("region", &text("5")));
    assert_eq!(amendment.amended, late, "all six are below it");
    let is_hub = |actor| actor == hub(OWNER);
    assert!(late.iter().all(|change| was_amended(document.state(), *change, is_hub)));
    document.to_automerge().unwrap();
}

#[test]
fn what_nobody_else_has_written_since_is_taken_as_it_is() {
    let (mut document, late) = parted(&[set("stage", "b")], &[&[set("region", "杭州")]]);
    let amendment = amended(&mut document, &late);
    assert_eq!(amendment, Amendment::default());
    assert_eq!(
        shown(&document, "region"),
        [text("杭州")],
        "the office's value he had seen"
    );
    assert_eq!(shown(&document, "stage"), [text("b")]);
}

#[test]
fn two_who_wrote_the_same_do_not_disagree() {
    let (mut document, late) = parted(&[set("region", "杭州")], &[&[set("region", "杭州")]]);
    assert_eq!(amended(&mut document, &late), Amendment::default());
}

#[test]
fn values_of_several_people_go_back_each_under_its_author() {
    let (mut document, late) = parted(
        &[set("region", "苏州")],
        &[&[set("region", "x"), set("stage", "y"), tag("late")]],
    );
    // The office wrote the stage meanwhile as well, on its own copy.
    let mut office = parted(&[], &[]).0;
    let built = office.edit(WEB, Timestamp(4), &[set("stage", "c")]).unwrap().unwrap();
    take(&mut document, &office, built.change.id());
    let amendment = amended(&mut document, &late);
    let authors: BTreeSet<UserId> = amendment.changes.iter().map(|(author, _)| *author).collect();
    assert_eq!(authors, BTreeSet::from([OWNER, OFFICE]));
    assert_eq!(shown(&document, "region"), [text("苏州")]);
    assert_eq!(shown(&document, "stage"), [text("c")]);
    assert_eq!(amendment.proposals.len(), 2, "the tag is nobody else's");
}

#[test]
fn a_conflict_of_others_stays_theirs_and_a_late_value_joins_it() {
    let (mut document, late) = parted(&[set("region", "苏州")], &[&[set("region", "late")]]);
    let mut office = parted(&[], &[]).0;
    let built = office
        .edit(WEB, Timestamp(4), &[set("region", "南京")])
        .unwrap()
        .unwrap();
    take(&mut document, &office, built.change.id());
    assert_eq!(amended(&mut document, &late), Amendment::default());
    assert_eq!(shown(&document, "region").len(), 3);
}

#[test]
fn a_later_late_edit_is_amended_again() {
    let mut base = Document::new(Kind::Card);
    base.edit(WEB, Timestamp(1), &[set("region", "上海")]).unwrap();
    let mut phone = base.clone();
    base.edit(NEW, Timestamp(2), &[set("region", "苏州")]).unwrap();
    for number in 0..3 {
        let value = format!("late {number}");
        let built = phone
            .edit(LATE, Timestamp(3), &[set("region", &value)])
            .unwrap()
            .unwrap();
        take(&mut base, &phone, built.change.id());
        let amendment = amended(&mut base, &BTreeSet::from([built.change.id()]));
        assert_eq!(amendment.proposals[0].value, text(&value));
        assert_eq!(amendment.changes[0].0, OWNER);
        assert_eq!(shown(&base, "region"), [text("苏州")]);
    }
}

#[test]
fn a_device_knows_of_a_loss_once_it_has_confirmed_it_or_a_day_after_it_was_told() {
    let told = Timestamp(1_000_000);
    let ms = |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap();
    let loss = Loss {
        seq: 10,
        at: Some(Timestamp(0)),
        ordered_at: Some(told),
        confirmed_seq: 0,
        acknowledged_seq: 12,
        enrolled_at: Timestamp(-1),
    };
    let day_after = told.plus_ms(ms(LATE_AFTER_ORDER));
    assert!(loss.may_come_late(day_after));
    assert!(!loss.may_come_late(day_after.plus_ms(1)));
    // Told, but the answer never arrived.
    let unheard = Loss {
        acknowledged_seq: 9,
        ..loss
    };
    assert!(unheard.may_come_late(day_after.plus_ms(1)));
    let confirmed = Loss {
        confirmed_seq: 10,
        ..loss
    };
    assert!(!confirmed.may_come_late(told));
    // An earlier loss that was confirmed says nothing of this one.
    let earlier = Loss {
        confirmed_seq: 9,
        ..loss
    };
    assert!(earlier.may_come_late(told));
    // Nobody was told: thirty days.
    let offline = Loss {
        ordered_at: None,
        acknowledged_seq: 3,
        ..loss
    };
    assert!(offline.may_come_late(Timestamp(ms(LATE_AFTER_LOSS))));
    assert!(!offline.may_come_late(Timestamp(ms(LATE_AFTER_LOSS) + 1)));
    // A device that was enrolled later never had the customer.
    let new = Loss {
        enrolled_at: Timestamp(1),
        ..offline
    };
    assert!(!new.may_come_late(Timestamp(2)));
    // A loss without a known time ends with the order only.
    assert!(Loss { at: None, ..offline }.may_come_late(Timestamp(i64::MAX / 2)));
}
