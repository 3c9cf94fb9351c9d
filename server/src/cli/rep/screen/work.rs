//! Does what the screen wants of the phone, on threads of its own so that the screen stays alive: one for what is read
//! and recorded here, one for syncs, one that listens. Each has the phone's store open for itself, as an app and its
//! background service have.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use mobile_ffi::{
    HttpTransport, Phone, PhoneError, Seam, Store, SyncReport,
    phone::{Heard, server_of},
};
use sync_core::{document::edits_from_words, ids::CustomerId};

use super::{
    data::{Customer, Entry, Found, Organisation, Row, Snapshot, Status},
    model::{Effect, Failure, IntentOutcome, Message, Progress, SyncResult, Write},
};

/// The name under which this phone stands in lists of devices.
const DEVICE_NAME: &str = "terminal";

type TerminalPhone = Phone<HttpTransport>;

/// The threads that work for the screen. They end with it.
pub(super) struct Workers {
    local: Sender<Effect>,
    net: Sender<Effect>,
    ear: Sender<Effect>,
}

/// One thread's phone, opened when it is needed first.
struct Worker {
    folder: PathBuf,
    phone: Option<TerminalPhone>,
    out: Sender<Message>,
    is_in_flight_mode: Arc<AtomicBool>,
}

impl Workers {
    /// Starts them; what they have done comes out of `out`.
    pub(super) fn start(folder: &Path, out: &Sender<Message>) -> anyhow::Result<Self> {
        let is_in_flight_mode = Arc::new(AtomicBool::new(false));
        let worker = |name: &str| -> anyhow::Result<Sender<Effect>> {
            let (sender, receiver) = channel();
            let worker = Worker {
                folder: folder.to_owned(),
                phone: None,
                out: out.clone(),
                is_in_flight_mode: is_in_flight_mode.clone(),
            };
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || worker.run(&receiver))?;
            Ok(sender)
        };
        Ok(Self {
            local: worker("phone")?,
            net: worker("sync")?,
            ear: worker("live")?,
        })
    }

    pub(super) fn take(&self, effect: Effect) {
        let worker = match &effect {
            Effect::Read { .. } | Effect::Write(_) => &self.local,
            Effect::Sync | Effect::SignIn { .. } => &self.net,
            Effect::Listen => &self.ear,
        };
        // A worker that is gone has said so.
        let _ = worker.send(effect);
    }
}

/// How a phone stands that is there already.
///
/// # Errors
/// If its store cannot be opened.
pub(super) fn status_of(folder: &Path) -> Result<Status, PhoneError> {
    if !Store::exists(folder) {
        return Ok(Status::default());
    }
    let mut phone = open(folder)?;
    match read_status(&mut phone) {
        Err(PhoneError::SignInRequired(_)) => Ok(Status::default()),
        status => status,
    }
}

fn open(folder: &Path) -> Result<TerminalPhone, PhoneError> {
    let mut store = Store::open_existing(folder)?;
    let server = server_of(&mut store)?.unwrap_or_default();
    Ok(Phone::new(store, HttpTransport::new(&server), Seam::real()))
}

fn read_status(phone: &mut TerminalPhone) -> Result<Status, PhoneError> {
    let server = server_of(phone.store_mut())?.unwrap_or_default();
    Ok(Status::read(&phone.status()?, server))
}

impl Worker {
    fn run(mut self, effects: &Receiver<Effect>) {
        for effect in effects {
            let failed = failed_message(&effect);
            let message = catch_unwind(AssertUnwindSafe(|| self.handle(effect))).unwrap_or_else(|_| {
                // What a panic has left behind is not trusted.
                self.phone = None;
                failed(Failure {
                    code: "internal".to_owned(),
                    message: "the program failed".to_owned(),
                })
            });
            if self.out.send(message).is_err() {
                return;
            }
        }
    }

    fn handle(&mut self, effect: Effect) -> Message {
        let failed = failed_message(&effect);
        let done = match effect {
            Effect::Read { query, customer } => self
                .phone()
                .and_then(|phone| read(phone, &query, customer))
                .map(|snapshot| Message::Read(Box::new(snapshot))),
            Effect::Write(write) => self.write(&write).map(|()| Message::Written(write)),
            Effect::Sync => return self.sync(),
            Effect::Listen => self.listen().map(|()| Message::NotHeard(None)),
            Effect::SignIn {
                server,
                login,
                password,
            } => self.sign_in(&server, &login, &password).map(Message::SignedIn),
        };
        done.unwrap_or_else(|error| failed(failure(&error)))
    }

    fn phone(&mut self) -> Result<&mut TerminalPhone, PhoneError> {
        let phone = match self.phone.take() {
            Some(phone) => phone,
            None => open(&self.folder)?,
        };
        Ok(self.phone.insert(phone))
    }

    fn write(&mut self, write: &Write) -> Result<(), PhoneError> {
        if let Write::FlightMode(on) = write {
            self.is_in_flight_mode.store(*on, Ordering::Relaxed);
        }
        let phone = self.phone()?;
        match write {
            Write::Add { customer, kind, words } => {
                let edits = edits_from_words(*kind, words)
                    .map_err(|error| PhoneError::refused(error.code(), error.to_string()))?;
                phone.add(*customer, *kind, &edits).map(|_| ())
            }
            Write::Edit { document, words, .. } => phone.edit_words(*document, words).map(|_| ()),
            Write::EditCustomer { customer, words } => phone.edit_customer(*customer, words).map(|_| ()),
            Write::NewCustomer(words) => phone.create_customer(words, None).map(|_| ()),
            Write::Intend(customer, action) => phone.intend(*customer, action.clone()).map(|_| ()),
            Write::Dismiss(entry) => phone.dismiss(*entry),
            Write::FlightMode(on) => phone.set_flight_mode(*on),
        }
    }

    fn sync(&mut self) -> Message {
        let out = self.out.clone();
        let phone = match self.phone() {
            Ok(phone) => phone,
            Err(error) => return Message::NotSynced(failure(&error), SyncResult::default()),
        };
        // A screen that is gone needs no progress.
        let watched = phone.sync_with(&mut |report| drop(out.send(Message::Progress(progress(report)))));
        match watched {
            Ok(report) => Message::Synced(result(&report)),
            Err(failed) => Message::NotSynced(failure(&failed.error), result(&failed.report)),
        }
    }

    fn listen(&mut self) -> Result<(), PhoneError> {
        // Anew each time: somebody may have signed in again, elsewhere even.
        self.phone = None;
        let (out, is_in_flight_mode) = (self.out.clone(), self.is_in_flight_mode.clone());
        self.phone()?.listen(&mut |heard| {
            let goes_on = !is_in_flight_mode.load(Ordering::Relaxed);
            goes_on && (heard == Heard::Silence || out.send(Message::Heard(heard)).is_ok())
        })
    }

    fn sign_in(&mut self, server: &str, login: &str, password: &str) -> Result<String, PhoneError> {
        let store = Store::open(&self.folder)?;
        let mut phone = Phone::new(store, HttpTransport::new(server), Seam::real());
        let enrolled = phone.enroll(server, login, password, DEVICE_NAME)?;
        self.phone = Some(phone);
        Ok(enrolled["user"]["name"].as_str().unwrap_or(login).to_owned())
    }
}

/// What is said if this was not done.
fn failed_message(effect: &Effect) -> fn(Failure) -> Message {
    match effect {
        Effect::Read { .. } => Message::NotRead,
        Effect::Write(_) => Message::NotWritten,
        Effect::Sync => |failure| Message::NotSynced(failure, SyncResult::default()),
        Effect::Listen => |failure| Message::NotHeard(Some(failure)),
        Effect::SignIn { .. } => Message::NotSignedIn,
    }
}

fn failure(error: &PhoneError) -> Failure {
    Failure {
        code: error.code().to_owned(),
        message: error.to_string(),
    }
}

fn read(phone: &mut TerminalPhone, query: &str, customer: Option<CustomerId>) -> Result<Snapshot, PhoneError> {
    let status = phone.status()?;
    // Of a phone that is locked, or was wiped, there is nothing to see but that.
    if status["state"] == "locked" || status["state"] == "wiped" {
        return Ok(Snapshot {
            status: read_status(phone)?,
            ..Snapshot::default()
        });
    }
    let me = status["user"]["id"].as_str().unwrap_or_default().to_owned();
    let rows =
        |items: &[serde_json::Value]| -> Vec<Row> { items.iter().filter_map(|item| Row::read(item, &me)).collect() };
    let customers = rows(&phone.customers(None)?);
    let found = if query.is_empty() {
        None
    } else {
        let found: BTreeSet<CustomerId> = rows(&phone.customers(Some(query))?).iter().map(|row| row.id).collect();
        Some(Found {
            query: query.to_owned(),
            customers: found,
        })
    };
    let customer = match customer.map(|id| phone.customer(id)) {
        Some(Ok(json)) => Customer::read(&json, &me),
        // Handed over or given back while it was open.
        Some(Err(PhoneError::Refused { .. })) | None => None,
        Some(Err(error)) => return Err(error),
    };
    let name = |id: CustomerId| {
        let row = customers.iter().find(|row| row.id == id);
        row.map_or_else(String::new, |row| row.name.clone())
    };
    // What was refused stands first: it wants somebody.
    let mut entries: Vec<Entry> = phone.tray()?.iter().map(|json| Entry::read(json, name)).collect();
    entries.extend(phone.outbox()?.iter().map(|json| Entry::read(json, name)));
    Ok(Snapshot {
        status: read_status(phone)?,
        organisation: Organisation::read(&phone.organisation()?),
        found,
        customer,
        entries,
        customers,
    })
}

fn progress(report: &SyncReport) -> Progress {
    let verdicts = &report.verdicts;
    let decided = verdicts.accepted + verdicts.amended + verdicts.quarantined + verdicts.rejected + verdicts.superseded;
    Progress {
        rounds: report.round_trips,
        sent: decided + report.intents.iter().filter(|intent| intent.outcome != "retry").count() as u64,
        received: report.pulled_documents,
        bytes: report.bytes_up + report.bytes_down,
    }
}

fn result(report: &SyncReport) -> SyncResult {
    let verdicts = &report.verdicts;
    let decided = report.intents.iter().filter(|intent| intent.outcome != "retry");
    let intents: Vec<IntentOutcome> = decided
        .map(|intent| IntentOutcome {
            id: intent.id.to_string(),
            kind: intent.kind,
            is_accepted: intent.outcome == "accepted",
            reason: intent.reason.clone(),
        })
        .collect();
    let refused_intents = intents.iter().filter(|intent| !intent.is_accepted).count() as u64;
    let Progress { sent, received, .. } = progress(report);
    SyncResult {
        sent,
        received,
        refused: verdicts.quarantined + verdicts.rejected + verdicts.superseded + refused_intents,
        evicted: report.evicted_customers,
        has_reset: report.reset,
        intents,
    }
}
