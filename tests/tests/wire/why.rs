//! Seeing with somebody else's eyes, and why he may or may not.

use axum::http::Method;
use serde_json::{Value as Json, json};
use sync_core::visibility::Role;
use tests::wire::Company;
use uuid::Uuid;

async fn get(company: &Company, login: &str, path: &str) -> (u16, Json) {
    let (status, mut answer) = company.api(login, Method::GET, path, Json::Null).await;
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("request_id");
    }
    (status.as_u16(), answer)
}

#[tokio::test]
async fn whoever_looks_after_somebody_sees_exactly_what_his_phone_gets() {
    for company in Company::each().await {
        let (own, other) = (
            company.customer_of("wang", "甲").await,
            company.customer_of("li", "乙").await,
        );
        let pooled = company.customer_in_pool("公海客户").await;
        for (login, asks) in [
            ("wang", "boss"),
            ("zhao", "boss"),
            ("li", "chief"),
            ("office", "admin"),
            ("wang", "wang"),
        ] {
            let mut phone = company.phone(login).await;
            phone.pull().await;
            let path = format!("/api/v1/users/{}/view/customers", company.user(login));
            let seen = company.done(asks, Method::GET, &path, Json::Null).await;
            let mut ids: Vec<Uuid> = seen["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().parse().unwrap())
                .collect();
            ids.sort();
            let mut held: Vec<Uuid> = phone.access.keys().map(|customer| customer.0).collect();
            held.sort();
            assert_eq!(ids, held, "{login} on {}", company.test.name);
            for item in seen["items"].as_array().unwrap() {
                let id: Uuid = item["id"].as_str().unwrap().parse().unwrap();
                let known = phone.access[&id.into()].rights;
                let expected: serde_json::Map<String, Json> = sync_core::document::Kind::ALL
                    .into_iter()
                    .filter(|kind| !known.of(*kind).is_empty())
                    .map(|kind| (kind.name().to_owned(), json!(known.of(kind).words())))
                    .collect();
                assert_eq!(item["rights"], Json::Object(expected), "{login}");
            }
        }
        assert_eq!(company.audited("viewed_as").await, 5);
        // Those who look after him not get the answer for somebody who does not exist.
        for (asks, login) in [
            ("boss", "li"),
            ("wang", "zhao"),
            ("office", "wang"),
            ("auditor", "wang"),
        ] {
            let path = |user: Uuid| format!("/api/v1/users/{user}/view/customers");
            let nobody = get(&company, asks, &path(Uuid::from_u128(5))).await;
            assert_eq!(nobody.0, 404);
            assert_eq!(
                get(&company, asks, &path(company.user(login).0)).await,
                nobody,
                "{asks} {login}"
            );
        }
        let _ = (own, other, pooled);
    }
}

#[tokio::test]
async fn a_manager_does_not_look_through_somebody_of_his_team_who_sees_everybody() {
    for mut company in Company::each().await {
        company.customer_of("li", "南").await;
        let north = Some(company.teams["north"]);
        for (login, role) in [
            ("clerk", Role::BackOffice),
            ("checker", Role::Auditor),
            ("root", Role::Admin),
            ("helper", Role::Service),
        ] {
            company.hire(login, role, north, vec![]).await;
            let path = |user: Uuid| format!("/api/v1/users/{user}/view/customers");
            let nobody = get(&company, "boss", &path(Uuid::from_u128(5))).await;
            let seen = get(&company, "boss", &path(company.user(login).0)).await;
            assert_eq!(seen, nobody, "{login}");
        }
        let path = format!("/api/v1/users/{}/view/customers", company.user("wang"));
        assert_eq!(get(&company, "boss", &path).await.0, 200);
    }
}

#[tokio::test]
async fn why_names_the_relations_and_cells_and_hides_what_the_asker_does_not_see() {
    for company in Company::each().await {
        let (own, other) = (
            company.customer_of("wang", "甲").await,
            company.customer_of("li", "乙").await,
        );
        let why = |user: Uuid, customer: Uuid| format!("/api/v1/why?user={user}&customer={customer}");
        let (wang, zhao, li) = (company.user("wang").0, company.user("zhao").0, company.user("li").0);
        let answer = company.done("boss", Method::GET, &why(wang, own.0), Json::Null).await;
        let relations: Vec<&str> = answer["grounds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ground| ground["relation"].as_str().unwrap())
            .collect();
        assert_eq!(relations, ["owner", "team"]);
        assert_eq!(answer["grounds"][0]["cells"]["owner.internal"], "nothing");
        assert_eq!(
            answer["rights"]["dossier"],
            json!(["create", "read", "comment", "write"])
        );
        assert_eq!(
            (&answer["rights"]["internal"], &answer["policy_version"]),
            (&json!([]), &json!(0))
        );
        // A colleague reads the card and no more; a stranger is nothing to it.
        let answer = company.done("boss", Method::GET, &why(zhao, own.0), Json::Null).await;
        assert_eq!(answer["rights"]["card"], json!(["read"]));
        let card = sync_core::ids::DocumentId::derived(company.org, own, sync_core::document::Kind::Card, 0);
        let path = format!("{}&document={card}", why(zhao, own.0));
        let answer = company.done("boss", Method::GET, &path, Json::Null).await;
        assert_eq!(
            answer["document"],
            json!({ "id": card, "kind": "card", "rights": ["read"] })
        );
        let answer = company.done("admin", Method::GET, &why(li, own.0), Json::Null).await;
        assert_eq!(
            (&answer["grounds"], &answer["rights"]["card"]),
            (&json!([]), &json!([]))
        );
        assert_eq!(company.audited("asked_why").await, 4);

        let unknown = get(&company, "boss", &why(wang, Uuid::from_u128(5))).await;
        assert_eq!(unknown.0, 404);
        for (asks, user, customer) in [
            ("boss", wang, other.0),
            ("boss", li, own.0),
            ("boss", Uuid::from_u128(5), own.0),
            ("wang", zhao, own.0),
            ("wang", wang, other.0),
            ("auditor", wang, own.0),
        ] {
            assert_eq!(get(&company, asks, &why(user, customer)).await, unknown, "{asks}");
        }
        let foreign = format!("{}&document={}", why(wang, own.0), Uuid::from_u128(6));
        assert_eq!(get(&company, "boss", &foreign).await, unknown);
        assert_eq!(company.audited("asked_why").await, 4);
    }
}
