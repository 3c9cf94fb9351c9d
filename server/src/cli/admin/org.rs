//! `fieldpool admin org`.

use clap::Subcommand;
use serde_json::json;
use sync_core::{directory::LEASE_DAYS_MAX, ids::OrgId};

use super::{id, print_table};
use crate::{
    actions::{organisation, policy},
    app::App,
    cli::print_json,
    storage,
};

#[derive(Subcommand)]
pub(super) enum Org {
    /// Add an organisation
    Add {
        /// Its name
        #[arg(long)]
        name: String,
        /// The time zone in which its days begin
        #[arg(long, default_value = "Asia/Shanghai")]
        timezone: String,
    },
    /// List the organisations
    List,
    /// Change what an organisation has decided
    Set {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
        /// Whether members of a team read the cards of each other's customers
        #[arg(long, value_name = "true|false", action = clap::ArgAction::Set, required_unless_present = "lease_days")]
        team_read: Option<bool>,
        /// Days that a phone works without reaching the server before it locks itself
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=i64::from(LEASE_DAYS_MAX)))]
        lease_days: Option<u16>,
    },
}

impl Org {
    pub(super) async fn run(self, app: &App, json: bool) -> anyhow::Result<()> {
        match self {
            Self::Add { name, timezone } => {
                let org = organisation::add_organisation(app, None, &name, &timezone).await?;
                print_json(&json!({"org": org}))
            }
            Self::List => list(app, json).await,
            Self::Set {
                org,
                team_read,
                lease_days,
            } => {
                let mut said = json!({"org": org});
                if let Some(team_read) = team_read {
                    policy::set_team_read(app, None, org, team_read).await?;
                    said["team_read"] = team_read.into();
                }
                if let Some(days) = lease_days {
                    organisation::set_lease_days(app, None, org, days).await?;
                    said["lease_days"] = days.into();
                }
                print_json(&said)
            }
        }
    }
}

async fn list(app: &App, json: bool) -> anyhow::Result<()> {
    let mut tx = app.database.read().await?;
    let all = storage::organisation::list(&mut tx).await?;
    if json {
        let all: Vec<_> = all
            .iter()
            .map(|one| json!({"id": one.org, "name": one.name, "timezone": one.timezone}))
            .collect();
        return print_json(&all);
    }
    let rows = all
        .into_iter()
        .map(|one| [one.org.to_string(), one.name, one.timezone])
        .collect();
    print_table(["ID", "NAME", "TIME ZONE"], rows);
    Ok(())
}
