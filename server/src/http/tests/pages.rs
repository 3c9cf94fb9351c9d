//! Pages, as a browser without a script sees them: links, forms, and what is refused.

mod covers;
mod customers;
mod doors;
mod handover;
mod people;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use sync_core::{
    ids::{CustomerId, OrgId, PoolId, TeamId, UserId},
    visibility::Role,
};
use tower::ServiceExt;

use crate::{
    actions::{edit::create_customer, ownership::Asker},
    http::router,
    testing::{self, PASSWORD, TestApp},
};

/// How a browser on the server's own machine reaches it.
const HOST: &str = "127.0.0.1:8420";
const ORIGIN: &str = "http://127.0.0.1:8420";

/// A browser with at most one session, without a script.
struct Browser {
    app: Router,
    cookie: String,
    language: &'static str,
}

/// What a browser got.
struct Got {
    status: StatusCode,
    location: String,
    headers: axum::http::HeaderMap,
    html: String,
}

impl Browser {
    fn new(test: &TestApp) -> Self {
        Self {
            app: router(test.app.clone()),
            cookie: String::new(),
            language: "en",
        }
    }

    /// A browser in which somebody has signed in by the form.
    async fn of(test: &TestApp, login: &str) -> Self {
        let mut browser = Self::new(test);
        let got = browser
            .post("/sign-in", &[("login", login), ("password", PASSWORD)])
            .await;
        assert_eq!(
            (got.status, got.location.as_str()),
            (StatusCode::SEE_OTHER, "/customers")
        );
        browser.keep_cookie(&got);
        browser
    }

    fn keep_cookie(&mut self, got: &Got) {
        let cookie = got.headers[header::SET_COOKIE].to_str().unwrap();
        self.cookie = cookie.split(';').next().unwrap().to_owned();
    }

    async fn get(&self, path: &str) -> Got {
        self.send(Request::get(path)).await
    }

    /// Sends a form as it is.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Got {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = Request::post(path)
            .header(header::ORIGIN, ORIGIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send_with(request, Body::from(body)).await
    }

    /// Sends a form from a page, with the page's token.
    async fn submit(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Got {
        let token = self.get(page).await.value("csrf");
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", token.as_str())]).collect();
        self.post(path, &fields).await
    }

    async fn send(&self, request: axum::http::request::Builder) -> Got {
        self.send_with(request, Body::empty()).await
    }

    async fn send_with(&self, request: axum::http::request::Builder, body: Body) -> Got {
        let mut request = request
            .header(header::ACCEPT, "text/html")
            .header(header::ACCEPT_LANGUAGE, self.language)
            .body(body)
            .unwrap();
        let headers = request.headers_mut();
        headers.entry(header::HOST).or_insert(HOST.parse().unwrap());
        if !self.cookie.is_empty() {
            headers.insert(header::COOKIE, self.cookie.parse().unwrap());
        }
        Got::of(self.app.clone().oneshot(request).await.unwrap()).await
    }
}

impl Got {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let location = parts.headers.get(header::LOCATION);
        Self {
            status: parts.status,
            location: location
                .map(|location| location.to_str().unwrap().to_owned())
                .unwrap_or_default(),
            html: String::from_utf8_lossy(&bytes).into_owned(),
            headers: parts.headers,
        }
    }

    /// The value of the first field with this name.
    fn value(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let rest = self
            .html
            .split_once(&start)
            .unwrap_or_else(|| panic!("no field {name} in {}", self.html))
            .1;
        rest.split('"').next().unwrap().to_owned()
    }

    fn has(&self, text: &str) -> bool {
        self.html.contains(text)
    }
}

/// A team with a manager and two reps, and a pool with the second of them.
struct Company {
    test: TestApp,
    org: OrgId,
    east: TeamId,
    pool: PoolId,
    boss: UserId,
    wang: UserId,
    li: UserId,
}

async fn companies() -> Vec<Company> {
    let mut companies = Vec::new();
    for test in testing::apps().await {
        let org = test.organisation("百货").await;
        let (east, pool) = (test.team(org, "East", None).await, test.pool(org, "Main").await);
        let boss = test.person(org, "boss", Role::Manager, Some(east), &[]).await;
        let wang = test.person(org, "wang", Role::Rep, Some(east), &[]).await;
        let li = test.person(org, "li", Role::Rep, Some(east), &[pool]).await;
        companies.push(Company {
            test,
            org,
            east,
            pool,
            boss,
            wang,
            li,
        });
    }
    companies
}

impl Company {
    fn asker(&self, user: UserId) -> Asker {
        Asker {
            org: self.org,
            user,
            device: None,
        }
    }

    async fn customer(&self, owner: UserId, name: &str) -> CustomerId {
        let mut card = Map::new();
        card.insert("name".to_owned(), Value::from(name));
        create_customer(&self.test.app, self.asker(owner), None, &card)
            .await
            .unwrap()
    }

    async fn pooled(&self, name: &str) -> CustomerId {
        let card = json!({"name": name}).as_object().cloned().unwrap();
        create_customer(&self.test.app, self.asker(self.li), Some(self.pool), &card)
            .await
            .unwrap()
    }
}
