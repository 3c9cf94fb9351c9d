//! `fieldpool admin policy`.

use clap::Subcommand;
use serde_json::json;
use sync_core::{
    document::Class,
    ids::OrgId,
    visibility::{Cell, Policy, Relation},
};

use super::{id, print_table};
use crate::{
    actions::policy::{self, PolicyChange, cell_name, read_cell, read_cell_name},
    app::App,
    cli::print_json,
};

#[derive(Subcommand)]
pub(super) enum PolicyCommand {
    /// Show the table of rights and what may be chosen in it
    Show {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
    },
    /// Choose cells of the table; phones follow at their next sync
    Set {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
        /// A cell and what it says, such as manager.internal=read; may be given several times
        #[arg(long, value_name = "CELL=WORD", value_parser = read_choice, required_unless_present = "team_read")]
        cell: Vec<(Relation, Class, Cell)>,
        /// Whether members of a team read the cards of each other's customers
        #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
        team_read: Option<bool>,
        /// Why; it stands in the audit
        #[arg(long, default_value = "")]
        reason: String,
    },
}

fn read_choice(text: &str) -> Result<(Relation, Class, Cell), String> {
    let (name, word) = text.split_once('=').ok_or("give it as manager.internal=read")?;
    let (relation, class) = read_cell_name(name).map_err(|error| error.to_string())?;
    Ok((relation, class, read_cell(word).map_err(|error| error.to_string())?))
}

impl PolicyCommand {
    pub(super) async fn run(self, app: &App, json: bool) -> anyhow::Result<()> {
        let policy = match self {
            Self::Show { org } => policy::find(&app.database, org).await?,
            Self::Set {
                org,
                cell,
                team_read,
                reason,
            } => {
                let change = PolicyChange {
                    version: None,
                    team_read,
                    cells: cell,
                    reason,
                };
                policy::set_policy(app, None, org, &change).await?
            }
        };
        print(&policy, json)
    }
}

fn print(policy: &Policy, json: bool) -> anyhow::Result<()> {
    if json {
        let cells: serde_json::Map<String, serde_json::Value> = Policy::adjustable()
            .map(|(relation, class)| {
                let cell = policy.cell(relation, class).name();
                (cell_name(relation, class), cell.into())
            })
            .collect();
        return print_json(&json!({
            "version": policy.version, "team_read": policy.team_read, "cells": cells,
        }));
    }
    let rows = Policy::adjustable().map(|(relation, class)| {
        let choices: Vec<&str> = Policy::choices(relation, class)
            .iter()
            .map(|cell| cell.name())
            .collect();
        [
            cell_name(relation, class),
            policy.cell(relation, class).name().to_owned(),
            choices.join(", "),
        ]
    });
    let team_read = [
        "team_read".to_owned(),
        policy.team_read.to_string(),
        "true, false".to_owned(),
    ];
    print_table(
        ["CELL", "SAYS", "CHOICES"],
        [team_read].into_iter().chain(rows).collect(),
    );
    println!("version {}", policy.version);
    Ok(())
}
