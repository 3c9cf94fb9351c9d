//! What an operator may set, and the limits of the front door with their reasons.

mod network;

use std::{
    net::SocketAddr,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use crate::auth::PasswordCost;

pub use network::{InvalidNetwork, Network};

/// Settings of one server process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The server's own certificate; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// Proxies whose word on who asks is taken.
    pub trusted_proxies: Arc<[Network]>,
    /// Limits of connections and requests.
    pub limits: Limits,
    /// What checking a password costs.
    pub password_cost: PasswordCost,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8420)),
            tls: None,
            trusted_proxies: Arc::default(),
            limits: Limits::default(),
            password_cost: PasswordCost::default(),
        }
    }
}

/// Where the server's certificate and its key lie, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate first, then those that lead to its authority.
    pub certificate: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// Limits of connections and requests. Limits of the sync protocol stand in `sync_core::protocol`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; further ones wait in the kernel's queue. Each costs two file descriptors and some 20 KB.
    pub connections_max: NonZeroUsize,
    /// From the first byte of a connection, or from the end of the last request, to the end of the next header: slow
    /// senders of headers must not hold connections.
    pub header_read_timeout: Duration,
    /// All headers of a request: a token is under 1 KB, browsers send some 2 KB.
    pub header_bytes_max: usize,
    /// How many headers a request may have.
    pub headers_max: usize,
    /// From the header to the beginning of the answer, reading the body included.
    pub request_timeout: Duration,
    /// Bodies of JSON requests. Routes that take more say so themselves.
    pub json_bytes_max: usize,
    /// Any body whatever, as it is sent: the sync protocol's bound.
    pub body_bytes_max: usize,
    /// How long the other end may refuse to read an answer.
    pub write_stall_timeout: Duration,
    /// How long requests in flight may still run after the order to stop.
    pub shutdown_grace: Duration,
    /// Syncs at work at the same time: as many as fill one batch of the writer. A body of the largest size unpacks to
    /// 16 MB, so this also bounds memory.
    pub syncs_max: NonZeroUsize,
    /// Passwords checked at the same time: each takes 19 MiB and some 30 ms of a core.
    pub password_checks_max: NonZeroUsize,
    /// Of the changes phones send, one in so many is tried in Automerge and compared with the fold, which decides alone
    /// for the others: the two have agreed on everything that the fuzz tests made (decision 0016). Tests try each.
    pub tried_every: NonZeroU64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: NonZeroUsize::new(10_240).expect("not zero"),
            header_read_timeout: Duration::from_secs(10),
            header_bytes_max: 16 * 1024,
            headers_max: 64,
            request_timeout: Duration::from_secs(30),
            json_bytes_max: 256 * 1024,
            body_bytes_max: 4 * 1024 * 1024,
            write_stall_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(10),
            syncs_max: NonZeroUsize::new(64).expect("not zero"),
            password_checks_max: NonZeroUsize::new(2).expect("not zero"),
            tried_every: NonZeroU64::new(8).expect("not zero"),
        }
    }
}
