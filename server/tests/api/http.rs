//! The JSON API through the whole router: shapes, rights, errors.

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use server::{http, jobs::indexer, testing, testing::TestApp};
use sync_core::{
    document::{Document, Kind, edits_from_json},
    ids::{ActorId, CustomerId, DeviceId, DocumentId, PoolId, TeamId, UserId},
    time::Timestamp,
    visibility::Role,
};
use tower::ServiceExt;
use uuid::Uuid;

use crate::fixture::Company;

/// A server with one company on it.
pub(crate) struct World {
    pub(crate) test: TestApp,
    pub(crate) router: Router,
    pub(crate) company: Company,
    pub(crate) team: TeamId,
    pub(crate) pool: PoolId,
    pub(crate) li: UserId,
    pub(crate) wang: UserId,
    pub(crate) mei: UserId,
    pub(crate) admin: UserId,
    pub(crate) auditor: UserId,
    pub(crate) customer: CustomerId,
    pub(crate) visit: DocumentId,
}

impl World {
    pub(crate) async fn all() -> Vec<Self> {
        let mut worlds = Vec::new();
        for test in testing::apps().await {
            worlds.push(Self::on(test).await);
        }
        worlds
    }

    pub(crate) async fn on(test: TestApp) -> Self {
        let company = Company::new(&test.app, "One").await;
        let team = company.team("East").await;
        let pool = company.pool("Open").await;
        let li = company.user("li", Role::Rep, Some(team), &[(pool, false)]).await;
        let wang = company.user("wang", Role::Rep, Some(team), &[]).await;
        let mei = company.user("mei", Role::Manager, Some(team), &[]).await;
        let admin = company.user("admin", Role::Admin, None, &[]).await;
        let auditor = company.user("auditor", Role::Auditor, None, &[]).await;
        let customer = company.customer("宏伟轴承", Some(li), None, Some(team)).await;
        company
            .document(customer, Kind::Dossier, li, json!({ "notes": "秘密价格" }))
            .await;
        company
            .document(
                customer,
                Kind::Contact,
                li,
                json!({ "name": "张三", "phones": { "phone": "138 0000 1111" } }),
            )
            .await;
        let visit = company
            .document(customer, Kind::Visit, li, json!({ "note": "谈采购" }))
            .await;
        company
            .document(customer, Kind::Internal, mei, json!({ "notes": "x" }))
            .await;
        indexer::catch_up(&company.database, &company.seam, Uuid::nil())
            .await
            .unwrap();
        let router = http::router(test.app.clone());
        Self {
            test,
            router,
            company,
            team,
            pool,
            li,
            wang,
            mei,
            admin,
            auditor,
            customer,
            visit,
        }
    }

    pub(crate) async fn send(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Vec<u8>) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        (
            status,
            response.into_body().collect().await.unwrap().to_bytes().to_vec(),
        )
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> (StatusCode, Value) {
        let (status, body) = self.send(token, Method::GET, path, None).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn ok(&self, token: &str, path: &str) -> Value {
        let (status, body) = self.get(token, path).await;
        assert_eq!(status, StatusCode::OK, "{} {path} {body}", self.test.name);
        body
    }
}

fn without_request_id(body: &[u8]) -> Value {
    let mut problem: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if let Some(problem) = problem.as_object_mut() {
        problem.remove("request_id");
    }
    problem
}

#[tokio::test]
async fn a_customer_has_the_shape_of_customer_show_and_only_what_its_reader_may_read() {
    for world in World::all().await {
        let path = format!("/api/v1/customers/{}", world.customer);
        let li = world.company.token(world.li).await;
        let shown = world.ok(&li, &path).await;
        assert_eq!(shown["id"], world.customer.to_string());
        assert_eq!(shown["relation"], "owner");
        assert_eq!(shown["card"]["fields"]["name"], "宏伟轴承");
        assert_eq!(shown["dossier"]["fields"]["notes"], "秘密价格");
        assert_eq!(shown["internal"], Value::Null);
        let visit = &shown["visits"][0];
        assert_eq!(visit["id"], world.visit.to_string());
        assert_eq!(visit["kind"], "visit");
        assert_eq!(visit["state"], "synced");
        assert_eq!(
            visit["author"],
            json!({ "id": world.li, "login": "li", "name": "li (name)" })
        );
        assert_eq!(visit["fields"]["note"], "谈采购");
        assert!(visit.get("late").is_none());
        for list in ["contacts", "follow_ups", "opportunities", "tickets", "conflicts"] {
            assert!(shown[list].is_array(), "{list}");
        }

        // A colleague of the team reads the card; the manager the internal document too.
        let colleague = world.ok(&world.company.token(world.wang).await, &path).await;
        assert_eq!(colleague["relation"], "team");
        assert_eq!(colleague["dossier"], Value::Null);
        assert_eq!(colleague["contacts"], json!([]));
        assert_eq!(colleague["visits"], json!([]));
        let manager = world.ok(&world.company.token(world.mei).await, &path).await;
        assert_eq!(manager["internal"]["fields"]["notes"], "x");
    }
}

#[tokio::test]
async fn lists_have_items_and_next_and_follow_their_cursor() {
    for world in World::all().await {
        let token = world.company.token(world.li).await;
        for number in 0..5 {
            world
                .company
                .customer(&format!("c{number}"), None, Some(world.pool), None)
                .await;
        }
        let (mut names, mut after) = (Vec::new(), String::new());
        loop {
            let page = world.ok(&token, &format!("/api/v1/customers?limit=2{after}")).await;
            names.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["name"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(names, ["c0", "c1", "c2", "c3", "c4", "宏伟轴承"], "{}", world.test.name);
        let found = world.ok(&token, "/api/v1/customers?q=%E9%87%87%E8%B4%AD").await;
        assert_eq!(
            found["items"][0]["id"],
            world.customer.to_string(),
            "{}",
            world.test.name
        );
        let pooled = world
            .ok(&token, &format!("/api/v1/customers?pool={}&relation=pool", world.pool))
            .await;
        assert_eq!(pooled["items"].as_array().unwrap().len(), 5);
        assert_eq!(pooled["items"][0]["pool"], world.pool.to_string());
        let people = world.ok(&token, "/api/v1/users?limit=2").await;
        assert_eq!(people["items"][0]["login"], "admin");
        let next = people["next"].as_str().unwrap();
        let people = world.ok(&token, &format!("/api/v1/users?limit=200&after={next}")).await;
        assert_eq!(
            people["items"][0],
            json!({
                "id": world.li, "login": "li", "name": "li (name)", "role": "rep", "team": world.team, "state": "active"
            })
        );
        assert_eq!(people["next"], Value::Null);
    }
}

#[tokio::test]
async fn t069_every_id_of_another_organisation_is_as_unknown_as_one_that_nobody_has() {
    let description = serde_json::to_value(http::openapi()).unwrap();
    for world in World::all().await {
        let other = Company::new(&world.test.app, "Two").await;
        let theirs = other.user("theirs", Role::Admin, None, &[]).await;
        let customer = other.customer("theirs", Some(theirs), None, None).await;
        let document = other
            .document(customer, Kind::Visit, theirs, json!({ "note": "n" }))
            .await;
        let device = other.device(theirs, "phone").await;
        let ticket = other
            .quarantined(customer, Kind::Visit, UserId(Uuid::nil()), json!({ "note": "n" }))
            .await;
        let late = json!("late");
        let proposal = other
            .proposal(customer, document, Kind::Visit, UserId(Uuid::nil()), ("note", late))
            .await;
        let heir = other.user("heir", Role::Rep, None, &[]).await;
        let handover = other.handover(theirs, heir).await;
        let cover = other.cover(theirs, heir).await;
        let team = other.team("Theirs").await;
        let contact = other
            .document(customer, Kind::Contact, theirs, json!({ "name": "n" }))
            .await;
        let token = world.company.token(world.admin).await;
        let mut tried = 0;
        for (path, methods) in description["paths"].as_object().unwrap() {
            if !path.contains("{id}") {
                continue;
            }
            let foreign: Uuid = match path.split('/').nth(3).unwrap() {
                "customers" => customer.0,
                "documents" => document.0,
                "users" => theirs.0,
                "devices" => device.0,
                "quarantine" => ticket,
                "proposals" => proposal,
                "handovers" => handover.0,
                "covers" => cover.0,
                "teams" => team.0,
                "contacts" => contact.0,
                resource => panic!("a route with an id has no case here: {resource}"),
            };
            for method in methods.as_object().unwrap().keys() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let body = body_of(&method, path);
                let query = if path.ends_with("/history") { "?field=note" } else { "" };
                let mut answers = Vec::new();
                for id in [foreign, Uuid::from_u128(42)] {
                    let path = path.replace("{id}", &id.to_string()).replace("{kind}", "dossier") + query;
                    let (status, answer) = world.send(&token, method.clone(), &path, body.clone()).await;
                    assert_eq!(status, StatusCode::NOT_FOUND, "{} {method} {path}", world.test.name);
                    answers.push(without_request_id(&answer));
                }
                assert_eq!(answers[0], answers[1], "{method} {path}");
                tried += 1;
            }
        }
        assert!(tried >= 15, "{tried}");
    }
}

/// A well-formed body for a route that takes one.
fn body_of(method: &Method, path: &str) -> Option<Value> {
    let last = path.rsplit('/').next().unwrap();
    match (method.as_str(), last) {
        ("GET" | "DELETE", _) => None,
        (_, "{kind}" | "dossier") => Some(json!({ "fields": { "needs": "n" } })),
        (_, "assignment") => Some(json!({ "owner": Uuid::from_u128(1), "reason": "r" })),
        (_, "claim") => Some(json!({})),
        (_, "release") => Some(json!({ "reason": "r" })),
        ("PUT", "{id}") if path.contains("/teams/") => Some(json!({ "parent": null })),
        (_, "erasure") => Some(json!({ "reason": "request" })),
        (_, "state") => Some(json!({ "state": "disabled" })),
        (_, "decision") if path.contains("/proposals/") => Some(json!({ "decision": "dismiss" })),
        (_, "decision") => Some(json!({ "decision": "refuse", "reason": "r" })),
        (_, "contacts") => Some(json!({ "fields": { "name": "n" } })),
        (_, "opportunities") => Some(json!({ "fields": { "title": "t" } })),
        (_, "follow-ups" | "tickets") => Some(json!({ "fields": { "text": "t" } })),
        _ => Some(json!({ "fields": { "note": "n" } })),
    }
}

#[tokio::test]
async fn t070_answers_are_the_same_byte_for_byte_with_and_without_a_hidden_customer() {
    // The same seed makes the same ids; the second world has one customer more, of another team.
    let (plain, with_hidden) = (World::all().await, World::all().await);
    for (plain, hidden) in plain.into_iter().zip(with_hidden) {
        let tokens = [
            plain.company.token(plain.li).await,
            hidden.company.token(hidden.li).await,
        ];
        assert_eq!(tokens[0], tokens[1]);
        let west = hidden.company.team("West").await;
        let zhao = hidden.company.user("zhao", Role::Rep, Some(west), &[]).await;
        let secret = hidden
            .company
            .customer("宏伟轴承二厂", Some(zhao), None, Some(west))
            .await;
        hidden
            .company
            .document(secret, Kind::Visit, zhao, json!({ "note": "谈采购 秘密价格" }))
            .await;
        hidden
            .company
            .quarantined(secret, Kind::Visit, zhao, json!({ "note": "n" }))
            .await;
        hidden.company.device(zhao, "phone").await;
        indexer::catch_up(&hidden.company.database, &hidden.company.seam, Uuid::nil())
            .await
            .unwrap();
        for path in [
            "/api/v1/customers".to_owned(),
            "/api/v1/customers?limit=1".to_owned(),
            "/api/v1/customers?q=%E5%AE%8F%E4%BC%9F".to_owned(),
            "/api/v1/customers?q=%E9%87%87%E8%B4%AD".to_owned(),
            format!("/api/v1/customers?owner={zhao}"),
            format!("/api/v1/customers?team={west}"),
            format!("/api/v1/customers/{}", plain.customer),
            format!("/api/v1/customers/{secret}"),
            format!("/api/v1/customers/{secret}/visits"),
            "/api/v1/quarantine".to_owned(),
            "/api/v1/devices".to_owned(),
        ] {
            let answers = [
                plain.send(&tokens[0], Method::GET, &path, None).await,
                hidden.send(&tokens[1], Method::GET, &path, None).await,
            ];
            assert_eq!(answers[0].0, answers[1].0, "{} {path}", plain.test.name);
            if answers[0].0.is_success() {
                assert_eq!(answers[0].1, answers[1].1, "{} {path}", plain.test.name);
            } else {
                let [one, other] = answers.map(|(_, body)| without_request_id(&body));
                assert_eq!(one, other, "{} {path}", plain.test.name);
            }
        }
        // The feed's cursor tells how far the log was looked through and nothing else.
        let feeds = [
            plain.ok(&tokens[0], "/api/v1/changes").await["items"].clone(),
            hidden.ok(&tokens[1], "/api/v1/changes").await["items"].clone(),
        ];
        assert_eq!(feeds[0], feeds[1], "{}", plain.test.name);
    }
}

#[tokio::test]
async fn t090_parameters_are_values_and_never_sql_and_unknown_ones_are_refused() {
    for world in World::all().await {
        let token = world.company.token(world.li).await;
        for hostile in [
            "name%3B%20DROP%20TABLE%20customer",
            "1%20OR%201%3D1",
            "%25",
            "%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25_%25_%25_%25_",
            "%27%20OR%20%27%27%3D%27",
            "%22",
            "*",
            "NOT%20a%20AND%20(",
            "%5C",
            "%F0%9F%98%80",
            "%E2%80%AE",
        ] {
            for parameter in ["q", "stage", "tier", "region", "industry"] {
                let (status, body) = world
                    .get(&token, &format!("/api/v1/customers?{parameter}={hostile}"))
                    .await;
                assert_eq!(status, StatusCode::OK, "{} {parameter}={hostile}", world.test.name);
                assert_eq!(body["items"], json!([]), "{} {parameter}={hostile}", world.test.name);
            }
            for path in [
                "customers?owner=",
                "customers?limit=",
                "customers?sort=",
                "customers?relation=",
                "changes?after=",
                "customers?after=",
                "users?after=%zz",
                "devices?after=",
                "audit?limit=",
                "quarantine?after=",
            ] {
                let (status, body) = world.get(&token, &format!("/api/v1/{path}{hostile}")).await;
                assert_eq!(
                    status,
                    StatusCode::BAD_REQUEST,
                    "{} {path}{hostile} {body}",
                    world.test.name
                );
                assert_eq!(body["code"], "invalid_request");
            }
            let (status, _) = world.get(&token, &format!("/api/v1/customers/{hostile}")).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{} {hostile}", world.test.name);
        }
        let flood = "%25_".repeat(300);
        for path in [
            format!("customers?q={flood}"),
            "customers?q=a%00b".to_owned(),
            "customers?stage=%00".to_owned(),
            "customers?limit=0".to_owned(),
            "customers?limit=201".to_owned(),
            "customers?limit=-1".to_owned(),
        ] {
            let (status, _) = world.get(&token, &format!("/api/v1/{path}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{} {path}", world.test.name);
        }
        // Everything is still there.
        assert_eq!(
            world.ok(&token, "/api/v1/customers").await["items"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
}

#[tokio::test]
async fn the_feed_of_changes_misses_nothing_and_tells_nothing_twice() {
    for world in World::all().await {
        let admin = world.company.token(world.admin).await;
        let wang = world.company.token(world.wang).await;
        let (mut seen, mut after) = (Vec::new(), String::new());
        for round in 0..6 {
            let page = world.ok(&admin, &format!("/api/v1/changes?limit=2{after}")).await;
            seen.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["seq"].as_i64().unwrap()),
            );
            after = format!("&after={}", page["next"].as_str().unwrap());
            // What is written between two pages comes in a later one.
            if round < 2 {
                world
                    .company
                    .customer(&format!("new {round}"), Some(world.li), None, Some(world.team))
                    .await;
            }
        }
        assert!(
            seen.is_sorted_by(|one, other| one < other),
            "{}: {seen:?}",
            world.test.name
        );
        assert_eq!(seen.len(), 10, "{}: {seen:?}", world.test.name);
        let idle = world.ok(&admin, &format!("/api/v1/changes?limit=2{after}")).await;
        assert_eq!(idle["items"], json!([]));
        assert_eq!(format!("&after={}", idle["next"].as_str().unwrap()), after);

        // A colleague of the team learns of the cards and of who has the customers.
        let theirs = world.ok(&wang, "/api/v1/changes?limit=200").await;
        for item in theirs["items"].as_array().unwrap() {
            assert!(item["event"] == "create" || item["kind"] == "card", "{item}");
        }
        let first = &theirs["items"][0];
        assert_eq!(first["event"], "create");
        assert_eq!(first["author"]["login"], "li");
        assert!(theirs["items"][1]["change"].as_str().unwrap().len() == 64);
        // A cursor of another log, or from the future, begins anew.
        let cursor = "00".repeat(24);
        let (status, body) = world.get(&admin, &format!("/api/v1/changes?after={cursor}")).await;
        assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("cursor_reset")));
    }
}

#[tokio::test]
async fn devices_are_listed_and_revoked_by_those_who_look_after_them() {
    for world in World::all().await {
        let west = world.company.team("West").await;
        let zhao = world.company.user("zhao", Role::Rep, Some(west), &[]).await;
        let ours = world.company.device(world.li, "Li's phone").await;
        let theirs = world.company.device(zhao, "Zhao's phone").await;
        world.company.eviction(ours, world.customer).await;
        let cases = [
            (world.li, vec![ours]),
            (world.wang, vec![]),
            (world.mei, vec![ours]),
            (world.admin, vec![ours, theirs]),
            (world.auditor, vec![ours, theirs]),
        ];
        for (user, expected) in cases {
            let token = world.company.token(user).await;
            let items = world.ok(&token, "/api/v1/devices").await["items"].clone();
            let ids: std::collections::BTreeSet<DeviceId> = items
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().parse().unwrap())
                .collect();
            assert_eq!(ids, expected.into_iter().collect(), "{} {user}", world.test.name);
        }
        let mei = world.company.token(world.mei).await;
        let listed = world.ok(&mei, "/api/v1/devices").await["items"][0].clone();
        assert_eq!(listed["name"], "Li's phone");
        assert_eq!(listed["user"]["login"], "li");
        assert_eq!(listed["state"], "active");
        assert_eq!(listed["unconfirmed_evictions"], 1);
        assert_eq!(listed["last_sync"], Value::Null);

        let revoke = |device: DeviceId| format!("/api/v1/devices/{device}");
        let (status, _) = world.send(&mei, Method::DELETE, &revoke(theirs), None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{}", world.test.name);
        let auditor = world.company.token(world.auditor).await;
        assert_eq!(
            world.send(&auditor, Method::DELETE, &revoke(ours), None).await.0,
            StatusCode::NOT_FOUND
        );
        for _ in 0..2 {
            let (status, _) = world.send(&mei, Method::DELETE, &revoke(ours), None).await;
            assert_eq!(status, StatusCode::NO_CONTENT, "{}", world.test.name);
        }
        assert_eq!(world.ok(&mei, "/api/v1/devices").await["items"][0]["state"], "revoked");
        let audit = world.ok(&auditor, "/api/v1/audit").await;
        let revocations: Vec<&Value> = audit["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["action"] == "device_revoked")
            .collect();
        assert_eq!(revocations.len(), 1, "{}", world.test.name);
        assert_eq!(revocations[0]["user"], world.mei.to_string());
        assert_eq!(world.get(&mei, "/api/v1/audit").await.0, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn the_quarantine_shows_each_decider_what_is_his_to_decide() {
    for world in World::all().await {
        let ticket = world
            .company
            .quarantined(world.customer, Kind::Visit, world.wang, json!({ "note": "我先到的" }))
            .await;
        let cases = [
            (world.li, 1),
            (world.mei, 1),
            (world.admin, 1),
            (world.auditor, 1),
            (world.wang, 0),
        ];
        for (user, expected) in cases {
            let token = world.company.token(user).await;
            let items = world.ok(&token, "/api/v1/quarantine").await["items"].clone();
            assert_eq!(items.as_array().unwrap().len(), expected, "{} {user}", world.test.name);
            if let Some(item) = items.as_array().unwrap().first() {
                assert_eq!(item["id"], ticket.to_string());
                assert_eq!(item["reason"], "claim_lost");
                assert_eq!(item["author"]["login"], "wang");
                assert_eq!(item["kind"], "visit");
                assert_eq!(item["changes"], 1);
                assert_eq!(item["writes"], json!([{ "field": "note", "value": "我先到的" }]));
            }
        }
    }
}

#[tokio::test]
async fn a_look_up_says_who_has_a_customer_and_nothing_else_and_is_counted_and_audited() {
    for world in World::all().await {
        let zhao = world.company.user("zhao", Role::Rep, None, &[]).await;
        let token = world.company.token(zhao).await;
        let owner = json!({ "id": world.li, "login": "li", "name": "li (name)" });
        let found = json!({ "exists": true, "matches": [{ "owner": owner, "pool": null }] });
        let missing = json!({ "exists": false, "matches": [] });
        let cases = [
            ("%E5%AE%8F%E4%BC%9F%E8%BD%B4%E6%89%BF", &found),
            ("138-0000-1111", &found),
            ("13800001111", &found),
            ("%E5%AE%8F%E4%BC%9F", &missing),
            ("0000-1111", &missing),
            ("%E7%A7%98%E5%AF%86%E4%BB%B7%E6%A0%BC", &missing),
        ];
        for (words, expected) in cases {
            let answer = world.ok(&token, &format!("/api/v1/customers/lookup?q={words}")).await;
            assert_eq!(&answer, expected, "{} {words}", world.test.name);
        }
        for _ in cases.len()..30 {
            world.ok(&token, "/api/v1/customers/lookup?q=nothing").await;
        }
        let (status, body) = world.get(&token, "/api/v1/customers/lookup?q=nothing").await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::TOO_MANY_REQUESTS, &json!("rate_limited"))
        );
        world.test.app.seam.advance_ms(60_000);
        world.ok(&token, "/api/v1/customers/lookup?q=nothing").await;
        assert_eq!(
            world.get(&token, "/api/v1/customers/lookup?q=a").await.0,
            StatusCode::BAD_REQUEST
        );
        let auditor = world.company.token(world.auditor).await;
        assert_eq!(
            world.get(&auditor, "/api/v1/customers/lookup?q=nothing").await.0,
            StatusCode::FORBIDDEN
        );
        let audit = world.ok(&auditor, "/api/v1/audit?limit=200").await;
        let rows: Vec<&Value> = audit["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["action"] == "customer_looked_up")
            .collect();
        assert_eq!(rows.len(), 31, "{}", world.test.name);
        assert!(!audit.to_string().contains("宏伟"));
    }
}

#[tokio::test]
async fn a_fields_history_says_who_wrote_what_on_which_device_and_when_it_arrived() {
    for world in World::all().await {
        let device = world.company.device(world.li, "Li's phone").await;
        let mut document = Document::new(Kind::Visit);
        let mut changes = Vec::new();
        for (number, note) in ["first", "second"].into_iter().enumerate() {
            let fields = json!({ "note": note });
            let edits = edits_from_json(document.state(), fields.as_object().unwrap()).unwrap();
            let time = Timestamp(1_000 + i64::try_from(number).unwrap());
            changes.push((
                document.edit(ActorId([9; 16]), time, &edits).unwrap().unwrap(),
                world.li,
                device,
            ));
        }
        world.company.rewrite_changes(world.visit, &changes).await;
        let token = world.company.token(world.li).await;
        let path = format!("/api/v1/documents/{}/history?field=note", world.visit);
        let history = world.ok(&token, &path).await;
        let items = history["items"].as_array().unwrap();
        assert_eq!(items.len(), 2, "{}", world.test.name);
        assert_eq!(items[0]["value"], "first");
        assert_eq!(items[0]["current"], false);
        assert_eq!(items[1]["value"], "second");
        assert_eq!(items[1]["current"], true);
        assert_eq!(items[1]["author"]["login"], "li");
        assert_eq!(items[1]["device"], device.to_string());
        assert_eq!(items[1]["device_name"], "Li's phone");
        assert_eq!(items[1]["at"], 1_001);
        assert_eq!(items[1]["received_at"], testing::START.0);
        let (status, body) = world.get(&token, &path.replace("=note", "=nothing")).await;
        assert_eq!(
            (status, &body["code"], &body["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("schema"), &json!("nothing"))
        );
        // A colleague of the team does not read visits of others.
        let wang = world.company.token(world.wang).await;
        assert_eq!(world.get(&wang, &path).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn an_administrator_ends_a_persons_work_and_his_session_with_it() {
    for world in World::all().await {
        let (li, admin) = (
            world.company.token(world.li).await,
            world.company.token(world.admin).await,
        );
        let path = |user: UserId| format!("/api/v1/users/{user}/state");
        let disabled = Some(json!({ "state": "disabled" }));
        let (status, _) = world.send(&li, Method::PUT, &path(world.wang), disabled.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{}", world.test.name);
        let (status, _) = world
            .send(&admin, Method::PUT, &path(world.admin), disabled.clone())
            .await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{}", world.test.name);
        let (status, _) = world
            .send(&admin, Method::PUT, &path(world.li), Some(json!({ "state": "gone" })))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{}", world.test.name);
        world.ok(&li, "/api/v1/customers").await;
        let (status, answer) = world.send(&admin, Method::PUT, &path(world.li), disabled).await;
        assert_eq!(status, StatusCode::OK, "{}", world.test.name);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["state"], "disabled");
        let open = answer["open_handover"]["customers"].as_u64();
        assert!(open.is_some_and(|customers| customers > 0), "{answer}");
        assert_eq!(
            world.get(&li, "/api/v1/customers").await.0,
            StatusCode::UNAUTHORIZED,
            "{}",
            world.test.name
        );
        let people = world.ok(&admin, "/api/v1/users").await;
        let li = people["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["login"] == "li")
            .unwrap()
            .clone();
        assert_eq!(li["state"], "disabled", "{}", world.test.name);
    }
}

#[tokio::test]
async fn t071_every_answer_with_data_in_it_and_every_decision_has_its_row_in_the_audit() {
    for world in World::all().await {
        let token = world.company.token(world.li).await;
        let auditor = world.company.token(world.auditor).await;
        let rows = async || {
            let audit = world.ok(&auditor, "/api/v1/audit?limit=200").await;
            let rows = audit["items"].as_array().unwrap().clone();
            assert!(
                rows.iter().enumerate().all(|(index, row)| row["seq"] == index + 1),
                "{}",
                world.test.name
            );
            rows
        };
        let before = rows().await.len();
        let customer = world.customer;
        world.ok(&token, "/api/v1/customers").await;
        world.ok(&token, "/api/v1/customers?q=%E9%87%87%E8%B4%AD").await;
        world.ok(&token, &format!("/api/v1/customers/{customer}")).await;
        world.ok(&token, &format!("/api/v1/documents/{}", world.visit)).await;
        world.ok(&token, "/api/v1/customers/lookup?q=nothing").await;
        let page = world.ok(&token, "/api/v1/changes").await;
        // Nothing new, nothing there, nothing to see: no row.
        world
            .ok(
                &token,
                &format!("/api/v1/changes?after={}", page["next"].as_str().unwrap()),
            )
            .await;
        world.ok(&token, "/api/v1/quarantine").await;
        world
            .get(&token, &format!("/api/v1/customers/{}", Uuid::from_u128(1)))
            .await;
        let (status, _) = world
            .send(
                &token,
                Method::POST,
                "/api/v1/customers",
                Some(json!({ "fields": { "name": "新" } })),
            )
            .await;
        assert_eq!(status, StatusCode::CREATED, "{}", world.test.name);
        let new: Vec<String> = rows().await[before..]
            .iter()
            .map(|row| row["action"].as_str().unwrap().to_owned())
            .collect();
        let expected = [
            "customers_listed",
            "customers_listed",
            "customer_shown",
            "document_shown",
            "customer_looked_up",
            "changes_read",
        ];
        assert_eq!(new[..6], expected, "{}", world.test.name);
        // Creating a customer is two decisions: who has it, and its card.
        assert_eq!(new.len(), 8, "{} {new:?}", world.test.name);
        assert!(
            rows().await.iter().all(|row| !row.to_string().contains('新')),
            "{}",
            world.test.name
        );
    }
}

#[tokio::test]
async fn nothing_is_answered_without_a_token_or_to_somebody_who_has_left() {
    let description = serde_json::to_value(http::openapi()).unwrap();
    for world in World::all().await {
        for (path, methods) in description["paths"].as_object().unwrap() {
            for method in methods
                .as_object()
                .unwrap()
                .keys()
                .filter(|_| !path.ends_with("/tokens"))
            {
                let path = path
                    .replace("{id}", &world.customer.to_string())
                    .replace("{kind}", "dossier");
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let body = body_of(&method, &path);
                let (status, _) = world.send("nobody's", method.clone(), &path, body).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {method} {path}", world.test.name);
            }
        }
    }
}

#[tokio::test]
async fn the_description_names_every_route_with_its_answers() {
    let test = testing::sqlite_app().await;
    let router = http::router(test.app);
    let request = Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let description: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(description, serde_json::to_value(http::openapi()).unwrap());
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.keys().any(|status| status.starts_with('2')),
                "{method} {path}"
            );
            assert!(
                responses.contains_key("401") && responses.contains_key("404"),
                "{method} {path}"
            );
        }
    }
    assert!(description["components"]["schemas"]["ProblemShape"]["properties"]["code"].is_object());
}
