//! Groups good records into transactions and takes out those that a file says twice.

use std::collections::BTreeMap;

use super::{
    limits,
    rows::{Record, RowProblem, RowRefusal},
};

/// Records to apply, in order, some in each transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The transactions, each of at most [`limits::ROWS_PER_TRANSACTION`] records.
    pub chunks: Vec<Vec<Record>>,
    /// Records that repeat one further up.
    pub refused: Vec<RowRefusal>,
}

/// By what a customer is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Key {
    /// The other system's id; without one, name, region and address together.
    #[default]
    ExternalId,
    /// A contact's phone number.
    Phone,
    /// The tax number.
    TaxNumber,
}

impl Key {
    /// The key with this name on the command line.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "external_id" => Some(Self::ExternalId),
            "phone" => Some(Self::Phone),
            "tax_number" => Some(Self::TaxNumber),
            _ => None,
        }
    }
}

impl Plan {
    /// Plans `records`. Of two with the same key, the second is refused: which of them holds cannot be known.
    #[must_use]
    pub fn new(records: Vec<Record>, key: Key) -> Self {
        let mut plan = Self {
            chunks: Vec::new(),
            refused: Vec::new(),
        };
        let mut seen: BTreeMap<Vec<String>, u64> = BTreeMap::new();
        let mut good = Vec::new();
        for record in records {
            if let Some(key) = identity(&record, key) {
                if let Some(first) = seen.get(&key) {
                    let sentence =
                        format!("row {first} has the same key; delete one of the two, or give them different ids");
                    plan.refused
                        .push(RowRefusal::one(record.line(), RowProblem::new("duplicate", sentence)));
                    continue;
                }
                seen.insert(key, record.line());
            }
            good.push(record);
        }
        plan.chunk(good);
        plan
    }

    /// Splits records into transactions, in their order.
    pub(super) fn chunk(&mut self, records: Vec<Record>) {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            self.chunks
                .push(records.by_ref().take(limits::ROWS_PER_TRANSACTION).collect());
        }
    }

    /// Number of records in all chunks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Whether there is nothing to apply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

/// What a record is found again by: the same words give the same record in every run.
#[must_use]
pub fn identity(record: &Record, key: Key) -> Option<Vec<String>> {
    let own = |external_id: &Option<String>| external_id.as_ref().map(|id| vec!["id".to_owned(), id.clone()]);
    let words = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    match record {
        Record::Customer(row) => {
            let phone = row
                .contact
                .as_ref()
                .and_then(|contact| contact.phone.as_deref())
                .map(phone_digits);
            match (key, phone, &row.tax_number) {
                (Key::Phone, Some(phone), _) => Some(words(&["phone", &phone])),
                (Key::TaxNumber, _, Some(number)) => Some(words(&["tax_number", number])),
                _ => own(&row.external_id)
                    .or_else(|| Some(words(&["name", &row.name, &text(&row.region), &text(&row.address)]))),
            }
        }
        Record::Contact(row) => own(&row.external_id).or_else(|| {
            let fields = &row.fields;
            Some(words(&[
                "name",
                &row.customer,
                &text(&fields.name),
                &text(&fields.title),
            ]))
        }),
        Record::Opportunity(row) => own(&row.external_id).or_else(|| {
            let date = row.close_date.map(|date| date.to_string());
            Some(words(&[
                "title",
                &row.customer,
                &row.title,
                &text(&date),
                &format!("{:?}", row.amount_minor),
            ]))
        }),
        Record::Visit(row) => own(&row.external_id).or_else(|| {
            Some(words(&[
                "at",
                &row.customer,
                &format!("{:?}", row.at),
                &text(&row.author),
                &text(&row.note),
            ]))
        }),
        Record::FollowUp(row) => own(&row.external_id).or_else(|| {
            Some(words(&[
                "at",
                &row.customer,
                &format!("{:?}", row.at),
                &text(&row.author),
                &row.text,
            ]))
        }),
        Record::User(row) => Some(words(&["login", &row.login.to_lowercase()])),
    }
}

/// A phone number without what people put between the digits.
#[must_use]
pub fn phone_digits(phone: &str) -> String {
    phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::rows::CustomerRow;

    fn customer(line: u64, external_id: &str, name: &str) -> Record {
        let external_id = (!external_id.is_empty()).then(|| external_id.to_owned());
        Record::Customer(CustomerRow {
            line,
            external_id,
            name: name.into(),
            ..CustomerRow::default()
        })
    }

    #[test]
    fn a_record_said_twice_is_refused_the_second_time() {
        let plan = Plan::new(
            vec![
                customer(2, "A", "x"),
                customer(3, "B", "x"),
                customer(4, "A", "y"),
                customer(5, "", "x"),
                customer(6, "", "x"),
            ],
            Key::ExternalId,
        );
        assert_eq!(plan.len(), 3);
        assert_eq!(
            plan.refused
                .iter()
                .map(|refusal| (refusal.line, refusal.reason()))
                .collect::<Vec<_>>(),
            [(4, "duplicate".into()), (6, "duplicate".into())]
        );
    }

    #[test]
    fn transactions_are_bounded() {
        let records = (0..450).map(|line| customer(line, &line.to_string(), "x")).collect();
        let plan = Plan::new(records, Key::ExternalId);
        assert_eq!(plan.chunks.iter().map(Vec::len).collect::<Vec<_>>(), [200, 200, 50]);
    }
}
