//! The table of rights changes: every phone learns what it may now do and what it may no longer, and what it did before
//! it could know is judged by what it was.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value as Json, json};
use server::actions::{Code, policy, reader::Reader};
use sync_core::{
    document::{Class, Kind},
    ids::{CustomerId, DocumentId},
    protocol::message::IntentAction,
    visibility::{ClassRights, Policy, Relation},
};
use tests::{
    oracle,
    wire::{Client, Company, text},
};

use super::all_said;

const POLICY: &str = "/api/v1/policy";

async fn choose(company: &Company, cells: &[(&str, &str)]) -> Json {
    let version = company.done("admin", Method::GET, POLICY, Json::Null).await["version"].clone();
    let cells: BTreeMap<_, _> = cells.iter().copied().collect();
    let body = json!({ "version": version, "cells": cells, "reason": "试行" });
    company.done("admin", Method::PUT, POLICY, body).await
}

/// Somebody's rights on each of some customers, as the web reads them.
async fn rights(company: &Company, login: &str, customers: &[CustomerId]) -> BTreeMap<CustomerId, ClassRights> {
    let mut tx = company.app().database.read().await.unwrap();
    let reader = Reader::load(&mut tx, company.org, company.user(login)).await.unwrap();
    let relations = reader.relations_of(&mut tx, customers).await.unwrap();
    let rights = relations
        .into_iter()
        .map(|(customer, relations)| (customer, reader.rights(relations)));
    rights.filter(|(_, rights)| !rights.is_empty()).collect()
}

/// The phone holds what its person may read, and knows his rights, exactly.
async fn check(company: &Company, login: &str, phone: &Client, customers: &[CustomerId], when: &str) {
    oracle::check(company, login, phone, customers).await;
    let known: BTreeMap<CustomerId, ClassRights> = phone
        .access
        .iter()
        .map(|(customer, item)| (*customer, item.rights))
        .collect();
    let expected = rights(company, login, customers).await;
    assert_eq!(known, expected, "{login} {when} on {}", company.test.name);
}

async fn confirm_all(phone: &mut Client) {
    phone
        .losses
        .extend(phone.access.values().filter(|item| item.lost.is_some()).cloned());
    phone.confirm().await;
}

#[tokio::test]
async fn t057_each_choice_of_each_cell_reaches_every_phone_and_goes_back() {
    for company in Company::each().await {
        let own = company.customer_of("wang", "华联").await;
        let pooled = company.customer_in_pool("公海客户").await;
        let customers = [own, pooled];
        let logins = [
            "wang", "zhao", "li", "boss", "keeper", "office", "service", "admin", "auditor",
        ];
        let mut phones = Vec::new();
        for login in logins {
            let mut phone = company.phone(login).await;
            phone.pull().await;
            phones.push((login, phone));
        }
        // Zhao has added a visit, for which Wang is responsible: he reads it because he made it.
        let (_, zhao) = &mut phones[1];
        let visit = zhao.write(own, Kind::Visit, &[text("note", "顺路")]);
        zhao.push(std::slice::from_ref(&visit)).await;
        let action = IntentAction::Responsible {
            document: visit.document,
            user: None,
        };
        company.ask("office", own, action).await;
        let dossier = DocumentId::derived(company.org, own, Kind::Dossier, 0);
        let (_, wang) = &mut phones[0];
        let needs = wang.write(own, Kind::Dossier, &[text("needs", "冷柜")]);
        wang.push(&[needs]).await;

        for (relation, class) in Policy::adjustable() {
            let name = policy::cell_name(relation, class);
            let choices = Policy::choices(relation, class);
            for cell in choices[1..].iter().chain(&choices[..1]) {
                let answer = choose(&company, &[(&name, cell.name())]).await;
                let shown = answer["cells"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|shown| shown["relation"] == relation.storage_name() && shown["class"] == class.name());
                assert_eq!(shown.unwrap()["cell"], cell.name());
                let when = format!("after {name}={}", cell.name());
                for (login, phone) in &mut phones {
                    phone.pull().await;
                    check(&company, login, phone, &customers, &when).await;
                }
            }
        }
        // The visit of the one who only adds came and went with it.
        let (_, zhao) = &mut phones[1];
        choose(&company, &[("team.activity", "nothing")]).await;
        zhao.pull().await;
        assert!(!zhao.held.contains_key(&visit.document));
        choose(&company, &[("team.activity", "create")]).await;
        zhao.pull().await;
        assert!(zhao.held.contains_key(&visit.document));
        // What a manager has, he was sent once: other rights on it are no reason to send it again.
        let (_, boss) = &phones[3];
        let sent = boss.deliveries.iter().filter(|((document, _), _)| *document == dossier);
        assert_eq!(sent.map(|(_, times)| *times).max(), Some(1));
    }
}

#[tokio::test]
async fn t067_what_was_written_before_the_phone_could_know_is_late_and_later_it_waits() {
    for company in Company::each().await {
        let own = company.customer_of("wang", "华联").await;
        let (mut wang, mut boss) = (company.phone("wang").await, company.phone("boss").await);
        wang.pull().await;
        let needs = wang.write(own, Kind::Dossier, &[text("needs", "冷柜")]);
        wang.push(&[needs]).await;
        boss.pull().await;
        let dossier = DocumentId::derived(company.org, own, Kind::Dossier, 0);
        let unsent = boss.edit(dossier, &[text("preferences", "茶")]);
        choose(&company, &[("manager.private", "read")]).await;
        assert_eq!(all_said(&boss.push(&[unsent]).await), ["late"]);
        boss.pull().await;
        let known = boss.access[&own].rights;
        assert!(known.of(Kind::Dossier).may_read() && !known.of(Kind::Dossier).may_write());
        assert!(known.of(Kind::Card).may_write());
        check(&company, "boss", &boss, &[own], "narrowed").await;
        confirm_all(&mut boss).await;
        let open = format!(
            "SELECT COUNT(*) FROM eviction WHERE confirmed_at IS NULL AND device_id = {}",
            company.literal(boss.token.device.0)
        );
        assert_eq!(company.number(&open).await, 0);
        let late = boss.edit(dossier, &[text("preferences", "咖啡")]);
        assert_eq!(all_said(&boss.push(&[late]).await), ["quarantined no_permission"]);
        // On the web as on the phone.
        let path = format!("/api/v1/documents/{dossier}");
        let body = json!({ "fields": { "needs": "货架" } });
        let (status, _) = company.api("boss", Method::PATCH, &path, body.clone()).await;
        assert_eq!(status.as_u16(), 403);
        boss.take_new_actor();
        boss.held.remove(&dossier);
        let mut request = boss.request();
        request.wanted.push(dossier);
        boss.send(request).await.unwrap();

        choose(&company, &[("manager.private", "write")]).await;
        boss.pull().await;
        check(&company, "boss", &boss, &[own], "widened again").await;
        let edit = boss.edit(dossier, &[text("preferences", "水")]);
        assert_eq!(all_said(&boss.push(&[edit]).await), ["accepted"]);
        company.done("boss", Method::PATCH, &path, body).await;
        wang.pull().await;
        oracle::check(&company, "wang", &wang, &[own]).await;
        // What the phones hold says which policy it is.
        assert_eq!(company.audited("policy_changed").await, 2);
        let directory = company.done("wang", Method::GET, POLICY, Json::Null).await;
        assert_eq!(directory["version"], 2);
    }
}

#[tokio::test]
async fn a_policy_outside_its_bounds_or_by_somebody_else_is_refused_and_nothing_changes() {
    for company in Company::each().await {
        let before = company.done("wang", Method::GET, POLICY, Json::Null).await;
        let body = |cells: Json| json!({ "version": 0, "cells": cells });
        let good = body(json!({ "manager.internal": "read" }));
        for (login, body, status, code) in [
            ("office", good.clone(), 403, "not_permitted"),
            ("chief", good.clone(), 403, "not_permitted"),
            ("auditor", good.clone(), 403, "not_permitted"),
            ("admin", body(json!({ "owner.card": "read" })), 422, "policy_bounds"),
            (
                "admin",
                body(json!({ "admin.internal": "nothing" })),
                422,
                "policy_bounds",
            ),
            ("admin", body(json!({ "auditor.card": "write" })), 422, "policy_bounds"),
            ("admin", body(json!({ "owner.internal": "read" })), 422, "policy_bounds"),
            ("admin", body(json!({ "team.private": "read" })), 422, "policy_bounds"),
            ("admin", body(json!({ "pool.private": "read" })), 422, "policy_bounds"),
            (
                "admin",
                body(json!({ "manager.internal": "nothing" })),
                422,
                "policy_bounds",
            ),
            ("admin", body(json!({ "nobody.card": "read" })), 400, "invalid_request"),
            (
                "admin",
                body(json!({ "manager.internal": "everything" })),
                400,
                "invalid_request",
            ),
            (
                "admin",
                body(json!({ "manager.card": "read", "pool.card": "write" })),
                422,
                "policy_bounds",
            ),
            (
                "admin",
                json!({ "version": 7, "cells": { "manager.internal": "read" } }),
                409,
                "conflict",
            ),
            ("admin", json!({ "cells": {} }), 400, "invalid_request"),
        ] {
            let (got, answer) = company.api(login, Method::PUT, POLICY, body.clone()).await;
            assert_eq!(
                (got.as_u16(), answer["code"].as_str()),
                (status, Some(code)),
                "{login} {body}"
            );
        }
        // What changes nothing is no change.
        let same = company
            .done(
                "admin",
                Method::PUT,
                POLICY,
                body(json!({ "manager.internal": "write" })),
            )
            .await;
        assert_eq!((&same, company.audited("policy_changed").await), (&before, 0));
        company.done("admin", Method::PUT, POLICY, good).await;
        let (_, answer) = company.api("admin", Method::PUT, POLICY, body(json!({}))).await;
        assert_eq!(
            (answer["code"].as_str(), &answer["version"]),
            (Some("conflict"), &json!(1))
        );
        let change = policy::PolicyChange {
            cells: vec![(Relation::Team, Class::Card, sync_core::visibility::Cell::Write)],
            ..policy::PolicyChange::default()
        };
        let refused = policy::set_policy(company.app(), None, company.org, &change).await;
        assert_eq!(
            refused.unwrap_err().code(),
            Some(Code::PolicyBounds),
            "the operator is bound as well"
        );
    }
}

#[tokio::test]
async fn a_phone_that_was_away_for_many_policies_ends_with_the_one_in_force() {
    let company = Company::on_sqlite().await;
    let own = company.customer_of("wang", "华联").await;
    let mut boss = company.phone("boss").await;
    boss.pull().await;
    let mut fresh = company.phone("boss").await;
    for _ in 0..=policy::PAST_POLICIES_MAX / 2 {
        choose(&company, &[("manager.private", "read")]).await;
        choose(&company, &[("manager.private", "write")]).await;
    }
    choose(&company, &[("manager.card", "read")]).await;
    for phone in [&mut boss, &mut fresh] {
        phone.pull().await;
        check(&company, "boss", phone, &[own], "after many").await;
    }
}
