//! Everything that somebody has goes to others in one transaction: what moves, what stays as it was, who may, what is
//! refused, and what comes back.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use server::{
    actions::{
        organisation::{add_organisation, add_pool},
        people::{NewPerson, PlaceChange, add_person},
        verify::verify,
    },
    storage::{documents, read_model},
};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId, PoolId, UserId},
    protocol::message::IntentAction,
    visibility::{Role, UserState},
};
use tests::{
    oracle,
    wire::{Company, grown, text},
};
use uuid::Uuid;

use super::all_said;

const HANDOVERS: &str = "/api/v1/handovers";
const ALL_ROWS: i64 = 10_000;

/// Wang's customers, one of everything at the first, and what he is responsible for at others.
struct Book {
    own: Vec<CustomerId>,
    /// Li's.
    of_li: CustomerId,
    pooled: CustomerId,
    /// At his own, of which he is responsible by name.
    named: DocumentId,
    /// At Li's.
    helped: DocumentId,
    /// In the pool.
    looked_in: DocumentId,
}

impl Book {
    fn all(&self) -> Vec<CustomerId> {
        let mut all = self.own.clone();
        all.extend([self.of_li, self.pooled]);
        all
    }
}

async fn add(company: &Company, login: &str, customer: CustomerId, list: &str, fields: Json) -> DocumentId {
    let path = format!("/api/v1/customers/{customer}/{list}");
    let answer = company
        .done(login, Method::POST, &path, json!({ "fields": fields }))
        .await;
    DocumentId(answer["id"].as_str().unwrap().parse().unwrap())
}

async fn book(company: &Company) -> Book {
    let mut own = Vec::new();
    for name in ["甲", "乙", "丙"] {
        own.push(company.customer_of("wang", name).await);
    }
    let first = own[0];
    for (list, fields) in [
        (
            "contacts",
            json!({ "name": "陈", "phones": { "mobile": "138 0000 1111" } }),
        ),
        (
            "opportunities",
            json!({ "title": "冷柜", "stage": "proposal", "amount_minor": 500, "currency": "CNY" }),
        ),
        ("opportunities", json!({ "title": "货架", "stage": "won" })),
        (
            "visits",
            json!({ "note": "谈采购", "started_at": 1_772_000_000_000_i64, "next_date": "2026-03-09" }),
        ),
        ("visits", json!({ "planned_at": 1_772_600_000_000_i64 })),
        ("follow-ups", json!({ "text": "寄样品", "due": "2026-03-05" })),
        ("follow-ups", json!({ "text": "打电话", "done": true })),
        ("tickets", json!({ "text": "门坏了", "severity": "high" })),
    ] {
        add(company, "wang", first, list, fields).await;
    }
    let named = add(company, "wang", first, "follow-ups", json!({ "text": "named" })).await;
    company.responsible(first, named, "wang").await;
    let theirs = add(company, "wang", own[1], "opportunities", json!({ "title": "李的" })).await;
    company.responsible(own[1], theirs, "li").await;
    let of_li = company.customer_of("li", "李家").await;
    let helped = add(
        company,
        "li",
        of_li,
        "visits",
        json!({ "planned_at": 1_772_700_000_000_i64 }),
    )
    .await;
    company.responsible(of_li, helped, "wang").await;
    let pooled = company.customer_in_pool("公海客户").await;
    let looked_in = add(company, "wang", pooled, "visits", json!({ "note": "路过" })).await;
    Book {
        own,
        of_li,
        pooled,
        named,
        helped,
        looked_in,
    }
}

/// All that a handover may not touch: every document but for who is responsible and its version, and every change.
async fn record(company: &Company) -> (Vec<String>, Vec<String>) {
    let mut tx = company.app().database.read().await.unwrap();
    let rows = read_model::list_after(&mut tx, company.org, Uuid::nil(), ALL_ROWS)
        .await
        .unwrap();
    let ids: Vec<DocumentId> = rows.iter().map(|row| row.id).collect();
    let changes = documents::list_changes(&mut tx, company.org, &ids, 0).await.unwrap();
    let shown = rows.into_iter().map(|mut row| {
        let document = row.document.as_mut().unwrap();
        document.responsible = None;
        document.version = 0;
        format!("{:?} {} {} {}", row.document, row.first_seq, row.last_seq, row.erased)
    });
    (
        shown.collect(),
        changes.values().flatten().map(|change| format!("{change:?}")).collect(),
    )
}

/// How many rows still name somebody as the one whose it is.
async fn names(company: &Company, login: &str) -> i64 {
    let id = company.user(login).0;
    let user = match company.test.name {
        "sqlite" => format!("x'{}'", id.simple()),
        _ => format!("'{id}'"),
    };
    let scope = |kind: u8| match company.test.name {
        "sqlite" => format!("x'{kind:02x}{}'", id.simple()),
        _ => format!("'\\x{kind:02x}{}'", id.simple()),
    };
    let scopes = [1, 9, 11].map(scope).join(", ");
    let query = format!(
        "SELECT (SELECT COUNT(*) FROM customer WHERE owner_id = {user}) \
         + (SELECT COUNT(*) FROM document WHERE responsible_id = {user}) \
         + (SELECT COUNT(*) FROM scope_member WHERE to_seq IS NULL AND scope IN ({scopes}))"
    );
    company.number(&query).await
}

fn order(company: &Company, to: &str) -> Json {
    json!({ "from": company.user("wang"), "plan": [{ "to": company.user(to) }], "reason": "离职" })
}

fn dry(mut order: Json) -> Json {
    order["dry_run"] = true.into();
    order
}

async fn hand_over(company: &Company, login: &str, order: &Json) -> Json {
    company.done(login, Method::POST, HANDOVERS, order.clone()).await
}

async fn refused(company: &Company, login: &str, order: &Json) -> (u16, String) {
    let (status, answer) = company.api(login, Method::POST, HANDOVERS, order.clone()).await;
    (status.as_u16(), answer["code"].as_str().unwrap_or_default().to_owned())
}

async fn undo(company: &Company, login: &str, id: &Json) -> (StatusCode, Json) {
    let path = format!("{HANDOVERS}/{}", id.as_str().unwrap());
    company.api(login, Method::DELETE, &path, Json::Null).await
}

/// A person and a pool of another organisation.
async fn other_organisation(company: &Company) -> (UserId, PoolId) {
    let app = company.app();
    let org = add_organisation(app, None, "Two", "Asia/Shanghai").await.unwrap();
    let person = NewPerson {
        login: "theirs".to_owned(),
        name: "Theirs".to_owned(),
        email: None,
        role: Role::Rep,
        team: None,
        pools: Vec::new(),
    };
    let user = add_person(app, None, org, &person, None).await.unwrap();
    (user, add_pool(app, None, org, "Two").await.unwrap())
}

/// The tables that have grown, but for the audit, in which each who signs in stands, and the counters: there may be two.
async fn written(company: &Company, before: &BTreeMap<&'static str, i64>) -> Vec<(&'static str, i64)> {
    let mut grown = grown(before, &company.rows().await);
    grown.retain(|(table, _)| !["audit", "log_head"].contains(table));
    grown
}

/// Log, documents, packed copies and the audit's chain agree.
async fn check_whole(company: &Company) {
    let report = verify(&company.app().database, |_| {}).await.unwrap();
    assert!(report.ok, "{}: {report:?}", company.test.name);
}

async fn set_state(company: &Company, login: &str, state: UserState) {
    let change = PlaceChange {
        state: Some(state),
        ..PlaceChange::default()
    };
    company.change_place(login, change).await;
}

#[tokio::test]
async fn everything_of_the_leaver_moves_and_nothing_that_was_written_changes() {
    for company in Company::each().await {
        let book = book(&company).await;
        let (mut wang, mut zhao, mut li) = (
            company.phone("wang").await,
            company.phone("zhao").await,
            company.phone("li").await,
        );
        let mut boss = company.phone("boss").await;
        for phone in [&mut wang, &mut zhao, &mut li, &mut boss] {
            phone.pull().await;
        }
        set_state(&company, "wang", UserState::Offboarding).await;
        let (before, rows) = (record(&company).await, company.rows().await);
        let preview = hand_over(&company, "office", &dry(order(&company, "zhao"))).await;
        assert_eq!(written(&company, &rows).await, [], "a preview writes nothing");
        let done = hand_over(&company, "office", &order(&company, "zhao")).await;

        // What was promised is what was done.
        for member in ["from", "counts", "targets", "skipped", "returned_to_owner", "devices"] {
            assert_eq!(preview[member], done[member], "{member}");
        }
        assert_eq!((&preview["id"], &preview["dry_run"]), (&Json::Null, &json!(true)));
        assert_eq!(done["dry_run"], false);
        assert_eq!(
            done["counts"],
            json!({
                "customers": 3, "opportunities_open": 1, "opportunities_closed": 1, "tasks": 2, "planned_visits": 1,
                "tickets": 1, "responsible_elsewhere": 2,
            })
        );
        assert_eq!(done["targets"][0]["to"]["login"], "zhao");
        assert_eq!(done["targets"][0]["counts"], done["counts"]);
        let phones: Vec<&str> = done["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|device| device["user"]["login"].as_str().unwrap())
            .collect();
        assert_eq!(phones, ["wang", "zhao"]);

        // Nothing active names him; every field, author, date and change is as it was.
        assert_eq!(names(&company, "wang").await, 0);
        assert_eq!(record(&company).await, before);
        let shown = company
            .done(
                "office",
                Method::GET,
                &format!("/api/v1/customers/{}", book.own[0]),
                Json::Null,
            )
            .await;
        assert_eq!(shown["owner"]["login"], "zhao");
        assert!(
            shown["visits"]
                .as_array()
                .unwrap()
                .iter()
                .all(|visit| visit["author"]["login"] == "wang")
        );
        let chain = "SELECT COUNT(*) FROM ownership_event WHERE event = 'handover'";
        assert_eq!(company.number(chain).await, 3 + 3);
        assert_eq!(company.audited("handover").await, 1, "and none for the preview");

        // At their next sync the phones have what their people may read, and the old one is told of each loss.
        for (login, phone) in [("zhao", &mut zhao), ("li", &mut li), ("boss", &mut boss)] {
            phone.pull().await;
            oracle::check(&company, login, phone, &book.all()).await;
        }
        for (customer, document) in [(book.of_li, book.helped), (book.pooled, book.looked_in)] {
            assert_eq!(zhao.held[&document].responsible, Some(zhao.token.user));
            assert!(zhao.access.contains_key(&customer));
        }
        assert_eq!(zhao.held[&book.named].responsible, None);
        check_whole(&company).await;
        set_state(&company, "wang", UserState::Active).await;
        wang.pull().await;
        oracle::check(&company, "wang", &wang, &book.all()).await;
    }
}

#[tokio::test]
async fn what_the_leaver_did_offline_arrives_under_his_name() {
    for company in Company::each().await {
        let book = book(&company).await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let mut drafts = Vec::new();
        for customer in &book.own {
            drafts.push(wang.write(*customer, Kind::Visit, &[text("note", "offline")]));
        }
        let card = wang.card(book.own[0]);
        drafts.push(wang.edit(card, &[text("region", "华东")]));
        hand_over(&company, "boss", &order(&company, "li")).await;
        set_state(&company, "wang", UserState::Offboarding).await;
        let said = all_said(&wang.push(&drafts).await);
        assert_eq!(said[..3], vec!["late"; 3]);
        let mut li = company.phone("li").await;
        li.pull().await;
        for draft in &drafts[..3] {
            let held = &li.held[&draft.document];
            assert_eq!((held.author, held.responsible), (Some(wang.token.user), None));
        }
        assert_eq!(names(&company, "wang").await, 0);
    }
}

#[tokio::test]
async fn a_plan_deals_by_name_region_and_share_to_people_and_pools() {
    for company in Company::each().await {
        let mut by_region = BTreeMap::new();
        for (number, region) in (0..12).zip(["华东", "华北", "华南"].into_iter().cycle()) {
            let customer = company.customer_of("wang", &format!("客户{number}")).await;
            let path = format!("/api/v1/customers/{customer}/card");
            let fields = json!({ "fields": { "region": region } });
            company.done("wang", Method::PATCH, &path, fields).await;
            by_region.entry(region).or_insert_with(Vec::new).push(customer);
        }
        let named = by_region["华东"][0];
        let order = json!({ "from": company.user("wang"), "plan": [
            { "to": company.user("li"), "customers": [named] },
            { "pool": company.pool, "region": "华东" },
            { "to": company.user("zhao"), "share": 3 },
            { "to": company.user("boss"), "share": 1 },
        ]});
        let preview = hand_over(&company, "chief", &dry(order.clone())).await;
        let done = hand_over(&company, "chief", &order).await;
        assert_eq!(preview["targets"], done["targets"]);
        let counts: Vec<i64> = done["targets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|target| target["counts"]["customers"].as_i64().unwrap())
            .collect();
        assert_eq!(counts, [1, 3, 6, 2]);
        assert_eq!(done["targets"][1]["pool"], company.pool.to_string());
        let owner = async |customer: CustomerId| {
            let path = format!("/api/v1/customers/{customer}");
            company.done("office", Method::GET, &path, Json::Null).await
        };
        assert_eq!(owner(named).await["owner"]["login"], "li");
        assert_eq!(owner(by_region["华东"][1]).await["pool"], company.pool.to_string());
        let mut of_zhao = company.phone("zhao").await;
        of_zhao.pull().await;
        let all: Vec<CustomerId> = by_region.values().flatten().copied().collect();
        oracle::check(&company, "zhao", &of_zhao, &all).await;
        // Who is in the pool may claim what is there now.
        let mut li = company.phone("li").await;
        li.pull().await;
        company.ask("li", by_region["华东"][1], IntentAction::Claim).await;
    }
}

#[tokio::test]
async fn a_handover_undone_gives_back_what_nobody_has_moved_since_and_keeps_what_was_done() {
    for company in Company::each().await {
        let book = book(&company).await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let before = record(&company).await;
        let named_before = names(&company, "wang").await;
        let done = hand_over(&company, "boss", &order(&company, "zhao")).await;
        let mut zhao = company.phone("zhao").await;
        zhao.pull().await;
        wang.pull().await;
        // Zhao works, the office gives one of them to Li, and somebody else looks after the pool's visit.
        let visit = add(&company, "zhao", book.own[0], "visits", json!({ "note": "新人来访" })).await;
        company.assign(book.own[2], "li").await;
        company.responsible(book.pooled, book.looked_in, "li").await;
        company.test.app.seam.advance_ms(24 * 3_600_000);

        let (status, answer) = undo(&company, "boss", &done["id"]).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!((&answer["customers"], &answer["documents"]), (&json!(2), &json!(2)));
        assert_eq!(answer["left_alone"], json!({ "moved_again": 1, "changed_since": 1 }));
        let left = json!([
            { "customer": book.own[2], "document": null, "reason": "moved_again" },
            { "customer": book.pooled, "document": book.looked_in, "reason": "changed_since" },
        ]);
        assert_eq!(answer["left"], left);
        // Less by the customer in his book, and by the visit in the pool with its scope.
        assert_eq!(names(&company, "wang").await, named_before - 2 - 2);
        let after = record(&company).await;
        assert!(
            before.0.iter().all(|row| after.0.contains(row)),
            "what was written stays"
        );
        assert_eq!(after.0.len(), before.0.len() + 1);
        for (login, phone) in [("wang", &mut wang), ("zhao", &mut zhao)] {
            phone.pull().await;
            oracle::check(&company, login, phone, &book.all()).await;
        }
        assert_eq!(wang.held[&visit].author, Some(zhao.token.user));
        assert_eq!(wang.held[&book.named].responsible, Some(wang.token.user));
        let chain = "SELECT COUNT(*) FROM ownership_event WHERE event = 'undo_handover'";
        assert_eq!(company.number(chain).await, 4);
        check_whole(&company).await;

        // Once. And what is handed over again can be undone for another day.
        let rows = company.rows().await;
        let (status, answer) = undo(&company, "boss", &done["id"]).await;
        assert_eq!((status.as_u16(), &answer["code"]), (409, &json!("already_undone")));
        assert_eq!(written(&company, &rows).await, []);
        let again = hand_over(&company, "boss", &order(&company, "zhao")).await;
        assert_eq!(again["counts"]["customers"], 2);
        company.test.app.seam.advance_ms(24 * 3_600_000 + 1);
        let rows = company.rows().await;
        let (status, answer) = undo(&company, "boss", &again["id"]).await;
        assert_eq!((status.as_u16(), &answer["code"]), (409, &json!("undo_expired")));
        assert_eq!(written(&company, &rows).await, []);
        assert_eq!(company.audited("handover_undone").await, 1);
    }
}

#[tokio::test]
async fn of_two_who_hand_over_the_same_person_one_does_it_whole_and_the_other_finds_nothing() {
    for company in Company::each().await {
        let book = book(&company).await;
        let (to_zhao, to_li) = (order(&company, "zhao"), order(&company, "li"));
        let (one, other) = tokio::join!(
            company.api("boss", Method::POST, HANDOVERS, to_zhao),
            company.api("office", Method::POST, HANDOVERS, to_li),
        );
        let mut answers = [one, other];
        answers.sort_by_key(|(status, _)| *status);
        assert_eq!(answers[0].0, StatusCode::OK, "{}", answers[0].1);
        assert_eq!(answers[0].1["counts"]["customers"], 3);
        assert_eq!(answers[1].0, StatusCode::CONFLICT);
        assert_eq!(answers[1].1["code"], "nothing_to_hand_over");
        let each = "SELECT MAX(many) FROM (SELECT COUNT(*) AS many FROM ownership_event \
                    WHERE event = 'handover' AND document_id IS NULL GROUP BY customer_id) AS counts";
        assert_eq!(company.number(each).await, 1);
        let owners = "SELECT COUNT(DISTINCT owner_id) FROM customer WHERE name IN ('甲', '乙', '丙')";
        assert_eq!(company.number(owners).await, 1);
        assert_eq!(names(&company, "wang").await, 0);
        let mut zhao = company.phone("zhao").await;
        zhao.pull().await;
        oracle::check(&company, "zhao", &zhao, &book.all()).await;
    }
}

#[tokio::test]
async fn what_cannot_be_handed_over_is_refused_with_its_code_and_nothing_moves() {
    for mut company in Company::each().await {
        let book = book(&company).await;
        let (theirs, their_pool) = other_organisation(&company).await;
        company
            .hire("gone", Role::Rep, Some(company.teams["north"]), vec![])
            .await;
        company
            .hire("going", Role::Rep, Some(company.teams["north"]), vec![])
            .await;
        set_state(&company, "gone", UserState::Disabled).await;
        set_state(&company, "going", UserState::Offboarding).await;
        let user = |login: &str| json!(company.user(login));
        let plan = |plan: Json| json!({ "from": user("wang"), "plan": plan });
        let before = company.rows().await;
        for (order, wanted) in [
            (plan(json!([{ "to": user("wang") }])), (422, "handover_to_self")),
            (plan(json!([{ "to": user("gone") }])), (409, "target_not_active")),
            (plan(json!([{ "to": user("going") }])), (409, "target_not_active")),
            (plan(json!([{ "to": user("auditor") }])), (400, "invalid_request")),
            (plan(json!([])), (422, "plan_empty")),
            (json!({ "from": user("wang") }), (422, "plan_empty")),
            (plan(json!([{}])), (422, "plan_empty")),
            (plan(json!([{ "to": null, "share": 2 }])), (422, "plan_empty")),
            (plan(json!([{ "to": theirs }])), (404, "not_found")),
            (plan(json!([{ "pool": their_pool }])), (404, "not_found")),
            (plan(json!([{ "pool": user("zhao") }])), (404, "not_found")),
            (
                json!({ "from": theirs, "plan": [{ "to": user("zhao") }] }),
                (404, "not_found"),
            ),
            (
                plan(json!([{ "to": user("zhao"), "pool": company.pool }])),
                (400, "invalid_request"),
            ),
            (
                plan(json!([{ "to": user("zhao"), "region": "华东", "share": 1 }])),
                (400, "invalid_request"),
            ),
            (
                plan(json!([{ "to": user("zhao"), "share": 0 }])),
                (400, "invalid_request"),
            ),
            (
                plan(json!([{ "to": user("zhao"), "share": -1 }])),
                (400, "invalid_request"),
            ),
            (
                plan(json!([{ "to": user("zhao"), "share": 1e300 }])),
                (400, "invalid_request"),
            ),
            (
                plan(json!([{ "to": user("zhao"), "region": "" }])),
                (400, "invalid_request"),
            ),
            (
                plan(json!([
                    { "to": user("zhao"), "customers": [book.own[0]] },
                    { "to": user("li"), "customers": [book.own[0]] },
                ])),
                (400, "invalid_request"),
            ),
            (
                plan(json!([{ "to": user("zhao"), "customers": [book.own[0]] }])),
                (422, "plan_incomplete"),
            ),
            (
                plan(json!([{ "to": user("zhao"), "region": "华东" }])),
                (422, "plan_incomplete"),
            ),
            (
                json!({ "from": user("zhao"), "plan": [{ "to": user("li") }] }),
                (409, "nothing_to_hand_over"),
            ),
            (
                json!({ "from": user("wang"), "plan": [{ "to": user("zhao") }], "reason": "x".repeat(501) }),
                (400, "invalid_request"),
            ),
        ] {
            for order in [dry(order.clone()), order.clone()] {
                let (status, code) = refused(&company, "admin", &order).await;
                assert_eq!((status, code.as_str()), wanted, "{order}");
            }
        }
        let partly = plan(json!([{ "to": user("zhao"), "customers": [book.own[0]] }]));
        let (_, answer) = company.api("admin", Method::POST, HANDOVERS, partly).await;
        assert_eq!(answer["unassigned"], 2);
        assert_eq!(written(&company, &before).await, []);

        // What the plan names and he does not have is said, and the rest goes.
        let named = json!([book.own[0], book.own[1], book.own[2], book.of_li, Uuid::from_u128(7)]);
        let order = plan(json!([{ "to": user("zhao"), "customers": named }]));
        let done = hand_over(&company, "admin", &order).await;
        assert_eq!(done["skipped"], json!({ "not_held": 1 }));
        assert_eq!(done["counts"]["customers"], 3);
        let (status, answer) = undo(&company, "admin", &json!(Uuid::from_u128(7).to_string())).await;
        assert_eq!((status.as_u16(), &answer["code"]), (404, &json!("not_found")));
    }
}

#[tokio::test]
async fn who_may_assign_the_leavers_customers_hands_them_over_and_nobody_else() {
    for company in Company::each().await {
        let book = book(&company).await;
        let wish = dry(order(&company, "zhao"));
        for (login, wanted) in [
            ("wang", 403),
            ("zhao", 403),
            ("li", 403),
            ("keeper", 403),
            ("service", 403),
            ("auditor", 403),
            ("boss", 200),
            ("chief", 200),
            ("office", 200),
            ("admin", 200),
        ] {
            let (status, answer) = company.api(login, Method::POST, HANDOVERS, wish.clone()).await;
            assert_eq!(status.as_u16(), wanted, "{login} {answer}");
        }
        // The manager of another team hands over nobody of this one.
        let change = PlaceChange {
            team: Some(Some(company.teams["south"])),
            ..PlaceChange::default()
        };
        company.change_place("boss", change).await;
        assert_eq!(refused(&company, "boss", &wish).await.0, 403);
        // Who has moved to his team brings customers that are still the other team's: they are not his to give.
        let change = PlaceChange {
            team: Some(Some(company.teams["south"])),
            ..PlaceChange::default()
        };
        company.change_place("wang", change).await;
        let new = company.customer_of("wang", "新区客户").await;
        let done = hand_over(&company, "boss", &order(&company, "zhao")).await;
        assert_eq!(done["skipped"], json!({ "not_permitted": 3 }));
        assert_eq!(done["counts"]["customers"], 1);
        // Nor does he make anybody responsible at customers that he does not lead: Li's are south's, the pool's not.
        assert_eq!(done["counts"]["responsible_elsewhere"], 2);
        assert_eq!(done["returned_to_owner"], 1);

        // Who sees it reads it; only who hands over takes it back.
        let path = format!("{HANDOVERS}/{}", done["id"].as_str().unwrap());
        for (login, read, take_back) in [
            ("zhao", 200, 403),
            ("auditor", 200, 403),
            ("li", 404, 404),
            ("wang", 404, 404),
            ("service", 404, 404),
            ("boss", 200, 200),
        ] {
            let (status, _) = company.api(login, Method::GET, &path, Json::Null).await;
            assert_eq!(status.as_u16(), read, "{login}");
            let (status, _) = undo(&company, login, &done["id"]).await;
            assert_eq!(status.as_u16(), take_back, "{login}");
        }
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let mut all = book.all();
        all.push(new);
        oracle::check(&company, "wang", &wang, &all).await;
    }
}

#[tokio::test]
async fn a_handover_is_listed_and_briefs_each_new_owner() {
    for company in Company::each().await {
        let book = book(&company).await;
        set_state(&company, "wang", UserState::Offboarding).await;
        let open = company.done("boss", Method::GET, HANDOVERS, Json::Null).await;
        assert_eq!(open["open"][0]["user"]["login"], "wang");
        assert_eq!((&open["open"][0]["customers"], &open["items"]), (&json!(3), &json!([])));
        let order = json!({ "from": company.user("wang"), "plan": [
            { "to": company.user("zhao"), "customers": [book.own[0], book.of_li] },
            { "to": company.user("li") },
        ]});
        let done = hand_over(&company, "office", &order).await;
        let list = company.done("boss", Method::GET, HANDOVERS, Json::Null).await;
        assert_eq!(list["open"], json!([]));
        assert_eq!(list["items"][0]["id"], done["id"]);
        assert_eq!(
            (&list["items"][0]["state"], &list["items"][0]["may_undo"]),
            (&json!("done"), &json!(true))
        );
        assert_eq!(list["items"][0]["counts"], done["counts"]);
        let none = company.done("keeper", Method::GET, HANDOVERS, Json::Null).await;
        assert_eq!((&none["items"], &none["open"]), (&json!([]), &json!([])));

        // The new owner reads his part: last contact, what was promised, what is open.
        let path = format!("{HANDOVERS}/{}", done["id"].as_str().unwrap());
        let shown = company.done("zhao", Method::GET, &path, Json::Null).await;
        assert_eq!(shown["targets"].as_array().unwrap().len(), 1);
        assert_eq!(shown["counts"]["customers"], 1);
        let briefs = shown["briefing"]["items"].as_array().unwrap();
        let brief = &briefs[0];
        assert_eq!(brief["customer"]["name"], "甲");
        assert!(brief["last_contact"].is_i64());
        assert_eq!(brief["next_date"], "2026-03-09");
        let tasks: Vec<&str> = brief["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| task["kind"].as_str().unwrap())
            .collect();
        assert_eq!(tasks.len(), 3, "two follow-ups and a planned visit: {tasks:?}");
        assert_eq!(brief["opportunities"][0]["fields"]["title"], "冷柜");
        assert_eq!(brief["opportunities"].as_array().unwrap().len(), 1);
        assert_eq!(brief["tickets"][0]["author"]["login"], "wang");
        assert_eq!(briefs[1]["customer"]["name"], "李家");
        assert_eq!(briefs[1]["tasks"][0]["id"], book.helped.to_string());
        // Page by page it is the same, and somebody who sees it all may ask for one part.
        let mut seen = Vec::new();
        let mut query = format!("{path}?limit=1&to={}", company.user("zhao"));
        loop {
            let page = company.done("office", Method::GET, &query, Json::Null).await;
            let items = page["briefing"]["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["customer"]["id"].clone()));
            match page["briefing"]["next"].as_str() {
                Some(next) => query = format!("{path}?limit=1&to={}&after={next}", company.user("zhao")),
                None => break,
            }
        }
        assert_eq!(seen, [json!(book.own[0]), json!(book.of_li)]);
        assert!(company.audited("handover_read").await >= 1);
        let (status, _) = company.api("keeper", Method::GET, &path, Json::Null).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn more_customers_than_a_statement_holds_change_hands_at_once_and_come_back() {
    let company = Company::on_sqlite().await;
    let mut customers = Vec::new();
    for number in 0..70 {
        customers.push(company.customer_of("wang", &format!("客户{number}")).await);
    }
    let mut zhao = company.phone("zhao").await;
    zhao.pull().await;
    let done = hand_over(&company, "office", &order(&company, "zhao")).await;
    assert_eq!(done["counts"]["customers"], 70);
    zhao.pull().await;
    oracle::check(&company, "zhao", &zhao, &customers).await;
    let (status, _) = undo(&company, "office", &done["id"]).await;
    assert_eq!(status, StatusCode::OK);
    zhao.pull().await;
    oracle::check(&company, "zhao", &zhao, &customers).await;
    let events = "SELECT COUNT(DISTINCT seq) FROM ownership_event WHERE event IN ('handover', 'undo_handover')";
    assert_eq!(company.number(events).await, 140);
}
