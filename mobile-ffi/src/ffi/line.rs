//! The way to the server, with a switch in it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{HttpTransport, Request, Response, Traffic, Transport, TransportError};

/// Flight mode of one phone, shared by all its lines.
#[derive(Debug, Clone, Default)]
pub(super) struct FlightMode(Arc<AtomicBool>);

impl FlightMode {
    pub(super) fn set(&self, on: bool) {
        self.0.store(on, Ordering::SeqCst);
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// HTTP unless flight mode is on.
#[derive(Debug)]
pub(super) struct Line {
    http: HttpTransport,
    flight_mode: FlightMode,
}

impl Line {
    pub(super) fn new(server: &str, flight_mode: FlightMode) -> Self {
        Self {
            http: HttpTransport::new(server),
            flight_mode,
        }
    }
}

impl Transport for Line {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        if self.flight_mode.is_on() {
            return Err(TransportError("flight mode is on".to_owned()));
        }
        self.http.send(request)
    }

    fn traffic(&self) -> Traffic {
        self.http.traffic()
    }
}
