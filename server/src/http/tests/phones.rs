//! Phones are enrolled, prove themselves, and are turned away.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    response::Response,
    routing::get,
};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sync_core::{
    ids::{DeviceId, OrgId, UserId},
    visibility::{Role, UserState},
};
use tower::ServiceExt;

use super::body;
use crate::{
    actions::{
        ActionError,
        devices::DEVICES_PER_PERSON_MAX,
        people::{PlaceChange, change_place},
    },
    app::App,
    auth::{CHALLENGE_MS, DRAIN_DAYS, check_device, proof_message, verify_token, wiped_message},
    http::{Problem, extract::Device, layers, router},
    storage::devices::{self, DeviceMessage, DeviceState},
    testing::{self, PASSWORD, TestApp},
};

struct Phone {
    key: SigningKey,
    org: OrgId,
    user: UserId,
    device: DeviceId,
}

async fn post(app: &Router, path: &str, request: Value) -> Response {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(request.to_string()))
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

fn enrolment(key: &SigningKey) -> Value {
    json!({
        "login": "wang",
        "password": PASSWORD,
        "name": "Wang's phone",
        "public_key": hex::encode(key.verifying_key().as_bytes()),
    })
}

async fn enrol(app: &Router, seed: u8) -> Phone {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let response = post(app, "/v1/devices", enrolment(&key)).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let answer = body(response).await;
    let id = |name: &str| answer[name].as_str().unwrap().to_owned();
    Phone {
        key,
        org: id("org").parse().unwrap(),
        user: id("user").parse().unwrap(),
        device: id("device").parse().unwrap(),
    }
}

async fn challenge(app: &Router, phone: &Phone) -> Vec<u8> {
    let response = post(app, "/v1/challenge", json!({"org": phone.org, "device": phone.device})).await;
    assert_eq!(response.status(), StatusCode::OK);
    hex::decode(body(response).await["nonce"].as_str().unwrap()).unwrap()
}

async fn answer(app: &Router, phone: &Phone, key: &SigningKey, challenge: &[u8]) -> Response {
    let signature = key.sign(&proof_message(phone.device, challenge));
    let request = json!({
        "org": phone.org,
        "device": phone.device,
        "nonce": hex::encode(challenge),
        "signature": hex::encode(signature.to_bytes()),
        "app_version": "1.2.3",
    });
    post(app, "/v1/token", request).await
}

async fn prove(app: &Router, phone: &Phone) -> Response {
    let challenge = challenge(app, phone).await;
    answer(app, phone, &phone.key, &challenge).await
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

/// A route for devices, inside the real layers.
fn device_route(app: &App) -> Router {
    async fn who(state: axum::extract::State<App>, Device(token): Device) -> Result<String, Problem> {
        let mut tx = state.database.read().await?;
        let access = check_device(&mut tx, &token, state.seam.now())
            .await
            .map_err(|error: ActionError| Problem::from(error))?;
        Ok(format!("{} {}", access.account.login, access.drain))
    }
    Router::new()
        .route("/v1/who", get(who))
        .layer(axum::middleware::from_fn_with_state(app.clone(), layers::each_request))
        .with_state(app.clone())
}

async fn who(app: &App, token: &str) -> Response {
    let request = Request::get("/v1/who")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    device_route(app).oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    use http_body_util::BodyExt;
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn an_enrolled_phone_proves_itself_and_gets_a_token_of_ten_minutes() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let response = prove(&app, &phone).await;
        assert_eq!(response.status(), StatusCode::OK);
        let proved = body(response).await;
        assert_eq!(proved["state"], "active");
        assert_eq!(proved["expires_at"], test.app.seam.now().0 + 600_000);
        let token = proved["token"].as_str().unwrap();
        assert!(token.len() < 360, "{}", token.len());
        let known = verify_token(&test.app.keys, test.app.seam.now(), token).unwrap();
        assert_eq!(
            (known.org, known.user, known.device, known.drain),
            (phone.org, phone.user, phone.device, false)
        );
        assert_eq!(text(who(&test.app, token).await).await, "wang false");
        let mut tx = test.app.database.read().await.unwrap();
        let row = devices::find(&mut tx, phone.org, phone.device).await.unwrap().unwrap();
        assert_eq!((row.app_version.as_str(), row.state), ("1.2.3", DeviceState::Active));
    }
}

#[tokio::test]
async fn t080_a_challenge_works_once() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let nonce = challenge(&app, &phone).await;
        assert_eq!(answer(&app, &phone, &phone.key, &nonce).await.status(), StatusCode::OK);
        let again = answer(&app, &phone, &phone.key, &nonce).await;
        assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(body(again).await["code"], "proof_refused");
        // An honest phone asks for another one.
        test.app.seam.advance_ms(1);
        assert_eq!(prove(&app, &phone).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn t080_a_challenge_is_over_after_a_minute_and_none_can_be_made_up() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let nonce = challenge(&app, &phone).await;
        for position in 0..nonce.len() {
            let mut forged = nonce.clone();
            forged[position] ^= 1;
            assert_eq!(
                answer(&app, &phone, &phone.key, &forged).await.status(),
                StatusCode::UNAUTHORIZED
            );
        }
        for length in 0..nonce.len() {
            let refused = answer(&app, &phone, &phone.key, &nonce[..length]).await;
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        }
        test.app.seam.advance_ms(CHALLENGE_MS + 1);
        assert_eq!(
            answer(&app, &phone, &phone.key, &nonce).await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
}

#[tokio::test]
async fn t081_only_the_key_made_on_the_device_answers_for_it() {
    for (_, app) in with_wang().await {
        let (phone, other) = (enrol(&app, 7).await, enrol(&app, 8).await);
        let nonce = challenge(&app, &phone).await;
        assert_eq!(
            answer(&app, &phone, &other.key, &nonce).await.status(),
            StatusCode::UNAUTHORIZED
        );
        // Nor does a challenge for one device serve another.
        assert_eq!(
            answer(&app, &other, &other.key, &nonce).await.status(),
            StatusCode::UNAUTHORIZED
        );
        // A signature over something else than the proof is none.
        let bare = json!({
            "org": phone.org, "device": phone.device, "nonce": hex::encode(&nonce),
            "signature": hex::encode(phone.key.sign(&nonce).to_bytes()), "app_version": "1",
        });
        assert_eq!(post(&app, "/v1/token", bare).await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer(&app, &phone, &phone.key, &nonce).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_device_that_does_not_exist_is_challenged_and_refused_like_a_wrong_proof() {
    for (_, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let ghost = Phone {
            device: DeviceId(uuid::Uuid::nil()),
            ..enrol(&app, 8).await
        };
        let nonce = challenge(&app, &phone).await;
        let wrong = answer(&app, &phone, &ghost.key, &nonce).await;
        let unknown = prove(&app, &ghost).await;
        assert_eq!(wrong.status(), unknown.status());
        let (mut wrong, mut unknown) = (body(wrong).await, body(unknown).await);
        wrong["request_id"] = Value::Null;
        unknown["request_id"] = Value::Null;
        assert_eq!(wrong, unknown);
    }
}

#[tokio::test]
async fn a_revoked_device_may_hand_in_for_some_days_and_is_told_so_at_once_then() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let other = enrol(&app, 8).await;
        let token = body(prove(&app, &phone).await).await["token"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut tx = test.app.database.write().await.unwrap();
        let now = test.app.seam.now();
        assert!(devices::revoke(&mut tx, phone.org, phone.device, now).await.unwrap());
        assert!(!devices::revoke(&mut tx, phone.org, phone.device, now).await.unwrap());
        // The phone of somebody who leaves gets no new days by it.
        let since = now.plus_ms(-1000);
        let org = other.org;
        devices::set_draining(&mut tx, org, other.user, Some(since))
            .await
            .unwrap();
        assert!(devices::revoke(&mut tx, org, other.device, now).await.unwrap());
        let (_, revoked_at) = devices::find_state(&mut tx, org, other.device).await.unwrap().unwrap();
        assert_eq!(revoked_at, Some(since));
        tx.commit().await.unwrap();
        // With a token from before, too.
        assert_eq!(text(who(&test.app, &token).await).await, "wang true");
        test.app.seam.advance_ms(DRAIN_DAYS * 24 * 3600 * 1000);
        let proved = body(prove(&app, &phone).await).await;
        assert_eq!(proved["state"], "revoked");
        let token = proved["token"].as_str().unwrap();
        assert!(verify_token(&test.app.keys, test.app.seam.now(), token).unwrap().drain);
        // It may still hand in; a moment later no more.
        test.app.seam.advance_ms(1);
        let refused = who(&test.app, token).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(body(refused).await["code"], "device_revoked");
        let refused = prove(&app, &phone).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(body(refused).await["code"], "device_revoked");
    }
}

async fn say_wiped(app: &Router, phone: &Phone, message: &[u8], nonce: &[u8]) -> Response {
    let request = json!({
        "org": phone.org,
        "device": phone.device,
        "nonce": hex::encode(nonce),
        "signature": hex::encode(phone.key.sign(message).to_bytes()),
        "reason": "signed_out",
        "discarded": 2,
    });
    post(app, "/v1/wiped", request).await
}

#[tokio::test]
async fn a_phone_whose_person_has_logged_out_says_so_with_its_key_and_is_no_device_any_more() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let token = body(prove(&app, &phone).await).await["token"]
            .as_str()
            .unwrap()
            .to_owned();
        test.app.seam.advance_ms(1);
        // The signature for a token is none for this, and none of it can be played again.
        let nonce = challenge(&app, &phone).await;
        let refused = say_wiped(&app, &phone, &proof_message(phone.device, &nonce), &nonce).await;
        assert_eq!(body(refused).await["code"], "proof_refused");
        let message = wiped_message(phone.device, &nonce);
        let said = say_wiped(&app, &phone, &message, &nonce).await;
        assert_eq!(body(said).await["state"], "wiped");
        let again = say_wiped(&app, &phone, &message, &nonce).await;
        assert_eq!(body(again).await["code"], "proof_refused");
        // Said once more, because the answer was lost.
        test.app.seam.advance_ms(1);
        let nonce = challenge(&app, &phone).await;
        let said = say_wiped(&app, &phone, &wiped_message(phone.device, &nonce), &nonce).await;
        assert_eq!(said.status(), StatusCode::OK);
        assert_eq!(body(who(&test.app, &token).await).await["code"], "device_wiped");
        test.app.seam.advance_ms(1);
        assert_eq!(body(prove(&app, &phone).await).await["code"], "device_wiped");
        let mut tx = test.app.database.read().await.unwrap();
        let row = devices::find(&mut tx, phone.org, phone.device).await.unwrap().unwrap();
        assert_eq!(row.state, DeviceState::Wiped);
        assert!(row.revoked_at.is_some() && row.wiped_at.is_some() && row.wipe_ordered_at.is_none());
    }
}

#[tokio::test]
async fn a_phone_that_was_away_for_too_long_proves_its_person_too() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let org = phone.org;
        test.person(org, "li", Role::Rep, None, &[]).await;
        let sign_in = async |login: &str, password: &str| {
            test.app.seam.advance_ms(1);
            let nonce = challenge(&app, &phone).await;
            let signature = phone.key.sign(&proof_message(phone.device, &nonce));
            let request = json!({
                "org": org, "device": phone.device, "nonce": hex::encode(&nonce),
                "signature": hex::encode(signature.to_bytes()), "login": login, "password": password,
            });
            body(post(&app, "/v1/token", request).await).await
        };
        assert_eq!(
            sign_in("wang", "wrong-horse-battery").await["code"],
            "wrong_credentials"
        );
        assert_eq!(sign_in("li", PASSWORD).await["code"], "wrong_credentials");
        assert_eq!(sign_in("wang", PASSWORD).await["state"], "active");
        let change = PlaceChange {
            state: Some(UserState::Disabled),
            ..PlaceChange::default()
        };
        change_place(&test.app, None, org, phone.user, &change).await.unwrap();
        assert_eq!(sign_in("wang", PASSWORD).await["state"], "disabled");
    }
}

#[tokio::test]
async fn t061_the_phone_of_somebody_who_left_gets_a_token_for_handing_in_only() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let before = body(prove(&app, &phone).await).await["token"]
            .as_str()
            .unwrap()
            .to_owned();
        for state in [UserState::Offboarding, UserState::Disabled] {
            let change = PlaceChange {
                state: Some(state),
                ..PlaceChange::default()
            };
            change_place(&test.app, None, phone.org, phone.user, &change)
                .await
                .unwrap();
            // The token from before says no more than it does.
            assert_eq!(text(who(&test.app, &before).await).await, "wang true");
            test.app.seam.advance_ms(1);
            let proved = body(prove(&app, &phone).await).await;
            assert_eq!(proved["state"], state.name());
            let token = proved["token"].as_str().unwrap();
            assert!(verify_token(&test.app.keys, test.app.seam.now(), token).unwrap().drain);
            assert_eq!(text(who(&test.app, token).await).await, "wang true");
            // He enrols no further device.
            let refused = post(&app, "/v1/devices", enrolment(&SigningKey::from_bytes(&[9; 32]))).await;
            assert_eq!(body(refused).await["code"], "account_not_active");
        }
    }
}

#[tokio::test]
async fn enrolling_needs_the_password_a_name_and_a_real_key() {
    for (_, app) in with_wang().await {
        let good = enrolment(&SigningKey::from_bytes(&[7; 32]));
        let weak = hex::encode([0_u8; 32]);
        for (member, value, code) in [
            ("password", json!("wrong horse"), "wrong_credentials"),
            ("login", json!("nobody"), "wrong_credentials"),
            ("name", json!(""), "invalid_request"),
            ("name", json!("x".repeat(101)), "invalid_request"),
            ("name", json!("a\nb"), "invalid_request"),
            ("public_key", json!("00"), "invalid_request"),
            ("public_key", json!(weak), "invalid_request"),
            ("public_key", Value::Null, "invalid_request"),
        ] {
            let mut request = good.clone();
            request[member] = value;
            let problem = body(post(&app, "/v1/devices", request).await).await;
            assert_eq!(problem["code"], code, "{member}: {problem}");
        }
    }
}

#[tokio::test]
async fn a_person_has_a_bounded_number_of_devices() {
    let (_test, app) = with_wang().await.remove(0);
    for seed in 1..=DEVICES_PER_PERSON_MAX {
        enrol(&app, u8::try_from(seed).unwrap()).await;
    }
    let refused = post(&app, "/v1/devices", enrolment(&SigningKey::from_bytes(&[99; 32]))).await;
    assert_eq!(body(refused).await["code"], "device_limit");
}

#[tokio::test]
async fn t074_a_session_opens_no_route_of_devices_and_a_devices_token_none_of_people() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let token = body(prove(&app, &phone).await).await["token"]
            .as_str()
            .unwrap()
            .to_owned();
        let request = Request::delete("/api/v1/tokens")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        assert_eq!(
            app.clone().oneshot(request).await.unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
        let session = body(post(&app, "/api/v1/tokens", json!({"login": "wang", "password": PASSWORD})).await).await;
        let refused = who(&test.app, session["token"].as_str().unwrap()).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn an_expired_token_asks_for_a_new_proof() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let token = body(prove(&app, &phone).await).await["token"]
            .as_str()
            .unwrap()
            .to_owned();
        test.app.seam.advance_ms(630_000);
        assert_eq!(body(who(&test.app, &token).await).await["code"], "reauthenticate");
        let token = body(prove(&app, &phone).await).await["token"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(who(&test.app, &token).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn what_a_device_says_is_written_down_and_never_goes_back() {
    for (test, app) in with_wang().await {
        let phone = enrol(&app, 7).await;
        let now = test.app.seam.now();
        let message = DeviceMessage {
            number: 2,
            sha256: &[1; 32],
            acknowledged_seq: 40,
            pending: 3,
            clock_offset_ms: Some(-5),
            received_at: now,
        };
        let mut tx = test.app.database.write().await.unwrap();
        assert!(
            devices::record_message(&mut tx, phone.org, phone.device, message)
                .await
                .unwrap()
        );
        let older = DeviceMessage {
            number: 2,
            acknowledged_seq: 50,
            ..message
        };
        assert!(
            !devices::record_message(&mut tx, phone.org, phone.device, older)
                .await
                .unwrap()
        );
        let next = DeviceMessage {
            number: 3,
            acknowledged_seq: 30,
            clock_offset_ms: None,
            ..message
        };
        assert!(
            devices::record_message(&mut tx, phone.org, phone.device, next)
                .await
                .unwrap()
        );
        devices::add_security_flag(&mut tx, phone.org, phone.device)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        // Heard again: noted in memory, written by the next round.
        test.app.last_seen.note(phone.org, phone.device, now.plus_ms(7));
        test.app.last_seen.flush(&test.app.database).await.unwrap();
        let mut tx = test.app.database.read().await.unwrap();
        let row = devices::list(&mut tx, phone.org, Some(phone.user), None, 10)
            .await
            .unwrap()
            .remove(0);
        assert_eq!((row.last_message, row.acknowledged_seq, row.pending), (3, 40, 3));
        assert_eq!((row.clock_offset_ms, row.security_flags), (Some(-5), 1));
        assert_eq!(row.last_seen_at, Some(now.plus_ms(7)));
        assert!(
            devices::list(&mut tx, phone.org, None, Some(row.device), 10)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
