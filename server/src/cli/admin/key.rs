//! `fieldpool admin key`.

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::{
    app::App,
    auth::{Purpose, TOKEN_LIFETIME_S},
    cli::print_json,
};

/// A phone that comes back after a year still has its cursor read.
const CURSOR_KEEP_MS: i64 = 400 * 24 * 60 * 60 * 1000;

#[derive(Subcommand)]
pub(super) enum Key {
    /// Make a new key; running servers use it within a minute
    Rotate {
        /// What the key is for
        #[arg(long)]
        purpose: Which,
        /// Drop the old key at once, after a leak, instead of letting what it signed end by itself
        #[arg(long)]
        at_once: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Which {
    /// Access tokens of phones
    Token,
    /// Sync cursors; phones whose cursor cannot be read compare everything once
    Cursor,
    /// Challenges that phones answer
    Challenge,
}

impl Key {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let Self::Rotate { purpose, at_once } = self;
        // Servers that have not read the keys again sign with the old one for up to a minute.
        let (purpose, keep_ms) = match purpose {
            Which::Token => (Purpose::Token, (TOKEN_LIFETIME_S + 120) * 1000),
            Which::Cursor => (Purpose::Cursor, CURSOR_KEEP_MS),
            Which::Challenge => (Purpose::Challenge, 180_000),
        };
        app.keys
            .rotate(&app.database, &app.seam, purpose, if at_once { 0 } else { keep_ms })
            .await?;
        print_json(&json!({"kid": app.keys.current(purpose).kid}))
    }
}
