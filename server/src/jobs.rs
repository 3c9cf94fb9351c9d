//! Work in the background: it may lag, may be repeated, and is done by one node at a time.

use tokio::task::JoinSet;

use crate::app::App;

pub mod cleaner;
pub mod covers;
pub mod housekeeping;
pub mod indexer;
pub mod sealer;

/// The jobs of a running server.
pub struct Jobs(JoinSet<()>);

/// Starts all jobs.
#[must_use]
pub fn start(app: &App) -> Jobs {
    let mut jobs = JoinSet::new();
    jobs.spawn(indexer::run(
        app.database.clone(),
        app.seam.clone(),
        app.committer.news(),
    ));
    jobs.spawn(sealer::run(app.database.clone(), app.seam.clone()));
    jobs.spawn(cleaner::run(app.database.clone(), app.seam.clone()));
    jobs.spawn(housekeeping::run(app.clone()));
    jobs.spawn(covers::run(app.clone()));
    Jobs(jobs)
}

impl Jobs {
    /// Stops all jobs, between two steps of theirs or in the middle of one (which then counts as not done), and writes
    /// what is only in memory.
    pub async fn stop(mut self, app: &App) {
        self.0.shutdown().await;
        if let Err(error) = app.last_seen.flush(&app.database).await {
            tracing::warn!(%error, "when devices were last heard could not be written");
        }
    }
}
