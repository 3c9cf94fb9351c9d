//! People sign in, fail, and are signed out.

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
    response::Response,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use sync_core::visibility::{Role, UserState};
use tower::ServiceExt;

use super::body;
use crate::{
    actions::people::{PlaceChange, change_place, set_password},
    auth::{FAILURE_WINDOW_MS, SESSION_MS},
    http::router,
    storage::audit,
    testing::{self, PASSWORD, TestApp},
};

async fn post(app: &Router, from: &str, login: &str, password: &str) -> Response {
    let body = json!({"login": login, "password": password}).to_string();
    let address: SocketAddr = format!("{from}:40000").parse().unwrap();
    let request = Request::post("/api/v1/tokens")
        .header("content-type", "application/json")
        .extension(ConnectInfo(address))
        .body(Body::from(body))
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

async fn sign_out(app: &Router, token: &str) -> Response {
    let request = Request::delete("/api/v1/tokens")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

async fn token_of(app: &Router, login: &str) -> String {
    let response = post(app, "10.0.0.1", login, PASSWORD).await;
    assert_eq!(response.status(), StatusCode::OK);
    body(response).await["token"].as_str().unwrap().to_owned()
}

async fn with_wang() -> Vec<(TestApp, Router)> {
    let mut all = Vec::new();
    for test in testing::apps().await {
        let org = test.organisation("百货").await;
        test.person(org, "wang", Role::Rep, None, &[]).await;
        let router = router(test.app.clone());
        all.push((test, router));
    }
    all
}

fn without_id(mut problem: Value) -> Value {
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}

#[tokio::test]
async fn a_person_signs_in_with_his_password_and_out_again() {
    for (test, app) in with_wang().await {
        let response = post(&app, "10.0.0.1", "wang", PASSWORD).await;
        assert_eq!(response.status(), StatusCode::OK);
        let answer = body(response).await;
        assert_eq!(answer["expires_at"], test.app.seam.now().0 + SESSION_MS);
        let token = answer["token"].as_str().unwrap();
        assert_eq!(token.len(), 43);
        assert_eq!(sign_out(&app, token).await.status(), StatusCode::NO_CONTENT);
        let again = sign_out(&app, token).await;
        assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(again.headers()["www-authenticate"], "Bearer");
        assert_eq!(body(again).await["code"], "unauthenticated");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_login_have_the_same_answer() {
    for (_, app) in with_wang().await {
        let wrong = post(&app, "10.0.0.1", "wang", "wrong horse").await;
        let unknown = post(&app, "10.0.0.1", "nobody", "wrong horse").await;
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
        let (wrong, unknown) = (without_id(body(wrong).await), without_id(body(unknown).await));
        assert_eq!(wrong["code"], "wrong_credentials");
        assert_eq!(wrong, unknown);
        let odd = post(&app, "10.0.0.1", "wa\0ng", PASSWORD).await;
        assert_eq!(without_id(body(odd).await), unknown);
    }
}

#[tokio::test]
async fn t082_failures_are_throttled_and_successes_are_not() {
    for (test, app) in with_wang().await {
        for _ in 0..30 {
            assert_eq!(post(&app, "10.0.0.1", "wang", PASSWORD).await.status(), StatusCode::OK);
        }
        for _ in 0..10 {
            assert_eq!(
                post(&app, "10.0.0.9", "wang", "wrong horse").await.status(),
                StatusCode::UNAUTHORIZED
            );
        }
        // Even the right password is not tried now, from there.
        let refused = post(&app, "10.0.0.9", "wang", PASSWORD).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait_s: i64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert_eq!(wait_s * 1000, FAILURE_WINDOW_MS);
        assert_eq!(body(refused).await["code"], "too_many_attempts");
        // The owner, elsewhere, is not shut out by it.
        assert_eq!(post(&app, "10.0.0.1", "wang", PASSWORD).await.status(), StatusCode::OK);
        // And nobody for ever.
        test.app.seam.advance_ms(wait_s * 1000);
        assert_eq!(post(&app, "10.0.0.9", "wang", PASSWORD).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn t082_one_account_from_many_addresses_and_many_accounts_from_one_are_throttled() {
    for (test, app) in with_wang().await {
        let mut tried = 0;
        for address in 0..1000 {
            let from = format!("10.1.{}.{}", address / 250, address % 250);
            if post(&app, &from, "wang", "wrong horse").await.status() == StatusCode::UNAUTHORIZED {
                tried += 1;
            }
        }
        assert_eq!(tried, 50);
        test.app.seam.advance_ms(FAILURE_WINDOW_MS);
        assert_eq!(post(&app, "10.2.0.1", "wang", PASSWORD).await.status(), StatusCode::OK);

        let mut tried = 0;
        for account in 0..300 {
            let response = post(&app, "10.3.0.1", &format!("account{account}"), "Spring2026").await;
            if response.status() == StatusCode::UNAUTHORIZED {
                tried += 1;
            }
        }
        assert_eq!(tried, 100);
    }
}

#[tokio::test]
async fn t082_many_attempts_at_once_do_not_slip_through() {
    for (_, app) in with_wang().await {
        let attempts = (0..60).map(|_| post(&app, "10.0.0.9", "wang", "wrong horse"));
        let answers = futures::future::join_all(attempts).await;
        let tried = answers
            .iter()
            .filter(|answer| answer.status() == StatusCode::UNAUTHORIZED)
            .count();
        assert_eq!(tried, 10);
    }
}

#[tokio::test]
async fn a_session_ends_after_its_time() {
    for (test, app) in with_wang().await {
        let token = token_of(&app, "wang").await;
        test.app.seam.advance_ms(SESSION_MS);
        let answer = sign_out(&app, &token).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(body(answer).await["code"], "reauthenticate");
        crate::jobs::housekeeping::keep_house(&test.app).await.unwrap();
        assert_eq!(body(sign_out(&app, &token).await).await["code"], "unauthenticated");
    }
}

#[tokio::test]
async fn t085_a_person_who_is_disabled_gets_another_role_or_password_is_signed_out() {
    for (test, app) in with_wang().await {
        let org = test.organisation("Elsewhere").await;
        let li = test.person(org, "li", Role::Rep, None, &[]).await;
        let change = |change: PlaceChange| {
            let app = test.app.clone();
            async move { change_place(&app, None, org, li, &change).await.unwrap() }
        };
        let token = token_of(&app, "li").await;
        change(PlaceChange {
            role: Some(Role::Manager),
            ..PlaceChange::default()
        })
        .await;
        assert_eq!(sign_out(&app, &token).await.status(), StatusCode::UNAUTHORIZED);

        let token = token_of(&app, "li").await;
        set_password(&test.app, None, org, li, "another horse").await.unwrap();
        assert_eq!(sign_out(&app, &token).await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            post(&app, "10.0.0.1", "li", PASSWORD).await.status(),
            StatusCode::UNAUTHORIZED
        );

        for state in [UserState::Offboarding, UserState::Disabled] {
            change(PlaceChange {
                state: Some(state),
                ..PlaceChange::default()
            })
            .await;
            let refused = post(&app, "10.0.0.1", "li", "another horse").await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN);
            assert_eq!(body(refused).await["code"], "account_not_active");
        }
        // Somebody else's session is none of this.
        assert_eq!(post(&app, "10.0.0.1", "wang", PASSWORD).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn t074_a_header_that_is_no_single_bearer_token_opens_nothing() {
    for (_, app) in with_wang().await {
        let token = token_of(&app, "wang").await;
        for value in [
            "",
            "Bearer",
            "Bearer ",
            &format!("Basic {token}"),
            &token,
            "Bearer ééé",
            &format!("Bearer {token}x"),
        ] {
            let mut request = Request::delete("/api/v1/tokens").body(Body::empty()).unwrap();
            request
                .headers_mut()
                .insert("authorization", value.as_bytes().try_into().unwrap());
            assert_eq!(
                app.clone().oneshot(request).await.unwrap().status(),
                StatusCode::UNAUTHORIZED,
                "{value}"
            );
        }
        let mut doubled = Request::delete("/api/v1/tokens").body(Body::empty()).unwrap();
        for _ in 0..2 {
            doubled
                .headers_mut()
                .append("authorization", format!("Bearer {token}").parse().unwrap());
        }
        assert_eq!(
            app.clone().oneshot(doubled).await.unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(sign_out(&app, &token).await.status(), StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn t071_signing_in_and_out_is_audited() {
    for (test, app) in with_wang().await {
        let token = token_of(&app, "wang").await;
        sign_out(&app, &token).await;
        let mut tx = test.app.database.read().await.unwrap();
        let org = crate::storage::people::find_by_login(&mut tx, "wang")
            .await
            .unwrap()
            .unwrap()
            .org;
        let rows = audit::list_after(&mut tx, org, 0, 100).await.unwrap();
        let actions: Vec<_> = rows.iter().map(|row| row.action.as_str()).collect();
        assert_eq!(actions, ["organisation_added", "user_added", "signed_in", "signed_out"]);
        assert!(
            rows.iter()
                .all(|row| !row.detail.contains("wang") && !row.subject.contains("wang"))
        );
    }
}
