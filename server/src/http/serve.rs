//! Accepting connections, with the limits that a framework's own loop does not offer.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, extract::Request};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{Tls, TlsError, proxy, router, stall::StallLimit};
use crate::{
    app::App,
    config::{Limits, Network},
    live::Live,
};

/// How long to wait after the system could not hand over a connection (too many files open, as a rule).
const ACCEPT_FAILURE_PAUSE: Duration = Duration::from_millis(100);
/// The smallest read and write buffer hyper takes; answers larger than it are written piece by piece.
const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}; choose another address or port with --listen")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The certificate files do not do.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A server that is bound and not yet serving.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    door: Door,
    live: Live,
}

/// What every connection meets.
#[derive(Clone)]
struct Door {
    router: Router,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    trusted_proxies: Arc<[Network]>,
    stop: CancellationToken,
}

impl Server {
    /// Binds the configured address and reads the certificate, where there is one.
    ///
    /// # Errors
    /// If the address cannot be had or the certificate does not do.
    pub async fn bind(app: App) -> Result<Self, ServeError> {
        let tls = match app.config.tls.clone() {
            Some(files) => Some(Arc::new(Tls::load(files, app.seam.clone())?)),
            None => None,
        };
        let address = app.config.listen;
        let cannot = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let live = app.live.clone();
        let door = Door {
            limits: app.config.limits,
            tls,
            trusted_proxies: app.config.trusted_proxies.clone(),
            stop: CancellationToken::new(),
            router: router(app),
        };
        Ok(Self {
            listener,
            address,
            door,
            live,
        })
    }

    /// The certificate in use, to have it read again; none with plain HTTP.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.door.tls.clone()
    }

    /// Where it listens, with the port that was picked for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled, then finishes what is in flight within the grace time.
    pub async fn run(self, stop: CancellationToken) {
        let limits = self.door.limits;
        let door = Door {
            stop: stop.clone(),
            ..self.door
        };
        let turns = Arc::new(Semaphore::new(limits.connections_max.get()));
        let connections = TaskTracker::new();
        loop {
            // The permit first: with all given out, further connections wait in the kernel.
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.listener, &turns) => accepted,
            };
            let (stream, peer, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_FAILURE_PAUSE).await;
                    continue;
                }
            };
            connections.spawn(door.clone().serve_connection(stream, peer, permit));
        }
        drop(self.listener);
        self.live.close();
        connections.close();
        if tokio::time::timeout(limits.shutdown_grace, connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = connections.len(),
                "connections cut at the end of the grace time"
            );
        }
    }
}

async fn accept(
    listener: &TcpListener,
    turns: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = turns.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

impl Door {
    async fn serve_connection(self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // Answers are small and written at once; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.serve_http(stream, peer).await,
            Some(tls) => {
                // Who does not finish the handshake in time is as slow as one who does not finish a header.
                let handshake = tokio::time::timeout(self.limits.header_read_timeout, tls.acceptor().accept(stream));
                let stream = tokio::select! {
                    shaken = handshake => shaken,
                    () = self.stop.cancelled() => return,
                };
                // A stranger who speaks something else is no event for the log.
                if let Ok(Ok(stream)) = stream {
                    self.serve_http(stream, peer).await;
                }
            }
        }
        drop(permit);
    }

    async fn serve_http(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: SocketAddr) {
        let proxies = self.trusted_proxies.clone();
        let service = self
            .router
            .clone()
            .map_request(move |request: Request<hyper::body::Incoming>| {
                let mut request = request.map(axum::body::Body::new);
                let client = proxy::client(peer, request.headers(), &proxies);
                request.extensions_mut().insert(ConnectInfo(client));
                request
            });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_read_timeout)
            .max_headers(self.limits.headers_max)
            .max_header_size(self.limits.header_bytes_max)
            .max_buf_size(CONNECTION_BUFFER_BYTES)
            .serve_connection(
                TokioIo::new(StallLimit::new(stream, self.limits.write_stall_timeout)),
                TowerToHyperService::new(service),
            );
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            // A peer that goes away or sends nonsense is no event for the log.
            _ = connection.as_mut() => {}
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}
