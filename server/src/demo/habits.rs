//! What a person does on a phone and what he writes there, whatever the phone talks to.

use mobile_ffi::{Phone, PhoneError, Transport, phone::set};
use rand::{Rng, rngs::StdRng};
use sync_core::{
    document::{Edit, Kind, Value},
    ids::{CustomerId, DocumentId},
    replica::Target,
    time::Timestamp,
};

use super::{
    company::Customer,
    names::{mobile, person},
    texts::Writer,
};

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// A position is so uncertain, in metres.
const ACCURACY_M: std::ops::Range<i32> = 5..45;
/// Whoever checks in stands so far from the customer's address at most, in millionths of a degree.
const CHECK_IN_MICRODEGREES: i32 = 900;

/// A person's habits.
pub(super) struct Habits {
    pub(super) generator: StdRng,
    pub(super) writer: Writer,
}

impl Habits {
    /// The edits of a visit between two instants.
    pub(super) fn visit_edits(
        &mut self,
        (began, ended): (Timestamp, Timestamp),
        place: Option<(f64, f64)>,
    ) -> Vec<Edit> {
        let mut edits = vec![
            set("started_at", Value::Timestamp(began.0)),
            set("ended_at", Value::Timestamp(ended.0)),
            set("note", Value::Str(self.writer.note(&mut self.generator))),
            set("outcome", Value::Str(self.writer.outcome(&mut self.generator))),
        ];
        if let Some((lat, lon)) = place {
            let mut near = |degrees: f64| {
                let micro = self
                    .generator
                    .random_range(-CHECK_IN_MICRODEGREES..CHECK_IN_MICRODEGREES);
                ((degrees + f64::from(micro) / 1e6) * 1e6).round() / 1e6
            };
            let (lat, lon) = (near(lat), near(lon));
            let accuracy_m = Some(f64::from(self.generator.random_range(ACCURACY_M)));
            edits.extend(mobile_ffi::phone::Place { lat, lon, accuracy_m }.edits());
        }
        edits
    }

    pub(super) fn follow_up<T: Transport>(
        &mut self,
        phone: &mut Phone<T>,
        customer: CustomerId,
        due: String,
    ) -> Result<DocumentId, PhoneError> {
        let channel = ["phone", "wechat", "email", "visit"][self.generator.random_range(0..4)];
        let edits = [
            set("text", Value::Str(self.writer.to_do(&mut self.generator))),
            set("channel", Value::Str(channel.to_owned())),
            set("due", Value::Str(due)),
        ];
        phone.add(customer, Kind::FollowUp, &edits)
    }

    pub(super) fn dossier<T: Transport>(
        &mut self,
        phone: &mut Phone<T>,
        customer: CustomerId,
    ) -> Result<(), PhoneError> {
        let edits = [
            set("needs", Value::Str(self.writer.needs(&mut self.generator))),
            set("preferences", Value::Str(self.writer.preferences(&mut self.generator))),
        ];
        phone.record(Target::Single(customer, Kind::Dossier), &edits)?;
        Ok(())
    }

    pub(super) fn contact<T: Transport>(
        &mut self,
        phone: &mut Phone<T>,
        customer: CustomerId,
    ) -> Result<(), PhoneError> {
        let edits = [
            set("name", Value::Str(person(self.writer.0, &mut self.generator))),
            set("title", Value::Str(self.writer.title(&mut self.generator))),
            Edit::SetEntry {
                map: "phones".to_owned(),
                entry: "phone".to_owned(),
                value: Value::Str(mobile(&mut self.generator)),
            },
        ];
        phone.add(customer, Kind::Contact, &edits)?;
        Ok(())
    }

    pub(super) fn ticket<T: Transport>(
        &mut self,
        phone: &mut Phone<T>,
        customer: CustomerId,
    ) -> Result<(), PhoneError> {
        let severity = ["low", "normal", "normal", "high"][self.generator.random_range(0..4)];
        let edits = [
            set("text", Value::Str(self.writer.trouble(&mut self.generator))),
            set("severity", Value::Str(severity.to_owned())),
        ];
        phone.add(customer, Kind::Ticket, &edits)?;
        Ok(())
    }

    /// A customer as somebody types him in.
    pub(super) fn words_of(&self, customer: &Customer) -> Vec<String> {
        let (prospect, language) = (&customer.prospect, self.writer.0);
        vec![
            format!("name={}", prospect.name),
            format!("region={}", prospect.region),
            format!("address={}", prospect.address),
            format!("industry={}", language.of(prospect.trade)),
            format!("source={}", language.of(prospect.source)),
            "stage=lead".to_owned(),
            format!("tier={}", customer.tier),
        ]
    }
}

/// The civil date in the company's time zone, `YYYY-MM-DD`.
pub(super) fn civil_date(at: Timestamp) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    jiff::Timestamp::from_millisecond(at.0)
        .map(|instant| instant.to_zoned(zone).date().to_string())
        .unwrap_or_default()
}
