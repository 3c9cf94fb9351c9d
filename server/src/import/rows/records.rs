//! The typed records, one for each entity. A field that is `None` was not given and is left as it is.

use jiff::civil::Date;

use super::{RowProblem, cells::Cells};
use crate::import::{
    limits,
    values::{self, When},
};

/// A record of any entity.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A customer.
    Customer(CustomerRow),
    /// A person at a customer.
    Contact(ContactRow),
    /// A deal.
    Opportunity(OpportunityRow),
    /// A visit.
    Visit(VisitRow),
    /// A follow-up.
    FollowUp(FollowUpRow),
    /// A person with a login.
    User(UserRow),
}

impl Record {
    /// The row's number in the file.
    #[must_use]
    pub const fn line(&self) -> u64 {
        match self {
            Self::Customer(row) => row.line,
            Self::Contact(row) => row.line,
            Self::Opportunity(row) => row.line,
            Self::Visit(row) => row.line,
            Self::FollowUp(row) => row.line,
            Self::User(row) => row.line,
        }
    }
}

/// A customer with at most one contact.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomerRow {
    /// The row's number in the file.
    pub line: u64,
    /// The other system's id.
    pub external_id: Option<String>,
    /// The name.
    pub name: String,
    /// The region.
    pub region: Option<String>,
    /// The industry.
    pub industry: Option<String>,
    /// Where the customer was found.
    pub source: Option<String>,
    /// The tier.
    pub tier: Option<String>,
    /// The stage of its life.
    pub stage: Option<String>,
    /// Hand-set tags, added to those there are.
    pub tags: Vec<String>,
    /// The address.
    pub address: Option<String>,
    /// Degrees north.
    pub lat: Option<f64>,
    /// Degrees east.
    pub lon: Option<f64>,
    /// The owner's login.
    pub owner: Option<String>,
    /// The contact, if any of its columns is filled.
    pub contact: Option<ContactFields>,
    /// The tax number.
    pub tax_number: Option<String>,
    /// Custom fields by key.
    pub custom: Vec<(String, String)>,
}

/// What a row says about a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContactFields {
    /// The name.
    pub name: Option<String>,
    /// The job title.
    pub title: Option<String>,
    /// A phone number as written: leading zeros and signs are part of it.
    pub phone: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
}

/// A person at a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRow {
    /// The row's number in the file.
    pub line: u64,
    /// The customer's external id.
    pub customer: String,
    /// The other system's id.
    pub external_id: Option<String>,
    /// What the row says; the name is there.
    pub fields: ContactFields,
}

/// A deal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpportunityRow {
    /// The row's number in the file.
    pub line: u64,
    /// The customer's external id.
    pub customer: String,
    /// The other system's id.
    pub external_id: Option<String>,
    /// The title; without one, the external id.
    pub title: String,
    /// The stage in the pipeline.
    pub stage: Option<String>,
    /// The amount in minor units of `currency`.
    pub amount_minor: Option<i64>,
    /// The currency's code.
    pub currency: &'static str,
    /// The day it was or will be closed.
    pub close_date: Option<Date>,
    /// The login of who is responsible.
    pub owner: Option<String>,
    /// The author's login.
    pub author: Option<String>,
    /// When it was recorded.
    pub at: Option<When>,
    /// The product.
    pub product: Option<String>,
    /// Why it was lost.
    pub loss_reason: Option<String>,
}

/// A visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitRow {
    /// The row's number in the file.
    pub line: u64,
    /// The customer's external id.
    pub customer: String,
    /// The other system's id.
    pub external_id: Option<String>,
    /// When it was.
    pub at: When,
    /// The author's login.
    pub author: Option<String>,
    /// What was said.
    pub note: Option<String>,
    /// What came of it.
    pub outcome: Option<String>,
    /// The next date.
    pub due: Option<Date>,
}

/// A call, message or note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUpRow {
    /// The row's number in the file.
    pub line: u64,
    /// The customer's external id.
    pub customer: String,
    /// The other system's id.
    pub external_id: Option<String>,
    /// When it was.
    pub at: When,
    /// The author's login.
    pub author: Option<String>,
    /// What was said.
    pub text: String,
    /// Over which channel.
    pub channel: Option<&'static str>,
    /// What came of it.
    pub outcome: Option<String>,
    /// The date of the next action.
    pub due: Option<Date>,
    /// Whether that is done.
    pub done: Option<bool>,
}

/// A person with a login.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The row's number in the file.
    pub line: u64,
    /// The login, unique per server.
    pub login: String,
    /// The name; without one, a new person is called by his login.
    pub name: Option<String>,
    /// The role's name.
    pub role: Option<&'static str>,
    /// The team's name.
    pub team: Option<String>,
    /// The manager's login.
    pub manager: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The first password.
    pub password: Option<String>,
}

impl std::fmt::Debug for UserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the password nor the address may reach a log.
        f.debug_struct("UserRow")
            .field("line", &self.line)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

impl CustomerRow {
    pub(super) fn read(cells: &mut Cells<'_>) -> Self {
        let contact = ContactFields {
            name: cells.line("contact.name"),
            title: cells.line("contact.title"),
            phone: cells.word("contact.phone"),
            email: cells.line("contact.email"),
        };
        let (lat, lon) = (
            cells.parsed("lat", |cell| values::degrees(cell, 90.0)),
            cells.parsed("lon", |cell| values::degrees(cell, 180.0)),
        );
        if cells.raw("lat").is_some() != cells.raw("lon").is_some() {
            cells.refuse(RowProblem::new("bad_number", "lat and lon: fill in both or none"));
        }
        Self {
            line: cells.line_number(),
            external_id: cells.line("external_id"),
            name: cells.needed("name", "missing_name"),
            region: cells.line("region"),
            industry: cells.line("industry"),
            source: cells.line("source"),
            tier: cells.word("tier"),
            stage: cells.word("stage"),
            tags: cells.parsed("tags", values::tags).unwrap_or_default(),
            address: cells.parsed("address", |cell| values::text(cell, limits::ADDRESS_CHARS_MAX, true)),
            lat,
            lon,
            owner: cells.line("owner"),
            contact: (contact != ContactFields::default()).then_some(contact),
            tax_number: cells.word("tax_number"),
            custom: cells.custom(),
        }
    }
}

impl ContactRow {
    pub(super) fn read(cells: &mut Cells<'_>) -> Self {
        Self {
            line: cells.line_number(),
            customer: cells.needed("customer", "missing_customer"),
            external_id: cells.line("external_id"),
            fields: ContactFields {
                name: Some(cells.needed("name", "missing_name")),
                title: cells.line("title"),
                phone: cells.word("phone"),
                email: cells.line("email"),
            },
        }
    }
}

impl OpportunityRow {
    pub(super) fn read(cells: &mut Cells<'_>, default_currency: &str) -> Self {
        let external_id = cells.line("external_id");
        let title = cells.line("title").or_else(|| external_id.clone());
        if title.is_none() && cells.raw("title").is_none() {
            cells.refuse(RowProblem::missing("missing_title", "title"));
        }
        let (currency, digits) = match cells.raw("currency") {
            Some(_) => cells.parsed("currency", values::currency),
            None => values::currency(default_currency).ok(),
        }
        .unwrap_or(("CNY", 2));
        Self {
            line: cells.line_number(),
            customer: cells.needed("customer", "missing_customer"),
            external_id,
            title: title.unwrap_or_default(),
            stage: cells.word("stage"),
            amount_minor: cells.parsed("amount", |cell| values::amount_minor(cell, digits)),
            currency,
            close_date: cells.parsed("close_date", values::date),
            owner: cells.line("owner"),
            author: cells.line("author"),
            at: cells.parsed("at", values::when),
            product: cells.line("product"),
            loss_reason: cells.line("loss_reason"),
        }
    }
}

impl VisitRow {
    pub(super) fn read(cells: &mut Cells<'_>) -> Self {
        // A visit's channel is that it is one; the column is only checked.
        cells.parsed("channel", values::channel);
        Self {
            line: cells.line_number(),
            customer: cells.needed("customer", "missing_customer"),
            external_id: cells.line("external_id"),
            at: cells.needed_when("at", "missing_date"),
            author: cells.line("author"),
            note: cells.prose("note"),
            outcome: cells.line("outcome"),
            due: cells.parsed("due", values::date),
        }
    }
}

impl FollowUpRow {
    pub(super) fn read(cells: &mut Cells<'_>) -> Self {
        if cells.raw("text").is_none() {
            cells.refuse(RowProblem::missing("missing_text", "text"));
        }
        Self {
            line: cells.line_number(),
            customer: cells.needed("customer", "missing_customer"),
            external_id: cells.line("external_id"),
            at: cells.needed_when("at", "missing_date"),
            author: cells.line("author"),
            text: cells.prose("text").unwrap_or_default(),
            channel: cells.parsed("channel", values::channel),
            outcome: cells.line("outcome"),
            due: cells.parsed("due", values::date),
            done: cells.parsed("done", values::yes_no),
        }
    }
}

impl UserRow {
    pub(super) fn read(cells: &mut Cells<'_>) -> Self {
        let login = cells.needed("login", "missing_login");
        if login.chars().any(char::is_whitespace) {
            cells.refuse(RowProblem::new("bad_text", "login: it may not contain spaces"));
        }
        Self {
            line: cells.line_number(),
            name: cells.line("name"),
            login,
            role: cells.parsed("role", values::role),
            team: cells.line("team"),
            manager: cells.line("manager"),
            email: cells.line("email"),
            password: cells.line("password"),
        }
    }
}
