//! The organisation of a world: two teams under one manager, an office, a pool, reps, customers.

use rand::{Rng, seq::IndexedRandom};
use serde_json::json;
use server::{
    actions::{
        edit::{create_customer, create_document},
        organisation::{add_organisation, add_pool, add_team},
        ownership::{Asker, ask},
        people::{NewPerson, add_person},
    },
    app::App,
    testing::PASSWORD,
};
use sync_core::{
    document::Kind,
    ids::{CustomerId, OrgId, PoolId, TeamId, UserId},
    protocol::message::IntentAction,
    visibility::Role,
};

use super::Size;

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
    /// Its people: an office worker, a manager of all teams, one of the south, then reps.
    pub people: Vec<Person>,
    /// Its first customers.
    pub customers: Vec<CustomerId>,
}

impl Company {
    pub(super) fn found(runtime: &tokio::runtime::Runtime, app: &App, rng: &mut impl Rng, size: Size) -> Self {
        runtime.block_on(Self::build(app, rng, size))
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
        for index in 0..size.phones.max(3) {
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
        let office = self.asker(0);
        let in_pool = rng.random_bool(0.3);
        let pool = in_pool.then(|| *self.pools.choose(rng).expect("a pool"));
        let card = json!({ "name": format!("客户{index}"), "region": "上海", "tags": ["a"] });
        let card = card.as_object().expect("an object");
        let customer = create_customer(app, office, pool, card).await.expect("a customer");
        if !in_pool {
            let owner = self.people[rng.random_range(1..self.people.len())].id;
            let action = IntentAction::Assign {
                owner,
                reason: String::new(),
            };
            ask(app, office, customer, None, action).await.expect("assigned");
        }
        let contact = json!({ "name": format!("联系人{index}"), "phones": { "mobile": "13800000000" } });
        create_document(
            app,
            office,
            customer,
            Kind::Contact,
            contact.as_object().expect("an object"),
        )
        .await
        .expect("a contact");
        let note = json!({ "notes": "internal" });
        create_document(
            app,
            office,
            customer,
            Kind::Internal,
            note.as_object().expect("an object"),
        )
        .await
        .expect("an internal document");
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

    /// People who carry phones: everybody but the office.
    #[must_use]
    pub fn with_phones(&self) -> Vec<usize> {
        let mut people: Vec<usize> = (3..self.people.len()).collect();
        people.push(1);
        people.push(2);
        people
    }
}
