//! What the screen shows: one value, changed by `update` alone and drawn by `view` alone.

use std::collections::BTreeSet;

use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId},
    protocol::message::IntentAction,
    time::Timestamp,
};

use super::{
    data::{Customer, Document, Entry, Line, Organisation, Row, Snapshot, Status},
    form::{Form, Text},
    words::Words,
};
use crate::cli::rep::language::Language;

/// Notices kept; older ones are forgotten.
const NOTICES_MAX: usize = 200;

/// Relations by which a customer is one of one's own.
const MINE: [&str; 4] = ["owner", "collaborator", "cover", "responsible"];

/// The whole state of the screen.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) language: Language,
    pub(super) now: Timestamp,
    /// The first snapshot has come.
    pub(super) is_loaded: bool,
    pub(super) status: Status,
    pub(super) organisation: Organisation,
    pub(super) link: Link,
    pub(super) sync: Sync,
    pub(super) live: Live,
    pub(super) reading: Reading,
    pub(super) page: Page,
    /// Where `Esc` leads from outbox, notices and a customer.
    pub(super) list: List,
    pub(super) customer: Open,
    pub(super) entries: Vec<Entry>,
    pub(super) entry: usize,
    /// The newest last.
    pub(super) notices: Vec<Notice>,
    pub(super) notice: usize,
    /// The newest notice stands above the keys until then.
    pub(super) notice_until: Timestamp,
    pub(super) overlay: Option<Overlay>,
    pub(super) has_quit: bool,
}

/// How the way to the server stood when it was tried last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    NotTried,
    Online,
    Offline,
    /// Somebody has to sign in again.
    SignIn,
    /// The server does not accept this phone any more.
    ShutOut,
}

/// The sync that runs, and the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sync {
    pub(super) running: Option<Progress>,
    /// Asked for by a person: its result is told even if it is nothing.
    pub(super) is_asked: bool,
    /// Something came up while it ran.
    pub(super) again: bool,
    /// When the next one begins by itself.
    pub(super) next: Option<Timestamp>,
}

/// How far a sync is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) rounds: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) bytes: u64,
}

/// The stream of pokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Live {
    Off,
    Connecting,
    On,
    WaitUntil(Timestamp),
}

/// Whether a snapshot is being read, and whether another is wanted after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) is_running: bool,
    pub(super) again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Customers,
    Customer,
    Outbox,
    Notices,
}

/// The list of customers.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) all: Vec<Row>,
    pub(super) tab: Tab,
    pub(super) query: Text,
    /// Keys go into the query.
    pub(super) is_typing: bool,
    pub(super) found: Option<BTreeSet<CustomerId>>,
    pub(super) selected: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tab {
    #[default]
    Mine,
    Pool,
    All,
}

/// The customer that is open.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) id: Option<CustomerId>,
    pub(super) data: Option<Customer>,
    pub(super) section: Section,
    pub(super) selected: usize,
    /// One document of it, opened.
    pub(super) document: Option<DocumentId>,
    /// The place in the list to come back to.
    pub(super) selected_before: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Section {
    #[default]
    Timeline,
    Contacts,
    Opportunities,
    Fields,
    Conflicts,
}

/// Something that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) at: Timestamp,
    pub(super) is_bad: bool,
    pub(super) text: String,
}

/// What lies over the page.
#[derive(Debug, Clone)]
pub(super) enum Overlay {
    Form(Form),
    Help,
    Quit,
}

/// What is wanted of the phone.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// Read everything that is shown.
    Read {
        query: String,
        customer: Option<CustomerId>,
    },
    Write(Write),
    Sync,
    /// Hear the server's pokes.
    Listen,
    SignIn {
        server: String,
        login: String,
        password: String,
    },
}

/// What is recorded on the phone.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Write {
    Add {
        customer: CustomerId,
        kind: Kind,
        words: Vec<String>,
    },
    Edit {
        document: DocumentId,
        words: Vec<String>,
        /// It settles a conflict.
        is_choice: bool,
    },
    EditCustomer {
        customer: CustomerId,
        words: Vec<String>,
    },
    NewCustomer(Vec<String>),
    Intend(CustomerId, IntentAction),
    Dismiss(i64),
    FlightMode(bool),
}

/// What comes in.
#[derive(Debug)]
pub(super) enum Message {
    Key(ratatui::crossterm::event::KeyEvent),
    Paste(String),
    Tick(Timestamp),
    Read(Box<Snapshot>),
    Written(Write),
    NotWritten(Failure),
    Progress(Progress),
    Synced(SyncResult),
    NotSynced(Failure, SyncResult),
    Heard(mobile_ffi::phone::Heard),
    NotHeard(Option<Failure>),
    SignedIn(String),
    NotSignedIn(Failure),
    /// Reading the phone's store failed.
    NotRead(Failure),
    /// The system ends this process.
    Ended,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) message: String,
}

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SyncResult {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) refused: u64,
    pub(super) evicted: u64,
    pub(super) has_reset: bool,
    pub(super) intents: Vec<IntentOutcome>,
}

/// What became of a claim, a release, a new customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IntentOutcome {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) is_accepted: bool,
    pub(super) reason: Option<String>,
}

impl Model {
    pub(super) fn new(language: Language, now: Timestamp, status: Status) -> Self {
        Self {
            language,
            now,
            is_loaded: false,
            status,
            organisation: Organisation::default(),
            link: Link::NotTried,
            sync: Sync::default(),
            live: Live::Off,
            reading: Reading::default(),
            page: Page::Customers,
            list: List::default(),
            customer: Open::default(),
            entries: Vec::new(),
            entry: 0,
            notices: Vec::new(),
            notice: 0,
            notice_until: now,
            overlay: None,
            has_quit: false,
        }
    }

    pub(super) fn words(&self) -> &'static Words {
        Words::of(self.language)
    }

    /// The customers listed, in order.
    pub(super) fn rows(&self) -> Vec<&Row> {
        self.list.rows(self.list.tab)
    }

    pub(super) fn selected_row(&self) -> Option<&Row> {
        self.rows().get(self.list.selected).copied()
    }

    /// The customer that actions are for: the open one, or the one marked in the list.
    pub(super) fn customer_at_hand(&self) -> Option<&Row> {
        match self.page {
            Page::Customer => self.customer.data.as_ref().map(|customer| &customer.row),
            Page::Customers => self.selected_row(),
            Page::Outbox | Page::Notices => None,
        }
    }

    /// The lines of the portrait, or of the document that is open.
    pub(super) fn lines(&self) -> Vec<Line> {
        let Some(customer) = &self.customer.data else {
            return Vec::new();
        };
        let lines = |document: &Document| document.lines(&self.organisation, self.language);
        match self.customer.document {
            Some(id) => customer.document(id).map(lines).unwrap_or_default(),
            None => customer.portrait.iter().flat_map(lines).collect(),
        }
    }

    /// The documents of the section that is open.
    pub(super) fn documents(&self) -> &[Document] {
        let Some(customer) = &self.customer.data else {
            return &[];
        };
        match self.customer.section {
            Section::Timeline => &customer.timeline,
            Section::Contacts => &customer.contacts,
            Section::Opportunities => &customer.opportunities,
            Section::Fields | Section::Conflicts => &[],
        }
    }

    /// How many lines can be marked on the customer's page.
    pub(super) fn customer_lines(&self) -> usize {
        let conflicts = self
            .customer
            .data
            .as_ref()
            .map_or(&[][..], |customer| &customer.conflicts);
        match self.customer.section {
            _ if self.customer.document.is_some() => self.lines().len(),
            Section::Fields => self.lines().len(),
            Section::Conflicts => conflicts.iter().map(|conflict| conflict.values.len()).sum(),
            _ => self.documents().len(),
        }
    }

    pub(super) fn tell(&mut self, text: impl Into<String>, is_bad: bool) {
        self.notices.push(Notice {
            at: self.now,
            is_bad,
            text: text.into(),
        });
        if self.notices.len() > NOTICES_MAX {
            self.notices.remove(0);
        }
        self.notice_until = self.now.plus_ms(super::update::NOTICE_MS);
    }
}

impl List {
    pub(super) fn rows(&self, tab: Tab) -> Vec<&Row> {
        let is_found = |row: &Row| self.found.as_ref().is_none_or(|found| found.contains(&row.id));
        let is_listed = |row: &Row| match tab {
            Tab::Mine => row.pool.is_none() && (row.is_mine || MINE.contains(&row.relation.as_str())),
            Tab::Pool => row.pool.is_some(),
            Tab::All => true,
        };
        self.all.iter().filter(|row| is_listed(row) && is_found(row)).collect()
    }
}

impl Section {
    pub(super) const ALL: [Self; 5] = [
        Self::Timeline,
        Self::Contacts,
        Self::Opportunities,
        Self::Fields,
        Self::Conflicts,
    ];

    /// The section so many places further.
    pub(super) fn plus(self, places: usize) -> Self {
        let at = Self::ALL.iter().position(|section| *section == self).unwrap_or(0);
        Self::ALL[(at + places) % Self::ALL.len()]
    }
}
