//! Coming in, by password, link and first run; what is refused at every door; languages; errors.

use std::time::Duration;

use super::*;
use crate::{
    actions::{
        people::{PlaceChange, change_place},
        sign_in_links::create_sign_in_link,
    },
    auth,
};

/// Every page of somebody who is signed in.
fn pages(customer: CustomerId) -> Vec<String> {
    vec![
        "/customers".to_owned(),
        format!("/customers/{customer}"),
        format!("/documents/{customer}/history?field=name"),
        "/devices".to_owned(),
        "/handover".to_owned(),
        format!("/handover?from={customer}"),
        format!("/handover/{customer}"),
    ]
}

/// Every form of somebody who is signed in.
fn forms(customer: CustomerId) -> Vec<String> {
    vec![
        "/customers/assign".to_owned(),
        "/customers/assign/confirm".to_owned(),
        format!("/customers/{customer}/follow-ups"),
        format!("/documents/{customer}/fields"),
        format!("/documents/{customer}/resolve"),
        format!("/devices/{customer}/revoke"),
        "/handover/preview".to_owned(),
        "/handover/confirm".to_owned(),
        format!("/handover/{customer}/undo"),
        "/sign-out".to_owned(),
    ]
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_sent_to_the_door_and_back_to_where_he_wanted_to_be() {
    for company in companies().await {
        let customer = company.customer(company.wang, "Shop").await;
        let stranger = Browser::new(&company.test);
        for page in pages(customer) {
            let got = stranger.get(&page).await;
            assert_eq!(got.status, StatusCode::SEE_OTHER, "{page}");
            let next: String = form_urlencoded::byte_serialize(page.as_bytes()).collect();
            assert_eq!(got.location, format!("/sign-in?next={next}"));
        }
        for form in forms(customer) {
            let got = stranger.post(&form, &[]).await;
            assert_eq!(
                (got.status, got.location.as_str()),
                (StatusCode::SEE_OTHER, "/sign-in"),
                "{form}"
            );
        }
        let got = stranger.get("/events").await;
        assert_eq!(got.status, StatusCode::SEE_OTHER);
        let asked = stranger.get("/sign-in?next=%2Fdevices").await;
        assert!(asked.has("name=\"next\" value=\"/devices\""));
        let form = [("login", "wang"), ("password", PASSWORD), ("next", "/devices")];
        assert_eq!(stranger.post("/sign-in", &form).await.location, "/devices");
    }
}

#[tokio::test]
async fn a_form_without_the_token_of_the_session_or_from_elsewhere_is_refused() {
    for company in companies().await {
        let customer = company.customer(company.wang, "Shop").await;
        let (boss, wang) = (
            Browser::of(&company.test, "boss").await,
            Browser::of(&company.test, "wang").await,
        );
        let of_another = wang.get("/customers").await.value("csrf");
        let own = boss.get("/customers").await.value("csrf");
        for form in forms(customer) {
            for fields in [
                &[][..],
                &[("csrf", "")],
                &[("csrf", "AAAA")],
                &[("csrf", of_another.as_str())],
            ] {
                let got = boss.post(&form, fields).await;
                assert_eq!(got.status, StatusCode::FORBIDDEN, "{form}");
                assert!(got.has("foreign_form"), "{form}");
            }
            let body = form_urlencoded::Serializer::new(String::new())
                .append_pair("csrf", &own)
                .finish();
            for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
                let request = Request::post(&form)
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header(name, value);
                let got = boss.send_with(request, Body::from(body.clone())).await;
                assert_eq!(got.status, StatusCode::FORBIDDEN, "{form} {name}");
            }
        }
        // Still signed in: nobody was signed out by a foreign form.
        assert_eq!(boss.get("/customers").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_token_of_a_form_looks_different_each_time_and_is_good_each_time() {
    for company in companies().await {
        let boss = Browser::of(&company.test, "boss").await;
        let tokens = [
            boss.get("/customers").await.value("csrf"),
            boss.get("/customers").await.value("csrf"),
        ];
        assert_ne!(tokens[0], tokens[1]);
        for token in &tokens {
            let got = boss.post("/customers/assign", &[("csrf", token)]).await;
            assert_eq!(got.status, StatusCode::SEE_OTHER);
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_beside_the_form_in_the_readers_language() {
    for company in companies().await {
        let mut stranger = Browser::new(&company.test);
        let wrong = [("login", "wang\"><b>"), ("password", "guess")];
        let got = stranger.post("/sign-in", &wrong).await;
        assert_eq!(got.status, StatusCode::UNAUTHORIZED);
        assert!(got.has("Wrong login or password") && got.has("role=\"alert\""));
        assert!(!got.has("\"><b>"), "what was typed is escaped");
        stranger.language = "zh-CN,zh;q=0.9";
        assert!(stranger.post("/sign-in", &wrong).await.has("账号或密码错误"));
    }
}

#[tokio::test]
async fn a_cookie_is_bound_to_the_host_over_tls_and_nobody_signs_in_in_the_clear() {
    for company in companies().await {
        let stranger = Browser::new(&company.test);
        let body = || {
            let fields = [("login", "wang"), ("password", PASSWORD)];
            Body::from(
                form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(fields)
                    .finish(),
            )
        };
        let from = |host: &str, origin: &str| {
            Request::post("/sign-in")
                .header(header::HOST, host)
                .header(header::ORIGIN, origin)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        };
        let got = stranger
            .send_with(from("crm.example", "https://crm.example"), body())
            .await;
        let cookie = got.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.starts_with("__Host-fieldpool="), "{cookie}");
        for word in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        let got = stranger
            .send_with(from("10.0.0.5:8420", "http://10.0.0.5:8420"), body())
            .await;
        assert_eq!(got.status, StatusCode::FORBIDDEN);
        assert!(got.has("plain_connection") && !got.headers.contains_key(header::SET_COOKIE));
    }
}

#[tokio::test]
async fn a_link_shown_in_a_preview_still_signs_in_once() {
    for company in companies().await {
        let token = create_sign_in_link(&company.test.app, company.org, company.wang, Duration::from_hours(1));
        let path = format!("/sign-in/link/{}", token.await.unwrap());
        let mut browser = Browser::new(&company.test);
        for _ in 0..2 {
            let page = browser.get(&path).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.has("Hello WANG") && !page.headers.contains_key(header::SET_COOKIE));
        }
        let got = browser.post(&path, &[]).await;
        assert_eq!(
            (got.status, got.location.as_str()),
            (StatusCode::SEE_OTHER, "/customers")
        );
        for used in [browser.get(&path).await, browser.post(&path, &[]).await] {
            assert_eq!(used.status, StatusCode::GONE);
            assert!(used.has("This link no longer works") && used.has("ask whoever gave you the link"));
        }
        browser.keep_cookie(&got);
        assert!(browser.get("/customers").await.has("WANG"));
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_and_so_does_leaving() {
    for company in companies().await {
        let wang = Browser::of(&company.test, "wang").await;
        let got = wang.submit("/customers", "/sign-out", &[]).await;
        assert_eq!(got.location, "/sign-in");
        assert_eq!(wang.get("/customers").await.status, StatusCode::SEE_OTHER);
        let li = Browser::of(&company.test, "li").await;
        let leaves = PlaceChange {
            state: Some(sync_core::visibility::UserState::Disabled),
            ..PlaceChange::default()
        };
        change_place(&company.test.app, None, company.org, company.li, &leaves)
            .await
            .unwrap();
        assert_eq!(li.get("/customers").await.status, StatusCode::SEE_OTHER);
        let got = li.post("/sign-in", &[("login", "li"), ("password", PASSWORD)]).await;
        assert!(got.status == StatusCode::FORBIDDEN && got.has("Account is not active"));
    }
}

#[tokio::test]
async fn the_first_run_page_needs_the_word_makes_the_administrator_and_is_gone_afterwards() {
    for test in testing::apps().await {
        let word = auth::setup_token(&test.app.keys);
        let mut browser = Browser::new(&test);
        assert_eq!(browser.get("/sign-in").await.location, "/setup");
        assert!(browser.get("/setup").await.has("name=\"token\" value=\"\""));
        let fields = |word: &'static str, login: &'static str, again: &'static str| {
            [
                ("token", word),
                ("organisation", "百货"),
                ("timezone", "Asia/Shanghai"),
                ("name", "李雷"),
                ("login", login),
                ("password", PASSWORD),
                ("password-again", again),
            ]
        };
        let word: &'static str = word.leak();
        for (form, said) in [
            (fields("guess", "lilei", PASSWORD), "not the setup word"),
            (fields(word, "li lei", PASSWORD), "A login has no spaces"),
            (fields(word, "lilei", "other words"), "The two passwords differ"),
        ] {
            let got = browser.post("/setup", &form).await;
            assert_eq!(got.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(got.has(said), "{said}");
            assert!(!got.has(PASSWORD), "no page shows a password");
        }
        let got = browser.post("/setup", &fields(word, "lilei", PASSWORD)).await;
        assert_eq!(
            (got.status, got.location.as_str()),
            (StatusCode::SEE_OTHER, "/customers")
        );
        for gone in [
            browser.get("/setup").await,
            browser.post("/setup", &fields(word, "x", PASSWORD)).await,
        ] {
            assert_eq!(gone.status, StatusCode::NOT_FOUND);
        }
        browser.keep_cookie(&got);
        let list = browser.get("/customers").await;
        assert!(list.has("李雷") && list.has("There are no customers here yet"));
    }
}

#[tokio::test]
async fn the_language_is_the_browsers_until_somebody_chooses() {
    for company in companies().await {
        let mut browser = Browser::new(&company.test);
        assert!(browser.get("/sign-in").await.has("<html lang=\"en\">"));
        browser.language = "zh-TW,en;q=0.5";
        assert!(browser.get("/sign-in").await.has("<html lang=\"zh-CN\">"));
        let got = browser
            .post("/language", &[("language", "en"), ("next", "/sign-in?next=%2Fdevices")])
            .await;
        assert_eq!(got.location, "/sign-in?next=%2Fdevices");
        browser.keep_cookie(&got);
        assert!(browser.get("/sign-in").await.has("<html lang=\"en\">"));
    }
}

#[tokio::test]
async fn an_error_is_a_page_to_a_browser_and_a_problem_to_a_program() {
    for company in companies().await {
        let browser = Browser::new(&company.test);
        let page = browser.get("/nowhere/%3Cscript%3E").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(page.has("<main id=\"main\"") && page.has("unknown_route") && !page.has("<script>"));
        let id = page.headers["x-request-id"].to_str().unwrap();
        assert!(page.has(id));
        let api = browser.get("/api/v1/customers").await;
        assert_eq!(api.headers[header::CONTENT_TYPE], "application/problem+json");
        let wang = Browser::of(&company.test, "wang").await;
        for path in ["/customers?owner=wang", "/customers?after=zz"] {
            let got = wang.get(path).await;
            assert_eq!(got.status, StatusCode::BAD_REQUEST, "{path}");
            assert!(got.has("<h1>Invalid request</h1>"));
        }
        for path in ["/customers/nonsense", "/documents/1/history"] {
            assert_eq!(wang.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn pages_allow_own_scripts_only_are_kept_by_nobody_and_are_compressed() {
    for company in companies().await {
        let wang = Browser::of(&company.test, "wang").await;
        let page = wang.get("/customers").await;
        let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert!(!page.has("<style") && !page.has(" style=") && !page.has("onclick"));
        for script in page.html.split("<script ").skip(1) {
            assert!(script.starts_with("src=\"/assets/"), "{script}");
        }
        let packed = wang
            .send(Request::get("/customers").header(header::ACCEPT_ENCODING, "gzip"))
            .await;
        assert_eq!(packed.headers[header::CONTENT_ENCODING], "gzip");
        let path = page
            .html
            .split("href=\"/assets/page-")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let style = wang.get(&format!("/assets/page-{path}")).await;
        assert_eq!(
            style.headers[header::CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        assert_eq!(
            wang.get("/assets/page-000000000000.css").await.status,
            StatusCode::NOT_FOUND
        );
    }
}
