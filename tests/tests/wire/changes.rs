//! What a change is made on, how often it comes, how many come at once.

use serde_bytes::ByteBuf;
use sync_core::{
    document::{ChangeId, Kind, OpId, OpRef},
    ids::{ActorId, CustomerId},
    protocol::{
        limits::MESSAGE_CHANGES_MAX,
        message::{RetryReason, Verdict},
    },
};
use tests::{
    oracle,
    wire::{Client, Company, Draft, add, all_verdicts, grown, rewrite, text},
};
use uuid::Uuid;

use super::{ACCEPTED, all_said, rejected};

async fn wang_at(company: &Company) -> (Client, CustomerId) {
    let customer = company.customer_of("wang", "华联").await;
    let mut wang = company.phone("wang").await;
    wang.pull().await;
    (wang, customer)
}

#[tokio::test]
async fn t004_a_change_of_one_document_is_not_taken_for_another() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let other = company.customer_of("wang", "永辉").await;
        wang.pull().await;
        let first = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        let second = wang.edit(first.document, &[text("text", "b")]);
        let elsewhere = wang.write(customer, Kind::FollowUp, &[text("text", "c")]);
        let verdicts = wang.push(&[first.clone(), elsewhere.clone()]).await;
        assert_eq!(verdicts, [ACCEPTED, ACCEPTED]);

        // The second change of one, sent as a change of the other: the numbers fit, the hashes do not.
        let moved = Draft {
            document: elsewhere.document,
            ..second.clone()
        };
        assert_eq!(all_said(&wang.push(&[moved]).await), ["retry DigestMismatch"]);
        // As one of a document that does not exist, or of another kind.
        let id = wang.new_id();
        let moved = Draft {
            document: id,
            ..second.clone()
        };
        assert_eq!(all_said(&wang.push(&[moved]).await), ["rejected seq_gap"]);
        let moved = Draft {
            kind: Kind::Visit,
            ..second.clone()
        };
        assert_eq!(all_said(&wang.push(&[moved]).await), ["rejected not_found"]);
        // For another customer than its document's.
        let moved = Draft {
            customer: other,
            ..second.clone()
        };
        assert_eq!(all_said(&wang.push(&[moved]).await), ["rejected not_found"]);
        // The edit of one card sent for another card, and for a dossier.
        let card = wang.card(customer);
        let draft = wang.edit(card, &[text("name", "联华")]);
        let moved = Draft {
            customer: other,
            ..draft.clone()
        };
        assert_eq!(all_said(&wang.push(&[moved]).await), ["retry DigestMismatch"]);
        let moved = Draft {
            kind: Kind::Dossier,
            ..draft.clone()
        };
        assert_ne!(wang.push(&[moved]).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t004_a_customer_has_one_card_and_nobody_takes_its_place() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let (id, internal) = (
            wang.new_id(),
            sync_core::ids::DocumentId::derived(company.org, customer, Kind::Internal, 0),
        );
        // A second card under an id of one's own.
        let second = wang.write_as(id, customer, Kind::Card, &[text("name", "two")]);
        let mut request = wang.request_with(&[second]);
        request.documents[0].document = Some(id);
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 1)), ["rejected malformed"]);
        // A visit where the managers' notes will be.
        let squatter = wang.write_as(internal, customer, Kind::Visit, &[text("note", "mine")]);
        assert_eq!(all_said(&wang.push(&[squatter]).await), ["rejected malformed"]);
        let mut boss = company.phone("boss").await;
        boss.pull().await;
        let notes = boss.write(customer, Kind::Internal, &[text("notes", "ours")]);
        assert_eq!(boss.push(&[notes]).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t008_a_counter_out_of_bounds_is_refused_and_the_document_stays_writable() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let card = wang.card(customer);
        for counter in [0, 1 << 31, 1 << 32, u64::MAX] {
            let draft = wang.edit(card, &[text("name", "x")]);
            let actor = wang.actor;
            let mut request = wang.request_with(&[draft]);
            rewrite(&mut request.documents[0], 0, |change| {
                change.operations[0].predecessors = vec![OpRef::Known(OpId { counter, actor })];
            });
            let response = wang.send(request).await.unwrap().unwrap();
            assert_eq!(all_said(&all_verdicts(&response, 1)), ["rejected unknown_predecessor"]);
            wang.take_new_actor();
            wang.cursor = None;
            wang.pull().await;
        }
        let mut office = company.phone("office").await;
        office.pull().await;
        for client in [&mut wang, &mut office] {
            let draft = client.edit(card, &[text("region", "北京")]);
            assert_eq!(client.push(&[draft]).await, [ACCEPTED]);
        }
    }
}

#[tokio::test]
async fn t009_changes_on_unknown_ones_are_named_and_nothing_is_queued() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        wang.push(&[]).await;
        let before = company.rows().await;
        let mut request = wang.request_with(std::slice::from_ref(&draft));
        rewrite(&mut request.documents[0], 0, |change| {
            change.dependencies = (0..100)
                .map(|number| ChangeId {
                    actor: ActorId([number; 16]),
                    seq: 7,
                })
                .collect();
        });
        let response = wang.send(request).await.unwrap().unwrap();
        let verdicts = all_verdicts(&response, 1);
        let Verdict::Retry(RetryReason::MissingDependencies(missing)) = &verdicts[0] else {
            panic!("{verdicts:?}")
        };
        assert_eq!(missing.len(), 64);
        assert_eq!(
            missing[3],
            ChangeId {
                actor: ActorId([3; 16]),
                seq: 7
            }
        );
        assert_eq!(grown(&before, &company.rows().await), []);
        assert_eq!(wang.push(&[draft]).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t010_orphans_are_refused_at_the_first_and_more_than_a_message_holds_at_once() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        wang.push(&[]).await;
        let before = company.rows().await;
        let orphans = |wang: &mut Client, count: usize| {
            let mut request = wang.request_with(std::slice::from_ref(&draft));
            let pushed = &mut request.documents[0];
            rewrite(pushed, 0, |change| {
                change.seq = 1;
                change.dependencies = vec![ChangeId {
                    actor: ActorId([9; 16]),
                    seq: 1,
                }];
            });
            let body = pushed.changes[0].clone();
            pushed.changes = vec![body; count];
            for (index, body) in pushed.changes.iter_mut().enumerate() {
                // Another number for each, so that no two are the same change.
                body[17] = (index % 100) as u8 + 1;
            }
            request
        };
        let request = orphans(&mut wang, MESSAGE_CHANGES_MAX);
        let response = wang.send(request).await.unwrap().unwrap();
        let verdicts = all_verdicts(&response, MESSAGE_CHANGES_MAX);
        // What comes after the first was not looked at: it gets its answer.
        assert_eq!(all_said(&verdicts), vec!["retry missing 1"; MESSAGE_CHANGES_MAX]);
        // Ten thousand in one message, in as many documents as it takes.
        let mut request = orphans(&mut wang, MESSAGE_CHANGES_MAX);
        request.documents = vec![request.documents[0].clone(); 20];
        let refused = wang.post(&company, &request).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (413, "too_large"));
        let mut request = orphans(&mut wang, 1);
        request.documents[0].changes = vec![request.documents[0].changes[0].clone(); 10_000];
        let refused = wang.post(&company, &request).await;
        assert_eq!(refused.status.as_u16(), 422);
        assert_eq!(grown(&before, &company.rows().await), []);
        assert_eq!(wang.push(std::slice::from_ref(&draft)).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t012_where_hashes_disagree_the_document_waits_and_the_rest_is_taken() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let first = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        let second = wang.edit(first.document, &[text("text", "b")]);
        let third = wang.edit(first.document, &[text("channel", "phone")]);
        let chain = first.clone().and(second).and(third);
        let beside = wang.write(customer, Kind::FollowUp, &[text("text", "beside")]);
        let mut request = wang.request_with(&[chain.clone(), beside]);
        request.documents[0].digest = [1, 2, 3, 4];
        let response = wang.send(request).await.unwrap().unwrap();
        let mismatch = Verdict::Retry(RetryReason::DigestMismatch);
        assert_eq!(
            all_verdicts(&response, 4),
            [mismatch.clone(), mismatch.clone(), mismatch.clone(), ACCEPTED]
        );
        // Asked for, each change's hash comes; the second is not what the device made of it.
        let mut request = wang.request_with(std::slice::from_ref(&chain));
        request.documents[0].digest = [1, 2, 3, 4];
        request.documents[0].hashes = chain
            .changes
            .iter()
            .map(|built| built.hash.0[..16].try_into().unwrap())
            .collect();
        request.documents[0].hashes[1][0] ^= 1;
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(
            all_verdicts(&response, 3),
            [mismatch, rejected("digest_mismatch"), Verdict::Superseded]
        );
        assert_eq!(wang.push(&[first]).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t019_nothing_at_all_is_answered_and_an_empty_change_refused() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let request = wang.request();
        assert_eq!(wang.send(request).await.unwrap(), None);
        let draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        let mut request = wang.request_with(&[draft]);
        rewrite(&mut request.documents[0], 0, |change| change.operations.clear());
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 1)), ["rejected operation_count"]);
        // A document without changes, of a customer that is not there, and one that is no document.
        let draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        let mut request = wang.request_with(&[draft.clone(), draft]);
        request.documents[0].changes.clear();
        request.documents[1].customer = 9;
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 1)), ["rejected malformed"]);
    }
}

#[tokio::test]
async fn t019_the_same_change_twice_in_one_message_is_one() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        let twice = draft.clone().and(draft.clone());
        let mut request = wang.request_with(&[twice]);
        request.documents[0].digest = tests::wire::digest_of(&[draft.changes[0].hash, draft.changes[0].hash]);
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_verdicts(&response, 2), [ACCEPTED, ACCEPTED]);
        // A document named twice: what comes second is not read.
        let (a, b) = (
            wang.edit(draft.document, &[text("text", "b")]),
            wang.write(customer, Kind::FollowUp, &[text("text", "new")]),
        );
        let verdicts = wang.push(&[a.clone(), b.clone(), a, b]).await;
        assert_eq!(
            verdicts,
            [ACCEPTED, ACCEPTED, rejected("malformed"), rejected("malformed")]
        );
        assert_eq!(company.number("SELECT COUNT(*) FROM document WHERE kind = 6").await, 2);
    }
}

#[tokio::test]
async fn t025_two_devices_that_create_the_same_document_at_once_hold_one_after_the_merge() {
    for company in Company::each().await {
        let (mut phone, customer) = wang_at(&company).await;
        let mut tablet = company.phone("wang").await;
        tablet.pull().await;
        let tag = |name: &str| sync_core::document::Edit::SetEntry {
            map: "custom".to_owned(),
            entry: name.to_owned(),
            value: sync_core::document::Value::Bool(true),
        };
        let one = phone.write(customer, Kind::Dossier, &[text("needs", "one"), tag("a")]);
        let two = tablet.write(customer, Kind::Dossier, &[text("plan", "two"), tag("b")]);
        assert_eq!(phone.push(std::slice::from_ref(&one)).await, [ACCEPTED]);
        assert_eq!(tablet.push(&[two]).await, [ACCEPTED]);
        phone.pull().await;
        oracle::check(&company, "wang", &phone, &[customer]).await;
        oracle::check(&company, "wang", &tablet, &[customer]).await;
        let state = phone.held[&one.document].document.state();
        let custom = state.register(None, "custom").unwrap();
        assert_eq!(custom.visible().len(), 1, "one map");
        let entries: Vec<&str> = state.registers(state.container("custom")).map(|(key, _)| key).collect();
        assert_eq!(entries, ["a", "b"]);
    }
}

#[tokio::test]
async fn t032_one_bad_change_amid_ninety_nine_good_takes_only_its_descendants_with_it() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let mut drafts: Vec<Draft> = Vec::new();
        for index in 0..98 {
            let draft = wang.write(customer, Kind::FollowUp, &[text("text", &format!("{index}"))]);
            drafts.push(draft);
        }
        let bad = wang.write(customer, Kind::Ticket, &[text("text", "t")]);
        let descendant = wang.edit(bad.document, &[text("outcome", "o")]);
        drafts.push(bad.and(descendant));
        let make = |wang: &mut Client| {
            let mut request = wang.request_with(&drafts);
            rewrite(&mut request.documents[98], 0, |change| {
                let put = change.operations.last_mut().unwrap();
                put.action = sync_core::document::Action::Put(sync_core::document::Value::Bool(true));
            });
            request
        };
        let mut wanted = vec!["accepted"; 98];
        wanted.extend(["rejected schema", "superseded"]);
        let request = make(&mut wang);
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 100)), wanted);
        let before = company.rows().await;
        let request = make(&mut wang);
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 100)), wanted);
        assert_eq!(grown(&before, &company.rows().await), []);
    }
}

#[tokio::test]
async fn an_unknown_kind_waits_for_a_newer_server_and_an_unknown_customer_for_its_create() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        let nobody = CustomerId(Uuid::from_u128(5));
        let unknown = wang.write(nobody, Kind::FollowUp, &[text("text", "b")]);
        let mut request = wang.request_with(&[draft.clone(), unknown]);
        add(&mut request, &draft);
        request.documents[2].kind = 99;
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(
            all_said(&all_verdicts(&response, 3)),
            ["accepted", "retry MissingCustomer", "retry UpgradeRequired"]
        );
    }
}

#[tokio::test]
async fn t011_automerges_own_bytes_are_no_change() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        let automerge = [0x85, 0x6f, 0x4a, 0x83, 1, 2, 3, 4, 1, 4, 0, 0, 0, 0];
        for kind in [0_u8, 1, 2, 0x42, 0x43] {
            let mut chunk = automerge.to_vec();
            chunk[8] = kind;
            let mut request = wang.request_with(std::slice::from_ref(&draft));
            request.documents[0].changes[0] = ByteBuf::from(chunk.clone());
            let response = wang.send(request).await.unwrap().unwrap();
            assert_eq!(all_said(&all_verdicts(&response, 1)), ["rejected malformed"]);
            let refused = wang.post_bytes(&company, chunk.clone()).await;
            assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "malformed"));
            let bearer = wang.bearer.clone();
            for media in [
                "application/octet-stream",
                "application/json",
                "application/x-automerge",
                "",
            ] {
                let headers = [
                    ("authorization", bearer.as_str()),
                    ("content-type", media),
                    ("content-encoding", "zstd"),
                    ("fieldpool-protocol", "1"),
                ];
                let refused = company.post(&headers, chunk.clone()).await;
                assert_eq!(refused.status.as_u16(), 415, "{media}");
            }
        }
        assert_eq!(wang.push(&[draft]).await, [ACCEPTED]);
    }
}
