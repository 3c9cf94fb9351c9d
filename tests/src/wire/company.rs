//! An organisation with people of every role, on a database of its own.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use ed25519_dalek::{Signer, SigningKey};
use http_body_util::BodyExt;
use serde_json::{Map, Value as Json, json};
use server::{
    actions::{
        ActionError,
        devices::{Enrolment, Proof, challenge_device, enrol_device, prove_device},
        edit::create_customer,
        organisation::{add_organisation, add_pool, add_team},
        ownership::{Asker, ask},
        people::{NewPerson, PlaceChange, add_person, change_place},
    },
    app::App,
    auth::{AccessToken, proof_message},
    http::router,
    storage::Tx,
    testing::{self, PASSWORD, TestApp},
};
use sqlx::AssertSqlSafe;
use sync_core::{
    ids::{CustomerId, DeviceId, DocumentId, OrgId, PoolId, TeamId, UserId},
    protocol::message::{CONTENT_TYPE, IntentAction, PROTOCOL_VERSION},
    visibility::Role,
};
use tower::ServiceExt;

use super::Client;

/// The tables that a message may write to.
pub const TABLES: [&str; 13] = [
    "change",
    "document",
    "refusal",
    "intent",
    "customer",
    "ownership_event",
    "scope_member",
    "feed",
    "actor",
    "eviction",
    "audit",
    "collaborator",
    "log_head",
];

/// An organisation, its database and its server.
///
/// Teams: `north` and `south` below `head`. One pool. People: `wang` and `zhao` (reps, north), `li` (rep, south),
/// `boss` (manager of north), `chief` (manager of head), `keeper` (rep without a team, administers the pool), `office`,
/// `service`, `admin`, `auditor`. `wang` and `li` are in the pool; `zhao` is not.
pub struct Company {
    /// Database and server.
    pub test: TestApp,
    /// The organisation.
    pub org: OrgId,
    /// Its pool.
    pub pool: PoolId,
    /// Its teams by name.
    pub teams: BTreeMap<&'static str, TeamId>,
    /// Its people by login.
    pub people: BTreeMap<String, UserId>,
}

impl Company {
    /// One on each database.
    pub async fn each() -> Vec<Self> {
        let mut all = Vec::new();
        for test in testing::apps().await {
            all.push(Self::on(test).await);
        }
        all
    }

    /// One on SQLite, for what does not depend on the database.
    pub async fn on_sqlite() -> Self {
        Self::on(testing::sqlite_app().await).await
    }

    async fn on(test: TestApp) -> Self {
        let app = test.app.clone();
        let org = add_organisation(&app, None, "百货", "Asia/Shanghai").await.unwrap();
        let pool = add_pool(&app, None, org, "公海").await.unwrap();
        let head = add_team(&app, None, org, "head", None).await.unwrap();
        let north = add_team(&app, None, org, "north", Some(head)).await.unwrap();
        let south = add_team(&app, None, org, "south", Some(head)).await.unwrap();
        let mut company = Self {
            test,
            org,
            pool,
            teams: BTreeMap::from([("head", head), ("north", north), ("south", south)]),
            people: BTreeMap::new(),
        };
        let member = vec![(pool, false)];
        for (login, role, team, pools) in [
            ("wang", Role::Rep, Some(north), member.clone()),
            ("zhao", Role::Rep, Some(north), vec![]),
            ("li", Role::Rep, Some(south), member),
            ("boss", Role::Manager, Some(north), vec![]),
            ("chief", Role::Manager, Some(head), vec![]),
            ("keeper", Role::Rep, None, vec![(pool, true)]),
            ("office", Role::BackOffice, None, vec![]),
            ("service", Role::Service, None, vec![]),
            ("admin", Role::Admin, None, vec![]),
            ("auditor", Role::Auditor, None, vec![]),
        ] {
            company.hire(login, role, team, pools).await;
        }
        company
    }

    /// Adds a person.
    pub async fn hire(&mut self, login: &str, role: Role, team: Option<TeamId>, pools: Vec<(PoolId, bool)>) -> UserId {
        let person = NewPerson {
            login: login.to_owned(),
            name: login.to_uppercase(),
            email: None,
            role,
            team,
            pools,
        };
        let user = add_person(self.app(), None, self.org, &person, Some(PASSWORD))
            .await
            .unwrap();
        self.people.insert(login.to_owned(), user);
        user
    }

    /// The server.
    pub fn app(&self) -> &App {
        &self.test.app
    }

    /// A person.
    pub fn user(&self, login: &str) -> UserId {
        self.people[login]
    }

    /// A person on the web.
    pub fn asker(&self, login: &str) -> Asker {
        Asker {
            org: self.org,
            user: self.user(login),
            device: None,
        }
    }

    /// A new device of a person, enrolled and with a token.
    pub async fn phone(&self, login: &str) -> Client {
        enrol(self.app(), login, self.org).await
    }

    /// A new customer of a person, with a card.
    pub async fn customer_of(&self, login: &str, name: &str) -> CustomerId {
        self.create(login, None, name).await
    }

    /// A new customer in the pool, with a card.
    pub async fn customer_in_pool(&self, name: &str) -> CustomerId {
        self.create("office", Some(self.pool), name).await
    }

    async fn create(&self, login: &str, pool: Option<PoolId>, name: &str) -> CustomerId {
        let card: Map<String, Json> = [("name".to_owned(), json!(name))].into_iter().collect();
        create_customer(self.app(), self.asker(login), pool, &card)
            .await
            .unwrap()
    }

    /// Hands a customer to somebody, on the web.
    pub async fn assign(&self, customer: CustomerId, to: &str) {
        let action = IntentAction::Assign {
            owner: self.user(to),
            reason: String::new(),
        };
        self.ask("office", customer, action).await;
    }

    /// Makes somebody responsible for a document, as the office does it.
    pub async fn responsible(&self, customer: CustomerId, document: DocumentId, login: &str) {
        let user = Some(self.user(login));
        self.ask("office", customer, IntentAction::Responsible { document, user })
            .await;
    }

    /// Asks for something on the web; it must be done.
    pub async fn ask(&self, login: &str, customer: CustomerId, action: IntentAction) {
        ask(self.app(), self.asker(login), customer, None, action)
            .await
            .unwrap();
    }

    /// Changes somebody's place.
    pub async fn change_place(&self, login: &str, change: PlaceChange) {
        change_place(self.app(), None, self.org, self.user(login), &change)
            .await
            .unwrap();
    }

    /// Asks the JSON API as a person, through every layer of the server. Gives the status and the answer.
    pub async fn api(&self, login: &str, method: Method, path: &str, body: Json) -> (StatusCode, Json) {
        let credentials = json!({ "login": login, "password": PASSWORD });
        let (status, session) = call(self.app(), None, Method::POST, "/api/v1/tokens", &credentials).await;
        assert!(status.is_success(), "{login} signs in: {session}");
        call(self.app(), session["token"].as_str(), method, path, &body).await
    }

    /// The same where the answer must be good.
    pub async fn done(&self, login: &str, method: Method, path: &str, body: Json) -> Json {
        let (status, answer) = self.api(login, method.clone(), path, body).await;
        assert!(
            status.is_success(),
            "{} {login} {method} {path}: {answer}",
            self.test.name
        );
        answer
    }

    /// An id as it is written in a query.
    pub fn literal(&self, id: uuid::Uuid) -> String {
        match self.app().database {
            server::storage::Database::Sqlite { .. } => format!("x'{}'", id.simple()),
            server::storage::Database::Postgres(_) => format!("'{id}'"),
        }
    }

    /// The number that a query gives.
    pub async fn number(&self, query: &str) -> i64 {
        number(self.app(), query).await
    }

    /// How many rows each table has that a message may write to; of the counters, the log's head.
    pub async fn rows(&self) -> BTreeMap<&'static str, i64> {
        let mut rows = BTreeMap::new();
        for table in TABLES {
            let query = match table {
                "log_head" => "SELECT head FROM log_head".to_owned(),
                table => format!("SELECT COUNT(*) FROM {table}"),
            };
            rows.insert(table, self.number(&query).await);
        }
        rows
    }

    /// How many rows the audit has for an action.
    pub async fn audited(&self, action: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM audit WHERE action = '{action}'"))
            .await
    }

    /// Posts bytes to `/v1/sync` through every layer of the server. Gives the status and the problem's code.
    pub async fn post(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Posted {
        post(self.app(), headers, body).await
    }
}

/// The tables that have grown, and by how many rows.
pub fn grown(before: &BTreeMap<&'static str, i64>, after: &BTreeMap<&'static str, i64>) -> Vec<(&'static str, i64)> {
    let differences = after.iter().map(|(table, count)| (*table, count - before[table]));
    differences.filter(|(_, difference)| *difference != 0).collect()
}

/// What came back over HTTP.
pub struct Posted {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Posted {
    /// The stable code of a problem.
    pub fn code(&self) -> String {
        let problem: Json = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The headers of an honest phone.
pub fn headers<'a>(bearer: &'a str, version: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("authorization", bearer),
        ("content-type", CONTENT_TYPE),
        ("content-encoding", "zstd"),
        ("fieldpool-protocol", version),
    ]
}

/// The version of the protocol as it stands in the header.
pub fn version() -> String {
    PROTOCOL_VERSION.to_string()
}

async fn post(app: &App, headers: &[(&str, &str)], body: Vec<u8>) -> Posted {
    let mut request = Request::post("/v1/sync");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body)).unwrap();
    let response = router(app.clone()).oneshot(request).await.unwrap();
    Posted {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.into_body().collect().await.unwrap().to_bytes().to_vec(),
    }
}

async fn call(app: &App, token: Option<&str>, method: Method, path: &str, body: &Json) -> (StatusCode, Json) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = match body {
        Json::Null => Body::empty(),
        body => {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        }
    };
    let response = router(app.clone()).oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Json::Null))
}

async fn number(app: &App, query: &str) -> i64 {
    let mut tx = app.database.read().await.unwrap();
    let query = AssertSqlSafe(query.to_owned());
    let number = match &mut tx {
        Tx::Sqlite(tx) => sqlx::query_scalar(query).fetch_one(&mut **tx).await,
        Tx::Postgres(tx) => sqlx::query_scalar(query).fetch_one(&mut **tx).await,
    };
    tx.rollback().await.unwrap();
    number.unwrap()
}

/// Where all devices are.
pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Enrols a device of a person and proves it, as a phone does.
pub(super) async fn enrol(app: &App, login: &str, org: OrgId) -> Client {
    let key = SigningKey::from_bytes(&app.seam.random());
    let enrolment = Enrolment {
        login,
        password: PASSWORD,
        name: "phone",
        public_key: key.verifying_key().to_bytes(),
        app_version: "",
    };
    let enrolled = enrol_device(app, enrolment, HERE).await.unwrap();
    let proved = prove(app, org, enrolled.device, &key, proof_message, |proof| {
        prove_device(app, proof, HERE)
    })
    .await
    .unwrap();
    let token = AccessToken {
        org,
        user: enrolled.user,
        device: enrolled.device,
        drain: false,
        expires_at: proved.expires_at,
    };
    Client::new(app.clone(), token, format!("Bearer {}", proved.token), key)
}

/// Answers a fresh challenge to a device with a key, and does with the proof what is wanted.
pub async fn prove<T, F: Future<Output = Result<T, ActionError>>>(
    app: &App,
    org: OrgId,
    device: DeviceId,
    key: &SigningKey,
    message: impl Fn(DeviceId, &[u8]) -> Vec<u8>,
    then: impl FnOnce(Proof<'static>) -> F,
) -> Result<T, ActionError> {
    let challenge: &'static [u8] = challenge_device(app, org, device).leak();
    let signature = key.sign(&message(device, challenge)).to_bytes();
    let proof = Proof {
        org,
        device,
        challenge,
        signature,
        app_version: "test",
        sign_in: None,
    };
    then(proof).await
}
