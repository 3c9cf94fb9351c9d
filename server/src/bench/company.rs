//! The company that is measured: an organisation, teams, reps, a back office and everybody's customers.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Map, Value as Json, json};
use sync_core::{
    document::{Document, Kind, edits_from_json},
    hub::Move,
    ids::{CustomerId, DocumentId, LogId, OrgId, TeamId, UserId},
    time::Timestamp,
    visibility::{CustomerFacts, Role, customer_scopes},
};
use tokio::task::JoinSet;

use super::text::Writer;
use crate::{
    actions::{
        commit::{Job, write_jobs},
        edit::{card_summary, edit_document, prepare, web_actor},
        organisation::{add_organisation, add_team_in},
        ownership::{Asker, Placing, place_customer},
        people::{NewPerson, add_person_in},
        policy::set_team_read,
        sync::write::Target,
    },
    app::App,
    storage::{log, ownership::Assignment, scopes::Membership, verdicts::ActorRow},
};

/// Everybody's password.
pub(super) const PASSWORD: &str = "correct horse battery";
/// Reps of one team.
const REPS_PER_TEAM: usize = 10;
/// Contacts of a customer.
const CONTACTS: usize = 3;
/// Back-office edits under way at once: they share commits.
const EDITS_AT_ONCE: usize = 32;

/// A rep and his customers.
pub(super) struct Rep {
    pub(super) login: String,
    pub(super) user: UserId,
    pub(super) team: TeamId,
    pub(super) customers: Vec<CustomerId>,
}

/// The company.
pub(super) struct Company {
    pub(super) org: OrgId,
    log: LogId,
    back_office: UserId,
    /// What the back office signs in with.
    pub(super) back_office_login: String,
    pub(super) reps: Vec<Rep>,
}

impl Company {
    /// Adds the organisation with its people. Members of a team do not read each other's customers here: a phone holds
    /// its rep's customers and nothing else, so that the figures say what one customer costs.
    pub(super) async fn found(app: &App, reps: usize) -> anyhow::Result<Self> {
        // Logins are unique on a server, and a database may have been measured before.
        let tag = hex::encode(app.seam.random::<4>());
        let org = add_organisation(app, None, &format!("Bench {tag}"), "Asia/Shanghai").await?;
        set_team_read(app, None, org, false).await?;
        let password_hash = Some(app.passwords.hash(PASSWORD).await?);
        let mut tx = app.database.write().await?;
        let log = log::log_id(&mut tx, org).await?;
        let person = |login: &str, role, team| NewPerson {
            login: login.to_owned(),
            name: login.to_owned(),
            email: None,
            role,
            team,
            pools: Vec::new(),
        };
        let login = format!("office-{tag}");
        let office = person(&login, Role::BackOffice, None);
        let back_office = add_person_in(&mut tx, &app.seam, None, org, &office, password_hash.clone()).await?;
        let mut company = Self {
            org,
            log,
            back_office,
            back_office_login: login,
            reps: Vec::with_capacity(reps),
        };
        let mut team = None;
        for index in 0..reps {
            if index % REPS_PER_TEAM == 0 {
                let name = format!("Team {}", index / REPS_PER_TEAM);
                team = Some(add_team_in(&mut tx, &app.seam, None, org, &name, None).await?);
            }
            let team = team.context("the first rep has a team")?;
            let login = format!("rep-{tag}-{index}");
            let rep = person(&login, Role::Rep, Some(team));
            let user = add_person_in(&mut tx, &app.seam, None, org, &rep, password_hash.clone()).await?;
            company.reps.push(Rep {
                login,
                user,
                team,
                customers: Vec::new(),
            });
        }
        tx.commit().await?;
        Ok(company)
    }

    /// Gives a rep customers, in one transaction, as an import would. Gives the bytes of their documents as JSON.
    pub(super) async fn add_customers(
        &mut self,
        app: &App,
        rep: usize,
        count: usize,
        writer: &mut Writer,
    ) -> anyhow::Result<usize> {
        let (org, now) = (self.org, app.seam.now());
        let rep = &mut self.reps[rep];
        let mut tx = app.database.write().await?;
        let (first, _) = log::take(&mut tx, org, count as u64, 0).await?;
        let actor = web_actor(self.log, rep.user);
        let mut job = Job::new(org);
        job.actors.push(ActorRow {
            actor,
            device: None,
            user: Some(rep.user),
            frozen: false,
        });
        let mut bytes = 0;
        for seq in (first..).take(count) {
            let customer = CustomerId(app.seam.uuid());
            let placing = Placing {
                org,
                customer,
                event: "create",
                by: rep.user,
                reason: "",
                intent: None,
                at: now,
                created_at: now,
                external_id: None,
            };
            place_customer(&mut tx, &placing, None, &[], Move::Owner(rep.user, Some(rep.team)), seq).await?;
            let assignment = Assignment {
                customer,
                owner: Some(rep.user),
                pool: None,
                team: Some(rep.team),
                version: 1,
                assigned_seq: seq,
                created_by: rep.user,
            };
            let memberships = memberships(org, &assignment);
            for (kind, fields) in documents(writer) {
                bytes += Json::Object(fields.clone()).to_string().len();
                let document = match kind {
                    Kind::Contact => DocumentId(app.seam.uuid()),
                    single => DocumentId::derived(org, customer, single, 0),
                };
                let edits = edits_from_json(Document::new(kind).state(), &fields)?;
                let target = Target {
                    document,
                    customer,
                    kind,
                    assignment,
                    author: rep.user,
                    device: None,
                    stands_in: false,
                };
                let write = prepare(target, None, actor, now, &edits, &memberships, seq)?
                    .context("a new document has a change")?;
                job.cards.extend(card_summary(&write));
                job.documents.push(write);
            }
            rep.customers.push(customer);
        }
        write_jobs(&mut tx, org, now, &[&job]).await?;
        tx.commit().await?;
        Ok(bytes)
    }

    /// The back office edits one field on so many of a rep's cards.
    pub(super) async fn edit_cards(&self, app: &App, rep: usize, edits: usize) -> anyhow::Result<()> {
        let asker = Asker {
            org: self.org,
            user: self.back_office,
            device: None,
        };
        let mut running: JoinSet<anyhow::Result<()>> = JoinSet::new();
        for (index, customer) in self.reps[rep].customers.iter().cycle().take(edits).enumerate() {
            if running.len() >= EDITS_AT_ONCE
                && let Some(done) = running.join_next().await
            {
                done??;
            }
            let (app, org, customer) = (app.clone(), self.org, *customer);
            running.spawn(async move {
                let card = DocumentId::derived(org, customer, Kind::Card, 0);
                let fields = object(json!({ "industry": format!("行业{index}") }));
                Ok(edit_document(&app, asker, card, &fields).await?)
            });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        Ok(())
    }
}

fn memberships(org: OrgId, assignment: &Assignment) -> Vec<Membership> {
    let facts = CustomerFacts {
        owner: assignment.owner,
        pool: assignment.pool,
        team: assignment.team,
        collaborators: Vec::new(),
    };
    customer_scopes(&facts, org)
        .into_iter()
        .map(|scope| Membership {
            customer: assignment.customer,
            scope,
            from_seq: assignment.assigned_seq,
            to_seq: None,
        })
        .collect()
}

/// The documents of one customer: about 1 KB of JSON together.
fn documents(writer: &mut Writer) -> Vec<(Kind, Map<String, Json>)> {
    let card = json!({
        "name": writer.company(),
        "address": writer.address(),
        "lat": writer.degrees(31.2),
        "lon": writer.degrees(121.4),
        "region": writer.region(),
        "industry": writer.trade(),
        "source": writer.source(),
        "stage": writer.stage(),
        "tier": writer.tier(),
        "tags": [writer.tag()],
    });
    let dossier = json!({
        "needs": writer.prose(36..=44),
        "preferences": writer.prose(14..=20),
        "plan": writer.prose(24..=32),
    });
    let mut all = vec![(Kind::Card, object(card)), (Kind::Dossier, object(dossier))];
    for _ in 0..CONTACTS {
        let contact = json!({
            "name": writer.person(),
            "title": writer.title(),
            "role": writer.role(),
            "phones": BTreeMap::from([("手机", writer.mobile())]),
            "preferred_channel": "wechat",
        });
        all.push((Kind::Contact, object(contact)));
    }
    all
}

/// A visit of today: about 320 bytes of JSON.
pub(super) fn visit(writer: &mut Writer, started: Timestamp) -> Map<String, Json> {
    object(json!({
        "started_at": started.0,
        "ended_at": started.0 + writer.number(600_000..5_400_000),
        "lat": writer.degrees(31.2),
        "lon": writer.degrees(121.4),
        "accuracy_m": writer.number(5..40),
        "note": writer.prose(70..=80),
        "outcome": writer.outcome(),
    }))
}

pub(super) fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}
