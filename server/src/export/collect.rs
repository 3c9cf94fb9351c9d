//! Collects an entity's records as the table that the import reads back.
//!
//! A customer or record that no other system named gets its id in Fieldpool as its external id: the import finds it
//! by that, so that a file exported, corrected in a spreadsheet and imported updates what it came from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId, OrgId, UserId},
};

use super::sheets::Sheet;
use crate::{
    import::{Entity, fields, values},
    storage::{
        StorageError, Tx,
        imports::{self, KnownCustomer, KnownDocument},
        people,
    },
};

/// Records read with one statement.
const RECORDS_PER_PAGE: i64 = 2_000;

/// The records of `entity`, in one snapshot if `tx` reads one.
///
/// # Errors
/// The database's.
pub async fn collect(tx: &mut Tx, org: OrgId, entity: Entity) -> Result<Sheet, StorageError> {
    let logins = people::list(tx, org)
        .await?
        .into_iter()
        .map(|account| (account.user, account.login))
        .collect();
    let mut context = Context {
        logins,
        customers: BTreeMap::new(),
    };
    if entity == Entity::Users {
        return users(tx, org).await;
    }
    context.customers = customers(tx, org).await?;
    match entity {
        Entity::Customers => customer_sheet(tx, org, &context).await,
        Entity::Contacts => documents(tx, org, entity, Kind::Contact, &context).await,
        Entity::Opportunities => documents(tx, org, entity, Kind::Opportunity, &context).await,
        Entity::Visits => documents(tx, org, entity, Kind::Visit, &context).await,
        Entity::FollowUps => documents(tx, org, entity, Kind::FollowUp, &context).await,
        Entity::Users => users(tx, org).await,
    }
}

struct Context {
    logins: BTreeMap<UserId, String>,
    customers: BTreeMap<CustomerId, KnownCustomer>,
}

impl Context {
    fn login(&self, user: Option<UserId>) -> String {
        user.and_then(|user| self.logins.get(&user))
            .cloned()
            .unwrap_or_default()
    }

    fn customer(&self, customer: CustomerId) -> String {
        let known = self
            .customers
            .get(&customer)
            .and_then(|known| known.external_id.clone());
        known.unwrap_or_else(|| customer.to_string())
    }
}

async fn customers(tx: &mut Tx, org: OrgId) -> Result<BTreeMap<CustomerId, KnownCustomer>, StorageError> {
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let page = imports::list_customers(tx, org, after, RECORDS_PER_PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.id);
        all.extend(page.into_iter().map(|customer| (customer.id, customer)));
    }
}

/// Every document of a kind that is not erased, with its fields.
async fn all_documents(
    tx: &mut Tx,
    org: OrgId,
    kind: Kind,
) -> Result<Vec<(KnownDocument, Map<String, Json>)>, StorageError> {
    let mut all = Vec::new();
    let mut after: Option<DocumentId> = None;
    loop {
        let page = imports::list_documents(tx, org, kind, after, RECORDS_PER_PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.id);
        for document in page.into_iter().filter(|document| !document.is_erased) {
            let fields = serde_json::from_str(&document.fields).map_err(|error| StorageError::Decode(error.into()))?;
            all.push((document, fields));
        }
    }
}

async fn customer_sheet(tx: &mut Tx, org: OrgId, context: &Context) -> Result<Sheet, StorageError> {
    // The contact that was there first stands in the customer's row; the others are in the contacts' own export.
    let mut contacts: BTreeMap<CustomerId, (KnownDocument, Map<String, Json>)> = BTreeMap::new();
    for (contact, fields) in all_documents(tx, org, Kind::Contact).await? {
        let first = contacts.get(&contact.customer);
        if first.is_none_or(|(first, _)| (contact.created_at, contact.id) < (first.created_at, first.id)) {
            contacts.insert(contact.customer, (contact, fields));
        }
    }
    let cards = all_documents(tx, org, Kind::Card).await?;
    let custom: BTreeSet<&str> = cards
        .iter()
        .filter_map(|(_, fields)| fields.get("custom").and_then(Json::as_object))
        .flat_map(|custom| custom.keys().map(String::as_str))
        .filter(|key| *key != "tax_number")
        .collect();
    let custom: Vec<String> = custom.into_iter().map(|key| format!("custom.{key}")).collect();
    let mut sheet = Sheet {
        columns: columns(Entity::Customers),
        rows: Vec::with_capacity(cards.len()),
    };
    sheet.columns.extend(custom);
    for (card, fields) in &cards {
        let contact = contacts.get(&card.customer).map(|(_, fields)| fields);
        let owner = context
            .customers
            .get(&card.customer)
            .and_then(|customer| customer.owner);
        let row = sheet.columns.iter().map(|column| match column.split_once('.') {
            Some(("contact", key)) => contact.map(|fields| contact_cell(fields, key)).unwrap_or_default(),
            Some(("custom", key)) => entry(fields, "custom", key),
            _ => match column.as_str() {
                "external_id" => context.customer(card.customer),
                "owner" => context.login(owner),
                "tax_number" => entry(fields, "custom", "tax_number"),
                key => text(fields, key),
            },
        });
        let row = row.collect();
        sheet.rows.push(row);
    }
    let name = sheet.columns.iter().position(|column| column == "name").unwrap_or(0);
    sheet.rows.sort_by(|a, b| a[name].cmp(&b[name]));
    Ok(sheet)
}

async fn documents(
    tx: &mut Tx,
    org: OrgId,
    entity: Entity,
    kind: Kind,
    context: &Context,
) -> Result<Sheet, StorageError> {
    let mut documents = all_documents(tx, org, kind).await?;
    documents.sort_by_key(|(document, _)| (document.created_at, document.id));
    let columns = columns(entity);
    let rows = documents.iter().map(|(document, fields)| {
        let cell = |column: &String| match column.as_str() {
            "customer" => context.customer(document.customer),
            "external_id" => document.external_id.clone().unwrap_or_else(|| document.id.to_string()),
            "author" => context.login(Some(document.author)),
            "owner" => context.login(document.responsible),
            "at" if kind == Kind::Visit => visit_time(document, fields),
            "at" => document.created_at.to_string(),
            "due" if kind == Kind::Visit => text(fields, "next_date"),
            "outcome" if kind == Kind::FollowUp => entry(fields, "custom", "outcome"),
            "amount" => amount(fields),
            "phone" => contact_cell(fields, "phone"),
            key => text(fields, key),
        };
        columns.iter().map(cell).collect()
    });
    let rows = rows.collect();
    Ok(Sheet { columns, rows })
}

async fn users(tx: &mut Tx, org: OrgId) -> Result<Sheet, StorageError> {
    let teams: BTreeMap<_, _> = imports::list_teams(tx, org)
        .await?
        .into_iter()
        .map(|team| (team.id, team.name))
        .collect();
    let columns = ["login", "name", "role", "team", "email"].map(str::to_owned).to_vec();
    let rows = people::list(tx, org).await?.into_iter().map(|account| {
        let team = account
            .team
            .and_then(|team| teams.get(&team))
            .cloned()
            .unwrap_or_default();
        vec![
            account.login,
            account.name,
            account.role.name().to_owned(),
            team,
            account.email.unwrap_or_default(),
        ]
    });
    Ok(Sheet {
        columns,
        rows: rows.collect(),
    })
}

fn columns(entity: Entity) -> Vec<String> {
    fields::fields(entity)
        .iter()
        .map(|field| field.name.to_owned())
        .collect()
}

fn visit_time(document: &KnownDocument, fields: &Map<String, Json>) -> String {
    let ms = fields
        .get("started_at")
        .or_else(|| fields.get("planned_at"))
        .and_then(Json::as_i64);
    ms.map_or(document.created_at, sync_core::time::Timestamp).to_string()
}

fn amount(fields: &Map<String, Json>) -> String {
    let Some(minor) = fields.get("amount_minor").and_then(Json::as_i64) else {
        return String::new();
    };
    let currency = fields.get("currency").and_then(Json::as_str).unwrap_or_default();
    // A currency that is not known here has two digits, as nearly all have.
    let digits = values::currency(currency).map_or(2, |(_, digits)| digits) as usize;
    if digits == 0 {
        return minor.to_string();
    }
    let sign = if minor < 0 { "-" } else { "" };
    let plain = format!("{:0>width$}", minor.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = plain.split_at(plain.len() - digits);
    format!("{sign}{whole}.{fraction}")
}

fn contact_cell(fields: &Map<String, Json>, key: &str) -> String {
    if key != "phone" {
        return text(fields, key);
    }
    let phones = fields.get("phones").and_then(Json::as_object);
    // The number without a label of its own, else the first.
    let phone = phones.and_then(|phones| phones.get("phone").or_else(|| phones.values().next()));
    phone.map(cell).unwrap_or_default()
}

fn entry(fields: &Map<String, Json>, map: &str, key: &str) -> String {
    fields
        .get(map)
        .and_then(|map| map.get(key))
        .map(cell)
        .unwrap_or_default()
}

fn text(fields: &Map<String, Json>, key: &str) -> String {
    fields.get(key).map(cell).unwrap_or_default()
}

fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_amount_is_written_with_the_digits_of_its_currency() {
        let amount_of = |value: Json| amount(value.as_object().unwrap());
        assert_eq!(amount_of(json!({"amount_minor": 44000, "currency": "USD"})), "440.00");
        assert_eq!(amount_of(json!({"amount_minor": 5, "currency": "CNY"})), "0.05");
        assert_eq!(amount_of(json!({"amount_minor": 500, "currency": "JPY"})), "500");
        assert_eq!(amount_of(json!({})), "");
    }
}
