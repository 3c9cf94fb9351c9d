//! The way between phones and server: loses, doubles, delays and cuts, and checks what passes.

use std::{cell::RefCell, collections::BTreeMap, fmt::Write as _, path::PathBuf, rc::Rc};

use axum::{
    Router,
    body::{Body, to_bytes},
    http,
};
use mobile_ffi::{Request, Response, Traffic, Transport, TransportError};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use server::{actions::sync::place_of, app::App, http::router};
use sync_core::{
    ids::{DeviceId, UserId},
    protocol::{
        frame,
        message::{PROTOCOL_VERSION, SyncRequest, SyncResponse},
    },
};
use tower::ServiceExt;

use super::{Company, oracle};

/// Largest body the simulator reads.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What may go wrong with each request, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    lose_request: u32,
    lose_response: u32,
    double: u32,
    delay: u32,
    cut: u32,
}

impl Faults {
    /// Some faults, some of the time: each seed has its own mixture.
    #[must_use]
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut one = || {
            if rng.random_bool(0.5) {
                rng.random_range(1..15)
            } else {
                0
            }
        };
        Self {
            lose_request: one(),
            lose_response: one(),
            double: one(),
            delay: one(),
            cut: one(),
        }
    }
}

/// One server and the wires to it.
pub(super) struct Network {
    pub(super) faults: Faults,
    pub(super) delivered: u64,
    pub(super) faults_done: u64,
    rng: ChaCha8Rng,
    file: PathBuf,
    trace: Rc<RefCell<String>>,
    server: Option<(Router, App, Company)>,
    runtime: Option<tokio::runtime::Runtime>,
    delayed: Vec<Request>,
    /// The last whole message of each phone that was answered.
    pub(super) answered: BTreeMap<usize, Request>,
    places: BTreeMap<(DeviceId, uuid::Uuid), i64>,
}

impl Network {
    pub(super) fn new(seed: u64, file: PathBuf, trace: Rc<RefCell<String>>) -> Self {
        Self {
            faults: Faults::default(),
            delivered: 0,
            faults_done: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            file,
            trace,
            server: None,
            runtime: None,
            delayed: Vec::new(),
            answered: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    pub(super) fn connect(&mut self, runtime: tokio::runtime::Runtime, app: App, company: Company) {
        let router = runtime.block_on(async { router(app.clone()) });
        self.server = Some((router, app, company));
        self.runtime = Some(runtime);
    }

    /// As a kill does: nothing is finished, nothing is said.
    pub(super) fn disconnect(&mut self) {
        self.server = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(super) fn heal(&mut self) {
        self.faults = Faults::default();
        self.deliver_delayed();
    }

    pub(super) fn app(&self) -> App {
        self.server.as_ref().expect("the server runs").1.clone()
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("the server runs").block_on(future)
    }

    /// A read-only look at the server's database.
    pub(super) fn look(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.file).expect("the database can be read")
    }

    pub(super) fn head(&self) -> i64 {
        self.look()
            .query_row("SELECT head FROM log_head", [], |row| row.get(0))
            .expect("a head")
    }

    pub(super) fn state_of(&self, user: UserId) -> String {
        self.look()
            .query_row(
                "SELECT state FROM user_account WHERE user_id = ?1",
                [user.as_bytes()],
                |row| row.get(0),
            )
            .expect("a person")
    }

    /// Requests that were held back on the way arrive now; their answers reach nobody.
    pub(super) fn deliver_delayed(&mut self) {
        for request in std::mem::take(&mut self.delayed) {
            let _ = self.call(&request, None);
        }
    }

    fn happens(&mut self, percent: u32) -> bool {
        let happens = self.rng.random_range(0..100) < percent;
        self.faults_done += u64::from(happens);
        happens
    }

    fn send(&mut self, phone: usize, request: &Request) -> Result<Response, TransportError> {
        let lost = |what: &str| Err(TransportError(what.to_owned()));
        if self.happens(self.faults.lose_request) {
            return lost("the request was lost");
        }
        if self.happens(self.faults.delay) {
            self.delayed.push(request.clone());
            return lost("the request is late");
        }
        if self.happens(self.faults.double) {
            let _ = self.call(request, None);
        }
        let mut response = self.call(request, Some(phone));
        if self.happens(self.faults.lose_response) {
            return lost("the answer was lost");
        }
        if self.happens(self.faults.cut) && !response.body.is_empty() {
            let at = self.rng.random_range(0..response.body.len());
            response.body.truncate(at);
        }
        Ok(response)
    }

    pub(super) fn call(&mut self, request: &Request, phone: Option<usize>) -> Response {
        let (router, app, company) = self.server.clone().expect("the server runs");
        let response = self.block_on(async {
            let answer = router.oneshot(http_request(request)).await.expect("the router answers");
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), BODY_BYTES_MAX).await.expect("a body");
            Response {
                status,
                retry_after_s: None,
                body: body.to_vec(),
            }
        });
        assert!(
            response.status < 500 || response.status == 503,
            "{} {}",
            request.path,
            String::from_utf8_lossy(&response.body)
        );
        if response.status >= 400 {
            let _ = writeln!(
                self.trace.borrow_mut(),
                "{} {}: {}",
                request.path,
                response.status,
                String::from_utf8_lossy(&response.body)
            );
        }
        if request.is_sync && response.status == 200 {
            self.inspect(request, &response, &app, &company, phone.is_some());
        }
        if let Some(phone) = phone.filter(|_| request.is_sync && response.status < 300) {
            self.answered.insert(phone, request.clone());
        }
        response
    }

    /// Nothing reaches a device that may not have it, and cursors only go forward.
    fn inspect(&mut self, request: &Request, response: &Response, app: &App, company: &Company, in_order: bool) {
        let asked: SyncRequest = frame::decode(request.body.as_deref().unwrap_or_default()).expect("a message");
        let answer: SyncResponse = frame::decode(&response.body).expect("an answer");
        let look = self.look();
        let device = asked.device;
        let user = oracle::user_of_device(&look, device);
        for document in &answer.documents {
            if document.gone {
                continue;
            }
            let customer = answer.customers[document.customer as usize];
            let id = oracle::id_of(company.org, document, customer);
            self.delivered += 1;
            assert!(
                oracle::may_read(&look, user, id),
                "document {id} (whole {}) was delivered to {user}, who may not read it: {}\n{}",
                document.whole,
                oracle::explain(&look, user, id),
                self.trace.borrow()
            );
        }
        let Some(place) = place_of(app, company.org, device, &answer.cursor) else {
            return;
        };
        if in_order && !answer.reset {
            let before = asked
                .cursor
                .as_ref()
                .and_then(|cursor| place_of(app, company.org, device, cursor))
                .unwrap_or(0);
            assert!(
                place >= before,
                "the cursor of {device} went back from {before} to {place}"
            );
            let known = self.places.entry((device, uuid::Uuid::nil())).or_insert(place);
            *known = (*known).max(place);
        }
    }
}

fn http_request(request: &Request) -> http::Request<Body> {
    let mut builder = http::Request::builder()
        .method(if request.body.is_some() { "POST" } else { "GET" })
        .uri(&request.path)
        .header("content-type", request.content_type);
    if let Some(token) = &request.token {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    if request.is_sync {
        builder = builder
            .header("content-encoding", "zstd")
            .header("fieldpool-protocol", PROTOCOL_VERSION.to_string());
    }
    let body = request.body.clone().unwrap_or_default();
    builder
        .header("content-length", body.len())
        .body(Body::from(body))
        .expect("a request")
}

/// A phone's end of the network.
pub struct Wire {
    network: Rc<RefCell<Network>>,
    phone: usize,
    traffic: Traffic,
}

impl Wire {
    pub(super) fn new(network: Rc<RefCell<Network>>, phone: usize) -> Self {
        Self {
            network,
            phone,
            traffic: Traffic::default(),
        }
    }
}

impl Transport for Wire {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        self.traffic.round_trips += 1;
        self.traffic.bytes_up += request.body.as_ref().map_or(0, Vec::len) as u64;
        let response = self.network.borrow_mut().send(self.phone, request)?;
        self.traffic.bytes_down += response.body.len() as u64;
        Ok(response)
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}
