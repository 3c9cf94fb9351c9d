//! What a record wants its documents to say, as the fields that the JSON API takes, and by which ids they are found
//! again in every run.

use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId, OrgId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    plan::{self, Key},
    rows::{ContactFields, ContactRow, CustomerRow, FollowUpRow, OpportunityRow, Record, VisitRow},
    values::When,
};

/// Label of an imported phone number, the same as for one given without a label elsewhere.
const PHONE_LABEL: &str = "phone";

/// The fields a document shall have; what is not named stays as it is.
pub type Fields = Map<String, Json>;

/// The id of a customer that no import has made before: derived from what the row is found again by.
#[must_use]
pub fn customer_id(org: OrgId, row: &CustomerRow, key: Key) -> CustomerId {
    let identity = plan::identity(&Record::Customer(row.clone()), key).unwrap_or_default();
    CustomerId(derived(org, "customer", identity.iter().map(String::as_str)))
}

/// The id of a contact: of its external id, or of its customer and name.
#[must_use]
pub fn contact_id(org: OrgId, customer: CustomerId, external_id: Option<&str>, name: &str) -> DocumentId {
    let customer = customer.to_string();
    DocumentId(match external_id {
        Some(id) => derived(org, Kind::Contact.name(), ["id", id]),
        None => derived(org, Kind::Contact.name(), ["name", &customer, &name.to_lowercase()]),
    })
}

/// The id of a deal, visit or follow-up: of its external id, or of its customer and its content.
#[must_use]
pub fn record_id(org: OrgId, kind: Kind, customer: CustomerId, record: &Record) -> DocumentId {
    let identity = plan::identity(record, Key::ExternalId).unwrap_or_default();
    let customer = customer.to_string();
    // The words of an external id stand for themselves; content belongs to its customer.
    let own = identity.first().is_some_and(|first| first == "id");
    let words = identity
        .iter()
        .map(String::as_str)
        .chain((!own).then_some(customer.as_str()));
    DocumentId(derived(org, kind.name(), words))
}

/// UUIDv8 of the SHA-256 over the words, each with its length, so that no two lists of words read the same.
fn derived<'a>(org: OrgId, what: &'a str, words: impl IntoIterator<Item = &'a str>) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(b"fieldpool import 1");
    hash.update(org.as_bytes());
    for word in std::iter::once(what).chain(words) {
        hash.update((word.len() as u64).to_be_bytes());
        hash.update(word.as_bytes());
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// A customer's card.
#[must_use]
pub fn card_fields(row: &CustomerRow) -> Fields {
    let mut fields = Fields::new();
    fields.insert("name".into(), json!(row.name));
    put(&mut fields, "address", row.address.as_deref());
    put(&mut fields, "region", row.region.as_deref());
    put(&mut fields, "industry", row.industry.as_deref());
    put(&mut fields, "source", row.source.as_deref());
    put(&mut fields, "stage", row.stage.as_deref());
    put(&mut fields, "tier", row.tier.as_deref());
    if let (Some(lat), Some(lon)) = (row.lat, row.lon) {
        fields.insert("lat".into(), json!(lat));
        fields.insert("lon".into(), json!(lon));
    }
    if !row.tags.is_empty() {
        fields.insert("tags".into(), json!({"add": row.tags}));
    }
    let mut custom = Fields::new();
    put(&mut custom, "tax_number", row.tax_number.as_deref());
    custom.extend(row.custom.iter().map(|(key, value)| (key.clone(), json!(value))));
    if !custom.is_empty() {
        fields.insert("custom".into(), Json::Object(custom));
    }
    fields
}

/// The contact in a customer's row; one without a name is named as the customer.
#[must_use]
pub fn customer_contact(row: &CustomerRow) -> Option<(String, Fields)> {
    let contact = row.contact.as_ref()?;
    let name = contact.name.clone().unwrap_or_else(|| row.name.clone());
    let fields = contact_fields(&name, contact);
    Some((name, fields))
}

/// A contact of its own row.
#[must_use]
pub fn contact(row: &ContactRow) -> (String, Fields) {
    let name = row.fields.name.clone().unwrap_or_default();
    let fields = contact_fields(&name, &row.fields);
    (name, fields)
}

fn contact_fields(name: &str, contact: &ContactFields) -> Fields {
    let mut fields = Fields::new();
    fields.insert("name".into(), json!(name));
    put(&mut fields, "title", contact.title.as_deref());
    put(&mut fields, "email", contact.email.as_deref());
    if let Some(phone) = &contact.phone {
        fields.insert("phones".into(), json!({PHONE_LABEL: phone}));
    }
    fields
}

/// A deal.
#[must_use]
pub fn opportunity_fields(row: &OpportunityRow) -> Fields {
    let mut fields = Fields::new();
    fields.insert("title".into(), json!(row.title));
    put(&mut fields, "stage", row.stage.as_deref());
    if let Some(amount) = row.amount_minor {
        fields.insert("amount_minor".into(), json!(amount));
        fields.insert("currency".into(), json!(row.currency));
    }
    put(
        &mut fields,
        "close_date",
        row.close_date.map(|date| date.to_string()).as_deref(),
    );
    put(&mut fields, "product", row.product.as_deref());
    put(&mut fields, "loss_reason", row.loss_reason.as_deref());
    fields
}

/// A visit that was made if it lies before now, else one that is planned.
#[must_use]
pub fn visit_fields(row: &VisitRow, at: Timestamp, now: Timestamp) -> Fields {
    let mut fields = Fields::new();
    fields.insert(if at <= now { "started_at" } else { "planned_at" }.into(), json!(at.0));
    put(&mut fields, "note", row.note.as_deref());
    put(&mut fields, "outcome", row.outcome.as_deref());
    put(
        &mut fields,
        "next_date",
        row.due.map(|date| date.to_string()).as_deref(),
    );
    fields
}

/// A follow-up. An outcome has no field of its own in the design and is kept as a custom one.
#[must_use]
pub fn follow_up_fields(row: &FollowUpRow) -> Fields {
    let mut fields = Fields::new();
    fields.insert("text".into(), json!(row.text));
    put(&mut fields, "channel", row.channel);
    put(&mut fields, "due", row.due.map(|date| date.to_string()).as_deref());
    if let Some(done) = row.done {
        fields.insert("done".into(), json!(done));
    }
    if let Some(outcome) = &row.outcome {
        fields.insert("custom".into(), json!({"outcome": outcome}));
    }
    fields
}

/// The instant of a civil time in the organisation's time zone. A day counts as its noon, so that it stays the same
/// day in every zone nearby; a time that a clock change skips counts as the one an hour later.
#[must_use]
pub fn instant(when: When, zone: &TimeZone) -> Timestamp {
    let local = match when {
        When::Instant(instant) => return instant,
        When::Day(day) => day.at(12, 0, 0, 0),
        When::Local(local) => local,
    };
    let instant = zone.to_ambiguous_timestamp(local).compatible();
    Timestamp(instant.map_or(0, |instant| instant.as_millisecond()))
}

/// Whether a document that reads `stored` says all of `wanted` already.
#[must_use]
pub fn says_already(stored: &Fields, wanted: &Fields) -> bool {
    wanted.iter().all(|(key, wanted)| match (stored.get(key), wanted) {
        (Some(stored), _) if stored == wanted => true,
        // Tags are given as what to add to those there are.
        (Some(Json::Array(tags)), Json::Object(edit)) => edit
            .get("add")
            .and_then(Json::as_array)
            .is_some_and(|add| add.iter().all(|tag| tags.contains(tag))),
        (Some(Json::Object(entries)), Json::Object(edit)) => {
            edit.iter().all(|(entry, value)| entries.get(entry) == Some(value))
        }
        (Some(Json::Number(stored)), Json::Number(wanted)) => stored.as_f64() == wanted.as_f64(),
        _ => false,
    })
}

fn put(fields: &mut Fields, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        fields.insert(key.to_owned(), json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: OrgId = OrgId(Uuid::from_u128(7));

    #[test]
    fn a_repeated_import_finds_the_same_records() {
        let row = CustomerRow {
            name: "阿爸阿妈".into(),
            region: Some("北京市".into()),
            ..CustomerRow::default()
        };
        let id = customer_id(ORG, &row, Key::ExternalId);
        assert_eq!(
            id,
            customer_id(
                ORG,
                &CustomerRow {
                    line: 9,
                    tier: Some("A".into()),
                    ..row.clone()
                },
                Key::ExternalId
            )
        );
        assert_ne!(
            id,
            customer_id(
                ORG,
                &CustomerRow {
                    region: None,
                    ..row.clone()
                },
                Key::ExternalId
            )
        );
        assert_ne!(id, customer_id(OrgId(Uuid::from_u128(8)), &row, Key::ExternalId));
        assert_eq!(id.0.get_version_num(), 8);
        assert_eq!(contact_id(ORG, id, None, "Ana"), contact_id(ORG, id, None, "ANA"));
    }

    #[test]
    fn a_row_says_only_what_it_has() {
        let row = CustomerRow {
            name: "A".into(),
            tags: vec!["x".into()],
            tax_number: Some("9".into()),
            ..CustomerRow::default()
        };
        assert_eq!(
            Json::Object(card_fields(&row)),
            json!({"name": "A", "tags": {"add": ["x"]}, "custom": {"tax_number": "9"}})
        );
        assert_eq!(customer_contact(&row), None);
        let contact = ContactFields {
            phone: Some("0755-1".into()),
            ..ContactFields::default()
        };
        let (name, fields) = customer_contact(&CustomerRow {
            contact: Some(contact),
            ..row
        })
        .unwrap();
        assert_eq!(
            (name.as_str(), Json::Object(fields)),
            ("A", json!({"name": "A", "phones": {"phone": "0755-1"}}))
        );
    }

    #[test]
    fn what_a_document_says_already_is_no_change() {
        let fields = |json: Json| json.as_object().cloned().unwrap();
        let stored = fields(json!({"name": "A", "lat": 22.0, "tags": ["x", "y"], "custom": {"a": "1", "b": "2"}}));
        for same in [
            json!({"name": "A"}),
            json!({"lat": 22}),
            json!({"tags": {"add": ["y"]}}),
            json!({"custom": {"b": "2"}}),
        ] {
            assert!(says_already(&stored, &fields(same.clone())), "{same}");
        }
        for new in [
            json!({"name": "B"}),
            json!({"region": "x"}),
            json!({"tags": {"add": ["z"]}}),
            json!({"custom": {"c": "2"}}),
        ] {
            assert!(!says_already(&stored, &fields(new.clone())), "{new}");
        }
    }

    #[test]
    fn a_day_is_its_noon_where_the_organisation_is() {
        let day = When::Day(jiff::civil::Date::constant(1996, 7, 4));
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(instant(day, &shanghai), Timestamp(836_481_600_000 - 8 * 3_600_000));
    }
}
