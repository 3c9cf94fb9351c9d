//! Looking a customer up before creating it: whether it exists and who has it, and nothing else of it.
//!
//! The one place where something is said about a customer that the asker may not see. Each look-up is audited, and a
//! person has a number of them a minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use sync_core::{
    document::Kind,
    ids::{CustomerId, OrgId, PoolId, UserId},
    projection::{Query, fold, searchable_text},
    time::Timestamp,
};

use super::{ActionError, Code, customers::named, reader::Reader};
use crate::{
    app::App,
    storage::{
        Reach,
        audit::{self, AuditRow},
        customers::{self, CustomerRow},
        search,
        viewers::Named,
    },
};

/// Look-ups of one person in a minute: more than anybody types, too few to read out a customer base.
const PER_MINUTE: u32 = 30;
const MINUTE_MS: i64 = 60_000;
/// Customers named by one look-up.
const MATCHES_MAX: usize = 10;
/// Documents compared for one look-up.
const CANDIDATES_MAX: i64 = 500;
/// The shortest number compared: fewer digits are no phone number and no tax number.
const DIGITS_MIN: usize = 7;

/// How often people have looked up lately. Cheap to clone; of one node.
#[derive(Clone, Default)]
pub struct LookUps(Arc<Mutex<BTreeMap<UserId, (Timestamp, u32)>>>);

impl LookUps {
    fn count(&self, user: UserId, now: Timestamp) -> Result<(), ActionError> {
        let mut people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Windows that are over are forgotten, so that the map holds those of the last minute only.
        people.retain(|_, (began, _)| (0..MINUTE_MS).contains(&now.since_ms(*began)));
        let (began, count) = people.entry(user).or_insert((now, 0));
        if *count >= PER_MINUTE {
            let left_ms = MINUTE_MS - now.since_ms(*began);
            let seconds = u64::try_from(left_ms / 1000 + 1).unwrap_or(1);
            return Err(ActionError::refused(Code::RateLimited).retry_after(seconds));
        }
        *count += 1;
        Ok(())
    }
}

/// What is said of a customer that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub owner: Option<UserId>,
    /// The pool it is in.
    pub pool: Option<PoolId>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct LookedUp {
    /// Those found, at most ten.
    pub matches: Vec<Found>,
    /// How their owners are called.
    pub people: BTreeMap<UserId, Named>,
}

/// Looks for customers with exactly this name, this phone number or this number of theirs (a tax number, a key of
/// another system).
///
/// # Errors
/// `rate_limited`, `not_permitted` for roles that create no customers, `invalid_request` for words too short to mean
/// one customer, `account_not_active`; the database's.
pub async fn look_up(app: &App, org: OrgId, user: UserId, words: &str) -> Result<LookedUp, ActionError> {
    let wanted = fold(words);
    if wanted.chars().count() < 2 {
        return Err(ActionError::invalid(
            "q: give the whole name, phone number or tax number",
        ));
    }
    app.look_ups.count(user, app.seam.now())?;
    let mut tx = app.database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    if !reader.viewer.role.may_own() {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    let by_name = customers::list_by_exact_name(&mut tx, org, words.trim(), CANDIDATES_MAX).await?;
    let mut found: BTreeMap<CustomerId, Found> = by_name
        .iter()
        .map(|row: &CustomerRow| {
            (
                row.id,
                Found {
                    owner: row.owner,
                    pool: row.pool,
                },
            )
        })
        .collect();
    let proposed =
        search::list_candidates(&mut tx, org, &Reach::Organisation, &Query::parse(words), CANDIDATES_MAX).await?;
    let digits: String = wanted.chars().filter(char::is_ascii_digit).collect();
    let matching: BTreeSet<CustomerId> = proposed
        .iter()
        .filter(|candidate| matches!(candidate.document.kind, Kind::Card | Kind::Contact))
        .filter(|candidate| {
            let fields: Value = serde_json::from_str(&candidate.document.fields).unwrap_or_default();
            is_it(candidate.document.kind, &fields, &wanted, &digits)
        })
        .map(|candidate| candidate.document.customer)
        .collect();
    for customer in matching {
        if let Some(row) = customers::find_customer(&mut tx, org, customer).await? {
            found.insert(
                customer,
                Found {
                    owner: row.owner,
                    pool: row.pool,
                },
            );
        }
    }
    let matches: Vec<Found> = found.into_values().take(MATCHES_MAX).collect();
    let people = named(&mut tx, org, matches.iter().filter_map(|found| found.owner)).await?;
    drop(tx);
    let mut tx = app.database.write().await?;
    let row = AuditRow::new(app.seam.now(), "customer_looked_up", user)
        .by(user)
        .with_detail(json!({ "matches": matches.len() }));
    audit::append(&mut tx, org, &[row]).await?;
    tx.commit().await?;
    Ok(LookedUp { matches, people })
}

// The whole name of a card, a whole phone number of a contact, or a whole number in a custom field of a card.
fn is_it(kind: Kind, fields: &Value, wanted: &str, digits: &str) -> bool {
    let is_number = digits.len() >= DIGITS_MIN;
    let whole = |value: &Value| fold(value.as_str().unwrap_or_default()) == wanted;
    match kind {
        Kind::Card => {
            whole(&fields["name"])
                || fields["custom"]
                    .as_object()
                    .is_some_and(|custom| is_number && custom.values().any(whole))
        }
        Kind::Contact => {
            is_number
                && searchable_text(&fields["phones"]).lines().any(|phone| {
                    let phone: String = phone.chars().filter(char::is_ascii_digit).collect();
                    phone.len() >= DIGITS_MIN && phone == digits
                })
        }
        _ => false,
    }
}
