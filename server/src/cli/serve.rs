//! `fieldpool serve`: the server, until it is told to stop.

use std::net::SocketAddr;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Target, block_on, print_json};
use crate::{app::App, config::Config, http::Server, jobs, seam::Seam, telemetry};

/// Runs the server. Prints one line of JSON when it is ready; stops on SIGTERM or Ctrl-C
#[derive(clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    target: Target,
    /// Where to listen; port 0 picks a free port
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8420",
        env = "FIELDPOOL_LISTEN"
    )]
    listen: SocketAddr,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        telemetry::start_logging();
        telemetry::metrics();
        block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<()> {
        // Listened for before anything else, so that an early order to stop is not missed.
        let stopping = stop_on_signal()?;
        let database = self.target.open(true).await?;
        let config = Config {
            listen: self.listen,
            ..Config::default()
        };
        let mut app = App::new(database.clone(), Seam::real(), config).await?;
        app.stopping = stopping;
        let server = Server::bind(app.clone()).await?;
        let url = format!("http://{}", server.address());
        tracing::info!(
            url,
            database = database.name(),
            version = env!("CARGO_PKG_VERSION"),
            "ready"
        );
        print_json(&json!({"event": "ready", "url": url}))?;
        let jobs = jobs::start(&app);
        server.run(app.stopping.clone()).await;
        jobs.stop(&app).await;
        tracing::info!("stopped");
        database.close().await;
        Ok(())
    }
}

pub(super) fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let order = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        order.cancel();
    });
    Ok(stop)
}
