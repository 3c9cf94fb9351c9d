//! Pokes: for what one may read, without content, at most one pending.

use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use serde_json::json;
use server::{http, testing};
use sync_core::{document::Kind, visibility::Role};
use tower::ServiceExt;

use crate::fixture::Company;

#[tokio::test]
async fn a_poke_comes_for_what_its_reader_may_read_and_for_nothing_else() {
    for test in testing::apps().await {
        let (live, database) = (&test.app.live, &test.app.database);
        let company = Company::new(&test.app, "One").await;
        let (east, west) = (company.team("East").await, company.team("West").await);
        let li = company.user("li", Role::Rep, Some(east), &[]).await;
        let wang = company.user("wang", Role::Rep, Some(east), &[]).await;
        let zhao = company.user("zhao", Role::Rep, Some(west), &[]).await;
        let office = company.user("office", Role::BackOffice, None, &[]).await;
        let customer = company.customer("c", Some(li), None, Some(east)).await;
        let mut clients = Vec::new();
        for user in [li, wang, zhao, office] {
            clients.push(live.subscribe(database, company.org, user).await.unwrap());
        }
        let name = test.name;
        let mut pokes = async |what: &str| {
            live.look_now(database).await.unwrap();
            let pokes: Vec<bool> = clients.iter_mut().map(|client| client.try_poked()).collect();
            eprintln!("{name}: {what}: {pokes:?}");
            pokes
        };
        assert_eq!(pokes("nothing").await, [false; 4]);
        let visit = company
            .document(customer, Kind::Visit, li, json!({ "note": "a" }))
            .await;
        assert_eq!(pokes("a visit").await, [true, false, false, true]);
        let card = sync_core::ids::DocumentId::derived(company.org, customer, Kind::Card, 0);
        company
            .edit(customer, card, Kind::Card, li, json!({ "name": "d" }))
            .await;
        assert_eq!(pokes("a card").await, [true, true, false, true]);
        company
            .edit(customer, visit, Kind::Visit, li, json!({ "note": "b" }))
            .await;
        company
            .edit(customer, visit, Kind::Visit, li, json!({ "note": "c" }))
            .await;
        assert_eq!(pokes("two edits").await, [true, false, false, true]);
        assert_eq!(pokes("nothing more").await, [false; 4]);
        company
            .document(customer, Kind::Internal, office, json!({ "notes": "x" }))
            .await;
        assert_eq!(pokes("an internal document").await, [false, false, false, true]);
        company.customer("theirs", Some(zhao), None, Some(west)).await;
        assert_eq!(pokes("a customer of another team").await, [false, false, true, true]);
    }
}

#[tokio::test]
async fn a_stream_carries_pokes_and_ends_when_the_server_stops() {
    for test in testing::apps().await {
        let company = Company::new(&test.app, "One").await;
        let li = company.user("li", Role::Rep, None, &[]).await;
        let token = company.token(li).await;
        let request = Request::get("/v1/live")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let response = http::router(test.app.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut body = response.into_body();
        company.customer("c", Some(li), None, None).await;
        let poke = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let poke = String::from_utf8(poke.to_vec()).unwrap();
        assert_eq!(poke, "event: poke\ndata: {}\n\n", "without content");
        test.app.live.close();
        assert!(body.frame().await.is_none(), "{}", test.name);
    }
}

#[tokio::test]
async fn one_person_has_a_bounded_number_of_streams() {
    let test = testing::sqlite_app().await;
    let company = Company::new(&test.app, "One").await;
    let li = company.user("li", Role::Rep, None, &[]).await;
    let subscribe = || test.app.live.subscribe(&test.app.database, company.org, li);
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(subscribe().await.unwrap());
    }
    assert!(subscribe().await.is_err());
    held.pop();
    assert!(subscribe().await.is_ok());
}
