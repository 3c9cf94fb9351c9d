//! Teams under another parent, a manager in another team, somebody in another pool: each phone gains and loses what
//! follows from it, after what it still held was handed in.

use axum::http::Method;
use serde_json::{Value as Json, json};
use server::actions::people::PlaceChange;
use sync_core::{document::Kind, ids::CustomerId};
use tests::{
    oracle,
    wire::{Client, Company, text},
};

use super::all_said;

async fn move_team(company: &Company, login: &str, team: &str, parent: Option<&str>) -> (u16, Json) {
    let path = format!("/api/v1/teams/{}", company.teams[team]);
    let parent = parent.map(|parent| company.teams[parent]);
    let body = json!({ "parent": parent });
    let (status, answer) = company.api(login, Method::PUT, &path, body).await;
    (status.as_u16(), answer)
}

async fn unconfirmed(company: &Company, phone: &Client) -> i64 {
    let device = company.literal(phone.token.device.0);
    let query = format!("SELECT COUNT(*) FROM eviction WHERE confirmed_at IS NULL AND device_id = {device}");
    company.number(&query).await
}

/// The phone has lost these, hands in a visit it made before, says so, and holds exactly what its person may read.
async fn loses(company: &Company, login: &str, phone: &mut Client, lost: &[CustomerId], all: &[CustomerId]) {
    let visit = phone.write(lost[0], Kind::Visit, &[text("note", "没来得及上传")]);
    assert_eq!(all_said(&phone.push(&[visit]).await), ["late"], "{login}");
    phone.pull().await;
    oracle::check(company, login, phone, all).await;
    for customer in lost {
        assert!(!phone.access.contains_key(customer), "{login} on {}", company.test.name);
        assert!(phone.held.values().all(|held| held.customer != *customer), "{login}");
    }
    phone.confirm().await;
    assert_eq!(unconfirmed(company, phone).await, 0, "{login}");
    let visit = phone.write(lost[0], Kind::Visit, &[text("note", "太晚")]);
    assert_eq!(
        all_said(&phone.push(&[visit]).await),
        ["quarantined no_permission"],
        "{login}"
    );
    phone.held.retain(|_, held| held.customer != lost[0]);
    phone.take_new_actor();
}

async fn gains(company: &Company, login: &str, phone: &mut Client, gained: &[CustomerId], all: &[CustomerId]) {
    phone.pull().await;
    oracle::check(company, login, phone, all).await;
    for customer in gained {
        assert!(phone.access.contains_key(customer), "{login} on {}", company.test.name);
    }
}

#[tokio::test]
async fn t068_a_manager_who_moves_loses_the_old_teams_customers_and_gains_the_new_ones() {
    for company in Company::each().await {
        let (north, south) = (
            company.customer_of("wang", "甲").await,
            company.customer_of("li", "乙").await,
        );
        let all = [north, south];
        let mut boss = company.phone("boss").await;
        boss.pull().await;
        oracle::check(&company, "boss", &boss, &all).await;
        let change = PlaceChange {
            team: Some(Some(company.teams["south"])),
            ..PlaceChange::default()
        };
        company.change_place("boss", change).await;
        loses(&company, "boss", &mut boss, &[north], &all).await;
        gains(&company, "boss", &mut boss, &[south], &all).await;
        assert_eq!(company.audited("user_changed").await, 1);
    }
}

#[tokio::test]
async fn a_team_under_another_parent_changes_the_phones_of_the_managers_above() {
    for mut company in Company::each().await {
        let region = server::actions::organisation::add_team(company.app(), None, company.org, "region", None)
            .await
            .unwrap();
        company.teams.insert("region", region);
        let below = server::actions::organisation::add_team(
            company.app(),
            None,
            company.org,
            "below",
            Some(company.teams["south"]),
        )
        .await
        .unwrap();
        company.teams.insert("below", below);
        company
            .hire("regional", sync_core::visibility::Role::Manager, Some(region), vec![])
            .await;
        company
            .hire("deep", sync_core::visibility::Role::Rep, Some(below), vec![])
            .await;
        let (north, south) = (
            company.customer_of("wang", "甲").await,
            company.customer_of("li", "乙").await,
        );
        let deep = company.customer_of("deep", "丙").await;
        let all = [north, south, deep];
        let (mut chief, mut regional, mut boss) = (
            company.phone("chief").await,
            company.phone("regional").await,
            company.phone("boss").await,
        );
        for phone in [&mut chief, &mut regional, &mut boss] {
            phone.pull().await;
        }
        oracle::check(&company, "chief", &chief, &all).await;
        assert!(regional.access.is_empty());

        // With all that is below it.
        assert_eq!(move_team(&company, "admin", "south", Some("region")).await.0, 200);
        loses(&company, "chief", &mut chief, &[south, deep], &all).await;
        gains(&company, "regional", &mut regional, &[south, deep], &all).await;
        let before = boss.cursor.clone();
        boss.pull().await;
        oracle::check(&company, "boss", &boss, &all).await;
        assert!(before.is_some());
        // Twice is once; to the top, and back.
        assert_eq!(move_team(&company, "admin", "south", Some("region")).await.0, 200);
        assert_eq!(company.audited("team_moved").await, 1);
        assert_eq!(move_team(&company, "admin", "south", None).await.0, 200);
        loses(&company, "regional", &mut regional, &[south, deep], &all).await;
        assert_eq!(move_team(&company, "admin", "south", Some("head")).await.0, 200);
        gains(&company, "chief", &mut chief, &[south, deep], &all).await;

        // Nothing goes below itself, and nobody else decides.
        for (login, team, parent, status, code) in [
            ("admin", "south", Some("south"), 400, "invalid_request"),
            ("admin", "head", Some("below"), 400, "invalid_request"),
            ("chief", "south", None, 403, "not_permitted"),
            ("office", "south", None, 403, "not_permitted"),
        ] {
            let (got, answer) = move_team(&company, login, team, parent).await;
            assert_eq!(
                (got, answer["code"].as_str()),
                (status, Some(code)),
                "{login} {team} {parent:?}"
            );
        }
        let nowhere = json!({ "parent": uuid::Uuid::from_u128(9) });
        let path = format!("/api/v1/teams/{}", company.teams["south"]);
        assert_eq!(company.api("admin", Method::PUT, &path, nowhere).await.0.as_u16(), 404);
        chief.pull().await;
        oracle::check(&company, "chief", &chief, &all).await;
    }
}

#[tokio::test]
async fn whoever_leaves_a_pool_loses_its_customers_and_whoever_joins_gains_them() {
    for company in Company::each().await {
        let pooled = company.customer_in_pool("公海客户").await;
        let (mut wang, mut zhao) = (company.phone("wang").await, company.phone("zhao").await);
        for phone in [&mut wang, &mut zhao] {
            phone.pull().await;
        }
        assert!(wang.access.contains_key(&pooled) && !zhao.access.contains_key(&pooled));
        for (login, pools) in [("wang", vec![]), ("zhao", vec![(company.pool, false)])] {
            let change = PlaceChange {
                pools: Some(pools),
                ..PlaceChange::default()
            };
            company.change_place(login, change).await;
        }
        loses(&company, "wang", &mut wang, &[pooled], &[pooled]).await;
        gains(&company, "zhao", &mut zhao, &[pooled], &[pooled]).await;
        // A member who becomes its administrator writes what he read.
        let change = PlaceChange {
            pools: Some(vec![(company.pool, true)]),
            ..PlaceChange::default()
        };
        company.change_place("zhao", change).await;
        gains(&company, "zhao", &mut zhao, &[pooled], &[pooled]).await;
        assert!(zhao.access[&pooled].rights.of(Kind::Card).may_write());
    }
}
