//! `fieldpool rep`: a phone in a terminal. The same engine, store and protocol as on a phone; two folders are two
//! phones. It parses words and prints what the phone gives back; it decides nothing.

mod arguments;
mod language;
mod print;
mod screen;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use mobile_ffi::{
    HttpTransport, Phone, PhoneError, Seam, Store,
    phone::{server_of, set},
    transport::trust_only,
};
use serde_json::{Value as Json, json};
use sync_core::{
    document::{Edit, Kind, Value},
    ids::CustomerId,
    protocol::message::IntentAction,
};

use self::{
    arguments::{Command, Contact, Customer, Flight, FollowUp, Opportunity, Position, Ticket, Visit, VisitAdd},
    language::Language,
    print::Printer,
};
use super::{Usage, admin::password, print_json};
use crate::demo::{self, FolderError, find_person, find_running};

type TerminalPhone = Phone<HttpTransport>;

/// A phone in a terminal: work offline, sync when there is a network
#[derive(clap::Args)]
#[command(after_help = arguments::AFTER_HELP)]
pub(super) struct Rep {
    /// The phone: the folder in which it keeps everything
    #[arg(long, value_name = "DIR", global = true, env = "FIELDPOOL_STORE")]
    store: Option<PathBuf>,
    /// A phone of one of the people of the running `fieldpool demo`, by login or name; signs in by itself
    #[arg(long = "as", value_name = "NAME", global = true, conflicts_with = "store")]
    demo_person: Option<String>,
    /// The demonstration's folder, if not the one started last
    #[arg(long, value_name = "DIR", global = true, requires = "demo_person")]
    demo: Option<PathBuf>,
    /// The language people are spoken to in; LANG says it otherwise
    #[arg(long, value_name = "LANGUAGE", global = true)]
    language: Option<Language>,
    /// Print one JSON value on stdout and nothing else
    #[arg(long, global = true)]
    json: bool,
    /// Certificates (PEM) to trust instead of the public authorities, for a server with a company's own
    #[arg(long, value_name = "FILE", global = true, env = "FIELDPOOL_CA_FILE")]
    ca_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

impl Rep {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let Some(file) = &self.ca_file {
            trust(file)?;
        }
        let language = self.language.unwrap_or_else(Language::of_environment);
        let printer = Printer::new(self.json, language);
        let folder = match &self.demo_person {
            Some(name) => borrow(name, self.demo.as_deref(), language)?,
            None => self.store.ok_or_else(|| {
                Usage("say which phone: rep --store DIR …, or rep --as NAME beside a running demo".into())
            })?,
        };
        match self.command {
            None => screen::run(&folder, language),
            Some(Command::Enroll { server, login, name }) => enroll(&folder, &server, &login, &name, &printer),
            Some(Command::Logout { discard_unsent }) => log_out(&mut open(&folder)?, discard_unsent, &printer),
            Some(command) => {
                let mut phone = open(&folder)?;
                run(&mut phone, command, &printer)
            }
        }
    }
}

fn trust(file: &Path) -> Result<(), Usage> {
    let unfit = |reason: &dyn std::fmt::Display| Usage(format!("--ca-file {}: {reason}", file.display()));
    let pem = std::fs::read(file).map_err(|error| unfit(&error))?;
    trust_only(&pem).map_err(|error| unfit(&error))
}

fn enroll(folder: &Path, server: &str, login: &str, name: &str, printer: &Printer) -> anyhow::Result<()> {
    if !(server.starts_with("http://") || server.starts_with("https://")) {
        return Err(Usage("--server: write the whole URL, such as https://pool.example.com".into()).into());
    }
    let password =
        password::read()?.ok_or_else(|| Usage("give the password on stdin or in FIELDPOOL_PASSWORD".into()))?;
    let store = Store::open(folder).map_err(PhoneError::from).map_err(told)?;
    let mut phone = Phone::new(store, HttpTransport::new(server), Seam::real());
    let enrolled = phone.enroll(server, login, &password, name).map_err(told)?;
    printer.enrolled(&enrolled)
}

/// The phone of somebody of the running demonstration; a new one is signed in and synced first.
fn borrow(name: &str, demo: Option<&Path>, language: Language) -> anyhow::Result<PathBuf> {
    let in_words = |error: FolderError| anyhow!(error.told(language.pick(demo::Language::En, demo::Language::Zh)));
    let found = find_running(demo).map_err(in_words)?;
    let person = find_person(&found.note.people, name).map_err(in_words)?;
    let folder = found.folder.join("terminals").join(&person.login);
    let mut store = Store::open(&folder).map_err(PhoneError::from).map_err(told)?;
    let server = server_of(&mut store).map_err(PhoneError::from).map_err(told)?;
    // A demonstration that was started again may listen elsewhere: the phone signs in there and keeps what it has.
    if server.as_deref() != Some(found.url.as_str()) {
        let mut phone = Phone::new(store, HttpTransport::new(&found.url), Seam::real());
        phone
            .enroll(&found.url, &person.login, &found.note.password, "terminal")
            .map_err(told)?;
        phone.sync().map_err(|failure| told(failure.error))?;
    }
    Ok(folder)
}

fn open(folder: &Path) -> anyhow::Result<TerminalPhone> {
    let mut store = Store::open_existing(folder).map_err(PhoneError::from).map_err(told)?;
    let server = server_of(&mut store).map_err(PhoneError::from).map_err(told)?;
    Ok(Phone::new(
        store,
        HttpTransport::new(&server.unwrap_or_default()),
        Seam::real(),
    ))
}

/// A refusal as it is told: its code, then what to do.
fn told(error: PhoneError) -> anyhow::Error {
    anyhow!("{}: {error}", error.code())
}

fn run(phone: &mut TerminalPhone, command: Command, printer: &Printer) -> anyhow::Result<()> {
    match command {
        Command::Enroll { .. } | Command::Logout { .. } => Ok(()),
        Command::Sync { check } => {
            if check {
                phone.check()?;
            }
            sync(phone, printer)
        }
        Command::Customers { query, online: false } => {
            printer.customers(&phone.customers(query.as_deref()).map_err(told)?)
        }
        Command::Customers { query, online: true } => {
            printer.customers(&phone.search_online(&query.unwrap_or_default()).map_err(told)?)
        }
        Command::Customer(command) => customer(phone, command, printer),
        Command::Contact(Contact::Add { customer, fields }) => add_words(phone, customer, Kind::Contact, &fields),
        Command::Visit(command) => visit(phone, command),
        Command::FollowUp(command) => follow_up(phone, command),
        Command::Opportunity(Opportunity::Add(add)) => {
            let edits = add.edits();
            made(phone.add(add.customer, Kind::Opportunity, &edits))
        }
        Command::Ticket(Ticket::Add(add)) => {
            let edits = add.edits();
            made(phone.add(add.customer, Kind::Ticket, &edits))
        }
        Command::Contact(Contact::Set(set))
        | Command::Opportunity(Opportunity::Set(set))
        | Command::Ticket(Ticket::Set(set))
        | Command::Resolve(set) => {
            phone.edit_words(set.document, &set.fields).map_err(told)?;
            print_json(&json!({"id": set.document}))
        }
        Command::Comment { document, text } => comment(phone, document, text),
        Command::Claim { customer } => made(phone.intend(customer, IntentAction::Claim)),
        Command::Release { customer, reason, pool } => {
            made(phone.intend(customer, IntentAction::Release { pool, reason }))
        }
        Command::Assign { customer, to, reason } => {
            made(phone.intend(customer, IntentAction::Assign { owner: to, reason }))
        }
        Command::History { document, field } => printer.history(&phone.history(document, &field).map_err(told)?),
        Command::Outbox => printer.entries(&phone.outbox().map_err(told)?),
        Command::Tray { dismiss: None } => printer.entries(&phone.tray().map_err(told)?),
        Command::Tray { dismiss: Some(id) } => {
            phone.dismiss(id).map_err(told)?;
            print_json(&json!({"id": id}))
        }
        Command::Status => printer.status(&phone.status().map_err(told)?),
        Command::Unlock => {
            let password =
                password::read()?.ok_or_else(|| Usage("give the password on stdin or in FIELDPOOL_PASSWORD".into()))?;
            printer.status(&phone.unlock(&password).map_err(told)?)
        }
        Command::Flight { mode } => {
            phone.set_flight_mode(mode == Flight::On).map_err(told)?;
            print_json(&json!({"flight_mode": mode == Flight::On}))
        }
    }
}

/// Nothing is done where something would be lost that nobody has said may be.
fn log_out(phone: &mut TerminalPhone, discard_unsent: bool, printer: &Printer) -> anyhow::Result<()> {
    match phone.log_out(discard_unsent) {
        Ok(done) => printer.signed_out(&done),
        Err(error) if error.code() == "unsent_work" => {
            let pending = phone.status().map_err(told)?["pending"].as_u64().unwrap_or_default();
            Err(anyhow!("unsent_work: {}", printer.unsent(pending)))
        }
        Err(error) => Err(told(error)),
    }
}

fn sync(phone: &mut TerminalPhone, printer: &Printer) -> anyhow::Result<()> {
    match phone.sync() {
        Ok(report) => printer.synced(&report.json()),
        Err(failure) => {
            if printer.is_json() {
                let mut report = failure.report.json();
                report["error"] = Json::from(failure.error.code());
                print_json(&report)?;
            }
            Err(told(failure.error))
        }
    }
}

/// Prints the id of what was made.
fn made(made: Result<impl serde::Serialize, PhoneError>) -> anyhow::Result<()> {
    print_json(&json!({"id": made.map_err(told)?}))
}

fn add_words(phone: &mut TerminalPhone, customer: CustomerId, kind: Kind, words: &[String]) -> anyhow::Result<()> {
    let edits =
        sync_core::document::edits_from_words(kind, words).map_err(|error| anyhow!("{}: {error}", error.code()))?;
    made(phone.add(customer, kind, &edits))
}

fn customer(phone: &mut TerminalPhone, command: Customer, printer: &Printer) -> anyhow::Result<()> {
    match command {
        Customer::Show { id } => printer.customer(&phone.customer(id).map_err(told)?),
        Customer::New { fields, pool } => made(phone.create_customer(&fields, pool)),
        Customer::Set { id, fields } => {
            phone.edit_customer(id, &fields).map_err(told)?;
            print_json(&json!({"id": id}))
        }
    }
}

fn visit(phone: &mut TerminalPhone, command: Visit) -> anyhow::Result<()> {
    let now = Seam::real().now();
    match command {
        Visit::Start { customer, position } => {
            let mut edits = vec![set("started_at", Value::Timestamp(now.0))];
            edits.extend(position_edits(&position)?);
            made(phone.add(customer, Kind::Visit, &edits))
        }
        Visit::Finish {
            visit,
            note,
            outcome,
            position,
        } => {
            let mut edits = vec![set("ended_at", Value::Timestamp(now.0)), set("note", Value::Str(note))];
            edits.extend(text("outcome", outcome));
            edits.extend(position_edits(&position)?.into_iter().map(ended));
            phone.edit(visit, &edits).map_err(told)?;
            print_json(&json!({"id": visit}))
        }
        Visit::Plan { customer, at } => {
            made(phone.add(customer, Kind::Visit, &[set("planned_at", Value::Timestamp(at.0))]))
        }
        Visit::Add(add) => add_visit(phone, *add),
        Visit::Set(words) => {
            phone.edit_words(words.document, &words.fields).map_err(told)?;
            print_json(&json!({"id": words.document}))
        }
    }
}

fn add_visit(phone: &mut TerminalPhone, add: VisitAdd) -> anyhow::Result<()> {
    let now = Seam::real().now();
    let ended = add.ended.unwrap_or(now);
    // A visit that is recorded afterwards began no later than it ended.
    let started = add.started.unwrap_or(ended);
    let mut edits = vec![
        set("started_at", Value::Timestamp(started.0)),
        set("ended_at", Value::Timestamp(ended.0)),
        set("note", Value::Str(add.note)),
    ];
    edits.extend(text("outcome", add.outcome));
    edits.extend(text("next_date", add.next_date));
    edits.extend(position_edits(&add.position)?);
    let mut photos = Vec::new();
    for file in &add.photos {
        photos.push(phone.keep_photo(file).map_err(told)?);
    }
    if !photos.is_empty() {
        eprintln!(
            "fieldpool: {} photo(s) kept on this phone; this version does not upload photos yet",
            photos.len()
        );
    }
    made(phone.add_with_photos(add.customer, Kind::Visit, &edits, &photos))
}

fn follow_up(phone: &mut TerminalPhone, command: FollowUp) -> anyhow::Result<()> {
    match command {
        FollowUp::Add(add) => {
            let mut edits = vec![set("text", Value::Str(add.text))];
            edits.extend(text("channel", add.channel));
            edits.extend(text("due", add.due));
            made(phone.add(add.customer, Kind::FollowUp, &edits))
        }
        FollowUp::Done { id } => {
            phone.edit(id, &[set("done", Value::Bool(true))]).map_err(told)?;
            print_json(&json!({"id": id}))
        }
        FollowUp::Set(words) => {
            phone.edit_words(words.document, &words.fields).map_err(told)?;
            print_json(&json!({"id": words.document}))
        }
    }
}

fn comment(phone: &mut TerminalPhone, document: sync_core::ids::DocumentId, text: String) -> anyhow::Result<()> {
    let id = Seam::real().uuid();
    let edit = Edit::SetEntry {
        map: "comments".to_owned(),
        entry: id.to_string(),
        value: Value::Str(text),
    };
    phone.edit(document, &[edit]).map_err(told)?;
    print_json(&json!({"id": id}))
}

fn position_edits(position: &Position) -> anyhow::Result<Vec<Edit>> {
    match (position.lat, position.lon) {
        (Some(lat), Some(lon)) => Ok(mobile_ffi::phone::Place {
            lat,
            lon,
            accuracy_m: position.accuracy,
        }
        .edits()),
        (None, None) if position.accuracy.is_none() => Ok(Vec::new()),
        _ => Err(Usage("a position needs both --lat and --lon".into()).into()),
    }
}

/// A position at the end of a visit has fields of its own: the one at its beginning stays.
fn ended(edit: Edit) -> Edit {
    match edit {
        Edit::Set { key, value } => Edit::Set {
            key: format!("ended_{key}"),
            value,
        },
        other => other,
    }
}

pub(super) fn text(key: &str, value: Option<String>) -> Option<Edit> {
    value.map(|value| set(key, Value::Str(value)))
}
