//! Writing through the JSON API: documents, ownership, quarantine; on both databases.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId},
    visibility::Role,
};
use uuid::Uuid;

use crate::http::World;

impl World {
    async fn write(&self, token: &str, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let (status, answer) = self.send(token, method, &format!("/api/v1/{path}"), Some(body)).await;
        (status, serde_json::from_slice(&answer).unwrap_or(Value::Null))
    }

    async fn created(&self, token: &str, path: &str, body: Value) -> String {
        let (status, answer) = self.write(token, Method::POST, path, body).await;
        assert_eq!(status, StatusCode::CREATED, "{} {path} {answer}", self.test.name);
        answer["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_customer_made_on_the_web_has_its_documents_their_edits_and_their_history() {
    for world in World::all().await {
        let li = world.company.token(world.li).await;
        let customer = world
            .created(
                &li,
                "customers",
                json!({ "fields": { "name": "新客户", "stage": "lead", "tags": ["VIP"] } }),
            )
            .await;
        let of = |kind: &str| format!("customers/{customer}/{kind}");
        let visit = world
            .created(&li, &of("visits"), json!({ "fields": { "note": "first" } }))
            .await;
        world
            .created(
                &li,
                &of("contacts"),
                json!({ "name": "王五", "phones": { "mobile": "13900002222" } }),
            )
            .await;
        world
            .created(
                &li,
                &of("follow-ups"),
                json!({ "fields": { "text": "call", "channel": "phone", "due": "2026-04-01" } }),
            )
            .await;
        world
            .created(
                &li,
                &of("opportunities"),
                json!({ "fields": { "title": "t", "amount_minor": 100, "currency": "CNY" } }),
            )
            .await;
        world
            .created(
                &li,
                &of("tickets"),
                json!({ "fields": { "text": "t", "severity": "high" } }),
            )
            .await;
        let (status, dossier) = world
            .write(
                &li,
                Method::PATCH,
                &of("dossier"),
                json!({ "fields": { "needs": "bearings" } }),
            )
            .await;
        assert_eq!(
            (status, &dossier["fields"]["needs"]),
            (StatusCode::OK, &json!("bearings")),
            "{}",
            world.test.name
        );

        let path = format!("documents/{visit}");
        world.test.app.seam.advance_ms(60_000);
        let (status, edited) = world
            .write(&li, Method::PATCH, &path, json!({ "fields": { "note": "second" } }))
            .await;
        assert_eq!(
            (status, &edited["fields"]["note"]),
            (StatusCode::OK, &json!("second")),
            "{}",
            world.test.name
        );
        let history = world.ok(&li, &format!("/api/v1/{path}/history?field=note")).await;
        let notes: Vec<&Value> = history["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["value"])
            .collect();
        assert_eq!(notes, ["first", "second"], "{}", world.test.name);
        assert_eq!(history["items"][1]["author"]["login"], "li");
        assert_eq!(history["items"][1]["device"], Value::Null);

        let shown = world.ok(&li, &format!("/api/v1/customers/{customer}")).await;
        assert_eq!(shown["relation"], "owner");
        assert_eq!(shown["name"], "新客户");
        assert_eq!(shown["stage"], "lead");
        assert_eq!(shown["card"]["fields"]["tags"], json!(["VIP"]));
        assert_eq!(
            shown["contacts"][0]["fields"]["phones"],
            json!({ "mobile": "13900002222" })
        );
        for list in ["visits", "follow_ups", "opportunities", "tickets"] {
            assert_eq!(shown[list].as_array().unwrap().len(), 1, "{} {list}", world.test.name);
        }
    }
}

#[tokio::test]
async fn a_field_that_is_unknown_or_does_not_fit_is_refused_by_name_and_nothing_is_written() {
    for world in World::all().await {
        let li = world.company.token(world.li).await;
        let customer = world
            .created(&li, "customers", json!({ "fields": { "name": "c" } }))
            .await;
        let visit = world
            .created(
                &li,
                &format!("customers/{customer}/visits"),
                json!({ "fields": { "note": "n" } }),
            )
            .await;
        let path = format!("documents/{visit}");
        let cases = [
            (json!({ "colour": "red" }), "colour"),
            (json!({ "note": 5 }), "note"),
            (json!({ "note": "x".repeat(20_000) }), "note"),
            (json!({ "next_date": "soon" }), "next_date"),
            (json!({ "lat": 91.0 }), "lat"),
            (json!({ "note": "y", "outcome": ["list"] }), "outcome"),
        ];
        for (fields, field) in cases {
            let (status, answer) = world
                .write(&li, Method::PATCH, &path, json!({ "fields": fields }))
                .await;
            assert_eq!(
                status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{} {field} {answer}",
                world.test.name
            );
            assert_eq!(
                (&answer["code"], &answer["field"]),
                (&json!("schema"), &json!(field)),
                "{}",
                world.test.name
            );
        }
        assert_eq!(
            world.ok(&li, &format!("/api/v1/{path}")).await["fields"],
            json!({ "note": "n" })
        );
        for body in [json!({ "fields": 5 }), json!({ "fields": {}, "stray": 1 }), json!([])] {
            let (status, _) = world.write(&li, Method::PATCH, &path, body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{}", world.test.name);
        }
        let (status, answer) = world
            .write(&li, Method::POST, "customers", json!({ "fields": { "stage": "lead" } }))
            .await;
        assert_eq!(
            (status, &answer["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("name"))
        );
        let huge = json!({ "fields": { "note": "x".repeat(1_000_000) } });
        assert_eq!(
            world.write(&li, Method::PATCH, &path, huge).await.0,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        // Evidence of a visit is written once.
        let start = |at: i64| json!({ "fields": { "started_at": at } });
        assert_eq!(
            world.write(&li, Method::PATCH, &path, start(1)).await.0,
            StatusCode::OK,
            "{}",
            world.test.name
        );
        let (_, answer) = world.write(&li, Method::PATCH, &path, start(2)).await;
        assert_eq!(answer["code"], "evidence_fixed", "{}", world.test.name);
    }
}

#[tokio::test]
async fn customers_are_claimed_once_assigned_by_those_who_lead_and_released_to_a_pool() {
    for world in World::all().await {
        let li = world.company.token(world.li).await;
        let wang = world.company.token(world.wang).await;
        let admin = world.company.token(world.admin).await;
        let zhao = world
            .company
            .user("zhao", Role::Rep, None, &[(world.pool, false)])
            .await;
        let zhao = world.company.token(zhao).await;
        let pooled = json!({ "fields": { "name": "pooled" }, "pool": world.pool });
        let customer = world.created(&li, "customers", pooled).await;
        let path = format!("customers/{customer}");
        let claim = format!("{path}/claim");
        assert_eq!(
            world.ok(&zhao, &format!("/api/v1/{path}")).await["relation"],
            "pool",
            "{}",
            world.test.name
        );

        // Who is not in the pool does not even know it; of two members one wins, and the other learns who.
        assert_eq!(
            world.write(&wang, Method::POST, &claim, json!({})).await.0,
            StatusCode::NOT_FOUND
        );
        let (status, decided) = world.write(&li, Method::POST, &claim, json!({})).await;
        assert_eq!(status, StatusCode::OK, "{} {decided}", world.test.name);
        assert!(decided["id"].is_string());
        let (status, refused) = world.write(&zhao, Method::POST, &claim, json!({})).await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::CONFLICT, &json!("already_claimed")),
            "{}",
            world.test.name
        );
        assert_eq!(
            refused["owner"],
            json!({ "id": world.li, "login": "li", "name": "li (name)" })
        );

        let assignment = format!("{path}/assignment");
        let to_wang = json!({ "owner": world.wang, "pool": null, "reason": "territory" });
        let (status, _) = world.write(&wang, Method::PUT, &assignment, to_wang.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{}", world.test.name);
        let (status, answer) = world.write(&admin, Method::PUT, &assignment, to_wang).await;
        assert_eq!(status, StatusCode::OK, "{} {answer}", world.test.name);
        assert_eq!(
            world.ok(&wang, &format!("/api/v1/{path}")).await["relation"],
            "owner",
            "{}",
            world.test.name
        );
        assert_eq!(
            world.ok(&li, &format!("/api/v1/{path}")).await["relation"],
            "team",
            "{}",
            world.test.name
        );
        for body in [
            json!({ "reason": "r" }),
            json!({ "owner": world.li, "pool": world.pool }),
        ] {
            let (status, _) = world.write(&admin, Method::PUT, &assignment, body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{}", world.test.name);
        }

        let release = json!({ "reason": "no interest", "pool": world.pool });
        let (status, _) = world
            .write(&li, Method::POST, &format!("{path}/release"), release.clone())
            .await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{}", world.test.name);
        let (status, answer) = world
            .write(&wang, Method::POST, &format!("{path}/release"), release)
            .await;
        assert_eq!(status, StatusCode::OK, "{} {answer}", world.test.name);
        let shown = world.ok(&zhao, &format!("/api/v1/{path}")).await;
        assert_eq!(
            (&shown["relation"], &shown["owner"]),
            (&json!("pool"), &Value::Null),
            "{}",
            world.test.name
        );
        let events = world.ok(&admin, "/api/v1/changes?limit=200").await;
        let events: Vec<&Value> = events["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["customer"] == customer.as_str() && item.get("event").is_some())
            .map(|item| &item["event"])
            .collect();
        assert_eq!(events, ["create", "claim", "assign", "release"], "{}", world.test.name);
    }
}

#[tokio::test]
async fn a_quarantined_change_is_decided_once_by_somebody_else_than_its_author() {
    for world in World::all().await {
        let [li, wang, mei] = [world.li, world.wang, world.mei];
        let (li, wang, mei) = (
            world.company.token(li).await,
            world.company.token(wang).await,
            world.company.token(mei).await,
        );
        let customer = world
            .created(&li, "customers", json!({ "fields": { "name": "c" } }))
            .await;
        let id = customer.parse().unwrap();
        let ticket = world
            .company
            .quarantined(id, Kind::Visit, world.wang, json!({ "note": "late" }))
            .await;
        let other = world
            .company
            .quarantined(id, Kind::Visit, world.wang, json!({ "note": "never" }))
            .await;
        let decision = |ticket: uuid::Uuid| format!("quarantine/{ticket}/decision");
        let say = |word: &str| json!({ "decision": word, "reason": "r" });
        let (status, _) = world.write(&li, Method::POST, &decision(ticket), say("perhaps")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{}", world.test.name);
        let (status, _) = world.write(&wang, Method::POST, &decision(ticket), say("accept")).await;
        assert!(
            status == StatusCode::NOT_FOUND || status == StatusCode::FORBIDDEN,
            "{} {status}",
            world.test.name
        );

        let (status, answer) = world.write(&mei, Method::POST, &decision(ticket), say("accept")).await;
        assert_eq!(
            (status, &answer),
            (StatusCode::OK, &json!({ "changes": 1 })),
            "{}",
            world.test.name
        );
        let (status, _) = world.write(&mei, Method::POST, &decision(ticket), say("refuse")).await;
        assert_eq!(status, StatusCode::CONFLICT, "{}", world.test.name);
        let (status, _) = world.write(&li, Method::POST, &decision(other), say("refuse")).await;
        assert_eq!(status, StatusCode::OK, "{}", world.test.name);
        assert_eq!(
            world.ok(&mei, "/api/v1/quarantine").await["items"],
            json!([]),
            "{}",
            world.test.name
        );
        let visits = world.ok(&li, &format!("/api/v1/customers/{customer}")).await["visits"].clone();
        assert_eq!(visits.as_array().unwrap().len(), 1, "{}", world.test.name);
        assert_eq!(visits[0]["fields"]["note"], "late");
        assert_eq!(visits[0]["author"]["login"], "wang");
        assert_eq!(visits[0]["late"], true);
    }
}

#[tokio::test]
async fn what_was_written_for_a_customer_that_was_never_made_is_read_and_refused_by_the_office() {
    for world in World::all().await {
        let name = world.test.name;
        let office = world.company.user("office", Role::BackOffice, None, &[]).await;
        let [office, mei] = [office, world.mei];
        let (office, mei) = (world.company.token(office).await, world.company.token(mei).await);
        let never = CustomerId(Uuid::from_u128(7));
        let note = json!({ "note": "wants forty" });
        let ticket = world.company.quarantined(never, Kind::Visit, world.wang, note).await;
        let waiting = world.ok(&office, "/api/v1/quarantine").await["items"].clone();
        assert_eq!(
            waiting[0]["writes"][0]["value"], "wants forty",
            "{name}: to be entered by hand"
        );
        assert_eq!(world.ok(&mei, "/api/v1/quarantine").await["items"], json!([]), "{name}");
        let path = format!("quarantine/{ticket}/decision");
        let say = |word: &str| json!({ "decision": word, "reason": "entered by hand" });
        let (status, _) = world.write(&mei, Method::POST, &path, say("refuse")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
        let (status, _) = world.write(&office, Method::POST, &path, say("accept")).await;
        assert_eq!(status, StatusCode::CONFLICT, "{name}: there is nothing to add it to");
        let (status, _) = world.write(&office, Method::POST, &path, say("refuse")).await;
        assert_eq!(status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn a_late_value_is_taken_over_or_dismissed_once_by_somebody_who_may_write_its_field() {
    for world in World::all().await {
        let [li, wang] = [world.li, world.wang];
        let (li, wang) = (world.company.token(li).await, world.company.token(wang).await);
        let name = world.test.name;
        let customer = world
            .created(&li, "customers", json!({ "fields": { "name": "c", "region": "now" } }))
            .await;
        let path = format!("/api/v1/customers/{customer}");
        let card: Uuid = world.ok(&li, &path).await["card"]["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let mut proposals = Vec::new();
        for (field, value) in [("region", "late"), ("industry", "late, too")] {
            let id = world
                .company
                .proposal(
                    customer.parse().unwrap(),
                    DocumentId(card),
                    Kind::Card,
                    world.wang,
                    (field, json!(value)),
                )
                .await;
            proposals.push(id);
        }
        let shown = world.ok(&li, &path).await["proposals"].clone();
        assert_eq!(shown.as_array().unwrap().len(), 2, "{name}");
        assert_eq!(
            (&shown[0]["field"], &shown[0]["value"]),
            (&json!("region"), &json!("late"))
        );
        assert_eq!(shown[0]["author"]["login"], "wang");

        let decision = |id: Uuid| format!("proposals/{id}/decision");
        let say = |word: &str| json!({ "decision": word });
        let (status, _) = world
            .write(&li, Method::POST, &decision(proposals[0]), say("refuse"))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}");
        let (status, _) = world
            .write(&wang, Method::POST, &decision(proposals[0]), say("accept"))
            .await;
        assert!(
            [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&status),
            "{name} {status}"
        );
        let (status, answer) = world
            .write(&li, Method::POST, &decision(proposals[0]), say("accept"))
            .await;
        assert_eq!((status, &answer["field"]), (StatusCode::OK, &json!("region")), "{name}");
        let (status, _) = world
            .write(&li, Method::POST, &decision(proposals[0]), say("dismiss"))
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}: decided once");
        let (status, _) = world
            .write(&li, Method::POST, &decision(proposals[1]), say("dismiss"))
            .await;
        assert_eq!(status, StatusCode::OK, "{name}");
        let after = world.ok(&li, &path).await;
        assert_eq!(after["card"]["fields"]["region"], "late", "{name}");
        assert_eq!(after["card"]["fields"]["industry"], json!(null), "{name}");
        assert_eq!(after["proposals"], json!([]), "{name}");
    }
}
