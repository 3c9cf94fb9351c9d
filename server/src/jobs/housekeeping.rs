//! What must be done now and then: write when devices were heard, forget what has ended, learn of other nodes' keys.

use std::time::Duration;

use crate::{
    app::App,
    auth::{FAILURE_WINDOW_MS, KeysError},
    storage::{sessions, sign_in_links},
};

/// How old a device's "last seen" may be, and how long a node works with keys that another has replaced.
const INTERVAL: Duration = Duration::from_secs(60);

/// Keeps house for as long as it is polled.
pub async fn run(app: App) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = keep_house(&app).await {
            tracing::warn!(%error, "housekeeping failed; it is tried again");
        }
    }
}

/// One round.
///
/// # Errors
/// The database's, or a stored key that is too short to be safe.
pub async fn keep_house(app: &App) -> Result<(), KeysError> {
    app.last_seen.flush(&app.database).await?;
    app.keys.reload(&app.database, &app.seam).await?;
    let now = app.seam.now();
    let mut tx = app.database.write().await?;
    sessions::delete_expired(&mut tx, now).await?;
    sign_in_links::delete_expired(&mut tx, now).await?;
    sessions::delete_old_failures(&mut tx, now.plus_ms(-FAILURE_WINDOW_MS)).await?;
    tx.commit().await?;
    Ok(())
}
