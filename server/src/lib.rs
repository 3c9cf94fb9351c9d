//! Fieldpool's server: sync endpoint, JSON API, commands.

pub mod actions;
pub mod app;
pub mod auth;
mod bench;
pub mod cli;
pub mod config;
mod demo;
pub mod export;
pub mod http;
pub mod import;
pub mod jobs;
pub mod live;
pub mod seam;
pub mod storage;
pub mod telemetry;
#[doc(hidden)]
pub mod testing;
