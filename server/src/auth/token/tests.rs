//! Tokens that are forged, stale, for something else, or signed with a key that is gone.

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use sync_core::time::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{
    app::App,
    auth::{KeysError, SECRET_BYTES_MIN},
    config::Config,
    testing::{self, START},
};

const NOW_S: i64 = START.0 / 1000;

fn header() -> Value {
    json!({"alg": "HS256", "typ": "at+jwt", "kid": "t1"})
}

fn claims() -> Value {
    let id = to_base64url(Uuid::from_u128(7).as_bytes());
    json!({
        "iss": "fieldpool", "aud": "sync", "sub": id, "dev": id, "org": id,
        "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 600,
    })
}

fn signed(secret: &[u8], header: &str, claims: &str) -> String {
    let covered = format!(
        "{}.{}",
        to_base64url(header.as_bytes()),
        to_base64url(claims.as_bytes())
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), covered.as_bytes());
    format!("{covered}.{}", to_base64url(tag.as_ref()))
}

struct Verifier {
    keys: Keys,
    secret: Vec<u8>,
}

impl Verifier {
    async fn new() -> Self {
        let keys = testing::sqlite_app().await.app.keys;
        let secret = keys.current(Purpose::Token).secret.clone();
        Self { keys, secret }
    }

    fn verify(&self, token: &str) -> Result<AccessToken, TokenError> {
        verify_token(&self.keys, START, token)
    }

    /// A token signed with the right key, whatever it says.
    fn check(&self, header: &Value, claims: &Value) -> Result<AccessToken, TokenError> {
        self.verify(&signed(&self.secret, &header.to_string(), &claims.to_string()))
    }

    fn with_claim(&self, name: &str, value: Value) -> Result<AccessToken, TokenError> {
        let mut claims = claims();
        claims[name] = value;
        self.check(&header(), &claims)
    }

    fn with_header(&self, name: &str, value: Value) -> Result<AccessToken, TokenError> {
        let mut header = header();
        header[name] = value;
        self.check(&header, &claims())
    }
}

#[tokio::test]
async fn a_token_written_by_hand_as_ours_are_is_accepted() {
    let verifier = Verifier::new().await;
    let token = verifier.check(&header(), &claims()).unwrap();
    assert_eq!(token.device.0, Uuid::from_u128(7));
    assert!(!token.drain);
    assert_eq!(token.expires_at, START.plus_ms(600_000));
}

#[tokio::test]
async fn t072_other_algorithms_empty_signatures_and_bare_dots_are_refused() {
    let verifier = Verifier::new().await;
    for alg in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256", ""] {
        assert_eq!(
            verifier.with_header("alg", alg.into()),
            Err(TokenError::Invalid),
            "{alg}"
        );
    }
    let good = signed(&verifier.secret, &header().to_string(), &claims().to_string());
    assert!(verifier.verify(&good).is_ok());
    let (covered, signature) = good.rsplit_once('.').unwrap();
    let (head, body) = covered.split_once('.').unwrap();
    let none = to_base64url(br#"{"alg":"none","typ":"at+jwt","kid":"t1"}"#);
    for token in [
        "",
        ".",
        "..",
        "...",
        covered,
        &format!("{covered}."),
        &format!("{covered}.AA"),
        &format!("{covered}.{signature}="),
        &format!("{covered}.{signature}.{signature}"),
        &format!("{none}.{body}."),
        &format!("{none}.{body}.{signature}"),
        &format!("{head}.{signature}.{body}"),
        &format!(" {good}"),
        &format!("{good} "),
    ] {
        assert_eq!(verifier.verify(token), Err(TokenError::Invalid), "{token}");
    }
    // Signed with the secret as HS512 would, and with another secret.
    assert!(
        verifier
            .verify(&signed(&[7; 32], &header().to_string(), &claims().to_string()))
            .is_err()
    );
}

#[tokio::test]
async fn t072_each_flipped_bit_of_a_token_is_refused() {
    let verifier = Verifier::new().await;
    let good = signed(&verifier.secret, &header().to_string(), &claims().to_string()).into_bytes();
    for position in 0..good.len() {
        let mut bad = good.clone();
        bad[position] ^= 1;
        let Ok(bad) = String::from_utf8(bad) else { continue };
        assert!(verifier.verify(&bad).is_err(), "position {position}");
    }
}

#[tokio::test]
async fn t073_a_token_that_lacks_a_claim_or_has_another_type_of_it_is_refused() {
    let verifier = Verifier::new().await;
    for name in ["iss", "aud", "sub", "dev", "org", "iat", "nbf", "exp"] {
        let mut lacking = claims();
        lacking.as_object_mut().unwrap().remove(name);
        assert_eq!(verifier.check(&header(), &lacking), Err(TokenError::Invalid), "{name}");
        for value in [json!(null), json!(5.5), json!([]), json!({}), json!(true), json!("")] {
            assert_eq!(
                verifier.with_claim(name, value.clone()),
                Err(TokenError::Invalid),
                "{name}: {value}"
            );
        }
    }
    for (name, value) in [
        ("aud", json!(5)),
        ("aud", json!(["sync"])),
        ("aud", json!(["sync", "web"])),
        ("iss", json!(["fieldpool"])),
        ("sub", json!("x")),
        ("exp", json!("1772413800")),
        ("drain", json!("no")),
    ] {
        assert_eq!(
            verifier.with_claim(name, value.clone()),
            Err(TokenError::Invalid),
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn t074_a_token_for_another_use_or_of_another_type_is_refused() {
    let verifier = Verifier::new().await;
    for (name, value) in [("aud", "web"), ("aud", "SYNC"), ("iss", "somebody")] {
        assert_eq!(
            verifier.with_claim(name, value.into()),
            Err(TokenError::Invalid),
            "{name}"
        );
    }
    for typ in ["JWT", "jwt", "AT+JWT", ""] {
        assert_eq!(
            verifier.with_header("typ", typ.into()),
            Err(TokenError::Invalid),
            "{typ}"
        );
    }
    let mut without = header();
    without.as_object_mut().unwrap().remove("typ");
    assert_eq!(verifier.check(&without, &claims()), Err(TokenError::Invalid));
}

#[tokio::test]
async fn t075_a_key_id_is_looked_up_among_known_ones_only() {
    let verifier = Verifier::new().await;
    let long = "k".repeat(1_000_000);
    for kid in ["../../x", "t1' OR '1'='1", "", "t2", "c1", "h1", "T1", "t1 ", &long] {
        assert_eq!(
            verifier.with_header("kid", kid.into()),
            Err(TokenError::Invalid),
            "{}",
            kid.len()
        );
    }
    for kid in [json!(1), json!(null), json!(["t1"])] {
        assert_eq!(verifier.with_header("kid", kid), Err(TokenError::Invalid));
    }
}

#[tokio::test]
async fn t076_headers_that_bring_keys_or_demands_of_their_own_are_refused() {
    let verifier = Verifier::new().await;
    for (name, value) in [
        ("jku", json!("https://example.com/keys")),
        ("x5u", json!("https://example.com/cert")),
        ("jwk", json!({"kty": "oct", "k": "AA"})),
        ("x5c", json!([])),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        assert_eq!(verifier.with_header(name, value), Err(TokenError::Invalid), "{name}");
    }
    // A member twice: which one counts must not be a question.
    let doubled = r#"{"alg":"HS256","alg":"HS256","typ":"at+jwt","kid":"t1"}"#;
    let token = signed(&verifier.secret, doubled, &claims().to_string());
    assert_eq!(verifier.verify(&token), Err(TokenError::Invalid));
}

#[tokio::test]
async fn t077_no_token_lives_longer_than_ten_minutes_and_a_dropped_key_opens_nothing() {
    let verifier = Verifier::new().await;
    for exp in [NOW_S + 601, NOW_S + 100 * 365 * 86_400, i64::MAX] {
        assert_eq!(
            verifier.with_claim("exp", exp.into()),
            Err(TokenError::Invalid),
            "{exp}"
        );
    }
    assert_eq!(verifier.with_claim("iat", i64::MIN.into()), Err(TokenError::Invalid));
    for test in testing::apps().await {
        let (keys, seam, database) = (&test.app.keys, &test.app.seam, &test.app.database);
        let ids = (
            OrgId(Uuid::from_u128(1)),
            UserId(Uuid::from_u128(2)),
            DeviceId(Uuid::from_u128(3)),
        );
        let issue = || issue_token(keys, seam.now(), ids.0, ids.1, ids.2, false).unwrap().0;
        let first = issue();
        keys.rotate(database, seam, Purpose::Token, 600_000).await.unwrap();
        let second = issue();
        let valid = |token: &str| verify_token(keys, seam.now(), token).is_ok();
        // A rotation lets tokens in use end by themselves.
        assert!(valid(&first) && valid(&second));
        // After a leak they end at once, on every node that has read the keys again.
        let other_node = Keys::load(database, seam).await.unwrap();
        keys.rotate(database, seam, Purpose::Token, 0).await.unwrap();
        assert!(!valid(&first) && !valid(&second) && valid(&issue()));
        other_node.reload(database, seam).await.unwrap();
        assert!(verify_token(&other_node, seam.now(), &second).is_err());
        assert!(verify_token(&other_node, seam.now(), &issue()).is_ok());
        // Keys of other purposes are untouched.
        assert_eq!(keys.current(Purpose::Cursor).kid, "c1");
    }
}

#[tokio::test]
async fn t078_clocks_may_differ_by_thirty_seconds() {
    let verifier = Verifier::new().await;
    let shifted = |by: i64| {
        let mut claims = claims();
        for name in ["iat", "nbf", "exp"] {
            claims[name] = (claims[name].as_i64().unwrap() + by).into();
        }
        verifier.check(&header(), &claims)
    };
    assert!(shifted(30).is_ok());
    assert_eq!(shifted(31), Err(TokenError::Invalid));
    assert_eq!(shifted(300), Err(TokenError::Invalid));
    assert!(shifted(-629).is_ok());
    assert_eq!(shifted(-630), Err(TokenError::Expired));
    assert_eq!(
        verifier.with_claim("nbf", (NOW_S + 31).into()),
        Err(TokenError::Invalid)
    );
    assert_eq!(verifier.with_claim("exp", NOW_S.into()), Err(TokenError::Invalid));
}

#[tokio::test]
async fn t079_a_server_with_a_secret_that_can_be_guessed_does_not_start() {
    for test in testing::databases().await {
        for (kid, bytes) in [("t0", 0), ("t0", SECRET_BYTES_MIN - 1)] {
            let mut tx = test.database.write().await.unwrap();
            crate::storage::keys::insert(&mut tx, kid, "token", &vec![1; bytes], Timestamp(0))
                .await
                .unwrap();
            tx.commit().await.unwrap();
            let started = App::new(test.database.clone(), crate::seam::Seam::real(), Config::default()).await;
            let error = started.err().expect("it refuses to start");
            assert!(
                matches!(error, KeysError::TooShort { bytes: found, .. } if found == bytes),
                "{error}"
            );
            assert!(error.to_string().contains("server_key"));
            testing::execute_sql(&test.database, "DELETE FROM server_key").await;
        }
        assert!(
            App::new(test.database.clone(), crate::seam::Seam::real(), Config::default())
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn two_nodes_that_start_at_once_share_their_keys() {
    for test in testing::databases().await {
        let seam = crate::seam::Seam::real();
        let (one, other) = futures::join!(Keys::load(&test.database, &seam), Keys::load(&test.database, &seam));
        let (one, other) = (one.unwrap(), other.unwrap());
        for purpose in Purpose::ALL {
            assert!(one.current(purpose) == other.current(purpose));
            assert!(one.current(purpose).secret.len() >= SECRET_BYTES_MIN);
        }
    }
}
