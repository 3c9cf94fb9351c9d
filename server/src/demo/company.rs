//! The company on its first day: organisation, teams, pools, people, and the customers that an import brings.

use std::collections::BTreeMap;

use anyhow::ensure;
use rand::{Rng, rngs::StdRng};
use sync_core::{
    ids::{CustomerId, OrgId, PoolId, TeamId, UserId},
    visibility::Role,
};

use super::{
    cast::{CAST, COMPANY, LEAVER, POOLS, Part, pool_of, team_name},
    language::Language,
    names::{Area, Prospect},
    texts::Pair,
};
use crate::{
    actions::{
        organisation::{add_organisation, add_pool_in, add_team_in},
        people::{NewPerson, add_person_in},
    },
    app::App,
    import::{
        Entity, Plan, Report,
        apply::{Importer, Settings},
        plan::Key,
        rows::{ContactFields, CustomerRow, Record},
        wanted,
    },
};

/// In which time zone the company works.
const TIMEZONE: &str = "Asia/Shanghai";

/// Of ten customers so many are somebody's; the others lie in a pool.
const OWNED_OF_TEN: u32 = 7;

/// Stages of customers at the beginning, by how often they occur, for those with an owner.
const STAGES: [(&str, u32); 7] = [
    ("lead", 18),
    ("prospect", 30),
    ("intent", 22),
    ("won", 12),
    ("after_sales", 7),
    ("repeat", 7),
    ("lost", 4),
];
const STAGES_IN_POOL: [(&str, u32); 3] = [("lead", 60), ("prospect", 28), ("lost", 12)];
const TIERS: [(&str, u32); 3] = [("vip", 8), ("potential", 32), ("normal", 60)];

/// A customer of the story.
#[derive(Debug, Clone)]
pub(super) struct Customer {
    pub(super) id: CustomerId,
    pub(super) prospect: Prospect,
    pub(super) stage: &'static str,
    pub(super) tier: &'static str,
    /// Whose he is at first: a place in the list of reps; none: a pool's.
    pub(super) owner: Option<usize>,
}

/// Who is who.
pub(super) struct Company {
    pub(super) org: OrgId,
    pub(super) pools: Vec<PoolId>,
    people: BTreeMap<&'static str, UserId>,
}

/// The reps of the story, the one who leaves last.
pub(super) fn reps() -> impl Iterator<Item = &'static Part> {
    CAST.iter()
        .filter(|part| part.role == Role::Rep)
        .chain(std::iter::once(&LEAVER))
}

impl Company {
    /// Adds the organisation with its teams, pools and people. One password hash serves them all: it is the
    /// demonstration's own, made of the system's randomness and written into its folder only.
    pub(super) async fn found(app: &App, language: Language, password: &str) -> anyhow::Result<Self> {
        let hash = app.passwords.hash(password).await?;
        let org = add_organisation(app, None, language.of(COMPANY), TIMEZONE).await?;
        let mut tx = app.database.write().await?;
        let mut teams: Vec<TeamId> = Vec::new();
        for area in Area::ALL {
            let above = teams.get(1).filter(|_| area == Area::Southwest).copied();
            let name = language.of(team_name(area));
            teams.push(add_team_in(&mut tx, &app.seam, None, org, name, above).await?);
        }
        let mut pools = Vec::new();
        for name in POOLS {
            pools.push(add_pool_in(&mut tx, &app.seam, None, org, language.of(name)).await?);
        }
        let mut people = BTreeMap::new();
        for part in CAST.iter().chain(std::iter::once(&LEAVER)) {
            let person = NewPerson {
                login: part.login.to_owned(),
                name: language.of(part.name).to_owned(),
                email: None,
                role: part.role,
                team: part.area.map(|area| teams[area as usize]),
                pools: part
                    .area
                    .map(|area| (pools[pool_of(area)], part.role == Role::Manager))
                    .into_iter()
                    .collect(),
            };
            let user = add_person_in(&mut tx, &app.seam, None, org, &person, Some(hash.clone())).await?;
            people.insert(part.login, user);
        }
        tx.commit().await?;
        Ok(Self { org, pools, people })
    }

    /// A person's id. Everybody of the cast has one.
    pub(super) fn user(&self, login: &str) -> UserId {
        self.people.get(login).copied().unwrap_or(UserId(uuid::Uuid::nil()))
    }

    /// Gives a prospect a place in the company: an owner of his area or its pool, a stage, a tier.
    pub(super) fn place(&self, prospect: Prospect, language: Language, generator: &mut StdRng) -> Customer {
        let candidates: Vec<usize> = reps()
            .enumerate()
            .filter(|(_, part)| part.area == Some(prospect.area))
            .map(|(place, _)| place)
            .collect();
        let is_owned = generator.random_ratio(OWNED_OF_TEN, 10);
        let owner = is_owned.then(|| candidates[generator.random_range(0..candidates.len())]);
        let stages: &[_] = if is_owned { &STAGES } else { &STAGES_IN_POOL };
        let (stage, tier) = (weighted(stages, generator), weighted(&TIERS, generator));
        let mut customer = Customer {
            id: CustomerId(uuid::Uuid::nil()),
            prospect,
            stage,
            tier,
            owner,
        };
        customer.id = wanted::customer_id(self.org, &row(&customer, language), Key::ExternalId);
        customer
    }

    /// Brings customers in as the import does.
    pub(super) async fn import(&self, app: &App, customers: &[&Customer], language: Language) -> anyhow::Result<()> {
        for (place, pool) in self.pools.iter().enumerate() {
            let records: Vec<Record> = customers
                .iter()
                .filter(|customer| pool_of(customer.prospect.area) == place)
                .map(|customer| Record::Customer(row(customer, language)))
                .collect();
            if records.is_empty() {
                continue;
            }
            let rows = records.len() as u64;
            let settings = Settings {
                pool: Some(*pool),
                ..Settings::default()
            };
            let mut importer = Importer::open(app.clone(), self.org, settings).await?;
            let mut plan = Plan::new(records, Key::ExternalId);
            importer.begin(Entity::Customers, &mut plan).await?;
            let mut report = Report {
                rows,
                ..Report::default()
            };
            for chunk in &plan.chunks {
                let done = importer.apply(Entity::Customers, chunk).await?;
                ensure!(done.refused.is_empty(), "a customer was refused: {:?}", done.refused);
                report.created += done.created;
            }
            importer.finish(Entity::Customers, &report).await?;
            importer.close(true).await?;
        }
        app.committer.news().notify_waiters();
        Ok(())
    }
}

/// As the import reads it.
fn row(customer: &Customer, language: Language) -> CustomerRow {
    let prospect = &customer.prospect;
    let text = |pair: Pair| language.of(pair).to_owned();
    CustomerRow {
        line: prospect.number as u64,
        external_id: Some(format!("C{:05}", prospect.number)),
        name: prospect.name.clone(),
        region: Some(prospect.region.clone()),
        industry: Some(text(prospect.trade)),
        source: Some(text(prospect.source)),
        tier: Some(customer.tier.to_owned()),
        stage: Some(customer.stage.to_owned()),
        tags: prospect.tags.iter().copied().map(text).collect(),
        address: Some(prospect.address.clone()),
        lat: Some(prospect.lat),
        lon: Some(prospect.lon),
        owner: customer
            .owner
            .and_then(|place| reps().nth(place))
            .map(|part| part.login.to_owned()),
        contact: Some(ContactFields {
            name: Some(prospect.contact.clone()),
            title: Some(text(prospect.title)),
            phone: Some(prospect.phone.clone()),
            email: None,
        }),
        ..CustomerRow::default()
    }
}

fn weighted(choices: &[(&'static str, u32)], generator: &mut StdRng) -> &'static str {
    let total: u32 = choices.iter().map(|(_, weight)| weight).sum();
    let mut drawn = generator.random_range(0..total);
    for (choice, weight) in choices {
        match drawn.checked_sub(*weight) {
            Some(rest) => drawn = rest,
            None => return choice,
        }
    }
    choices[0].0
}
