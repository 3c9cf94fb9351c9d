//! People: accounts with their teams, the hierarchy made of who manages whom.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    ids::{OrgId, PoolId, TeamId, UserId},
    visibility::Role,
};

use super::{Importer, Outcome};
use crate::{
    actions::{
        ActionError, Code,
        organisation::add_team_in,
        people::{self as person, NewPerson, PersonUpdate, PlaceChange},
    },
    import::{
        Plan,
        rows::{Record, RowProblem, RowRefusal, UserRow},
    },
    storage::{StorageError, Tx, people, people::Account, pools, teams},
};

/// Hashes of first passwords by the rows' lines, or why one is refused.
pub(super) type Hashes = BTreeMap<u64, Result<String, RowProblem>>;

/// What the whole file says about who manages whom.
#[derive(Debug, Default)]
pub(super) struct Hierarchy {
    managers: BTreeSet<String>,
}

/// Puts managers before those they manage, so that their teams and accounts are there, and notes who is one.
pub(super) fn arrange(plan: &mut Plan) -> Hierarchy {
    let mut hierarchy = Hierarchy::default();
    let mut rows: Vec<Record> = plan.chunks.drain(..).flatten().collect();
    let above: BTreeMap<String, String> = rows
        .iter()
        .filter_map(|record| match record {
            Record::User(row) => Some((row.login.clone(), row.manager.clone()?)),
            _ => None,
        })
        .collect();
    hierarchy.managers.extend(above.values().cloned());
    // A circle of managers ends when each of them has been counted once.
    let depth = |login: &str| {
        let mut at = login;
        let mut seen = BTreeSet::new();
        while let Some(manager) = above.get(at).filter(|manager| seen.insert(manager.as_str())) {
            at = manager;
        }
        seen.len()
    };
    rows.sort_by_key(|record| match record {
        Record::User(row) => depth(&row.login),
        _ => 0,
    });
    plan.chunk(rows);
    hierarchy
}

impl Importer {
    /// Hashes the passwords of new people, before the transaction: it takes long on purpose.
    pub(super) async fn hash_passwords(&self, chunk: &[Record]) -> Result<Hashes, ActionError> {
        let mut hashes = BTreeMap::new();
        for record in chunk {
            let Record::User(UserRow {
                line,
                password: Some(password),
                ..
            }) = record
            else {
                continue;
            };
            let hash = match self.app.passwords.hash(password).await {
                Ok(hash) => Ok(hash),
                Err(error) => Err(problem_of("bad_password", error)?),
            };
            hashes.insert(*line, hash);
        }
        Ok(hashes)
    }

    pub(super) async fn apply_people(
        &self,
        tx: &mut Tx,
        chunk: &[Record],
        hashes: &Hashes,
    ) -> Result<Outcome, ActionError> {
        let mut outcome = Outcome::default();
        for record in chunk {
            let Record::User(row) = record else { continue };
            let hash = match hashes.get(&row.line) {
                Some(Ok(hash)) => Some(hash.clone()),
                Some(Err(problem)) => {
                    outcome.refused.push(RowRefusal::one(row.line, problem.clone()));
                    continue;
                }
                None => None,
            };
            match self.apply_person(tx, row, hash).await? {
                Ok(done) => outcome.count(done),
                Err(problem) => outcome.refused.push(RowRefusal::one(row.line, problem)),
            }
        }
        Ok(outcome)
    }

    async fn apply_person(
        &self,
        tx: &mut Tx,
        row: &UserRow,
        password_hash: Option<String>,
    ) -> Result<Result<super::Done, RowProblem>, ActionError> {
        let known = people::find_by_login(tx, &row.login).await?;
        if known.as_ref().is_some_and(|account| account.org != self.org) {
            let sentence = format!(
                "login: {} is taken by somebody of another organisation on this server",
                row.login
            );
            return Ok(Err(RowProblem::new("login_taken", sentence)));
        }
        let manager = match &row.manager {
            None => None,
            Some(login) => match people::find_by_login(tx, login)
                .await?
                .filter(|account| account.org == self.org)
            {
                Some(account) => Some(account),
                None => {
                    let sentence = format!("manager: nobody has the login {login}; import him first or correct it");
                    return Ok(Err(RowProblem::new("unknown_manager", sentence)));
                }
            },
        };
        let role = self.role_of(row, known.as_ref());
        let team = self.team_of(tx, row, role, known.as_ref(), manager.as_ref()).await?;
        let result = match known {
            None => self.add_person(tx, row, role, team, password_hash).await,
            Some(account) => self.update_person(tx, row, role, team, &account).await,
        };
        match result {
            Ok(done) => Ok(Ok(done)),
            Err(error) => problem_of("bad_value", error).map(Err),
        }
    }

    /// The role in the row; else manager for whom the file names as one; else what he is.
    fn role_of(&self, row: &UserRow, known: Option<&Account>) -> Role {
        if let Some(role) = row.role.and_then(|role| role.parse().ok()) {
            return role;
        }
        match known.map(|account| account.role) {
            Some(role) if role != Role::Rep => role,
            _ if self.hierarchy.managers.contains(&row.login) => Role::Manager,
            known => known.unwrap_or(Role::Rep),
        }
    }

    /// The team in the row, made below the manager's if it is new; else, for a manager of somebody, a team of his own;
    /// else the manager's.
    async fn team_of(
        &self,
        tx: &mut Tx,
        row: &UserRow,
        role: Role,
        known: Option<&Account>,
        manager: Option<&Account>,
    ) -> Result<Option<TeamId>, ActionError> {
        let above = manager.and_then(|manager| manager.team);
        let has = known.and_then(|account| account.team);
        let name = match &row.team {
            Some(name) => name.clone(),
            None if role == Role::Manager && has.is_none() && self.hierarchy.managers.contains(&row.login) => {
                row.name.clone().unwrap_or_else(|| row.login.clone())
            }
            None => return Ok(has.or(above)),
        };
        match teams::find_by_name(tx, self.org, &name).await? {
            Some(team) => Ok(Some(team)),
            None => Ok(Some(
                add_team_in(tx, &self.app.seam, None, self.org, &name, above).await?,
            )),
        }
    }

    async fn add_person(
        &self,
        tx: &mut Tx,
        row: &UserRow,
        role: Role,
        team: Option<TeamId>,
        password_hash: Option<String>,
    ) -> Result<super::Done, ActionError> {
        let new = NewPerson {
            login: row.login.clone(),
            name: row.name.clone().unwrap_or_else(|| row.login.clone()),
            email: row.email.clone(),
            role,
            team,
            pools: self.settings.pool.map(|pool| (pool, false)).into_iter().collect(),
        };
        person::add_person_in(tx, &self.app.seam, None, self.org, &new, password_hash).await?;
        Ok(super::Done::Created)
    }

    /// A password is not changed by an import: who has one keeps it.
    async fn update_person(
        &self,
        tx: &mut Tx,
        row: &UserRow,
        role: Role,
        team: Option<TeamId>,
        account: &Account,
    ) -> Result<super::Done, ActionError> {
        let (seam, org, user) = (&self.app.seam, self.org, account.user);
        let name = row.name.as_ref().unwrap_or(&account.name);
        let email = row.email.as_ref().or(account.email.as_ref());
        let mut done = super::Done::Unchanged;
        if *name != account.name || email != account.email.as_ref() {
            let update = PersonUpdate {
                name: name.clone(),
                email: email.cloned(),
                password_hash: None,
            };
            person::update_person_in(tx, seam, None, org, user, &update).await?;
            done = super::Done::Updated;
        }
        let pools = match self.settings.pool {
            Some(pool) => with_pool(tx, org, user, pool).await?,
            None => None,
        };
        if role != account.role || team != account.team || pools.is_some() {
            let change = PlaceChange {
                role: Some(role),
                team: Some(team),
                pools,
                state: None,
            };
            person::change_place_in(tx, seam, None, org, user, &change).await?;
            done = super::Done::Updated;
        }
        Ok(done)
    }
}

/// The person's pools with one more, if he is not in it.
async fn with_pool(
    tx: &mut Tx,
    org: OrgId,
    user: UserId,
    pool: PoolId,
) -> Result<Option<Vec<(PoolId, bool)>>, StorageError> {
    let mut has = pools::list_of_user(tx, org, user).await?;
    if has.iter().any(|(has, _)| *has == pool) {
        return Ok(None);
    }
    has.push((pool, false));
    Ok(Some(has))
}

/// What an action refuses is wrong with the row; anything else ends the import.
fn problem_of(code: &'static str, error: ActionError) -> Result<RowProblem, ActionError> {
    match error.code() {
        Some(Code::InvalidRequest | Code::NotFound) => Ok(RowProblem::new(code, error.to_string())),
        _ => Err(error),
    }
}
