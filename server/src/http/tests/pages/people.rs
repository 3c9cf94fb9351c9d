//! People and what waits for a decision, as pages.

use sync_core::visibility::UserState;

use super::*;
use crate::storage::people;

async fn state_of(company: &Company, user: UserId) -> UserState {
    let mut tx = company.test.app.database.read().await.unwrap();
    people::find(&mut tx, company.org, user).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_departure_begins_on_the_page_of_people_and_names_what_is_to_be_handed_over() {
    for company in companies().await {
        for name in ["A", "B"] {
            company.customer(company.wang, name).await;
        }
        let ada = company.test.person(company.org, "ada", Role::Admin, None, &[]).await;
        let admin = Browser::of(&company.test, "ada").await;
        let page = admin.get("/people").await;
        assert!(page.has("4 people") && page.has("WANG") && page.has("East") && page.has("Begin the departure"));
        assert!(!page.has(&format!("/people/{ada}/state")), "not to himself");
        let path = format!("/people/{}/state", company.wang);
        for (state, said) in [
            (UserState::Offboarding, "WANG is leaving"),
            (UserState::Disabled, "WANG has left"),
        ] {
            let done = admin.submit("/people", &path, &[("state", state.name())]).await;
            assert_eq!(done.location, format!("/people?done=state&who={}", company.wang));
            assert_eq!(state_of(&company, company.wang).await, state);
            let shown = admin.get(&done.location).await;
            assert!(
                shown.has(said) && shown.has("2 customers to hand over"),
                "{}",
                shown.html
            );
            assert!(shown.has(&format!("/handover?from={}", company.wang)));
        }
        // Who is to be handed over comes first.
        let rows = admin.get("/people").await.html;
        assert!(rows.find("WANG").unwrap() < rows.find("BOSS").unwrap());
        let back = admin.submit("/people", &path, &[("state", "active")]).await;
        assert!(admin.get(&back.location).await.has("WANG works here again."));
        let found = admin.get("/people?q=wAn").await;
        assert!(found.has("WANG") && !found.has("BOSS</"));
        assert!(admin.get("/people?q=nobody").await.has("Nobody matches."));
        for state in ["gone", ""] {
            let got = admin.submit("/people", &path, &[("state", state)]).await;
            assert_eq!(got.status, StatusCode::BAD_REQUEST);
        }
        // Others see who works here; only administrators decide.
        let boss = Browser::of(&company.test, "boss").await;
        let page = boss.get("/people").await;
        assert!(page.has("LI") && !page.has("/state\""));
        let got = boss.submit("/devices", &path, &[("state", "disabled")]).await;
        assert_eq!(got.status, StatusCode::FORBIDDEN);
        assert_eq!(state_of(&company, company.wang).await, UserState::Active);
    }
}

/// A change of Wang's in quarantine: the phone's, made after it had confirmed that the customer was gone.
async fn quarantined(company: &Company, customer: CustomerId) -> uuid::Uuid {
    use crate::storage::verdicts::{self, RefusalRow};
    use sync_core::{
        document::{Document, Edit, Kind, Value},
        ids::{ActorId, DocumentId},
    };
    let app = &company.test.app;
    let actor = ActorId(app.seam.random());
    let edit = Edit::Set {
        key: "note".to_owned(),
        value: Value::Str("谈<b>采购</b>".to_owned()),
    };
    let built = Document::new(Kind::Visit)
        .edit(actor, app.seam.now(), &[edit])
        .unwrap()
        .unwrap();
    let ticket = app.seam.uuid();
    let row = RefusalRow {
        document: DocumentId(app.seam.uuid()),
        change: built.change.id(),
        customer,
        kind: Kind::Visit,
        verdict: "quarantined".to_owned(),
        reason: "no_permission".to_owned(),
        ticket,
        body_sha256: [7; 32],
        body: Some(built.body.clone()),
        author: company.wang,
        device: None,
        device_time: app.seam.now(),
    };
    let mut tx = app.database.write().await.unwrap();
    verdicts::insert_refusals(&mut tx, company.org, app.seam.now(), &[&row])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    ticket
}

#[tokio::test]
async fn what_waits_is_shown_in_words_and_bytes_and_decided_once() {
    for company in companies().await {
        let shop = company.customer(company.li, "A").await;
        let (first, second) = (quarantined(&company, shop).await, quarantined(&company, shop).await);
        let boss = Browser::of(&company.test, "boss").await;
        let list = boss.get("/quarantine").await;
        for said in [
            "WANG",
            "Visit",
            "not permitted when it arrived",
            "谈&#60;b&#62;采购&#60;/b&#62;",
            "SHA-256",
            &format!("/customers/{shop}"),
        ] {
            assert!(list.has(said), "{said}: {}", list.html);
        }
        // Neither its author nor somebody without a part in it sees it.
        let wang = Browser::of(&company.test, "wang").await;
        assert!(wang.get("/quarantine").await.has("Nothing waits for a decision."));
        let path = |ticket| format!("/quarantine/{ticket}");
        let got = wang.submit("/devices", &path(first), &[("decision", "accept")]).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND);

        let accepted = boss
            .submit(
                "/quarantine",
                &path(first),
                &[("decision", "accept"), ("reason", "对的")],
            )
            .await;
        assert_eq!(accepted.location, "/quarantine?done=accepted", "{}", accepted.html);
        assert!(boss.get(&accepted.location).await.has("Accepted."));
        let again = boss
            .submit("/quarantine", &path(first), &[("decision", "refuse")])
            .await;
        assert!(
            again.status == StatusCode::OK && again.has("It was decided before"),
            "{}",
            again.html
        );
        let got = boss
            .submit("/quarantine", &path(second), &[("decision", "perhaps")])
            .await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST);
        let refused = boss
            .submit("/quarantine", &path(second), &[("decision", "refuse")])
            .await;
        assert_eq!(refused.location, "/quarantine?done=refused");
        assert!(boss.get("/quarantine").await.has("Nothing waits for a decision."));
        let shown = boss.get(&format!("/customers/{shop}")).await;
        assert_eq!(shown.html.matches("采购").count(), 1, "the accepted one, once");
    }
}
