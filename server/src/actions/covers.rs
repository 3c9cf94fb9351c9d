//! Temporary cover: somebody stands in for another for a while, and everything returns by itself.
//!
//! It writes no ownership and no document. Standing in for all customers of a person is a scope of the one who stands
//! in: that person's book, whatever is in it; for some of them, the customers become members of his own scope of covers.
//! Both end at one place in the log, and his phone then does what it does with any loss.

mod reading;

pub use reading::list_covers;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sync_core::{
    ids::{CoverId, CustomerId, OrgId, UserId},
    time::Timestamp,
    visibility::{CustomerFacts, Role, Scope, UserState},
};

use super::{
    ActionError, Code,
    handovers::{leads, leads_person},
    ownership::Asker,
    places::{policy_of, settle_scopes},
    reader::Reader,
};
use crate::{
    app::App,
    seam::Seam,
    storage::{
        StorageError, Tx,
        audit::{self, AuditRow},
        covers::{self, CoverRow},
        log, organisation,
        ownership::{self, Assignment},
        people::{self, Account},
        scopes::{self, Membership},
    },
};

/// Customers of one cover, as of one selection.
pub const CUSTOMERS_MAX: usize = 5_000;
/// The longest time of a cover: a parental leave. What lasts longer is a handover.
pub const COVER_MS_MAX: i64 = 366 * 24 * 60 * 60 * 1000;
/// For so many people somebody stands in at once: each is a scope that every sync of his asks for.
pub const COVERS_PER_PERSON_MAX: usize = 16;
/// Covers ended by one round of the job: the next round is seconds away.
const ENDED_PER_ROUND: i64 = 100;

/// What is wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverOrder {
    /// Whose customers.
    pub of: UserId,
    /// Who looks after them.
    pub by: UserId,
    /// Until when.
    pub until: Timestamp,
    /// Which of them; none: all, those he gets meanwhile included.
    pub customers: Option<Vec<CustomerId>>,
    /// Why.
    pub reason: String,
}

/// A cover as somebody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCover {
    /// The cover.
    pub row: CoverRow,
    /// He may end it now.
    pub may_end: bool,
}

/// Begins a cover.
///
/// # Errors
/// `not_permitted` for those who may not assign his customers (with how many of them that are not the asker's to give),
/// `not_found` for an unknown person or customer, `cover_by_self`, `target_not_active`, `conflict` if that person stands
/// in for him already, `invalid_request` for an end that has passed or is more than [`COVER_MS_MAX`] away, `too_large`,
/// `account_not_active`; the database's. Nothing has begun then.
pub async fn begin(app: &App, asker: Asker, order: &CoverOrder) -> Result<ListedCover, ActionError> {
    let now = app.seam.now();
    check_order(order, now)?;
    let mut tx = app.database.write().await?;
    // The organisation first, as wherever scopes of people are settled; then the counter: what is read holds until the commit.
    organisation::lock(&mut tx, asker.org).await?;
    log::take(&mut tx, asker.org, 0, 0).await?;
    let reader = Reader::load(&mut tx, asker.org, asker.user).await?;
    let (of, by) = find_people(&mut tx, &reader, order).await?;
    let chosen = find_customers(&mut tx, &reader, order).await?;
    check_room(&mut tx, &reader, order).await?;
    let mut cover = CoverRow {
        id: CoverId(app.seam.uuid()),
        of: order.of,
        by: order.by,
        given_by: asker.user,
        reason: order.reason.clone(),
        everything: order.customers.is_none(),
        customers: i64::try_from(chosen.len()).unwrap_or(i64::MAX),
        begun_at: now,
        begun_seq: 0,
        until: order.until,
        ended_at: None,
        ended_by: None,
    };
    covers::insert(&mut tx, asker.org, &cover).await?;
    cover.begun_seq = open(&mut tx, &of, &by, &cover, &chosen).await?;
    covers::set_begun_seq(&mut tx, asker.org, cover.id, cover.begun_seq).await?;
    let detail = json!({
        "of": cover.of, "by": cover.by, "until": cover.until, "everything": cover.everything,
        "customers": cover.customers,
    });
    let row = AuditRow::new(now, "cover_begun", cover.id)
        .by(asker.user)
        .with_detail(detail);
    audit::append(&mut tx, asker.org, &[row]).await?;
    tx.commit().await?;
    app.committer.news().notify_waiters();
    Ok(ListedCover {
        row: cover,
        may_end: true,
    })
}

fn check_order(order: &CoverOrder, now: Timestamp) -> Result<(), ActionError> {
    if order.of == order.by {
        return Err(ActionError::refused(Code::CoverBySelf));
    }
    if order.until <= now || order.until.since_ms(now) > COVER_MS_MAX {
        return Err(ActionError::invalid("until: give a time within a year from now"));
    }
    match &order.customers {
        Some(customers) if customers.is_empty() => Err(ActionError::invalid("customers: name at least one, or all")),
        Some(customers) if customers.len() > CUSTOMERS_MAX => {
            Err(ActionError::refused(Code::TooLarge)
                .because(format!("customers: name at most {CUSTOMERS_MAX}, or all")))
        }
        _ => Ok(()),
    }
}

/// Whose customers, and who looks after them.
async fn find_people(tx: &mut Tx, reader: &Reader, order: &CoverOrder) -> Result<(Account, Account), ActionError> {
    let unknown = |member: &str| {
        ActionError::refused(Code::NotFound).because(format!("{member}: this organisation has no such person"))
    };
    let org = reader.org;
    let of = people::find(tx, org, order.of).await?.ok_or_else(|| unknown("of"))?;
    if !leads_person(reader, &of) {
        return Err(ActionError::refused(Code::NotPermitted)
            .because("Let a manager of his team, the back office or an administrator give his customers to a cover."));
    }
    let by = people::lock(tx, org, order.by).await?.ok_or_else(|| unknown("by"))?;
    if of.state != UserState::Active {
        return Err(ActionError::refused(Code::TargetNotActive)
            .because("of: he is leaving or has left; hand his customers over instead."));
    }
    if by.state != UserState::Active {
        return Err(ActionError::refused(Code::TargetNotActive));
    }
    if !by.role.may_own() {
        return Err(ActionError::invalid("by: nobody of this role looks after customers"));
    }
    Ok((of, by))
}

/// The customers at the beginning. All of them must be the asker's to give.
async fn find_customers(tx: &mut Tx, reader: &Reader, order: &CoverOrder) -> Result<BTreeSet<CustomerId>, ActionError> {
    let org = reader.org;
    let assignments: BTreeMap<CustomerId, Assignment> = match &order.customers {
        Some(named) => ownership::list_assignments(tx, org, named).await?,
        None => {
            let limit = super::handovers::CUSTOMERS_MAX;
            let owned = ownership::list_owned(tx, org, order.of, limit as i64 + 1).await?;
            if owned.len() > limit {
                return Err(ActionError::refused(Code::TooLarge).because(format!(
                    "He has more than {limit} customers: name those that are to be covered."
                )));
            }
            let by_id = owned
                .into_iter()
                .map(|placed| (placed.assignment.customer, placed.assignment));
            by_id.collect()
        }
    };
    let named: BTreeSet<CustomerId> = order.customers.iter().flatten().copied().collect();
    let is_his = |customer: &CustomerId| {
        let assignment = assignments.get(customer);
        assignment.is_some_and(|assignment| assignment.owner == Some(order.of))
    };
    if !named.iter().all(is_his) {
        return Err(ActionError::refused(Code::NotFound).because("customers: one of them is not his"));
    }
    let not_permitted = assignments
        .values()
        .filter(|assignment| !leads(reader, &facts(assignment)))
        .count();
    if not_permitted > 0 {
        return Err(ActionError::refused(Code::NotPermitted)
            .because("Some of his customers are of another team: name those of yours, or let the back office do it.")
            .with("not_permitted", not_permitted));
    }
    Ok(assignments.into_keys().collect())
}

/// Nobody stands in twice for the same person, nor for more people than a device can ask for.
async fn check_room(tx: &mut Tx, reader: &Reader, order: &CoverOrder) -> Result<(), ActionError> {
    let open = covers::list_open_of(tx, reader.org, order.by).await?;
    if open.contains(&order.of) {
        return Err(
            ActionError::refused(Code::Conflict).because("He stands in for this person already: end that first.")
        );
    }
    if open.len() >= COVERS_PER_PERSON_MAX {
        return Err(ActionError::refused(Code::TooLarge).because(format!(
            "by: somebody stands in for at most {COVERS_PER_PERSON_MAX} people at once"
        )));
    }
    Ok(())
}

/// Gives what the cover gives; and at which place of the log.
async fn open(
    tx: &mut Tx,
    of: &Account,
    by: &Account,
    cover: &CoverRow,
    customers: &BTreeSet<CustomerId>,
) -> Result<i64, ActionError> {
    // What was judged by his rights so far is judged again.
    people::update_place(tx, by.org, by.user, by.role, by.team, by.state).await?;
    if cover.everything {
        let policy = policy_of(tx, by.org).await?;
        let settled = settle_scopes(tx, by, &policy).await?;
        return Ok(settled.unwrap_or_default());
    }
    // What his own phones are about to write was to go to those who saw his customers before the cover.
    people::update_place(tx, of.org, of.user, of.role, of.team, of.state).await?;
    let (seq, _) = log::take(tx, by.org, 1, 0).await?;
    let members: Vec<(Scope, CustomerId, i64)> = customers
        .iter()
        .map(|customer| (Scope::Cover(by.user), *customer, seq))
        .collect();
    scopes::insert_members(tx, by.org, &members).await?;
    Ok(seq)
}

/// Ends a cover before its time; one that has ended stays as it is. Whoever may give the person's customers to a cover
/// may do this, and the person himself, who is back.
///
/// # Errors
/// `not_found` alike for a cover that does not exist and one that the asker may not see, `not_permitted` for the one who
/// stands in, `account_not_active`; the database's.
pub async fn end(app: &App, asker: Asker, cover: CoverId) -> Result<ListedCover, ActionError> {
    let unknown = || ActionError::refused(Code::NotFound);
    let mut tx = app.database.write().await?;
    organisation::lock(&mut tx, asker.org).await?;
    let reader = Reader::load(&mut tx, asker.org, asker.user).await?;
    let row = covers::find(&mut tx, asker.org, cover).await?.ok_or_else(unknown)?;
    let of = people::find(&mut tx, asker.org, row.of).await?.ok_or_else(unknown)?;
    if !sees(&reader, &of, &row) {
        return Err(unknown());
    }
    if !may_end(&reader, &of) {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    let row = close(&mut tx, &app.seam, asker.org, row, Some(asker.user)).await?;
    tx.commit().await?;
    app.committer.news().notify_waiters();
    Ok(ListedCover { row, may_end: false })
}

/// Ends every cover whose time is over. Any node may do this at any time: each ends once.
///
/// # Errors
/// The database's; covers that ended before it have ended.
pub async fn end_due(app: &App) -> Result<usize, ActionError> {
    let mut tx = app.database.read().await?;
    let due = covers::list_due(&mut tx, app.seam.now(), ENDED_PER_ROUND).await?;
    tx.rollback().await?;
    for (org, cover) in &due {
        let mut tx = app.database.write().await?;
        organisation::lock(&mut tx, *org).await?;
        if let Some(row) = covers::find(&mut tx, *org, *cover).await? {
            close(&mut tx, &app.seam, *org, row, None).await?;
        }
        tx.commit().await?;
    }
    if !due.is_empty() {
        app.committer.news().notify_waiters();
    }
    Ok(due.len())
}

/// Takes back what the cover gave. The caller has locked the organisation.
async fn close(
    tx: &mut Tx,
    seam: &Seam,
    org: OrgId,
    cover: CoverRow,
    ended_by: Option<UserId>,
) -> Result<CoverRow, ActionError> {
    let now = seam.now();
    if !covers::end(tx, org, cover.id, now, ended_by).await? {
        return Ok(cover);
    }
    if let Some(by) = people::lock(tx, org, cover.by).await? {
        people::update_place(tx, org, by.user, by.role, by.team, by.state).await?;
        if cover.everything {
            let policy = policy_of(tx, org).await?;
            settle_scopes(tx, &by, &policy).await?;
        } else {
            let (seq, _) = log::take(tx, org, 1, 0).await?;
            let ends: Vec<(Membership, i64)> = list_covered(tx, org, &cover)
                .await?
                .into_iter()
                .map(|membership| (membership, seq))
                .collect();
            scopes::end_memberships(tx, org, &ends).await?;
        }
    }
    let detail = json!({"of": cover.of, "by": cover.by});
    let row = AuditRow {
        user: ended_by,
        ..AuditRow::new(now, "cover_ended", cover.id).with_detail(detail)
    };
    audit::append(tx, org, &[row]).await?;
    Ok(CoverRow {
        ended_at: Some(now),
        ended_by,
        ..cover
    })
}

/// The customers that are still in a cover of some.
async fn list_covered(tx: &mut Tx, org: OrgId, cover: &CoverRow) -> Result<Vec<Membership>, StorageError> {
    let scope = Scope::Cover(cover.by);
    // A cover's members began at its place in the log, and nothing else of this scope did.
    let last = (cover.begun_seq, CustomerId(uuid::Uuid::max()));
    let members = scopes::list_members(
        tx,
        org,
        scope,
        cover.begun_seq - 1,
        Some(last),
        CUSTOMERS_MAX as i64 + 1,
    )
    .await?;
    Ok(members
        .into_iter()
        .map(|(from_seq, customer)| Membership {
            customer,
            scope,
            from_seq,
            to_seq: None,
        })
        .collect())
}

/// Those two whom it is about, whoever may give it, and auditors see a cover.
fn sees(reader: &Reader, of: &Account, row: &CoverRow) -> bool {
    let me = reader.viewer.user;
    row.of == me || row.by == me || reader.viewer.role == Role::Auditor || leads_person(reader, of)
}

fn may_end(reader: &Reader, of: &Account) -> bool {
    of.user == reader.viewer.user || leads_person(reader, of)
}

fn facts(assignment: &Assignment) -> CustomerFacts {
    CustomerFacts {
        owner: assignment.owner,
        pool: assignment.pool,
        team: assignment.team,
        collaborators: Vec::new(),
    }
}
