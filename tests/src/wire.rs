//! Clients that speak the wire by hand, honest and hostile, against the real server.
//!
//! A [`Company`] is an organisation on a database of its own, made through the real actions. A [`Client`] is an
//! enrolled device with a real token; it keeps what it is sent and can say anything, also what no phone would.
//! Everything panics on what a test does not expect: there is nothing to recover.

mod client;
mod company;
mod draft;

pub use client::{Client, Held, all_verdicts};
pub use company::{Company, Posted, TABLES, grown, headers, prove, version};
pub use draft::{Draft, add, comment, digest_of, put, rewrite, text};
