//! How bytes get to the server and back. The simulator brings its own.

mod http;

pub use http::{HttpTransport, trust_only};

/// A request to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST` with a body, `GET` without.
    pub body: Option<Vec<u8>>,
    /// From the root, with a query.
    pub path: String,
    /// The access token.
    pub token: Option<String>,
    /// The body's media type.
    pub content_type: &'static str,
    /// A sync message: protocol header, zstd.
    pub is_sync: bool,
}

/// The server's answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    /// The body, unpacked by nobody.
    pub body: Vec<u8>,
}

/// No whole answer came. The server may have done what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// What has gone over the wire: TCP payload without TLS, headers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Requests sent.
    pub round_trips: u64,
    /// Bytes sent.
    pub bytes_up: u64,
    /// Bytes received.
    pub bytes_down: u64,
}

impl Traffic {
    /// What has come since.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            round_trips: self.round_trips - earlier.round_trips,
            bytes_up: self.bytes_up - earlier.bytes_up,
            bytes_down: self.bytes_down - earlier.bytes_down,
        }
    }
}

/// Carries one request at a time and waits for its answer.
pub trait Transport {
    /// Sends a request and waits.
    ///
    /// # Errors
    /// [`TransportError`] if no whole answer came.
    fn send(&mut self, request: &Request) -> Result<Response, TransportError>;

    /// All that was sent and received so far.
    fn traffic(&self) -> Traffic;
}
