//! Logs and metrics.
//!
//! Logs are JSON lines on stderr and never hold personal data: no names, phones, notes, tokens or query strings.
//! A panic is logged by its place only, since its text may quote what it stumbled over.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Buckets of request times, in seconds: a no-op sync takes well under a millisecond, a request at most 30 s.
const SECONDS_BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// Sends logs to stderr as JSON lines; `FIELDPOOL_LOG` chooses what (`info` by default).
pub fn start_logging() {
    start_logging_at("info,sqlx=error");
}

/// [`start_logging`] with another default.
pub fn start_logging_at(default: &str) {
    let filter = EnvFilter::try_from_env("FIELDPOOL_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // A second call (tests) keeps the first.
    let _ = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

/// The process's metrics, rendered by `/metrics`.
pub fn metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&SECONDS_BUCKETS)
            .expect("there are buckets")
            .build_recorder();
        let handle = recorder.handle();
        // Set once in a process; whoever set another one keeps it.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}
