//! The front door: one route table, what every request passes, and answers in the caller's language.
//!
//! Handlers read a request, call one action and write its answer; they decide nothing and know no SQL.

mod api;
mod dashboard;
pub mod extract;
mod health;
mod layers;
mod pokes;
mod problem;
mod proxy;
mod router;
mod serve;
mod stall;
mod sync;
#[cfg(test)]
mod tests;
mod tls;

pub use api::openapi;
pub use problem::Problem;
pub use router::router;
pub use serve::{ServeError, Server};
pub use tls::{Tls, TlsError};
