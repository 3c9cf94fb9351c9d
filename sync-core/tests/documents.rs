//! Documents from edits to read-back: what one device writes, another admits and reads.

use sync_core::{
    airlock::{Trial, admit},
    document::{Document, Edit, Kind, Refusal, Value, edits_from_words, field_history, fixed_changes},
    ids::ActorId,
    protocol::oplist,
    time::Timestamp,
};

fn words(kind: Kind, words: &[&str]) -> Vec<Edit> {
    edits_from_words(kind, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn actor(byte: u8) -> ActorId {
    ActorId([byte; 16])
}

#[test]
fn every_kind_written_by_one_device_is_admitted_by_another_after_its_op_list_travelled() {
    for kind in Kind::ALL {
        let mut phone = Document::new(kind);
        let mut server = Document::new(kind);
        let first = phone.edit(actor(7), Timestamp(1_700_000_000_000), &[]).unwrap();
        let custom = Edit::SetEntry {
            map: "custom".into(),
            entry: "a".into(),
            value: Value::Int(-3),
        };
        let second = phone.edit(actor(7), Timestamp(1_700_000_000_500), &[custom]).unwrap();
        for built in [first, second].into_iter().flatten() {
            let decoded = oplist::decode(&built.body, kind).unwrap();
            assert_eq!(decoded, built.change);
            let admitted = admit(&mut server, decoded, built.body.len(), Trial::Reload).unwrap();
            assert_eq!(admitted, built);
        }
        assert_eq!(server, phone);
    }
}

#[test]
fn two_devices_that_create_a_card_at_once_keep_both_sides() {
    let mut one = Document::new(Kind::Card);
    let mut two = Document::new(Kind::Card);
    let a = one
        .edit(actor(1), Timestamp(10), &words(Kind::Card, &["name=长城", "tags+=vip"]))
        .unwrap()
        .unwrap();
    let b = two
        .edit(
            actor(2),
            Timestamp(11),
            &words(Kind::Card, &["region=北京", "tags+=new"]),
        )
        .unwrap()
        .unwrap();
    admit(&mut one, b.change, b.body.len(), Trial::Reload).unwrap();
    admit(&mut two, a.change, a.body.len(), Trial::Reload).unwrap();
    assert_eq!(one.state(), two.state());
    let tags = one.state().container("tags").unwrap();
    assert_eq!(one.state().registers(Some(tags)).count(), 2);
}

#[test]
fn concurrent_values_are_both_kept_until_one_is_chosen() {
    let mut one = Document::new(Kind::Card);
    let base = one
        .edit(actor(1), Timestamp(1), &words(Kind::Card, &["name=a"]))
        .unwrap()
        .unwrap();
    let mut two = Document::new(Kind::Card);
    admit(&mut two, base.change, base.body.len(), Trial::Reload).unwrap();
    let a = one
        .edit(actor(1), Timestamp(2), &words(Kind::Card, &["name=b"]))
        .unwrap()
        .unwrap();
    let b = two
        .edit(actor(2), Timestamp(3), &words(Kind::Card, &["name=c"]))
        .unwrap()
        .unwrap();
    admit(&mut one, b.change, b.body.len(), Trial::Reload).unwrap();
    admit(&mut two, a.change, a.body.len(), Trial::Reload).unwrap();
    assert_eq!(one.state().register(None, "name").unwrap().visible().len(), 2);
    let settle = two
        .edit(actor(2), Timestamp(4), &words(Kind::Card, &["name=b"]))
        .unwrap()
        .unwrap();
    admit(&mut one, settle.change, settle.body.len(), Trial::Reload).unwrap();
    assert_eq!(one.state().register(None, "name").unwrap().visible().len(), 1);
    assert_eq!(field_history(one.state(), "name").len(), 4);
}

#[test]
fn evidence_of_a_visit_is_written_once() {
    let mut visit = Document::new(Kind::Visit);
    visit
        .edit(
            actor(1),
            Timestamp(1),
            &words(Kind::Visit, &["started_at=1700000000000", "lat=31.2"]),
        )
        .unwrap();
    let refused = visit
        .edit(actor(1), Timestamp(2), &words(Kind::Visit, &["lat=31.3"]))
        .unwrap_err();
    assert_eq!(refused.code(), "evidence_fixed");
}

#[test]
fn a_sequence_gap_is_refused_and_the_document_stays_as_it_was() {
    let mut phone = Document::new(Kind::FollowUp);
    let first = phone
        .edit(actor(1), Timestamp(1), &words(Kind::FollowUp, &["text=x"]))
        .unwrap()
        .unwrap();
    let second = phone
        .edit(actor(1), Timestamp(1), &words(Kind::FollowUp, &["text=y"]))
        .unwrap()
        .unwrap();
    let mut server = Document::new(Kind::FollowUp);
    let refusal = admit(&mut server, second.change, 10, Trial::Apply).unwrap_err();
    assert_eq!(refusal, Refusal::SeqGap { last_seq: 0 });
    assert_eq!(server, Document::new(Kind::FollowUp));
    admit(&mut server, first.change, 10, Trial::Apply).unwrap();
}

#[test]
fn the_hashes_of_the_fixed_changes_never_change() {
    let hashes: Vec<String> = [Kind::Card, Kind::Dossier, Kind::Internal]
        .into_iter()
        .flat_map(fixed_changes)
        .map(|fixed| fixed.hash.to_string())
        .collect();
    assert_eq!(
        hashes,
        [
            "26529793a7a9f3d520742f98e2c697ae9c979f2f6f68aabb3d18fea6513035b0",
            "627831dbac58e5b8a9dbd371f99741ae7339eb3dffa6200ee2c1b617bf28c9b1",
            "ab47214dc55fd8ab69d490048c98a5b99803616f0eda23bf9bf0a3d6bf68a4b0",
        ]
    );
}

#[test]
fn t033_an_accepted_document_saved_loaded_and_saved_again_has_the_same_heads_and_content() {
    for kind in Kind::ALL {
        let mut one = Document::new(kind);
        let first = one
            .edit(actor(1), Timestamp(1_700_000_000_000), &custom("a", 1))
            .unwrap()
            .unwrap();
        let mut two = Document::new(kind);
        admit(&mut two, first.change, first.body.len(), Trial::Reload).unwrap();
        for round in 0..20 {
            let ours = one.edit(actor(1), Timestamp(round), &custom("a", round)).unwrap();
            let theirs = two.edit(actor(2), Timestamp(-round), &custom("b", round)).unwrap();
            for (document, built) in [(&mut two, ours), (&mut one, theirs)] {
                let built = built.unwrap();
                admit(document, built.change, built.body.len(), Trial::Reload).unwrap();
            }
        }
        let saved = one.to_automerge().unwrap().save();
        let loaded = automerge::Automerge::load(&saved).unwrap();
        let again = automerge::Automerge::load(&loaded.save()).unwrap();
        assert_eq!(loaded.get_heads(), one.to_automerge().unwrap().get_heads());
        assert_eq!(again.get_heads(), loaded.get_heads());
        assert_eq!(again.hydrate(None), loaded.hydrate(None));
        assert_eq!(one.state(), two.state());
    }
}

fn custom(entry: &str, value: i64) -> Vec<Edit> {
    vec![Edit::SetEntry {
        map: "custom".into(),
        entry: entry.into(),
        value: Value::Int(value),
    }]
}
