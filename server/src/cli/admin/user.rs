//! `fieldpool admin user`.

use clap::Subcommand;
use serde_json::json;
use sync_core::{
    ids::{OrgId, PoolId, TeamId, UserId},
    visibility::{Role, UserState},
};

use super::{id, password, print_table};
use crate::{
    actions::people::{self, NewPerson, PlaceChange},
    app::App,
    cli::{Usage, print_json},
    storage,
};

#[derive(Subcommand)]
pub(super) enum User {
    /// Add a person; the password comes on stdin or from FIELDPOOL_PASSWORD
    Add(Add),
    /// List the people
    List {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
    },
    /// Activate a person, begin his departure, or disable him
    SetState {
        #[command(flatten)]
        person: Person,
        /// The new state
        #[arg(long, value_name = "active|offboarding|disabled", value_parser = word::<UserState>)]
        state: UserState,
    },
    /// Move a person to another team
    SetTeam {
        #[command(flatten)]
        person: Person,
        /// The new team; none: he is in no team any more
        #[arg(long, value_name = "ID", value_parser = id::<TeamId>)]
        team: Option<TeamId>,
    },
    /// Give a person another role
    SetRole {
        #[command(flatten)]
        person: Person,
        /// The new role
        #[arg(long, value_name = ROLES, value_parser = word::<Role>)]
        role: Role,
    },
    /// Name the pools a person is in from now on, all of them
    SetPools {
        #[command(flatten)]
        person: Person,
        #[command(flatten)]
        pools: Pools,
    },
    /// Give a person a new password, on stdin or from FIELDPOOL_PASSWORD, and end his sessions
    SetPassword {
        #[command(flatten)]
        person: Person,
    },
}

const ROLES: &str = "rep|manager|back_office|service|admin|auditor";

#[derive(clap::Args)]
pub(super) struct Add {
    /// The organisation
    #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
    org: OrgId,
    /// What he signs in with; unique on the server
    #[arg(long)]
    login: String,
    /// His name
    #[arg(long)]
    name: String,
    /// What he is
    #[arg(long, value_name = ROLES, value_parser = word::<Role>)]
    role: Role,
    /// His team; for a manager, the one he leads
    #[arg(long, value_name = "ID", value_parser = id::<TeamId>)]
    team: Option<TeamId>,
    #[command(flatten)]
    pools: Pools,
    /// His e-mail address
    #[arg(long)]
    email: Option<String>,
}

/// A person of an organisation.
#[derive(clap::Args)]
pub(super) struct Person {
    /// The organisation
    #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
    org: OrgId,
    /// The person: his id or his login
    #[arg(long, value_name = "ID|LOGIN")]
    user: String,
}

#[derive(clap::Args)]
pub(super) struct Pools {
    /// A pool he is in; may be given several times
    #[arg(long, value_name = "ID", value_parser = id::<PoolId>)]
    pool: Vec<PoolId>,
    /// A pool he is in and administers; may be given several times
    #[arg(long, value_name = "ID", value_parser = id::<PoolId>)]
    pool_admin: Vec<PoolId>,
}

impl Pools {
    fn all(self) -> Vec<(PoolId, bool)> {
        let admin = self.pool_admin;
        let member = self
            .pool
            .into_iter()
            .filter(|pool| !admin.contains(pool))
            .map(|pool| (pool, false));
        let all: Vec<_> = member.collect();
        all.into_iter()
            .chain(admin.into_iter().map(|pool| (pool, true)))
            .collect()
    }
}

impl User {
    pub(super) async fn run(self, app: &App, json: bool) -> anyhow::Result<()> {
        match self {
            Self::Add(command) => command.run(app).await,
            Self::List { org } => list(app, org, json).await,
            Self::SetState { person, state } => {
                change(
                    app,
                    person,
                    PlaceChange {
                        state: Some(state),
                        ..PlaceChange::default()
                    },
                )
                .await
            }
            Self::SetTeam { person, team } => {
                change(
                    app,
                    person,
                    PlaceChange {
                        team: Some(team),
                        ..PlaceChange::default()
                    },
                )
                .await
            }
            Self::SetRole { person, role } => {
                change(
                    app,
                    person,
                    PlaceChange {
                        role: Some(role),
                        ..PlaceChange::default()
                    },
                )
                .await
            }
            Self::SetPools { person, pools } => {
                change(
                    app,
                    person,
                    PlaceChange {
                        pools: Some(pools.all()),
                        ..PlaceChange::default()
                    },
                )
                .await
            }
            Self::SetPassword { person } => {
                let user = person.find(app).await?;
                let password = password::read()?
                    .ok_or_else(|| Usage("give the password on stdin or in FIELDPOOL_PASSWORD".into()))?;
                people::set_password(app, None, person.org, user, &password).await?;
                print_json(&json!({"user": user}))
            }
        }
    }
}

impl Add {
    async fn run(self, app: &App) -> anyhow::Result<()> {
        let password = password::read()?;
        if password.is_none() {
            eprintln!(
                "fieldpool: no password given: {} cannot sign in until `admin user set-password`",
                self.login
            );
        }
        let person = NewPerson {
            login: self.login,
            name: self.name,
            email: self.email,
            role: self.role,
            team: self.team,
            pools: self.pools.all(),
        };
        let user = people::add_person(app, None, self.org, &person, password.as_deref()).await?;
        print_json(&json!({"user": user}))
    }
}

impl Person {
    async fn find(&self, app: &App) -> anyhow::Result<UserId> {
        if let Ok(user) = self.user.parse() {
            return Ok(user);
        }
        let mut tx = app.database.read().await?;
        let account = storage::people::find_by_login(&mut tx, &self.user).await?;
        account
            .filter(|account| account.org == self.org)
            .map(|account| account.user)
            .ok_or_else(|| anyhow::anyhow!("not_found: user: this organisation has nobody with this login"))
    }
}

async fn change(app: &App, person: Person, change: PlaceChange) -> anyhow::Result<()> {
    let user = person.find(app).await?;
    people::change_place(app, None, person.org, user, &change).await?;
    print_json(&json!({"user": user}))
}

async fn list(app: &App, org: OrgId, json: bool) -> anyhow::Result<()> {
    let mut tx = app.database.read().await?;
    let all = storage::people::list(&mut tx, org).await?;
    if json {
        let all: Vec<_> = all
            .iter()
            .map(|one| {
                json!({
                    "id": one.user,
                    "login": one.login,
                    "name": one.name,
                    "role": one.role.name(),
                    "team": one.team,
                    "state": one.state.name(),
                })
            })
            .collect();
        return print_json(&all);
    }
    let rows = all
        .into_iter()
        .map(|one| {
            let team = one.team.map(|team| team.to_string()).unwrap_or_default();
            [
                one.user.to_string(),
                one.login,
                one.name,
                one.role.to_string(),
                one.state.to_string(),
                team,
            ]
        })
        .collect();
    print_table(["ID", "LOGIN", "NAME", "ROLE", "STATE", "TEAM"], rows);
    Ok(())
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse::<T>().map_err(|error| error.to_string())
}
