//! `fieldpool admin recovery`.

use clap::Subcommand;
use serde_json::json;
use sync_core::ids::{DeviceId, OrgId};

use super::id;
use crate::{actions::recovery, app::App, cli::print_json, storage};

#[derive(Subcommand)]
pub(super) enum Recovery {
    /// Show people and devices, what phones have brought back, and whose customers were as far as they remember it
    Status(Which),
    /// People and devices are right: the server may serve
    Confirm(Which),
    /// Revoke a device that was revoked before the restore
    Revoke {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
        /// The device
        #[arg(long, value_name = "ID", value_parser = id::<DeviceId>)]
        device: DeviceId,
    },
    /// Let phones bring back what others wrote; a restore does this by itself
    On(Which),
    /// Phones bring back only their own, and drop what they may no longer hold
    Off(Which),
}

#[derive(clap::Args)]
pub(super) struct Which {
    /// The organisation; all of them if not said
    #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
    org: Option<OrgId>,
}

impl Which {
    async fn list(&self, app: &App) -> anyhow::Result<Vec<OrgId>> {
        if let Some(org) = self.org {
            return Ok(vec![org]);
        }
        let mut tx = app.database.read().await?;
        let all = storage::organisation::list(&mut tx).await?;
        Ok(all.iter().map(|found| found.org).collect())
    }
}

impl Recovery {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let said = match self {
            Self::Status(which) => {
                let mut all = Vec::new();
                for org in which.list(app).await? {
                    all.push(recovery::status(app, org).await?);
                }
                json!(all)
            }
            Self::Confirm(which) => {
                let orgs = which.list(app).await?;
                for org in &orgs {
                    recovery::confirm_people(app, *org).await?;
                }
                json!({"confirmed": orgs})
            }
            Self::Revoke { org, device } => {
                recovery::revoke(app, org, device).await?;
                json!({"revoked": device})
            }
            Self::On(which) => set(app, &which, true).await?,
            Self::Off(which) => set(app, &which, false).await?,
        };
        print_json(&said)
    }
}

async fn set(app: &App, which: &Which, on: bool) -> anyhow::Result<serde_json::Value> {
    let orgs = which.list(app).await?;
    for org in &orgs {
        recovery::set_recovering(app, *org, on).await?;
    }
    Ok(json!({"recovering": on, "organisations": orgs}))
}
