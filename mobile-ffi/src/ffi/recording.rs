//! What a person records. Each call is durable when it returns, needs no network, and is told to observers.

use std::{path::Path, str::FromStr};

use serde_json::{Map, Value as Json, json};
use sync_core::{
    document::{self, DocumentState, Edit, EditError, Kind, edits_from_json, edits_from_words},
    ids::{CustomerId, DocumentId, InvalidId, PoolId},
    protocol::message::IntentAction,
    replica::Target,
};

use super::{FieldValue, Phone, PhoneError, phone::Engine, records::text};
use crate::{
    PhoneError as Inner, Seam,
    phone::{Place as Position, set},
};

/// Where a person was.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
pub struct Place {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// Radius of uncertainty in metres.
    #[uniffi(default = None)]
    pub accuracy_m: Option<f64>,
}

/// A customer that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NewCustomer {
    /// The name.
    pub name: String,
    /// The address.
    #[uniffi(default = None)]
    pub address: Option<String>,
    /// The region.
    #[uniffi(default = None)]
    pub region: Option<String>,
    /// The industry.
    #[uniffi(default = None)]
    pub industry: Option<String>,
    /// Where he was found.
    #[uniffi(default = None)]
    pub source: Option<String>,
    /// Stage of the pipeline.
    #[uniffi(default = None)]
    pub stage: Option<String>,
    /// Into this pool; one's own without.
    #[uniffi(default = None)]
    pub pool: Option<String>,
}

/// A visit that has been made.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct NewVisit {
    /// What happened.
    pub note: String,
    /// What came of it.
    #[uniffi(default = None)]
    pub outcome: Option<String>,
    /// When it began; its end if not said.
    #[uniffi(default = None)]
    pub started_at_ms: Option<i64>,
    /// When it ended; now if not said.
    #[uniffi(default = None)]
    pub ended_at_ms: Option<i64>,
    /// When to come again.
    #[uniffi(default = None)]
    pub next_date: Option<String>,
    /// Where.
    #[uniffi(default = None)]
    pub place: Option<Place>,
    /// Files of photos; they are copied. This version does not upload them yet.
    #[uniffi(default = [])]
    pub photos: Vec<String>,
}

/// A call, a message or a note, with what is to be done next.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NewFollowUp {
    /// What was said, or is to be done.
    pub text: String,
    /// `visit`, `phone`, `wechat`, `email`, `meeting` or `other`.
    #[uniffi(default = None)]
    pub channel: Option<String>,
    /// By when.
    #[uniffi(default = None)]
    pub due: Option<String>,
}

/// A person at a customer.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NewContact {
    /// The name.
    pub name: String,
    /// The title.
    #[uniffi(default = None)]
    pub title: Option<String>,
    /// The phone number.
    #[uniffi(default = None)]
    pub phone: Option<String>,
    /// The address for mail.
    #[uniffi(default = None)]
    pub email: Option<String>,
    /// The name in WeChat.
    #[uniffi(default = None)]
    pub wechat: Option<String>,
}

/// A deal.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NewOpportunity {
    /// What it is about.
    pub title: String,
    /// Its stage.
    pub stage: String,
    /// The amount in minor units (fen, cents).
    pub amount_minor: i64,
    /// Its currency, such as CNY.
    pub currency: String,
    /// Expected close.
    #[uniffi(default = None)]
    pub close_date: Option<String>,
    /// The product.
    #[uniffi(default = None)]
    pub product: Option<String>,
}

/// The documents of which a customer has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum CustomerPart {
    /// What identifies him.
    Card,
    /// Needs, preferences, plan, prose.
    Dossier,
    /// Managers' and back office's notes.
    Internal,
}

/// One edit of one field.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum FieldEdit {
    /// Writes a field. `Empty` empties it; `Entries` cannot be written as a whole.
    Set {
        /// The field.
        field: String,
        /// Its value.
        value: FieldValue,
    },
    /// Writes one entry of a field with several: a phone number, a custom field.
    SetEntry {
        /// The field.
        field: String,
        /// The entry.
        entry: String,
        /// Its value.
        value: FieldValue,
    },
    /// Removes one entry of a field with several.
    RemoveEntry {
        /// The field.
        field: String,
        /// The entry.
        entry: String,
    },
    /// Adds a tag to a card.
    AddTag {
        /// It.
        tag: String,
    },
    /// Removes a tag from a card.
    RemoveTag {
        /// It.
        tag: String,
    },
}

#[uniffi::export]
impl Phone {
    /// A new customer. Provisional until the server has heard of him.
    ///
    /// # Errors
    /// `Refused` with `schema` or `not_permitted`; `Locked`; `StorageFull`; so do all calls below.
    pub fn create_customer(&self, customer: NewCustomer) -> Result<String, PhoneError> {
        let pool: Option<PoolId> = customer.pool.as_deref().map(parse).transpose()?;
        let words = words(&[
            ("name", Some(customer.name)),
            ("address", customer.address),
            ("region", customer.region),
            ("industry", customer.industry),
            ("source", customer.source),
            ("stage", customer.stage),
        ]);
        self.recording(|desk| {
            let id = desk.create_customer(&words, pool)?.to_string();
            Ok((id.clone(), id))
        })
    }

    /// A visit that has been made.
    ///
    /// # Errors
    /// `Refused` with `photo_unreadable` or `photo_too_large`, and as [`Self::create_customer`].
    pub fn add_visit(&self, customer: String, visit: NewVisit) -> Result<String, PhoneError> {
        let customer: CustomerId = parse(&customer)?;
        let ended = visit.ended_at_ms.unwrap_or_else(|| Seam::real().now().0);
        let started = visit.started_at_ms.unwrap_or(ended);
        let mut edits = vec![
            instant("started_at", started),
            instant("ended_at", ended),
            line("note", visit.note),
        ];
        edits.extend(visit.outcome.map(|outcome| line("outcome", outcome)));
        edits.extend(visit.next_date.map(|date| line("next_date", date)));
        edits.extend(visit.place.into_iter().flat_map(at_place));
        self.recording(|desk| {
            let mut photos = Vec::with_capacity(visit.photos.len());
            for file in &visit.photos {
                photos.push(desk.keep_photo(Path::new(file))?);
            }
            let id = desk.add_with_photos(customer, Kind::Visit, &edits, &photos)?;
            Ok((id.to_string(), customer.to_string()))
        })
    }

    /// A visit that is planned.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    pub fn plan_visit(&self, customer: String, at_ms: i64) -> Result<String, PhoneError> {
        self.add(&customer, Kind::Visit, &[instant("planned_at", at_ms)])
    }

    /// A visit that begins now.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    #[uniffi::method(default(place = None))]
    pub fn start_visit(&self, customer: String, place: Option<Place>) -> Result<String, PhoneError> {
        let mut edits = vec![instant("started_at", Seam::real().now().0)];
        edits.extend(place.into_iter().flat_map(at_place));
        self.add(&customer, Kind::Visit, &edits)
    }

    /// A visit that was begun ends now.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    #[uniffi::method(default(outcome = None))]
    pub fn finish_visit(&self, visit: String, note: String, outcome: Option<String>) -> Result<(), PhoneError> {
        let mut edits = vec![instant("ended_at", Seam::real().now().0), line("note", note)];
        edits.extend(outcome.map(|outcome| line("outcome", outcome)));
        let visit: DocumentId = parse(&visit)?;
        self.recording(|desk| record(desk, visit, |_| Ok(edits)))
    }

    /// A follow-up.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    pub fn add_follow_up(&self, customer: String, follow_up: NewFollowUp) -> Result<String, PhoneError> {
        let mut edits = vec![line("text", follow_up.text)];
        edits.extend(follow_up.channel.map(|channel| line("channel", channel)));
        edits.extend(follow_up.due.map(|due| line("due", due)));
        self.add(&customer, Kind::FollowUp, &edits)
    }

    /// A follow-up is done.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    pub fn finish_follow_up(&self, follow_up: String) -> Result<(), PhoneError> {
        let follow_up: DocumentId = parse(&follow_up)?;
        let edits = vec![set("done", document::Value::Bool(true))];
        self.recording(|desk| record(desk, follow_up, |_| Ok(edits)))
    }

    /// A contact.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    pub fn add_contact(&self, customer: String, contact: NewContact) -> Result<String, PhoneError> {
        let words = words(&[
            ("name", Some(contact.name)),
            ("title", contact.title),
            ("phone", contact.phone),
            ("email", contact.email),
            ("wechat", contact.wechat),
        ]);
        let edits = edits_from_words(Kind::Contact, &words).map_err(refused)?;
        self.add(&customer, Kind::Contact, &edits)
    }

    /// An opportunity.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    pub fn add_opportunity(&self, customer: String, opportunity: NewOpportunity) -> Result<String, PhoneError> {
        let mut edits = vec![
            line("title", opportunity.title),
            line("stage", opportunity.stage),
            set("amount_minor", document::Value::Int(opportunity.amount_minor)),
            line("currency", opportunity.currency),
        ];
        edits.extend(opportunity.close_date.map(|date| line("close_date", date)));
        edits.extend(opportunity.product.map(|product| line("product", product)));
        self.add(&customer, Kind::Opportunity, &edits)
    }

    /// A comment on a visit, follow-up, opportunity or ticket. Gives the comment's id.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    pub fn add_comment(&self, document: String, text: String) -> Result<String, PhoneError> {
        let document: DocumentId = parse(&document)?;
        let id = Seam::real().uuid().to_string();
        let edit = Edit::SetEntry {
            map: "comments".to_owned(),
            entry: id.clone(),
            value: document::Value::Str(text),
        };
        self.recording(|desk| record(desk, document, |_| Ok(vec![edit])))?;
        Ok(id)
    }

    /// Edits fields of a document that is here, all of them or none.
    ///
    /// # Errors
    /// `Refused` with `schema` naming the field that does not fit, and as [`Self::create_customer`].
    pub fn edit_document(&self, document: String, edits: Vec<FieldEdit>) -> Result<(), PhoneError> {
        let document: DocumentId = parse(&document)?;
        self.recording(|desk| record(desk, document, |kind| read_edits(kind, &edits)))
    }

    /// Edits fields of a customer's card, dossier or internal document, also where nobody has written to it yet.
    ///
    /// # Errors
    /// As [`Self::edit_document`].
    pub fn edit_customer(&self, customer: String, part: CustomerPart, edits: Vec<FieldEdit>) -> Result<(), PhoneError> {
        let customer: CustomerId = parse(&customer)?;
        let kind = match part {
            CustomerPart::Card => Kind::Card,
            CustomerPart::Dossier => Kind::Dossier,
            CustomerPart::Internal => Kind::Internal,
        };
        self.recording(|desk| {
            desk.record(Target::Single(customer, kind), &read_edits(kind, &edits)?)?;
            Ok(((), customer.to_string()))
        })
    }

    /// Settles a conflict: this value is written on top of all that are there. `field` is as the conflict names it.
    ///
    /// # Errors
    /// As [`Self::edit_document`].
    pub fn settle_conflict(&self, document: String, field: String, value: FieldValue) -> Result<(), PhoneError> {
        let edit = match field.split_once('.') {
            None => FieldEdit::Set { field, value },
            Some((map, entry)) => FieldEdit::SetEntry {
                field: map.to_owned(),
                entry: entry.to_owned(),
                value,
            },
        };
        self.edit_document(document, vec![edit])
    }

    /// Takes a customer out of its pool; provisional until the server has decided. Gives the request's id, which
    /// [`super::SyncResult`] names again.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    pub fn claim(&self, customer: String) -> Result<String, PhoneError> {
        self.intend(&customer, IntentAction::Claim)
    }

    /// Gives a customer back to a pool, one's first if not said; provisional until the server has decided.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    #[uniffi::method(default(pool = None))]
    pub fn release(&self, customer: String, reason: String, pool: Option<String>) -> Result<String, PhoneError> {
        let pool = pool.as_deref().map(parse).transpose()?;
        self.intend(&customer, IntentAction::Release { pool, reason })
    }
}

impl Phone {
    fn add(&self, customer: &str, kind: Kind, edits: &[Edit]) -> Result<String, PhoneError> {
        let customer: CustomerId = parse(customer)?;
        self.recording(|desk| {
            let id = desk.add(customer, kind, edits)?;
            Ok((id.to_string(), customer.to_string()))
        })
    }

    fn intend(&self, customer: &str, action: IntentAction) -> Result<String, PhoneError> {
        let customer: CustomerId = parse(customer)?;
        self.recording(|desk| {
            let id = desk.intend(customer, action)?;
            Ok((id.to_string(), customer.to_string()))
        })
    }
}

/// An id out of the app's text.
pub(super) fn parse<I: FromStr<Err = InvalidId>>(text: &str) -> Result<I, PhoneError> {
    text.parse()
        .map_err(|error: InvalidId| PhoneError::invalid(error.to_string()))
}

/// Edits a document whose kind decides how the edits are read. Whose it is goes to the observers.
fn record(
    desk: &mut Engine,
    document: DocumentId,
    edits: impl FnOnce(Kind) -> Result<Vec<Edit>, Inner>,
) -> Result<((), String), Inner> {
    let shown = desk.document(document)?;
    let kind: Kind = text(&shown, "kind")
        .parse()
        .map_err(|_| Inner::refused("upgrade_required", "this document needs a newer version of the app"))?;
    desk.edit(document, &edits(kind)?)?;
    Ok(((), text(&shown, "customer")))
}

fn read_edits(kind: Kind, edits: &[FieldEdit]) -> Result<Vec<Edit>, Inner> {
    // Only kinds and bounds are asked of it: lists are never replaced as a whole from here.
    let state = DocumentState::new(kind);
    let mut read = Vec::with_capacity(edits.len());
    for edit in edits {
        let mut fields = Map::new();
        let (field, json) = field_json(edit)?;
        fields.insert(field.to_owned(), json);
        read.extend(edits_from_json(&state, &fields).map_err(refused)?);
    }
    Ok(read)
}

/// One edit as the JSON of the API.
fn field_json(edit: &FieldEdit) -> Result<(&str, Json), Inner> {
    Ok(match edit {
        FieldEdit::Set { field, value } => (field, value_json(value)?),
        FieldEdit::SetEntry { field, entry, value } => (field, json!({entry.as_str(): value_json(value)?})),
        FieldEdit::RemoveEntry { field, entry } => (field, json!({entry.as_str(): null})),
        FieldEdit::AddTag { tag } => ("tags", json!({"add": [tag]})),
        FieldEdit::RemoveTag { tag } => ("tags", json!({"remove": [tag]})),
    })
}

fn value_json(value: &FieldValue) -> Result<Json, Inner> {
    Ok(match value {
        FieldValue::Text { value } => Json::from(value.as_str()),
        FieldValue::Whole { value } => Json::from(*value),
        FieldValue::Number { value } if value.is_finite() => Json::from(*value),
        FieldValue::Number { .. } => return Err(Inner::refused("schema", "a number must be finite")),
        FieldValue::Flag { value } => Json::from(*value),
        FieldValue::Empty => Json::Null,
        FieldValue::Entries { .. } => {
            return Err(Inner::refused(
                "schema",
                "entries are written one by one, with SetEntry, AddTag and so on",
            ));
        }
    })
}

fn refused(error: EditError) -> Inner {
    Inner::refused(error.code(), error.to_string())
}

fn words(fields: &[(&str, Option<String>)]) -> Vec<String> {
    let given = fields.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    given.map(|(key, value)| format!("{key}={value}")).collect()
}

fn line(key: &str, value: String) -> Edit {
    set(key, document::Value::Str(value))
}

fn instant(key: &str, at_ms: i64) -> Edit {
    set(key, document::Value::Timestamp(at_ms))
}

fn at_place(place: Place) -> Vec<Edit> {
    Position {
        lat: place.lat,
        lon: place.lon,
        accuracy_m: place.accuracy_m,
    }
    .edits()
}
