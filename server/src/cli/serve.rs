//! `fieldpool serve`: the server, until it is told to stop.

mod settings;

use std::{path::PathBuf, sync::Arc};

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::settings::{Settings, TABLE};
use super::{Target, block_on, print_json};
use crate::{
    actions::{organisation::has_organisation, recovery},
    app::App,
    auth::setup_token,
    config::Config,
    http::{Server, Tls},
    jobs,
    seam::Seam,
    telemetry,
};

/// Runs the server. Prints one line of JSON when it is ready; stops on SIGTERM or Ctrl-C
#[derive(clap::Args)]
#[command(after_help = TABLE)]
pub(super) struct Serve {
    #[command(flatten)]
    target: Target,
    /// A file of settings, TOML; what flags and environment say counts more
    #[arg(long, value_name = "FILE", env = "FIELDPOOL_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        telemetry::start_logging();
        telemetry::metrics();
        block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<()> {
        // Listened for before anything else, so that an early order is not missed.
        let stopping = stop_on_signal()?;
        let hang_up = signal(SignalKind::hangup())?;
        let file = self.config.as_deref().map(Settings::read).transpose()?;
        let settings = self.settings.or(file.unwrap_or_default());
        let target = settings.target(self.target);
        let config = settings.config()?;
        let database = target.open(true).await?;
        warn_of_plain_http(&config);
        let unconfirmed = recovery::list_unconfirmed(&database).await?;
        anyhow::ensure!(unconfirmed.is_empty(), "{}", recovery::explain(&unconfirmed));
        let mut app = App::new(database.clone(), Seam::real(), config).await?;
        app.stopping = stopping;
        let server = Server::bind(app.clone()).await?;
        let tls = server.tls();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", server.address());
        tokio::spawn(read_again(hang_up, tls));
        tracing::info!(
            url,
            database = database.name(),
            version = env!("CARGO_PKG_VERSION"),
            "ready"
        );
        let mut ready = json!({"event": "ready", "url": url});
        if !has_organisation(&app).await? {
            // Whoever reads this runs the server; a stranger who finds the page does not know the word.
            let setup = format!("{url}/setup?token={}", setup_token(&app.keys));
            tracing::warn!(
                setup,
                "this server is new: open this address to make its organisation and administrator"
            );
            ready["setup"] = setup.into();
        }
        print_json(&ready)?;
        let jobs = jobs::start(&app);
        server.run(app.stopping.clone()).await;
        jobs.stop(&app).await;
        tracing::info!("stopped");
        database.close().await;
        Ok(())
    }
}

/// Whoever listens to others without TLS and names no proxy has forgotten one of the two.
fn warn_of_plain_http(config: &Config) {
    if config.tls.is_none() && config.trusted_proxies.is_empty() && !config.listen.ip().is_loopback() {
        tracing::warn!(
            listen = %config.listen,
            "listening without TLS where others can reach it: give --tls-certificate and --tls-key, or put a proxy \
             before it and name it with --trusted-proxy"
        );
    }
}

/// Reads the certificate again on SIGHUP. Without one there is nothing to read, and the signal does no harm.
async fn read_again(mut hang_up: Signal, tls: Option<Arc<Tls>>) {
    while hang_up.recv().await.is_some() {
        match tls.as_ref().map(|tls| tls.reload()) {
            None => tracing::info!("there is no certificate to read again"),
            Some(Ok(())) => tracing::info!("certificate read again"),
            Some(Err(error)) => {
                tracing::error!(%error, "the certificate files do not do; the server keeps the one it has");
            }
        }
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
