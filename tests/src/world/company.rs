//! The organisation of a world: two teams under one manager, an office, two pools, reps, customers.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;
use serde_json::json;
use server::{
    actions::{
        edit::{create_customer, create_document},
        organisation::{add_organisation, add_pool, add_team},
        ownership::{Asker, ask},
        people::{NewPerson, add_person},
    },
    app::App,
    seam::Seam,
    testing::PASSWORD,
};
use sync_core::{
    document::Kind,
    ids::{CustomerId, OrgId, PoolId, TeamId, UserId},
    protocol::message::IntentAction,
    visibility::Role,
};

use super::{START, Size, start_server, temporary_folder};

/// Different companies: founding one costs as much as a day of its work, so that worlds share some.
const COMPANIES: u64 = 16;
/// Regions on the customers' cards.
const REGIONS: [&str; 3] = ["上海", "杭州", "苏州"];

/// Somebody of the organisation.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// What he signs in with.
    pub login: String,
    /// What he is.
    pub role: Role,
}

/// The organisation.
#[derive(Debug, Clone)]
pub struct Company {
    /// Its id.
    pub org: OrgId,
    /// Its teams: head office, north, south.
    pub teams: [TeamId; 3],
    /// Its pools.
    pub pools: Vec<PoolId>,
    /// Its people: those of [`Company::OFFICE`] and so on, then reps.
    pub people: Vec<Person>,
    /// Its first customers.
    pub customers: Vec<CustomerId>,
}

/// Which company, with how many phones and customers.
type Variant = (u64, usize, usize);

/// Companies founded so far, with their databases.
static FOUNDED: Mutex<BTreeMap<Variant, (Vec<u8>, Company)>> = Mutex::new(BTreeMap::new());

impl Company {
    /// Back office.
    pub const OFFICE: usize = 0;
    /// Leads both teams.
    pub const BOSS: usize = 1;
    /// Leads the south.
    pub const SOUTH_BOSS: usize = 2;
    /// Administrator.
    pub const ADMIN: usize = 3;
    /// Sees everybody's customers, writes tickets.
    pub const SERVICE: usize = 4;
    /// Sees everything.
    pub const AUDITOR: usize = 5;
    /// The first rep.
    pub const REPS: usize = 6;

    /// The company of a world, its database written to `file`.
    pub(super) fn for_world(seed: u64, size: Size, file: &Path) -> Self {
        let key = (seed % COMPANIES, size.phones, size.customers);
        let mut founded = FOUNDED.lock().unwrap_or_else(PoisonError::into_inner);
        let (database, company) = founded.entry(key).or_insert_with(|| found(key.0, size));
        std::fs::write(file, database).expect("the database is written");
        company.clone()
    }

    async fn build(app: &App, rng: &mut impl Rng, size: Size) -> Self {
        let org = add_organisation(app, None, "World", "Asia/Shanghai")
            .await
            .expect("an organisation");
        let head = add_team(app, None, org, "Head", None).await.expect("a team");
        let north = add_team(app, None, org, "North", Some(head)).await.expect("a team");
        let south = add_team(app, None, org, "South", Some(head)).await.expect("a team");
        let mut pools = Vec::new();
        for name in ["East pool", "West pool"] {
            pools.push(add_pool(app, None, org, name).await.expect("a pool"));
        }
        let mut company = Self {
            org,
            teams: [head, north, south],
            pools,
            people: Vec::new(),
            customers: Vec::new(),
        };
        company.hire(app, "office", Role::BackOffice, head, &[]).await;
        company.hire(app, "boss", Role::Manager, head, &[]).await;
        company.hire(app, "south_boss", Role::Manager, south, &[]).await;
        company.hire(app, "admin", Role::Admin, head, &[]).await;
        company.hire(app, "service", Role::Service, head, &[]).await;
        company.hire(app, "auditor", Role::Auditor, head, &[]).await;
        for index in 0..size.phones.saturating_sub(2).max(3) {
            let team = if index % 2 == 0 { north } else { south };
            let pools: Vec<PoolId> = company.pools.iter().copied().filter(|_| rng.random_bool(0.6)).collect();
            company.hire(app, &format!("rep{index}"), Role::Rep, team, &pools).await;
        }
        for index in 0..size.customers {
            company.add_customer(app, rng, index).await;
        }
        company
    }

    async fn hire(&mut self, app: &App, login: &str, role: Role, team: TeamId, pools: &[PoolId]) {
        let person = NewPerson {
            login: login.to_owned(),
            name: login.to_uppercase(),
            email: None,
            role,
            team: Some(team),
            pools: pools.iter().map(|pool| (*pool, false)).collect(),
        };
        let id = add_person(app, None, self.org, &person, Some(PASSWORD))
            .await
            .expect("a person");
        self.people.push(Person {
            id,
            login: login.to_owned(),
            role,
        });
    }

    async fn add_customer(&mut self, app: &App, rng: &mut impl Rng, index: usize) {
        let office = self.asker(Self::OFFICE);
        let in_pool = rng.random_bool(0.25);
        let pool = in_pool.then(|| *self.pools.choose(rng).expect("a pool"));
        let region = REGIONS.choose(rng).expect("a region");
        let card = json!({ "name": canary(index), "region": region, "tags": ["a"] });
        let card = card.as_object().expect("an object");
        let customer = create_customer(app, office, pool, card).await.expect("a customer");
        if !in_pool {
            let owner = match rng.random_range(0..10) {
                0 => Self::BOSS,
                1 => Self::SOUTH_BOSS,
                _ => rng.random_range(Self::REPS..self.people.len()),
            };
            let action = IntentAction::Assign {
                owner: self.people[owner].id,
                reason: String::new(),
            };
            ask(app, office, customer, None, action).await.expect("assigned");
        }
        let mut documents = vec![
            (
                Kind::Contact,
                json!({ "name": format!("联系人{}", canary(index)), "phones": { "mobile": "13800000000" } }),
            ),
            (Kind::Internal, json!({ "notes": format!("内部{}", canary(index)) })),
        ];
        if rng.random_bool(0.5) {
            documents.push((Kind::Opportunity, json!({ "title": "机会", "amount_minor": 100 })));
        }
        if rng.random_bool(0.5) {
            documents.push((
                Kind::Visit,
                json!({ "planned_at": START.0 + 3_600_000, "note": "计划" }),
            ));
        }
        for (kind, fields) in documents {
            create_document(app, office, customer, kind, fields.as_object().expect("an object"))
                .await
                .expect("a document");
        }
        self.customers.push(customer);
    }

    /// Somebody acting on the web.
    #[must_use]
    pub fn asker(&self, person: usize) -> Asker {
        Asker {
            org: self.org,
            user: self.people[person].id,
            device: None,
        }
    }

    /// Reps and managers: those who own customers.
    #[must_use]
    pub fn owners(&self) -> Vec<usize> {
        let mut people: Vec<usize> = (Self::REPS..self.people.len()).collect();
        people.extend([Self::BOSS, Self::SOUTH_BOSS]);
        people
    }

    /// Who carries phone `index`: every fifth phone is somebody's second.
    pub(super) fn carrier(&self, index: usize, rng: &mut impl Rng) -> usize {
        let reps = self.people.len() - Self::REPS;
        match index % 8 {
            2 => Self::BOSS,
            6 => *[Self::SOUTH_BOSS, Self::OFFICE, Self::SERVICE, Self::AUDITOR]
                .choose(rng)
                .expect("one of four"),
            4 => Self::REPS + 2 % reps,
            place => Self::REPS + [0, 1, 0, 2, 0, 3, 0, 4][place] % reps,
        }
    }
}

/// What a customer's contact, card and managers' notes say: found nowhere else, and so nowhere where it must not be.
pub(super) fn canary(index: usize) -> String {
    format!("客户{index:04}号")
}

fn found(variant: u64, size: Size) -> (Vec<u8>, Company) {
    let mut rng = ChaCha8Rng::seed_from_u64(variant);
    let folder = temporary_folder();
    let seam = Seam::simulated(variant, START.plus_ms(-86_400_000));
    let (runtime, app) = start_server(folder.path(), &seam);
    let company = runtime.block_on(Company::build(&app, &mut rng, size));
    drop(app);
    runtime.shutdown_background();
    let copy = folder.path().join("copy.sqlite");
    let look = Connection::open(folder.path().join("fieldpool.sqlite")).expect("the database can be read");
    look.execute("VACUUM INTO ?1", [copy.display().to_string()])
        .expect("a copy");
    (std::fs::read(copy).expect("the copy"), company)
}
