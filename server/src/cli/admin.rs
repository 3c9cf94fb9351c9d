//! `fieldpool admin`: organisations, teams, pools and people, also while the server runs.

use std::str::FromStr;

use clap::Subcommand;

use super::{Target, block_on};
use crate::{app::App, config::Config, seam::Seam, telemetry};

mod erase;
mod key;
mod org;
pub(super) mod password;
mod policy;
mod pool;
mod recovery;
mod team;
mod user;

/// Organisations, teams, pools and people; also while the server runs
#[derive(clap::Args)]
pub(super) struct Admin {
    #[command(flatten)]
    target: Target,
    /// Print JSON only
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// The server's keys
    #[command(subcommand)]
    Key(key::Key),
    /// Organisations
    #[command(subcommand)]
    Org(org::Org),
    /// Who sees and writes what
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Teams
    #[command(subcommand)]
    Team(team::Team),
    /// Pools
    #[command(subcommand)]
    Pool(pool::Pool),
    /// What a restore leaves to be done
    #[command(subcommand)]
    Recovery(recovery::Recovery),
    /// People
    #[command(subcommand)]
    User(user::User),
    /// Erasing a person whom the records are about
    #[command(subcommand)]
    Erase(erase::Erase),
}

impl Admin {
    pub(super) fn run(self) -> anyhow::Result<()> {
        telemetry::start_logging();
        block_on(async {
            let database = self.target.open(false).await?;
            let app = App::new(database.clone(), Seam::real(), Config::default()).await?;
            match self.subject {
                Subject::Key(command) => command.run(&app).await?,
                Subject::Org(command) => command.run(&app, self.json).await?,
                Subject::Policy(command) => command.run(&app, self.json).await?,
                Subject::Team(command) => command.run(&app, self.json).await?,
                Subject::Pool(command) => command.run(&app, self.json).await?,
                Subject::Recovery(command) => command.run(&app).await?,
                Subject::User(command) => command.run(&app, self.json).await?,
                Subject::Erase(command) => command.run(&app).await?,
            }
            database.close().await;
            Ok(())
        })
    }
}

/// Reads an id from the command line.
fn id<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse::<T>()
        .map_err(|error| format!("{error}: give the id that the command for adding printed"))
}

/// Prints a list as a table with a header.
fn print_table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) {
    let header = header.map(str::to_owned);
    let widths: [usize; N] = std::array::from_fn(|column| {
        std::iter::once(&header)
            .chain(&rows)
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    for row in std::iter::once(&header).chain(&rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
