//! `fieldpool admin pool`.

use clap::Subcommand;
use serde_json::json;
use sync_core::ids::OrgId;

use super::{id, print_table};
use crate::{actions::organisation, app::App, cli::print_json, storage};

#[derive(Subcommand)]
pub(super) enum Pool {
    /// Add a pool
    Add {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
        /// Its name
        #[arg(long)]
        name: String,
    },
    /// List the pools
    List {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
    },
}

impl Pool {
    pub(super) async fn run(self, app: &App, json: bool) -> anyhow::Result<()> {
        match self {
            Self::Add { org, name } => {
                let pool = organisation::add_pool(app, None, org, &name).await?;
                print_json(&json!({"pool": pool}))
            }
            Self::List { org } => list(app, org, json).await,
        }
    }
}

async fn list(app: &App, org: OrgId, json: bool) -> anyhow::Result<()> {
    let mut tx = app.database.read().await?;
    let all = storage::pools::list(&mut tx, org).await?;
    if json {
        return print_json(&all);
    }
    let rows = all.into_iter().map(|one| [one.id.to_string(), one.name]).collect();
    print_table(["ID", "NAME"], rows);
    Ok(())
}
