//! What the server alone decides: creates, claims, returns, assignments, who is responsible.

use serde_json::{Map, Value as Json, json};
use server::actions::{edit::create_customer, people::PlaceChange};
use sync_core::{
    document::Kind,
    ids::{CustomerId, PoolId},
    protocol::message::{IntentAction, IntentOutcome, Verdict},
};
use tests::{
    oracle,
    wire::{Company, grown, text},
};
use uuid::Uuid;

use super::{ACCEPTED, all_said};

fn create(pool: Option<PoolId>) -> IntentAction {
    IntentAction::Create { pool }
}

fn release() -> IntentAction {
    IntentAction::Release {
        pool: None,
        reason: "moved".to_owned(),
    }
}

fn code(outcome: &IntentOutcome) -> &str {
    match outcome {
        IntentOutcome::Accepted { marked, .. } => marked.as_deref().unwrap_or("accepted"),
        IntentOutcome::Rejected { code, .. } => code,
        IntentOutcome::Retry => "retry",
    }
}

#[tokio::test]
async fn a_customer_is_created_with_its_documents_in_one_message() {
    for company in Company::each().await {
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        for (number, pool) in [(1, None), (2, Some(company.pool))] {
            let customer = CustomerId(Uuid::from_u128(number));
            let card = wang.write(customer, Kind::Card, &[text("name", "新客户")]);
            let visit = wang.write(customer, Kind::Visit, &[text("note", "first")]);
            let second = wang.write(customer, Kind::Visit, &[text("note", "second")]);
            let mut request = wang.request_with(&[card, visit, second]);
            request.intents.push(wang.intent(customer, create(pool)));
            let response = wang.send(request).await.unwrap().unwrap();
            assert_eq!(code(&response.intents[0]), "accepted");
            assert_eq!(response.verdicts, []);
            wang.pull().await;
            oracle::check(&company, "wang", &wang, &[CustomerId(Uuid::from_u128(1)), customer]).await;
        }
    }
}

#[tokio::test]
async fn a_taken_id_is_not_told_from_one_that_may_not_be_used() {
    for company in Company::each().await {
        let (mine, hidden) = (
            company.customer_of("wang", "华联").await,
            company.customer_of("office", "不可见").await,
        );
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        for customer in [mine, hidden] {
            assert_eq!(code(&wang.ask(customer, create(None)).await), "not_found");
        }
        let mut auditor = company.phone("auditor").await;
        let customer = CustomerId(Uuid::from_u128(1));
        assert_eq!(code(&auditor.ask(customer, create(None)).await), "not_permitted");
    }
}

#[tokio::test]
async fn for_a_pool_he_has_left_a_new_customer_becomes_his_own_and_is_marked() {
    for company in Company::each().await {
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let change = PlaceChange {
            pools: Some(Vec::new()),
            ..PlaceChange::default()
        };
        company.change_place("wang", change).await;
        for (number, pool) in [(1, company.pool), (2, PoolId(Uuid::from_u128(9)))] {
            let customer = CustomerId(Uuid::from_u128(number));
            assert_eq!(code(&wang.ask(customer, create(Some(pool))).await), "pool_left");
            wang.pull().await;
            assert_eq!(wang.access[&customer].owner, Some(wang.token.user));
        }
    }
}

#[tokio::test]
async fn of_two_claims_exactly_one_wins_and_the_loser_learns_who_and_when() {
    for company in Company::each().await {
        let customer = company.customer_in_pool("华联").await;
        let (mut wang, mut li) = (company.phone("wang").await, company.phone("li").await);
        wang.pull().await;
        li.pull().await;
        // Both are offline; Li also visits, and edits the card of what he takes for his.
        let visit = li.write(customer, Kind::Visit, &[text("note", "li was here")]);
        let second = li.write(customer, Kind::FollowUp, &[text("text", "call again")]);
        let card = li.card(customer);
        let edit = li.edit(card, &[text("region", "上海")]);
        let dossier = li.write(customer, Kind::Dossier, &[text("needs", "beer")]);
        let contact = li.write(customer, Kind::Contact, &[text("name", "陈")]);
        let mut message = li.request_with(&[visit, second, edit, dossier, contact]);
        message.intents.push(li.intent(customer, IntentAction::Claim));

        let won_at = company.app().seam.now();
        assert_eq!(code(&wang.ask(customer, IntentAction::Claim).await), "accepted");
        company.app().seam.advance_ms(60_000);
        let response = li.send(message.clone()).await.unwrap().unwrap();
        let lost = IntentOutcome::Rejected {
            code: "already_claimed".to_owned(),
            owner: Some(wang.token.user),
            since: Some(won_at),
        };
        assert_eq!(response.intents, std::slice::from_ref(&lost));
        let verdicts = tests::wire::all_verdicts(&response, 5);
        assert_eq!(
            all_said(&verdicts),
            [
                "late",
                "late",
                "quarantined claim_lost",
                "quarantined claim_lost",
                "quarantined claim_lost"
            ]
        );
        // Again by another number: the same, and nothing more is written.
        let before = company.rows().await;
        message.message = li.request().message;
        let response = li.send(message).await.unwrap().unwrap();
        assert_eq!(response.intents, [lost]);
        assert_eq!(all_said(&tests::wire::all_verdicts(&response, 5)), all_said(&verdicts));
        let mut after = grown(&before, &company.rows().await);
        after.retain(|(table, _)| !["audit", "log_head", "eviction"].contains(table));
        assert_eq!(after, []);
        // The winner has the visit and not the edit.
        wang.pull().await;
        oracle::check(&company, "wang", &wang, &[customer]).await;
        // The loser is told to drop what he held; what was refused he keeps in his tray, which is not looked at here.
        li.pull().await;
        assert!(li.losses.iter().any(|item| item.customer == customer));
        assert!(li.held.is_empty());
        assert_eq!(wang.shown(card, "region"), None);
    }
}

#[tokio::test]
async fn a_customer_goes_back_to_the_pool_and_to_somebody_else() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let (mut wang, mut li, mut boss) = (
            company.phone("wang").await,
            company.phone("li").await,
            company.phone("boss").await,
        );
        for client in [&mut wang, &mut li, &mut boss] {
            client.pull().await;
        }
        let assign = |to: &str| IntentAction::Assign {
            owner: company.user(to),
            reason: String::new(),
        };
        // Only who leads assigns; who has nothing to do with it finds nothing.
        assert_eq!(code(&wang.ask(customer, assign("zhao")).await), "not_permitted");
        assert_eq!(code(&li.ask(customer, assign("li")).await), "not_found");
        assert_eq!(code(&li.ask(customer, release()).await), "not_found");
        assert_eq!(code(&boss.ask(customer, assign("auditor")).await), "unknown_person");
        // An assignment that was made on an older state is a conflict.
        let mut stale = boss.intent(customer, assign("zhao"));
        stale.expected_version = Some(99);
        let mut request = boss.request();
        request.intents.push(stale);
        let response = boss.send(request).await.unwrap().unwrap();
        assert_eq!(code(&response.intents[0]), "conflict");
        assert_eq!(code(&boss.ask(customer, assign("zhao")).await), "accepted");
        assert_eq!(
            code(&boss.ask(customer, assign("zhao")).await),
            "accepted",
            "already so"
        );
        company.assign(customer, "wang").await;
        wang.pull().await;
        assert_eq!(code(&wang.ask(customer, release()).await), "accepted");
        assert_eq!(code(&wang.ask(customer, release()).await), "accepted", "already there");
        li.pull().await;
        assert_eq!(code(&li.ask(customer, IntentAction::Claim).await), "accepted");
        for (login, client) in [("wang", &mut wang), ("li", &mut li), ("boss", &mut boss)] {
            client.pull().await;
            oracle::check(&company, login, client, &[customer]).await;
        }
        let owners = "SELECT COUNT(*) FROM ownership_event";
        assert_eq!(company.number(owners).await, 5);
    }
}

#[tokio::test]
async fn an_intent_is_decided_once_and_its_id_means_one_thing() {
    for company in Company::each().await {
        let customer = company.customer_in_pool("华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let claim = wang.intent(customer, IntentAction::Claim);
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            let mut request = wang.request();
            request.intents = vec![claim.clone(), claim.clone()];
            outcomes.extend(wang.send(request).await.unwrap().unwrap().intents);
        }
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
        assert_eq!(company.number("SELECT COUNT(*) FROM ownership_event").await, 2);
        let mut other = claim;
        other.action = release();
        let mut request = wang.request();
        request.intents.push(other);
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(code(&response.intents[0]), "conflict");
    }
}

#[tokio::test]
async fn whoever_becomes_responsible_gets_the_document_and_who_was_loses_it() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let (mut wang, mut li, mut tablet) = (
            company.phone("wang").await,
            company.phone("li").await,
            company.phone("wang").await,
        );
        for client in [&mut wang, &mut li, &mut tablet] {
            client.pull().await;
        }
        let make = |document, user: Option<&str>| IntentAction::Responsible {
            document,
            user: user.map(|user| company.user(user)),
        };
        let first = wang.write(customer, Kind::Ticket, &[text("text", "one")]);
        let second = wang.write(customer, Kind::Ticket, &[text("text", "two")]);
        assert_eq!(wang.push(&[first.clone(), second.clone()]).await, [ACCEPTED, ACCEPTED]);
        // One, then the other while he is responsible already, then the first no more.
        for (document, user) in [
            (first.document, Some("li")),
            (second.document, Some("li")),
            (first.document, None),
            (second.document, Some("zhao")),
        ] {
            assert_eq!(code(&wang.ask(customer, make(document, user)).await), "accepted");
            for (login, client) in [("wang", &mut wang), ("li", &mut li), ("wang", &mut tablet)] {
                client.pull().await;
                oracle::check(&company, login, client, &[customer]).await;
            }
            let told = tablet.held[&document].responsible;
            assert_eq!(told, user.map(|user| company.user(user)), "others learn of it");
        }
        assert_eq!(
            code(&li.ask(customer, make(first.document, Some("li"))).await),
            "not_found"
        );
    }
}

#[tokio::test]
async fn a_manager_who_is_not_in_a_pool_can_add_a_customer_to_it_with_its_card() {
    for company in Company::each().await {
        let fields: Map<String, Json> = [("name".to_owned(), json!("web"))].into_iter().collect();
        let asker = company.asker("boss");
        let on_web = create_customer(company.app(), asker, Some(company.pool), &fields)
            .await
            .unwrap();
        let mut boss = company.phone("boss").await;
        boss.pull().await;
        let on_phone = CustomerId(company.app().seam.uuid());
        let create = IntentAction::Create {
            pool: Some(company.pool),
        };
        assert!(matches!(
            boss.ask(on_phone, create).await,
            IntentOutcome::Accepted { marked: None, .. }
        ));
        let card = boss.write(on_phone, Kind::Card, &[text("name", "phone")]);
        assert_eq!(boss.push(&[card]).await, [ACCEPTED], "{}", company.test.name);
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        for (customer, name) in [(on_web, "web"), (on_phone, "phone")] {
            assert_eq!(
                wang.shown(wang.card(customer), "name"),
                Some(format!("Scalar(Str({name:?}))")),
                "{}",
                company.test.name
            );
        }
        // It is not his for that: his next edit of it waits for a decision.
        let again = boss.edit(boss.card(on_phone), &[text("name", "mine")]);
        assert!(matches!(boss.push(&[again]).await[..], [Verdict::Quarantined { .. }]));
    }
}
