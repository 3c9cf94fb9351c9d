//! Phones that go on working while people look: each on a thread of its own, over TCP like any phone, with a clock and
//! a network of its own. Now and then one is out of reach and comes back with what it has gathered; sometimes a manager
//! has meanwhile written the same field, so that both values show.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

use mobile_ffi::{HttpTransport, Phone, PhoneError, Seam, Store, phone::set};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value as Json};
use sync_core::{
    document::{Kind, Value},
    ids::{CustomerId, DocumentId},
    replica::Target,
};
use tokio::runtime::Handle;

use super::{
    Note, Person,
    habits::{DAY_MS, Habits, MINUTE_MS, civil_date},
    language::Language,
    texts::Writer,
};
use crate::{
    actions::{edit::edit_document, ownership::Asker},
    app::App,
    storage::people,
};

/// From one thing a phone does to the next, in milliseconds.
const PAUSE_MS: Range<u64> = 8_000..22_000;
/// Things done in a row with a network, and without.
const ONLINE_STEPS: Range<u32> = 3..8;
const OFFLINE_STEPS: Range<u32> = 2..6;
/// A visit recorded now began so long ago, in minutes.
const VISIT_MINUTES: Range<i64> = 12..60;

/// What has happened on a phone, to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) name: String,
    pub(crate) what: What,
}

/// What.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Recorded and sent at once.
    Sent,
    /// Has lost the network.
    Left,
    /// Recorded without a network; so many changes wait.
    Waiting(usize),
    /// Came back with so many changes.
    Returned(usize),
}

/// The phones at work, until they are told to stop.
pub(crate) struct LivePhones {
    // Dropped: every phone stops.
    stop: Vec<mpsc::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a live phone needs to know.
struct Desk {
    app: App,
    runtime: Handle,
    /// A manager of the phone's user.
    manager: Option<Asker>,
}

struct LivePhone {
    phone: Phone<HttpTransport>,
    person: Person,
    url: String,
    password: String,
    habits: Habits,
    desk: Desk,
    own: Vec<CustomerId>,
    /// Things left to do before the network goes or comes.
    steps: u32,
    is_online: bool,
}

impl LivePhones {
    /// Starts every phone that has a store below `phones`.
    pub(crate) async fn start(
        app: &App,
        phones: &Path,
        url: &str,
        note: &Note,
        tell: impl Fn(Happening) + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let tell = Arc::new(tell);
        let mut live = Self {
            stop: Vec::new(),
            threads: Vec::new(),
        };
        for (place, person) in note.people.iter().enumerate() {
            let folder = phones.join(&person.login);
            if !folder.join("phone.db").is_file() {
                continue;
            }
            let desk = Desk {
                app: app.clone(),
                runtime: Handle::current(),
                manager: manager_of(app, &person.login).await?,
            };
            let begun = LivePhone::open(folder, person.clone(), url, note, place as u64, desk)?;
            let (stop, stopped) = mpsc::channel();
            let tell = Arc::clone(&tell);
            let thread = std::thread::Builder::new().name(format!("phone-{}", person.login));
            live.threads.push(thread.spawn(move || begun.run(&stopped, &*tell))?);
            live.stop.push(stop);
        }
        Ok(live)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.threads.len()
    }

    /// Stops them all, each after what it is doing.
    pub(crate) fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            // One that has panicked has stopped; its place is in the log.
            let _ = thread.join();
        }
    }
}

/// A manager whose team has this person.
async fn manager_of(app: &App, login: &str) -> anyhow::Result<Option<Asker>> {
    let mut tx = app.database.read().await?;
    let Some(account) = people::find_by_login(&mut tx, login).await? else {
        return Ok(None);
    };
    let all = people::list(&mut tx, account.org).await?;
    let manager = all
        .iter()
        .find(|other| other.role == sync_core::visibility::Role::Manager && other.team == account.team);
    Ok(manager.map(|manager| Asker {
        org: account.org,
        user: manager.user,
        device: None,
    }))
}

impl LivePhone {
    fn open(folder: PathBuf, person: Person, url: &str, note: &Note, place: u64, desk: Desk) -> anyhow::Result<Self> {
        let store = Store::open(&folder)?;
        let mut phone = Phone::new(store, HttpTransport::new(url), Seam::real());
        phone.set_patience(1);
        Ok(Self {
            phone,
            person,
            url: url.to_owned(),
            password: note.password.clone(),
            habits: Habits {
                generator: StdRng::seed_from_u64(note.seed.wrapping_add(place)),
                writer: Writer(note.language),
            },
            desk,
            own: Vec::new(),
            steps: 1,
            is_online: true,
        })
    }

    fn run(mut self, stopped: &mpsc::Receiver<()>, tell: &dyn Fn(Happening)) {
        // Not all at the same moment.
        let mut pause = self.habits.generator.random_range(500..PAUSE_MS.start);
        loop {
            match stopped.recv_timeout(Duration::from_millis(pause)) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
            match self.step() {
                Ok(Some(what)) => tell(Happening {
                    name: self.person.name.clone(),
                    what,
                }),
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(
                        code = error.code(),
                        "a phone of the demonstration could not do what it wanted"
                    );
                    self.help(&error);
                }
            }
            pause = self.habits.generator.random_range(PAUSE_MS);
        }
    }

    /// A phone that the server does not know any more, or that was out of reach for too long, is signed in again.
    fn help(&mut self, error: &PhoneError) {
        if matches!(error.code(), "sign_in_required" | "locked" | "device_revoked") {
            let (url, login, password) = (self.url.clone(), self.person.login.clone(), self.password.clone());
            if let Err(error) = self.phone.enroll(&url, &login, &password, "demo") {
                tracing::warn!(
                    code = error.code(),
                    "a phone of the demonstration could not be signed in again"
                );
            }
        }
    }

    fn step(&mut self) -> Result<Option<What>, PhoneError> {
        if self.own.is_empty() {
            self.sync()?;
            self.own = self.list_own()?;
        }
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            self.is_online = !self.is_online;
            let range = if self.is_online { ONLINE_STEPS } else { OFFLINE_STEPS };
            self.steps = self.habits.generator.random_range(range);
            if !self.is_online {
                return Ok(Some(What::Left));
            }
            let waiting = self.phone.outbox()?.len();
            self.sync()?;
            self.own = self.list_own()?;
            return Ok(Some(What::Returned(waiting)));
        }
        self.act()?;
        if self.is_online {
            self.sync()?;
            return Ok(Some(What::Sent));
        }
        Ok(Some(What::Waiting(self.phone.outbox()?.len())))
    }

    fn sync(&mut self) -> Result<(), PhoneError> {
        self.phone.sync().map(|_| ()).map_err(|failure| failure.error)
    }

    fn list_own(&mut self) -> Result<Vec<CustomerId>, PhoneError> {
        let items = self.phone.customers(None)?;
        let own = items.iter().filter(|item| item["relation"] == "owner");
        Ok(own.filter_map(|item| item["id"].as_str()?.parse().ok()).collect())
    }

    /// A visit most of the time; a follow-up, a card, a dossier now and then.
    fn act(&mut self) -> Result<(), PhoneError> {
        if self.own.is_empty() {
            return Ok(());
        }
        let customer = self.own[self.habits.generator.random_range(0..self.own.len())];
        let now = Seam::real().now();
        match self.habits.generator.random_range(0..10) {
            0..=5 => {
                let place = self.place_of(customer)?;
                let began = now.plus_ms(-self.habits.generator.random_range(VISIT_MINUTES) * MINUTE_MS);
                let edits = self.habits.visit_edits((began, now), place);
                self.phone.add(customer, Kind::Visit, &edits)?;
            }
            6..=7 => {
                let days = self.habits.generator.random_range(0..9);
                self.habits
                    .follow_up(&mut self.phone, customer, civil_date(now.plus_ms(days * DAY_MS)))?;
            }
            8 => self.habits.dossier(&mut self.phone, customer)?,
            _ => self.edit_card(customer)?,
        }
        Ok(())
    }

    fn place_of(&mut self, customer: CustomerId) -> Result<Option<(f64, f64)>, PhoneError> {
        let shown = self.phone.customer(customer)?;
        let fields = &shown["card"]["fields"];
        Ok(fields["lat"].as_f64().zip(fields["lon"].as_f64()))
    }

    /// Writes a field; without a network, the manager writes it as well and neither knows of the other.
    fn edit_card(&mut self, customer: CustomerId) -> Result<(), PhoneError> {
        let shown = self.phone.customer(customer)?;
        let now = shown["card"]["fields"]["tier"].as_str().unwrap_or_default();
        let (mine, theirs) = if now == "vip" {
            ("potential", "normal")
        } else {
            ("vip", "normal")
        };
        let target = Target::Single(customer, Kind::Card);
        self.phone.record(target, &[set("tier", Value::Str(mine.to_owned()))])?;
        if let (false, Some(manager)) = (self.is_online, self.desk.manager) {
            let card = DocumentId::derived(manager.org, customer, Kind::Card, 0);
            let fields = Map::from_iter([("tier".to_owned(), Json::from(theirs))]);
            let edit = edit_document(&self.desk.app, manager, card, &fields);
            if let Err(error) = self.desk.runtime.block_on(edit) {
                // Whoever has the customer now, it is none of this manager's any more.
                tracing::info!(%error, "the office could not edit a card of the demonstration");
            }
        }
        Ok(())
    }
}

impl What {
    /// In the demonstration's language.
    pub(crate) fn told(self, name: &str, language: Language) -> String {
        match (language, self) {
            (Language::Zh, Self::Sent) => format!("{name}：已记录并同步"),
            (Language::Zh, Self::Left) => format!("{name}：没有网络了"),
            (Language::Zh, Self::Waiting(count)) => format!("{name}：离线记录，{count} 条待同步"),
            (Language::Zh, Self::Returned(count)) => format!("{name}：回到网络，已同步 {count} 条"),
            (Language::En, Self::Sent) => format!("{name} recorded something and synced"),
            (Language::En, Self::Left) => format!("{name} has lost the network"),
            (Language::En, Self::Waiting(count)) => format!("{name} works offline, {count} waiting"),
            (Language::En, Self::Returned(count)) => format!("{name} is back and has synced {count}"),
        }
    }
}
