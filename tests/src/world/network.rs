//! The way between phones and server: loses, doubles, delays and cuts, and shows the watch what passes.

use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, rc::Rc};

use axum::{
    Router,
    body::{Body, to_bytes},
    http,
};
use mobile_ffi::{Request, Response, Traffic, Transport, TransportError};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;
use server::{app::App, http::router};
use sync_core::{
    ids::OrgId,
    protocol::{
        frame,
        message::{PROTOCOL_VERSION, SyncRequest, SyncResponse},
    },
};
use tower::ServiceExt;

use super::{
    log::{Log, Promise},
    oracle::count,
    watch::{Watch, Way},
};

/// Largest body the simulator reads.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Statements of the oracle kept ready.
const STATEMENTS_MAX: usize = 64;
/// Answered messages of a phone that are remembered, to be said again.
const REMEMBERED_MAX: usize = 40;

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
    pub(super) faults_done: u64,
    pub(super) watch: Watch,
    /// The largest page each phone takes, where that is not what it says itself: small ones break at many places.
    pub(super) page_bytes: Vec<u32>,
    rng: ChaCha8Rng,
    look: Rc<Connection>,
    log: Rc<Log>,
    org: OrgId,
    server: Option<(Router, App, tokio::runtime::Runtime)>,
    delayed: Vec<Request>,
    /// Messages of each phone that were answered, the last one last.
    pub(super) answered: BTreeMap<usize, Vec<Request>>,
}

impl Network {
    pub(super) fn new(seed: u64, file: &PathBuf, org: OrgId, log: &Rc<Log>) -> Self {
        let look = Connection::open(file).expect("the database can be read");
        look.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let look = Rc::new(look);
        Self {
            faults: Faults::default(),
            faults_done: 0,
            watch: Watch::new(Rc::clone(log), Rc::clone(&look)),
            page_bytes: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            look,
            log: Rc::clone(log),
            org,
            server: None,
            delayed: Vec::new(),
            answered: BTreeMap::new(),
        }
    }

    pub(super) fn connect(&mut self, runtime: tokio::runtime::Runtime, app: App) {
        let router = runtime.block_on(async { router(app.clone()) });
        self.server = Some((router, app, runtime));
    }

    /// As a kill does: nothing is finished, nothing is said.
    pub(super) fn disconnect(&mut self) {
        if let Some((_, _, runtime)) = self.server.take() {
            runtime.shutdown_background();
        }
    }

    pub(super) fn heal(&mut self) {
        self.faults = Faults::default();
        self.deliver_delayed();
    }

    pub(super) fn has_faults(&self) -> bool {
        let Faults {
            lose_request,
            lose_response,
            double,
            delay,
            cut,
        } = self.faults;
        lose_request + lose_response + double + delay + cut > 0
    }

    fn server(&self) -> &(Router, App, tokio::runtime::Runtime) {
        self.server.as_ref().expect("the server runs")
    }

    pub(super) fn app(&self) -> App {
        self.server().1.clone()
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.server().2.block_on(future)
    }

    /// A look at the server's database.
    pub(super) fn look(&self) -> Rc<Connection> {
        Rc::clone(&self.look)
    }

    pub(super) fn head(&self) -> i64 {
        count(&self.look, "SELECT head FROM log_head", [])
    }

    /// Requests that were held back on the way arrive now; their answers reach nobody.
    pub(super) fn deliver_delayed(&mut self) {
        for request in std::mem::take(&mut self.delayed) {
            let _ = self.call(&request, Way::Stray);
        }
    }

    fn happens(&mut self, percent: u32) -> bool {
        let happens = self.rng.random_range(0..100) < percent;
        self.faults_done += u64::from(happens);
        happens
    }

    fn send(&mut self, phone: usize, request: &Request) -> Result<Response, TransportError> {
        let lost = |what: &str| Err(TransportError(what.to_owned()));
        let request = self.with_small_pages(phone, request);
        if self.happens(self.faults.lose_request) {
            return lost("the request was lost");
        }
        if self.happens(self.faults.delay) {
            self.delayed.push(request);
            return lost("the request is late");
        }
        if self.happens(self.faults.double) {
            let _ = self.call(&request, Way::Stray);
        }
        let mut response = self.call(&request, Way::InOrder);
        if request.is_sync && response.status < 300 {
            let answered = self.answered.entry(phone).or_default();
            if answered.len() == REMEMBERED_MAX {
                answered.remove(0);
            }
            answered.push(request);
        }
        if self.happens(self.faults.lose_response) {
            return lost("the answer was lost");
        }
        if self.happens(self.faults.cut) && !response.body.is_empty() {
            let at = self.rng.random_range(0..response.body.len());
            response.body.truncate(at);
        }
        Ok(response)
    }

    fn with_small_pages(&self, phone: usize, request: &Request) -> Request {
        let size = self.page_bytes.get(phone).copied().filter(|size| *size > 0);
        let mut request = request.clone();
        if let (true, Some(size), Some(body)) = (request.is_sync, size, &request.body) {
            let mut said: SyncRequest = frame::decode(body).expect("a message");
            said.page_bytes_max = size;
            request.body = Some(frame::encode(&said));
        }
        request
    }

    pub(super) fn call(&mut self, request: &Request, way: Way) -> Response {
        let asked: Option<SyncRequest> = request
            .is_sync
            .then(|| frame::decode(request.body.as_deref().unwrap_or_default()).expect("a message"));
        if let Some(asked) = asked.as_ref().filter(|_| way != Way::Hostile) {
            self.watch.sends(self.org, asked);
        }
        let head = if asked.is_some() { self.head() } else { 0 };
        let (router, app, runtime) = self.server();
        let response = runtime.block_on(async {
            let answer = router
                .clone()
                .oneshot(http_request(request))
                .await
                .expect("the router answers");
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), BODY_BYTES_MAX).await.expect("a body");
            Response {
                status,
                retry_after_s: None,
                body: body.to_vec(),
            }
        });
        let words = || String::from_utf8_lossy(&response.body).into_owned();
        if response.status >= 500 && response.status != 503 {
            self.log.broken(
                Promise::I10,
                format!("{} {} {}", request.path, response.status, words()),
            );
        }
        if response.status >= 400 {
            self.log.note(
                app.seam.now(),
                format!("{}: {} {}", request.path, response.status, words()),
            );
        }
        if let (Some(asked), 200) = (asked, response.status) {
            let answer: SyncResponse = frame::decode(&response.body).expect("an answer");
            let app = app.clone();
            self.watch.answered(self.org, &asked, &answer, head, &app);
        }
        response
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
    pub(super) fn new(network: &Rc<RefCell<Network>>, phone: usize) -> Self {
        Self {
            network: Rc::clone(network),
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
