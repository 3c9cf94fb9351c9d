//! HTTP over one kept connection, counted where the bytes pass.

use std::{
    fmt,
    io::Read,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sync_core::protocol::{limits::BODY_ENCODED_BYTES_MAX, message::PROTOCOL_VERSION};
use ureq::{
    Agent,
    config::Config,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
    unversioned::{
        resolver::DefaultResolver,
        transport::{
            Buffers, ConnectionDetails, Connector, NextTimeout, RustlsConnector, TcpConnector,
            Transport as UreqTransport,
        },
    },
};

use super::{Request, Response, Traffic, Transport, TransportError};

/// To find the server and shake hands; a phone in a lift fails early enough to be tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// For one answer as a whole: a page of 1 MB over a very slow network.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// For a stream as a whole: it ends with the access token, and one whose end was lost is not waited for much longer.
const STREAM_TIMEOUT: Duration = Duration::from_secs(11 * 60);
/// Bytes of an answer that refuses a stream.
const PROBLEM_BYTES_MAX: u64 = 64 * 1024;
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Whom this process trusts instead of the public authorities; set once, as a system's store of certificates is.
static AUTHORITIES: OnceLock<RootCerts> = OnceLock::new();

/// Has every transport that is made from here on trust these certificates (PEM) and no others: those of a company with
/// an authority of its own. The first call counts.
///
/// # Errors
/// If there is no certificate in it.
pub fn trust_only(pem: &[u8]) -> Result<(), TransportError> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| TransportError(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(TransportError("there is no certificate in it".to_owned()));
    }
    let _ = AUTHORITIES.set(RootCerts::new_with_certs(&certificates));
    Ok(())
}

/// The phone's transport to one server.
pub struct HttpTransport {
    agent: Agent,
    server: String,
    counters: Arc<Counters>,
    round_trips: u64,
}

#[derive(Debug, Default)]
struct Counters {
    up: AtomicU64,
    down: AtomicU64,
}

impl HttpTransport {
    /// To the server at this URL, such as `https://pool.example.com`.
    #[must_use]
    pub fn new(server: &str) -> Self {
        let counters = Arc::new(Counters::default());
        let authorities = AUTHORITIES.get().cloned().unwrap_or(RootCerts::WebPki);
        let config = Config::builder()
            .tls_config(TlsConfig::builder().root_certs(authorities).build())
            .http_status_as_error(false)
            .max_redirects(0)
            // What the server does not need is not sent: a sync without news costs mostly headers.
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(ANSWER_TIMEOUT))
            .max_idle_age(IDLE_TIMEOUT)
            .build();
        let connector =
            ().chain(TcpConnector::default())
                .chain(RustlsConnector::default())
                .chain(Counting(counters.clone()));
        Self {
            agent: Agent::with_parts(config, connector, DefaultResolver::default()),
            server: server.trim_end_matches('/').to_owned(),
            counters,
            round_trips: 0,
        }
    }

    /// Opens a stream that the server keeps open: its bytes as they come, or the answer that refuses it.
    pub(crate) fn open(&mut self, request: &Request) -> Result<Result<impl Read + use<>, Response>, TransportError> {
        self.round_trips += 1;
        let failed = |error: ureq::Error| TransportError(error.to_string());
        let url = format!("{}{}", self.server, request.path);
        let mut get = self.agent.get(&url);
        if let Some(token) = &request.token {
            get = get.header("authorization", format!("Bearer {token}"));
        }
        let get = get.config().timeout_global(Some(STREAM_TIMEOUT)).build();
        let mut answer = get.call().map_err(failed)?;
        if answer.status() == 200 {
            return Ok(Ok(answer.into_body().into_reader()));
        }
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(PROBLEM_BYTES_MAX);
        Ok(Err(Response {
            status,
            retry_after_s: None,
            body: body.read_to_vec().map_err(failed)?,
        }))
    }

    fn call(&self, request: &Request) -> Result<Response, ureq::Error> {
        let url = format!("{}{}", self.server, request.path);
        let bearer = request.token.as_ref().map(|token| format!("Bearer {token}"));
        let answer = match &request.body {
            None => {
                let mut get = self.agent.get(&url);
                if let Some(bearer) = &bearer {
                    get = get.header("authorization", bearer);
                }
                get.call()
            }
            Some(body) => {
                let mut post = self.agent.post(&url).header("content-type", request.content_type);
                if let Some(bearer) = &bearer {
                    post = post.header("authorization", bearer);
                }
                if request.is_sync {
                    post = post
                        .header("content-encoding", "zstd")
                        .header("fieldpool-protocol", PROTOCOL_VERSION.to_string());
                }
                post.send(&body[..])
            }
        };
        let mut answer = answer?;
        let retry_after_s = answer
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        let status = answer.status().as_u16();
        let body = answer
            .body_mut()
            .with_config()
            .limit(BODY_ENCODED_BYTES_MAX as u64)
            .read_to_vec()?;
        Ok(Response {
            status,
            retry_after_s,
            body,
        })
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Transport for HttpTransport {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        self.round_trips += 1;
        self.call(request).map_err(|error| TransportError(error.to_string()))
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            round_trips: self.round_trips,
            bytes_up: self.counters.up.load(Ordering::Relaxed),
            bytes_down: self.counters.down.load(Ordering::Relaxed),
        }
    }
}

/// Wraps each connection, inside TLS, and counts what passes.
#[derive(Debug)]
struct Counting(Arc<Counters>);

impl<In: UreqTransport> Connector<In> for Counting {
    type Out = Counted<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| Counted {
            inner,
            counters: self.0.clone(),
        }))
    }
}

#[derive(Debug)]
struct Counted<In> {
    inner: In,
    counters: Arc<Counters>,
}

impl<In: UreqTransport> UreqTransport for Counted<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.counters.up.fetch_add(amount as u64, Ordering::Relaxed);
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.inner.buffers().input().len();
        let progress = self.inner.await_input(timeout)?;
        let after = self.inner.buffers().input().len();
        let received = after.saturating_sub(before) as u64;
        self.counters.down.fetch_add(received, Ordering::Relaxed);
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
