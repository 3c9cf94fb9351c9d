//! The words of `fieldpool rep`. They are a promise: scripts and acceptance tests drive phones through them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mobile_ffi::phone::set;
use sync_core::{
    document::{CHANNELS, Edit, SEVERITIES, Value},
    ids::{CustomerId, DocumentId, PoolId, UserId},
    time::{Timestamp, parse_timestamp},
};

use super::text;

pub(super) const AFTER_HELP: &str = "\
Example:
  fieldpool rep --store ./phone enroll --server http://127.0.0.1:8420 --login li < password
  fieldpool rep --store ./phone sync
  fieldpool rep --store ./phone visit add CUSTOMER --note 'met the buyer'
  fieldpool rep --as liwei customers     beside a running `fieldpool demo`, with nothing else to do

Without a command, on a terminal, it is the full-screen phone:
  fieldpool rep --store ./phone
  fieldpool rep --as liwei               beside a running `fieldpool demo`";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Sign in on this phone; the password comes on stdin or from FIELDPOOL_PASSWORD
    Enroll {
        /// The server's URL
        #[arg(long, value_name = "URL")]
        server: String,
        /// Who signs in
        #[arg(long)]
        login: String,
        /// What this phone is called in lists of devices
        #[arg(long, default_value = "terminal")]
        name: String,
    },
    /// Send what is pending and get what is new, until nothing is left
    Sync {
        /// Also compare everything on this phone with what the server has, and heal what differs
        #[arg(long)]
        check: bool,
    },
    /// List the customers on this phone
    Customers {
        /// Only those in whose documents all these words occur; parts of words count
        #[arg(long, value_name = "WORDS")]
        query: Option<String>,
        /// Search at the server, beyond what this phone holds
        #[arg(long)]
        online: bool,
    },
    /// Show, make or edit a customer
    #[command(subcommand)]
    Customer(Customer),
    /// Add or edit a contact
    #[command(subcommand)]
    Contact(Contact),
    /// Plan, record or edit a visit
    #[command(subcommand)]
    Visit(Visit),
    /// Add a follow-up, or mark one as done
    #[command(subcommand)]
    FollowUp(FollowUp),
    /// Add or edit an opportunity
    #[command(subcommand)]
    Opportunity(Opportunity),
    /// Add or edit a ticket
    #[command(subcommand)]
    Ticket(Ticket),
    /// Add a comment to a visit, follow-up, opportunity or ticket
    Comment {
        /// The document
        document: DocumentId,
        /// What is said
        #[arg(long)]
        text: String,
    },
    /// Take a customer out of its pool; provisional until the server has decided
    Claim {
        /// The customer
        customer: CustomerId,
    },
    /// Give a customer back to a pool; provisional until the server has decided
    Release {
        /// The customer
        customer: CustomerId,
        /// Why
        #[arg(long)]
        reason: String,
        /// Which pool; your first if not said
        #[arg(long, value_name = "ID")]
        pool: Option<PoolId>,
    },
    /// Hand a customer to somebody; decided by the server
    Assign {
        /// The customer
        customer: CustomerId,
        /// The new owner
        #[arg(long, value_name = "USER")]
        to: UserId,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Settle a conflict by choosing a value
    Resolve(Words),
    /// Who set a field, on which device, when, and when it arrived
    History {
        /// The document
        document: DocumentId,
        /// The field, or map.entry
        field: String,
    },
    /// What waits to be sent
    Outbox,
    /// What was refused, until you have dealt with it
    Tray {
        /// Take this entry out of the tray
        #[arg(long, value_name = "ID")]
        dismiss: Option<i64>,
    },
    /// How this phone stands
    Status,
    /// Sign in again on a phone that has not reached its server for too long; the password comes on stdin or from
    /// FIELDPOOL_PASSWORD
    Unlock,
    /// Sign out and erase everything on this phone
    Logout {
        /// Also what has not been sent, which is lost then
        #[arg(long)]
        discard_unsent: bool,
    },
    /// Turn the network off on this phone, or on again; it stays so
    Flight {
        /// on or off
        mode: Flight,
    },
}

/// Whether anything leaves the phone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Flight {
    /// Nothing leaves this phone
    On,
    /// The network may be used
    Off,
}

/// `DOCUMENT field=value…`
#[derive(Args)]
pub(super) struct Words {
    /// The document
    #[arg(value_name = "ID")]
    pub(super) document: DocumentId,
    /// field=value, tags+=x, tags-=x, custom.name=value; an empty value empties the field
    #[arg(value_name = "FIELD=VALUE", required = true, allow_hyphen_values = true)]
    pub(super) fields: Vec<String>,
}

#[derive(Subcommand)]
pub(super) enum Customer {
    /// A customer with everything of it that you may read
    Show {
        /// The customer
        id: CustomerId,
    },
    /// A new customer, yours unless it goes into a pool
    New {
        /// name=… and any other field of the card or dossier
        #[arg(value_name = "FIELD=VALUE", required = true)]
        fields: Vec<String>,
        /// Into this pool
        #[arg(long, value_name = "ID")]
        pool: Option<PoolId>,
    },
    /// Edit a customer's card or dossier (internal.notes=… for the internal document)
    Set {
        /// The customer
        id: CustomerId,
        /// field=value, tags+=x, tags-=x, custom.name=value; an empty value empties the field
        #[arg(value_name = "FIELD=VALUE", required = true)]
        fields: Vec<String>,
    },
}

#[derive(Subcommand)]
pub(super) enum Contact {
    /// A new contact of a customer
    Add {
        /// The customer
        customer: CustomerId,
        /// name=… phone=… and any other field
        #[arg(value_name = "FIELD=VALUE", required = true)]
        fields: Vec<String>,
    },
    /// Edit a contact
    Set(Words),
}

/// Where you are.
#[derive(Args)]
pub(super) struct Position {
    /// Degrees north
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub(super) lat: Option<f64>,
    /// Degrees east
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub(super) lon: Option<f64>,
    /// Uncertainty of the position in metres
    #[arg(long, value_name = "M")]
    pub(super) accuracy: Option<f64>,
}

#[derive(Subcommand)]
pub(super) enum Visit {
    /// Check in: the visit begins now
    Start {
        /// The customer
        customer: CustomerId,
        #[command(flatten)]
        position: Position,
    },
    /// Check out: the visit ends now
    Finish {
        /// The visit
        visit: DocumentId,
        /// What happened
        #[arg(long)]
        note: String,
        /// What came of it
        #[arg(long)]
        outcome: Option<String>,
        #[command(flatten)]
        position: Position,
    },
    /// Plan a visit
    Plan {
        /// The customer
        customer: CustomerId,
        /// When: 2026-03-01T09:30:00+08:00, or milliseconds since 1970
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        at: Timestamp,
    },
    /// Record a visit that has been made
    Add(Box<VisitAdd>),
    /// Edit a visit
    Set(Words),
}

#[derive(Args)]
pub(super) struct VisitAdd {
    /// The customer
    pub(super) customer: CustomerId,
    /// What happened
    #[arg(long)]
    pub(super) note: String,
    /// What came of it
    #[arg(long)]
    pub(super) outcome: Option<String>,
    #[command(flatten)]
    pub(super) position: Position,
    /// When it began; its end if not said
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(super) started: Option<Timestamp>,
    /// When it ended; now if not said
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(super) ended: Option<Timestamp>,
    /// When to come again, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub(super) next_date: Option<String>,
    /// A photo; it is kept on this phone, its upload comes with a later version
    #[arg(long = "photo", value_name = "FILE")]
    pub(super) photos: Vec<PathBuf>,
}

#[derive(Subcommand)]
pub(super) enum FollowUp {
    /// A new follow-up
    Add(FollowUpAdd),
    /// Mark a follow-up as done
    Done {
        /// The follow-up
        id: DocumentId,
    },
    /// Edit a follow-up
    Set(Words),
}

#[derive(Args)]
pub(super) struct FollowUpAdd {
    /// The customer
    pub(super) customer: CustomerId,
    /// What was said, or is to be done
    #[arg(long)]
    pub(super) text: String,
    /// How
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(CHANNELS))]
    pub(super) channel: Option<String>,
    /// By when, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub(super) due: Option<String>,
}

#[derive(Subcommand)]
pub(super) enum Opportunity {
    /// A new opportunity
    Add(OpportunityAdd),
    /// Edit an opportunity
    Set(Words),
}

#[derive(Args)]
pub(super) struct OpportunityAdd {
    /// The customer
    pub(super) customer: CustomerId,
    /// What it is about
    #[arg(long)]
    title: String,
    /// Its stage
    #[arg(long)]
    stage: String,
    /// The amount in minor units (fen, cents)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    amount_minor: i64,
    /// Its currency, such as CNY
    #[arg(long)]
    currency: String,
    /// Expected close, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    close_date: Option<String>,
    /// The product
    #[arg(long)]
    product: Option<String>,
}

impl OpportunityAdd {
    pub(super) fn edits(&self) -> Vec<Edit> {
        let mut edits = vec![
            set("title", Value::Str(self.title.clone())),
            set("stage", Value::Str(self.stage.clone())),
            set("amount_minor", Value::Int(self.amount_minor)),
            set("currency", Value::Str(self.currency.clone())),
        ];
        edits.extend(text("close_date", self.close_date.clone()));
        edits.extend(text("product", self.product.clone()));
        edits
    }
}

#[derive(Subcommand)]
pub(super) enum Ticket {
    /// A new ticket
    Add(TicketAdd),
    /// Edit a ticket
    Set(Words),
}

#[derive(Args)]
pub(super) struct TicketAdd {
    /// The customer
    pub(super) customer: CustomerId,
    /// What is wrong
    #[arg(long)]
    text: String,
    /// How bad it is
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(SEVERITIES))]
    severity: String,
    /// By when, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    due: Option<String>,
}

impl TicketAdd {
    pub(super) fn edits(&self) -> Vec<Edit> {
        let mut edits = vec![
            set("text", Value::Str(self.text.clone())),
            set("severity", Value::Str(self.severity.clone())),
        ];
        edits.extend(text("due", self.due.clone()));
        edits
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    parse_timestamp(text).map_err(|error| error.to_string())
}
