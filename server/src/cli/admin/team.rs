//! `fieldpool admin team`.

use clap::Subcommand;
use serde_json::json;
use sync_core::ids::{OrgId, TeamId};

use super::{id, print_table};
use crate::{actions::organisation, app::App, cli::print_json, storage};

#[derive(Subcommand)]
pub(super) enum Team {
    /// Add a team
    Add {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
        /// Its name
        #[arg(long)]
        name: String,
        /// The team above it
        #[arg(long, value_name = "TEAM", value_parser = id::<TeamId>)]
        parent: Option<TeamId>,
    },
    /// Put a team, with all below it, below another one or at the top
    #[command(group(clap::ArgGroup::new("where").required(true).args(["parent", "top"])))]
    Move {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
        /// The team
        #[arg(long, value_name = "TEAM", value_parser = id::<TeamId>)]
        team: TeamId,
        /// The team above it
        #[arg(long, value_name = "TEAM", value_parser = id::<TeamId>)]
        parent: Option<TeamId>,
        /// No team above it
        #[arg(long)]
        top: bool,
    },
    /// List the teams
    List {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
    },
}

impl Team {
    pub(super) async fn run(self, app: &App, json: bool) -> anyhow::Result<()> {
        match self {
            Self::Add { org, name, parent } => {
                let team = organisation::add_team(app, None, org, &name, parent).await?;
                print_json(&json!({"team": team}))
            }
            Self::Move { org, team, parent, .. } => {
                organisation::move_team(app, None, org, team, parent).await?;
                print_json(&json!({"team": team, "parent": parent}))
            }
            Self::List { org } => list(app, org, json).await,
        }
    }
}

async fn list(app: &App, org: OrgId, json: bool) -> anyhow::Result<()> {
    let mut tx = app.database.read().await?;
    let all = storage::teams::list(&mut tx, org).await?;
    if json {
        let all: Vec<_> = all
            .iter()
            .map(|one| json!({"id": one.id, "name": one.name, "parent": one.parent}))
            .collect();
        return print_json(&all);
    }
    let parent = |one: &Option<TeamId>| one.map(|parent| parent.to_string()).unwrap_or_default();
    let rows = all
        .into_iter()
        .map(|one| [one.id.to_string(), one.name, parent(&one.parent)])
        .collect();
    print_table(["ID", "NAME", "PARENT"], rows);
    Ok(())
}
