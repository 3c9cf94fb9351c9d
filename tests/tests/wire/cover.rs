//! Somebody on leave: a colleague sees and writes his customers for a while, and then no more.

use axum::http::Method;
use serde_json::{Value as Json, json};
use server::{
    actions::{
        covers::{COVER_MS_MAX, COVERS_PER_PERSON_MAX, end_due},
        people::PlaceChange,
        verify::verify,
    },
    storage::documents,
};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId},
    protocol::message::IntentAction,
    visibility::{Role, UserState},
};
use tests::{
    oracle,
    wire::{Client, Company, text},
};

use super::all_said;

const COVERS: &str = "/api/v1/covers";
const HOUR_MS: i64 = 3_600_000;

fn order(company: &Company, of: &str, by: &str) -> Json {
    json!({
        "of": company.user(of), "by": company.user(by), "all": true, "reason": "休假",
        "until": company.app().seam.now().0 + HOUR_MS,
    })
}

fn some(mut order: Json, customers: &[CustomerId]) -> Json {
    order["all"] = false.into();
    order["customers"] = json!(customers);
    order
}

async fn begin(company: &Company, login: &str, order: &Json) -> Json {
    company.done(login, Method::POST, COVERS, order.clone()).await
}

async fn refused(company: &Company, login: &str, order: &Json) -> (u16, String) {
    let (status, answer) = company.api(login, Method::POST, COVERS, order.clone()).await;
    (status.as_u16(), answer["code"].as_str().unwrap_or_default().to_owned())
}

async fn end(company: &Company, login: &str, cover: &Json) -> (u16, Json) {
    let path = format!("{COVERS}/{}", cover["id"].as_str().unwrap());
    let (status, answer) = company.api(login, Method::DELETE, &path, Json::Null).await;
    (status.as_u16(), answer)
}

async fn list(company: &Company, login: &str) -> Vec<Json> {
    let answer = company.done(login, Method::GET, COVERS, Json::Null).await;
    answer["items"].as_array().unwrap().clone()
}

/// Wang's and Li's phones, synced, with two customers of Wang's.
async fn before_the_leave(company: &Company) -> (Client, Client, Vec<CustomerId>) {
    let mut own = Vec::new();
    for name in ["甲", "乙"] {
        own.push(company.customer_of("wang", name).await);
    }
    let (mut wang, mut li) = (company.phone("wang").await, company.phone("li").await);
    wang.pull().await;
    li.pull().await;
    let notes = wang.write(own[0], Kind::Dossier, &[text("needs", "冷柜")]);
    let contact = wang.write(own[0], Kind::Contact, &[text("name", "陈")]);
    wang.push(&[notes, contact]).await;
    (wang, li, own)
}

/// Orders to drop a customer that this phone has not confirmed.
async fn unconfirmed(company: &Company, phone: &Client) -> i64 {
    let device = company.literal(phone.token.device.0);
    let query = format!("SELECT COUNT(*) FROM eviction WHERE confirmed_at IS NULL AND device_id = {device}");
    company.number(&query).await
}

async fn responsible(company: &Company, document: DocumentId) -> Option<sync_core::ids::UserId> {
    let mut tx = company.app().database.read().await.unwrap();
    let rows = documents::list_by_id(&mut tx, company.org, &[document]).await.unwrap();
    rows[0].responsible
}

#[tokio::test]
async fn a_cover_gains_everything_writes_it_and_loses_it_by_itself_at_the_end() {
    for company in Company::each().await {
        let (mut wang, mut li, mut own) = before_the_leave(&company).await;
        oracle::check(&company, "li", &li, &own).await;
        let begun = begin(&company, "chief", &order(&company, "wang", "li")).await;
        assert_eq!((&begun["all"], &begun["customers"]), (&json!(true), &json!(2)));
        li.pull().await;
        oracle::check(&company, "li", &li, &own).await;
        assert_eq!(li.access.len(), 2);
        // What he gets meanwhile is covered too; what leaves him is not any more.
        own.push(company.customer_of("wang", "丙").await);
        li.pull().await;
        oracle::check(&company, "li", &li, &own).await;
        assert!(li.access.contains_key(&own[2]));
        company.assign(own[1], "zhao").await;
        li.pull().await;
        oracle::check(&company, "li", &li, &own).await;
        assert!(!li.access.contains_key(&own[1]));
        li.confirm().await;

        // Both write; the owner stays the owner, and is responsible for what the cover adds.
        let visit = li.write(own[0], Kind::Visit, &[text("note", "代管期间")]);
        let dossier = DocumentId::derived(company.org, own[0], Kind::Dossier, 0);
        let needs = li.edit(dossier, &[text("needs", "冷柜, 货架")]);
        assert_eq!(all_said(&li.push(&[visit.clone(), needs]).await), ["accepted"; 2]);
        assert_eq!(responsible(&company, visit.document).await, None);
        let plan = wang.write(own[0], Kind::FollowUp, &[text("text", "回来后")]);
        assert_eq!(all_said(&wang.push(&[plan]).await), ["accepted"]);
        for phone in [&mut wang, &mut li] {
            phone.pull().await;
        }
        oracle::check(&company, "wang", &wang, &own).await;
        oracle::check(&company, "li", &li, &own).await;
        assert_eq!(wang.held[&visit.document].author, Some(li.token.user));

        // Not a moment before the end, and then for good, whichever node sees it first and however often.
        company.app().seam.advance_ms(HOUR_MS - 1_000);
        assert_eq!(end_due(company.app()).await.unwrap(), 0);
        let unsent = li.write(own[0], Kind::Visit, &[text("note", "还没上传")]);
        company.app().seam.advance_ms(1_000);
        assert_eq!(end_due(company.app()).await.unwrap(), 1);
        assert_eq!(end_due(company.app()).await.unwrap(), 0);
        assert_eq!(all_said(&li.push(std::slice::from_ref(&unsent)).await), ["late"]);
        li.pull().await;
        assert!(li.held.is_empty() && li.access.is_empty(), "{}", company.test.name);
        oracle::check(&company, "li", &li, &own).await;
        li.confirm().await;
        assert_eq!(unconfirmed(&company, &li).await, 0);
        let after = li.write(own[0], Kind::Visit, &[text("note", "太晚")]);
        assert_eq!(all_said(&li.push(&[after]).await), ["quarantined no_permission"]);

        // What was written stays, under its author's name.
        wang.pull().await;
        oracle::check(&company, "wang", &wang, &own).await;
        for document in [visit.document, unsent.document] {
            assert_eq!(wang.held[&document].author, Some(li.token.user));
        }
        assert_eq!(company.audited("cover_begun").await, 1);
        assert_eq!(company.audited("cover_ended").await, 1);
        let listed = list(&company, "wang").await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["ended_by"], Json::Null);
        assert_eq!(listed[0]["ended_at"], begun["until"]);
        assert!(verify(&company.app().database, |_| {}).await.unwrap().ok);
    }
}

#[tokio::test]
async fn a_cover_of_some_customers_sees_these_and_none_that_goes_to_somebody_else() {
    for company in Company::each().await {
        let (_, mut li, own) = before_the_leave(&company).await;
        let cover = begin(&company, "boss", &some(order(&company, "wang", "li"), &own)).await;
        li.pull().await;
        oracle::check(&company, "li", &li, &own).await;
        assert_eq!(li.access.len(), 2);
        let later = company.customer_of("wang", "丙").await;
        company.assign(own[1], "zhao").await;
        li.pull().await;
        assert_eq!(li.access.keys().collect::<Vec<_>>(), [&own[0]]);
        oracle::check(&company, "li", &li, &[own[0], own[1], later]).await;
        // The owner is back before the time.
        assert_eq!(end(&company, "li", &cover).await.0, 403);
        assert_eq!(end(&company, "zhao", &cover).await.0, 404);
        let (status, ended) = end(&company, "wang", &cover).await;
        assert_eq!((status, &ended["ended_by"]["login"]), (200, &json!("wang")));
        // Again it changes nothing, and the job has nothing to do.
        assert_eq!(end(&company, "boss", &cover).await.1["ended_at"], ended["ended_at"]);
        company.app().seam.advance_ms(2 * HOUR_MS);
        assert_eq!(end_due(company.app()).await.unwrap(), 0);
        assert_eq!(company.audited("cover_ended").await, 1);
        li.pull().await;
        assert!(li.access.is_empty());
        oracle::check(&company, "li", &li, &own).await;
        // And once more, for the same customers.
        begin(&company, "boss", &some(order(&company, "wang", "li"), &own[..1])).await;
        li.pull().await;
        assert_eq!(li.access.keys().collect::<Vec<_>>(), [&own[0]]);
        oracle::check(&company, "li", &li, &own).await;
        assert!(verify(&company.app().database, |_| {}).await.unwrap().ok);
    }
}

#[tokio::test]
async fn a_colleague_of_the_team_keeps_after_the_cover_what_he_had_before() {
    for company in Company::each().await {
        let (_, _, own) = before_the_leave(&company).await;
        let mut zhao = company.phone("zhao").await;
        zhao.pull().await;
        let cards = zhao.held.len();
        begin(&company, "boss", &order(&company, "wang", "zhao")).await;
        zhao.pull().await;
        oracle::check(&company, "zhao", &zhao, &own).await;
        assert!(zhao.held.len() > cards);
        company.app().seam.advance_ms(HOUR_MS);
        end_due(company.app()).await.unwrap();
        zhao.pull().await;
        oracle::check(&company, "zhao", &zhao, &own).await;
        assert_eq!(zhao.held.len(), cards);
        // A loss of some rights is confirmed like one of all.
        let losses = zhao.access.values().filter(|item| item.lost.is_some());
        zhao.losses = losses.cloned().collect();
        assert_eq!(zhao.losses.len(), 2);
        zhao.confirm().await;
        assert_eq!(unconfirmed(&company, &zhao).await, 0);
    }
}

#[tokio::test]
async fn a_cover_gives_nothing_away_and_ends_with_the_one_who_stands_in() {
    for company in Company::each().await {
        let (_, mut li, own) = before_the_leave(&company).await;
        begin(&company, "office", &order(&company, "wang", "li")).await;
        li.pull().await;
        for action in [
            IntentAction::Assign {
                owner: company.user("li"),
                reason: String::new(),
            },
            IntentAction::Release {
                pool: Some(company.pool),
                reason: String::new(),
            },
        ] {
            let outcome = li.ask(own[0], action).await;
            assert!(format!("{outcome:?}").contains("not_permitted"), "{outcome:?}");
        }
        // What he made himself responsible for would outlast the cover; giving it back to the owner does not.
        let ticket = li.write(own[0], Kind::Ticket, &[text("text", "broken")]);
        li.push(std::slice::from_ref(&ticket)).await;
        for (to, allowed) in [("li", false), ("zhao", false), ("wang", true)] {
            let action = IntentAction::Responsible {
                document: ticket.document,
                user: Some(company.user(to)),
            };
            let outcome = li.ask(own[0], action).await;
            let refused = format!("{outcome:?}").contains("not_permitted");
            assert_eq!(!refused, allowed, "{to}: {outcome:?}");
        }
        let change = PlaceChange {
            state: Some(UserState::Disabled),
            ..PlaceChange::default()
        };
        company.change_place("li", change).await;
        let scopes = "SELECT COUNT(*) FROM viewer_scope WHERE to_seq IS NULL AND relation = 'cover' AND user_id = ";
        let scopes = format!("{scopes}{}", company.literal(company.user("li").0));
        assert_eq!(company.number(&scopes).await, 0);
        company.app().seam.advance_ms(HOUR_MS);
        assert_eq!(end_due(company.app()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn who_may_not_or_cannot_be_covered_is_told_why_and_nothing_begins() {
    for mut company in Company::each().await {
        let (_, _, own) = before_the_leave(&company).await;
        let foreign = company.customer_of("li", "李家").await;
        company.hire("gone", Role::Rep, None, vec![]).await;
        let change = PlaceChange {
            state: Some(UserState::Disabled),
            ..PlaceChange::default()
        };
        company.change_place("gone", change).await;
        let base = order(&company, "wang", "li");
        let with = |member: &str, value: Json| {
            let mut order = base.clone();
            order[member] = value;
            order
        };
        let now = company.app().seam.now().0;
        let nobody = json!(uuid::Uuid::from_u128(7));
        for (login, order, status, code) in [
            ("wang", base.clone(), 403, "not_permitted"),
            ("auditor", base.clone(), 403, "not_permitted"),
            ("boss", order(&company, "li", "wang"), 403, "not_permitted"),
            ("office", order(&company, "wang", "wang"), 422, "cover_by_self"),
            ("office", order(&company, "wang", "gone"), 409, "target_not_active"),
            ("office", order(&company, "gone", "wang"), 409, "target_not_active"),
            ("office", order(&company, "wang", "auditor"), 400, "invalid_request"),
            ("office", with("by", nobody.clone()), 404, "not_found"),
            ("office", with("of", nobody.clone()), 404, "not_found"),
            ("office", with("until", json!(now)), 400, "invalid_request"),
            (
                "office",
                with("until", json!(now + COVER_MS_MAX + 60_000)),
                400,
                "invalid_request",
            ),
            ("office", with("until", json!(i64::MIN)), 400, "invalid_request"),
            ("office", with("until", json!(i64::MAX)), 400, "invalid_request"),
            ("office", with("all", json!(false)), 400, "invalid_request"),
            ("office", with("customers", json!(own)), 400, "invalid_request"),
            ("office", some(base.clone(), &[]), 400, "invalid_request"),
            ("office", some(base.clone(), &[own[0], foreign]), 404, "not_found"),
            (
                "office",
                with("reason", json!("长".repeat(501))),
                400,
                "invalid_request",
            ),
        ] {
            assert_eq!(
                refused(&company, login, &order).await,
                (status, code.to_owned()),
                "{} {login} {order}",
                company.test.name
            );
        }
        assert_eq!(company.number("SELECT COUNT(*) FROM cover").await, 0);
        assert_eq!(company.audited("cover_begun").await, 0);
        // Twice by the same colleague is one too many; by two colleagues it is a leave that is shared.
        begin(&company, "office", &some(base.clone(), &own[..1])).await;
        assert_eq!(refused(&company, "office", &base).await, (409, "conflict".to_owned()));
        begin(&company, "office", &order(&company, "wang", "zhao")).await;
        for (login, seen) in [("wang", 2), ("li", 1), ("boss", 2), ("auditor", 2), ("keeper", 0)] {
            assert_eq!(list(&company, login).await.len(), seen, "{login}");
        }
    }
}

#[tokio::test]
async fn a_manager_does_not_give_away_what_somebody_brought_from_another_team() {
    let mut company = Company::on_sqlite().await;
    let (_, _, own) = before_the_leave(&company).await;
    let change = PlaceChange {
        team: Some(Some(company.teams["south"])),
        ..PlaceChange::default()
    };
    company.change_place("wang", change).await;
    let south = company.teams["south"];
    company.hire("other", Role::Manager, Some(south), vec![]).await;
    let base = order(&company, "wang", "li");
    assert_eq!(
        refused(&company, "other", &base).await,
        (403, "not_permitted".to_owned())
    );
    let named = some(base.clone(), &own[..1]);
    assert_eq!(
        refused(&company, "other", &named).await,
        (403, "not_permitted".to_owned())
    );
    begin(&company, "office", &base).await;
}

#[tokio::test]
async fn nobody_stands_in_for_more_people_than_his_phone_can_ask_for() {
    let mut company = Company::on_sqlite().await;
    for number in 0..=COVERS_PER_PERSON_MAX {
        let login = format!("rep{number}");
        company.hire(&login, Role::Rep, None, vec![]).await;
        let order = order(&company, &login, "li");
        if number < COVERS_PER_PERSON_MAX {
            begin(&company, "office", &order).await;
        } else {
            assert_eq!(refused(&company, "office", &order).await, (413, "too_large".to_owned()));
        }
    }
}
