//! A phone's way to a server in the same process: the real routes, without a socket. So a server whose clock is led
//! through the past is never reachable from outside.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Request as HttpRequest, header},
};
use mobile_ffi::{Request, Response, Traffic, Transport, TransportError};
use sync_core::protocol::{limits::BODY_ENCODED_BYTES_MAX, message::PROTOCOL_VERSION};
use tokio::runtime::Handle;
use tower::ServiceExt;

/// Where the phones seem to call from.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The way.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    pub(super) router: Router,
    /// Of the server's runtime; phones work on threads of their own.
    pub(super) runtime: Handle,
}

impl Inside {
    async fn carry(router: Router, request: HttpRequest<Body>) -> Result<Response, TransportError> {
        let told = |error: &dyn std::fmt::Display| TransportError(error.to_string());
        let answer = router.oneshot(request).await.map_err(|error| told(&error))?;
        let retry_after_s = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), BODY_ENCODED_BYTES_MAX)
            .await
            .map_err(|error| told(&error))?;
        Ok(Response {
            status,
            retry_after_s,
            body: body.into(),
        })
    }
}

impl Transport for Inside {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        let mut http = HttpRequest::builder().uri(&request.path).extension(ConnectInfo(PEER));
        if let Some(token) = &request.token {
            http = http.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if request.body.is_some() {
            http = http.method("POST").header(header::CONTENT_TYPE, request.content_type);
        }
        if request.is_sync {
            http = http
                .header(header::CONTENT_ENCODING, "zstd")
                .header("fieldpool-protocol", PROTOCOL_VERSION.to_string());
        }
        let body = request.body.clone().map_or_else(Body::empty, Body::from);
        let http = http.body(body).map_err(|error| TransportError(error.to_string()))?;
        self.runtime.block_on(Self::carry(self.router.clone(), http))
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}
