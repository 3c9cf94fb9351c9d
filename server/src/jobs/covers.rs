//! Ends covers whose time is over.

use std::time::Duration;

use crate::{actions::covers::end_due, app::App};

/// How late a cover may end. The question costs one look at an index.
const INTERVAL: Duration = Duration::from_secs(5);

/// Ends covers for as long as it is polled.
pub async fn run(app: App) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        match end_due(&app).await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "covers have ended"),
            Err(error) => tracing::warn!(%error, "covers could not be ended; it is tried again"),
        }
    }
}
