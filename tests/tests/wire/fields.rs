//! What a change may write: types, bounds, depth, sizes, characters, times, and fields of a newer app.

use serde_json::{Map, json};
use server::actions::{Code, edit::edit_document};
use sync_core::{
    document::{Action, Kind, Op, OpRef, Value},
    ids::CustomerId,
    protocol::{
        limits::DOCUMENT_BYTES_MAX,
        message::{IntentAction, IntentOutcome, Verdict},
    },
    time::Timestamp,
};
use tests::wire::{Client, Company, Draft, all_verdicts, put, rewrite, text};

use super::{ACCEPTED, all_said, said};

async fn wang_at(company: &Company) -> (Client, CustomerId) {
    let customer = company.customer_of("wang", "华联").await;
    let mut wang = company.phone("wang").await;
    wang.pull().await;
    (wang, customer)
}

/// A new follow-up whose operations are what the test makes of them.
async fn send_operations(client: &mut Client, customer: CustomerId, edit: impl FnOnce(&mut Vec<Op>)) -> String {
    let draft = client.write(customer, Kind::FollowUp, &[text("text", "a")]);
    send_edited(client, draft, edit).await
}

async fn send_edited(client: &mut Client, draft: Draft, edit: impl FnOnce(&mut Vec<Op>)) -> String {
    let mut request = client.request_with(&[draft]);
    rewrite(&mut request.documents[0], 0, |change| edit(&mut change.operations));
    let response = client.send(request).await.unwrap().unwrap();
    said(&all_verdicts(&response, 1)[0])
}

fn root(key: &str, action: Action) -> Op {
    Op {
        action,
        object: None,
        key: key.to_owned(),
        predecessors: Vec::new(),
    }
}

/// Maps in maps below a key of a newer app.
fn nest(operations: &mut Vec<Op>, depth: usize) {
    for level in 0..depth {
        let object = (level > 0).then(|| OpRef::Local(operations.len() as u32 - 1));
        operations.push(Op {
            object,
            ..root("x", Action::MakeMap)
        });
    }
}

#[tokio::test]
async fn t020_maps_in_maps_end_at_the_fourth() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let said = send_operations(&mut wang, customer, |operations| nest(operations, 5)).await;
        assert_eq!(said, "rejected too_deep");
        let said = send_operations(&mut wang, customer, |operations| nest(operations, 4_900)).await;
        assert_eq!(said, "rejected too_deep");
        let said = send_operations(&mut wang, customer, |operations| nest(operations, 10_000)).await;
        assert_eq!(said, "rejected malformed");
        // Four are taken; the digest of what was rewritten is another.
        let said = send_operations(&mut wang, customer, |operations| nest(operations, 4)).await;
        assert_eq!(said, "retry DigestMismatch");
    }
}

#[tokio::test]
async fn t021_a_document_stops_growing_at_its_bound_and_stays_readable() {
    let company = Company::on_sqlite().await;
    let (mut wang, customer) = wang_at(&company).await;
    let page = "🦀".repeat(10_000);
    let mut chain = wang.write(customer, Kind::Dossier, &[text("needs", &format!("0{}", &page[4..]))]);
    let bytes = chain.changes[0].body.len();
    for number in 1..DOCUMENT_BYTES_MAX / bytes {
        let edit = text("needs", &format!("{}{}", number % 10, &page[4..]));
        let next = wang.edit(chain.document, &[edit]);
        chain = chain.and(next);
    }
    let verdicts = wang.push(std::slice::from_ref(&chain)).await;
    assert!(verdicts.iter().all(|verdict| *verdict == ACCEPTED), "{verdicts:?}");
    // The phone's own airlock refuses the next one, so it is made on a copy that lacks the others' weight.
    let mut over = wang.write(customer, Kind::FollowUp, &[text("text", &page)]);
    over.document = chain.document;
    let mut request = wang.request_with(&[Draft {
        kind: Kind::Dossier,
        ..over
    }]);
    let last = chain.changes.last().unwrap().change.clone();
    request.documents[0].changes[0] = serde_bytes::ByteBuf::from(sync_core::protocol::oplist::encode(
        &sync_core::document::Change {
            seq: last.seq + 1,
            dependencies: vec![last.id()],
            operations: vec![root("needs", Action::Put(Value::Str(page.clone())))],
            ..last
        },
        Kind::Dossier,
        1,
    ));
    let response = wang.send(request).await.unwrap().unwrap();
    assert_eq!(all_said(&all_verdicts(&response, 1)), ["rejected doc_too_large"]);
    let mut tablet = company.phone("wang").await;
    tablet.pull().await;
    assert_eq!(
        tablet.held[&chain.document].document.changes().len(),
        chain.changes.len()
    );
}

#[tokio::test]
async fn t022_texts_keys_and_maps_have_bounds() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let long = |count: usize| Action::Put(Value::Str("x".repeat(count)));
        for (key, action, wanted) in [
            ("text".to_owned(), long(1 << 20), "rejected malformed"),
            ("text".to_owned(), long(10_001), "rejected schema"),
            ("k".repeat(10 * 1024), Action::Put(Value::Null), "rejected malformed"),
            ("k".repeat(1_000), Action::Put(Value::Null), "rejected malformed"),
            (String::new(), Action::Put(Value::Null), "rejected schema"),
            ("x_newer".to_owned(), long(60_000), "rejected malformed"),
        ] {
            let said = send_operations(&mut wang, customer, |operations| operations.push(root(&key, action))).await;
            assert_eq!(said, wanted, "{} bytes of key", key.len());
        }
        let said = send_operations(&mut wang, customer, |operations| {
            operations.extend((0..4_900).map(|number| root(&format!("x{number}"), Action::Put(Value::Null))));
        })
        .await;
        assert_eq!(said, "rejected doc_too_large");
        let said = send_operations(&mut wang, customer, |operations| {
            operations.extend((0..10_000).map(|number| root(&format!("x{number}"), Action::Put(Value::Null))));
        })
        .await;
        assert_eq!(said, "rejected malformed");
    }
}

#[tokio::test]
async fn t023_a_value_of_another_type_is_refused_with_the_field_where_there_is_room_for_it() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        for (key, value) in [
            ("text", Value::Int(5)),
            ("text", Value::Null),
            ("done", Value::Str("yes".to_owned())),
            ("due", Value::Str("tomorrow".to_owned())),
            ("due", Value::Timestamp(0)),
            ("channel", Value::Str("pigeon".to_owned())),
            ("channel", Value::Bytes(vec![1])),
        ] {
            let said = send_operations(&mut wang, customer, |operations| {
                operations.push(root(key, Action::Put(value.clone())));
            })
            .await;
            assert_eq!(said, "rejected schema", "{key} {value:?}");
        }
        // A map where a text is, a text where a map is, a known map made again.
        for (key, action) in [
            ("text", Action::MakeMap),
            ("comments", Action::Put(Value::Null)),
            ("comments", Action::MakeMap),
        ] {
            let said = send_operations(&mut wang, customer, |operations| operations.push(root(key, action))).await;
            assert_eq!(said, "rejected schema", "{key}");
        }
        // On the web the answer names the field.
        let fields: Map<_, _> = [("region".to_owned(), json!(7))].into_iter().collect();
        let card = wang.card(customer);
        let error = edit_document(company.app(), company.asker("wang"), card, &fields)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(Code::Schema));
        assert!(error.to_string().contains("region"), "{error}");
    }
}

#[tokio::test]
async fn t024_a_field_of_a_newer_app_is_kept_not_shown_and_survives_older_writers() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let mut draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        let mut change = draft.change().clone();
        change
            .operations
            .push(root("x_mood", Action::Put(Value::Str("🙂".to_owned()))));
        nest(&mut change.operations, 2);
        let mut newer = sync_core::document::Document::new(Kind::FollowUp);
        let bytes = sync_core::protocol::oplist::encode(&change, Kind::FollowUp, 1).len();
        let built = sync_core::airlock::admit(&mut newer, change, bytes, sync_core::airlock::Trial::Reload).unwrap();
        draft.changes = vec![built];
        assert_eq!(wang.push(std::slice::from_ref(&draft)).await, [ACCEPTED]);
        // An older writer edits beside it.
        let fields: Map<_, _> = [("text".to_owned(), json!("b"))].into_iter().collect();
        edit_document(company.app(), company.asker("boss"), draft.document, &fields)
            .await
            .unwrap();
        let shown = "SELECT COUNT(*) FROM document WHERE fields LIKE '%x_mood%'";
        assert_eq!(company.number(shown).await, 0);
        let mut tablet = company.phone("wang").await;
        tablet.pull().await;
        assert!(tablet.shown(draft.document, "x_mood").unwrap().contains('🙂'));
        assert!(tablet.shown(draft.document, "text").unwrap().contains('b'));
    }
}

#[tokio::test]
async fn t026_numbers_out_of_bounds_are_refused_and_nothing_overflows() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        for (key, value) in [
            ("amount_minor", Value::Int(i64::MAX)),
            ("amount_minor", Value::Int(i64::MIN)),
            ("amount_minor", Value::Uint(5)),
            ("amount_minor", Value::F64(1.0)),
            ("x_newer", Value::F64(f64::NAN)),
            ("x_newer", Value::F64(f64::INFINITY)),
        ] {
            let draft = wang.write(customer, Kind::Opportunity, &[text("title", "a")]);
            let said = send_edited(&mut wang, draft, |operations| {
                operations.push(root(key, Action::Put(value.clone())));
            })
            .await;
            assert_eq!(said, "rejected schema", "{key} {value:?}");
        }
        let most = Value::Int(9_007_199_254_740_991);
        let draft = wang.write(customer, Kind::Opportunity, &[put("amount_minor", most)]);
        assert_eq!(wang.push(&[draft]).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t027_hard_characters_get_the_same_answer_on_every_database() {
    let mut answers = Vec::new();
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let mut said = Vec::new();
        for name in [
            "a\0b",
            "\u{7}",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\nb",
            "🦀 甲🏽",
            "zero\u{200b}width",
            "e\u{301}",
            "\u{feff}bom",
            "'; DROP TABLE customer; --",
            "%_\\",
        ] {
            let card = wang.card(customer);
            let draft = wang.edit(card, &[text("region", "x")]);
            let mut request = wang.request_with(&[draft]);
            rewrite(&mut request.documents[0], 0, |change| {
                change.operations[0].key = "name".to_owned();
                change.operations[0].action = Action::Put(Value::Str(name.to_owned()));
            });
            // Hashes of what was rewritten are not at hand: only refusals are seen here.
            let response = wang.send(request).await.unwrap().unwrap();
            said.push(super::said(&all_verdicts(&response, 1)[0]));
            wang.take_new_actor();
            wang.cursor = None;
            wang.pull().await;
        }
        // What may stand in a name goes in and comes back as it was.
        for name in [
            "🦀 甲🏽",
            "zero\u{200b}width",
            "e\u{301}",
            "'; DROP TABLE customer; --",
            "%_\\",
        ] {
            let card = wang.card(customer);
            let draft = wang.edit(card, &[text("name", name)]);
            assert_eq!(wang.push(&[draft]).await, [ACCEPTED], "{name:?}");
            let mut tablet = company.phone("wang").await;
            tablet.pull().await;
            let shown = tablet.held[&card].document.state().register(None, "name").unwrap();
            let winner = &shown.winner().unwrap().content;
            assert_eq!(
                *winner,
                sync_core::document::Content::Scalar(Value::Str(name.to_owned()))
            );
        }
        // Bytes that are no text.
        let draft = wang.write(customer, Kind::FollowUp, &[text("text", "abcd")]);
        let mut request = wang.request_with(&[draft]);
        let body = &mut request.documents[0].changes[0];
        let place = body.windows(4).position(|bytes| bytes == b"abcd").unwrap();
        body[place] = 0xff;
        let response = wang.send(request).await.unwrap().unwrap();
        said.extend(all_said(&all_verdicts(&response, 1)));
        answers.push(said);
    }
    for said in &answers {
        assert_eq!(said, &answers[0]);
    }
    assert_eq!(answers[0][..5], vec!["rejected schema"; 5]);
    assert_eq!(answers[0].last().unwrap(), "rejected malformed");
}

#[tokio::test]
async fn t027_a_reason_with_a_nul_is_refused_on_every_database() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let release = |reason: &str| IntentAction::Release {
            pool: None,
            reason: reason.to_owned(),
        };
        let outcome = wang.ask(customer, release("a\0b")).await;
        assert!(
            matches!(&outcome, IntentOutcome::Rejected { code, .. } if code == "invalid_request"),
            "{outcome:?}"
        );
        let outcome = wang.ask(customer, release("moved\nabroad 🦀")).await;
        assert!(matches!(outcome, IntentOutcome::Accepted { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn t028_the_phones_clock_is_kept_and_the_servers_is_used() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let now = company.app().seam.now();
        let ten_years = 10 * 365 * 86_400_000_i64;
        for time in [now.0 + ten_years, i64::MAX, -1, i64::MIN, 0] {
            let document = wang.new_id();
            let mut made = sync_core::document::Document::new(Kind::FollowUp);
            let built = made
                .edit(wang.actor, Timestamp(time), &[text("text", "a")])
                .unwrap()
                .unwrap();
            let draft = Draft {
                document,
                customer,
                kind: Kind::FollowUp,
                changes: vec![built],
            };
            let mut request = wang.request_with(&[draft]);
            request.sent_at = Timestamp(time);
            let response = wang.send(request).await.unwrap().unwrap();
            assert_eq!(all_verdicts(&response, 1), [ACCEPTED], "{time}");
            let received = format!(
                "SELECT COUNT(*) FROM change WHERE device_time = {time} AND received_at = {}",
                now.0
            );
            assert_eq!(company.number(&received).await, 1, "{time}");
        }
        let offset = "SELECT clock_offset_ms FROM device";
        assert_eq!(company.number(offset).await, -now.0);
        let mut tablet = company.phone("wang").await;
        tablet.pull().await;
        assert_eq!(tablet.held.len(), 6);
    }
}

#[tokio::test]
async fn t030_what_a_role_may_not_write_lies_in_another_document_and_is_kept_for_a_manager() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let draft = wang.write(customer, Kind::Internal, &[put("floor_price_minor", Value::Int(1))]);
        assert_eq!(all_said(&wang.push(&[draft]).await), ["quarantined no_permission"]);
        assert_eq!(company.number("SELECT COUNT(*) FROM document WHERE kind = 8").await, 0);
        // A field of another kind is no field here.
        let card = wang.card(customer);
        let draft = wang.edit(card, &[text("region", "x")]);
        let said = send_edited(&mut wang, draft, |operations| {
            operations[0].key = "floor_price_minor".to_owned();
            operations[0].action = Action::Put(Value::Str("1".to_owned()));
        })
        .await;
        // A key that a card does not have is that of a newer app: kept, and shown to nobody.
        assert_eq!(said, "retry DigestMismatch");
    }
}

#[tokio::test]
async fn t031_no_change_deletes_a_customer_or_the_maps_of_its_card() {
    for company in Company::each().await {
        let (mut wang, customer) = wang_at(&company).await;
        let card = wang.card(customer);
        let tags = wang.held[&card].document.state().container("tags").unwrap();
        let draft = wang.edit(card, &[text("region", "x")]);
        let said = send_edited(&mut wang, draft, |operations| {
            operations[0] = Op {
                predecessors: vec![OpRef::Known(tags)],
                ..root("tags", Action::Delete)
            };
        })
        .await;
        assert_eq!(said, "rejected schema");
        assert_eq!(company.number("SELECT COUNT(*) FROM customer").await, 1);
    }
}

#[tokio::test]
async fn t029_a_guessed_document_answers_like_one_that_is_not_there() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let hidden = company.customer_of("office", "不可见").await;
        let mut boss = company.phone("boss").await;
        boss.pull().await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let guess =
            |wang: &mut Client, customer: CustomerId| wang.write(customer, Kind::Internal, &[text("notes", "?")]);
        // The managers' notes of his own customer, before and after there are any.
        let draft = guess(&mut wang, customer);
        let absent = all_said(&wang.push(&[draft]).await);
        let notes = boss.write(customer, Kind::Internal, &[text("notes", "!")]);
        assert_eq!(boss.push(&[notes]).await, [ACCEPTED]);
        wang.take_new_actor();
        wang.held.clear();
        let draft = guess(&mut wang, customer);
        assert_eq!(all_said(&wang.push(&[draft]).await), absent);
        // A customer he has nothing to do with, and one that nobody has.
        let nobody = CustomerId(company.app().seam.uuid());
        for kind in [Kind::Card, Kind::Internal, Kind::Visit] {
            let key = match kind {
                Kind::Card => "name",
                Kind::Internal => "notes",
                _ => "note",
            };
            let there = wang.write(hidden, kind, &[text(key, "?")]);
            let absent = wang.write(nobody, kind, &[text(key, "?")]);
            let verdicts: Vec<Verdict> = wang.push(&[there.clone(), absent.clone()]).await;
            assert_eq!(verdicts[0], verdicts[1], "{kind}");
            // Nor does asking for it by id tell.
            let mut request = wang.request();
            request.wanted = vec![there.document, absent.document];
            let response = wang.send(request).await.unwrap();
            assert!(response.is_none_or(|response| response.documents.is_empty()));
        }
        let claims = [
            wang.ask(hidden, IntentAction::Claim).await,
            wang.ask(nobody, IntentAction::Claim).await,
        ];
        assert_eq!(claims[0], claims[1]);
    }
}
