//! A world in one thread: a real server on a real SQLite file behind its real router, real phones with real stores,
//! a network that loses, doubles, delays and cuts, clocks that jump, people who work, come and leave. One seed decides
//! it all.
//!
//! A failing seed is replayed by `cargo run -p tests --bin simulate -- --seed N`. What is promised and how it is checked
//! is in docs/SIMULATION.md.

mod audit;
mod check;
mod company;
mod crook;
mod departure;
mod fates;
mod log;
mod network;
mod office;
mod oracle;
mod people;
mod phones;
mod tally;
mod watch;

use std::{
    cell::RefCell,
    num::NonZeroU64,
    path::{Path, PathBuf},
    rc::Rc,
};

use mobile_ffi::{Phone, PhoneError, Store};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use server::{
    app::App,
    auth::PasswordCost,
    config::{Config, Limits},
    seam::Seam,
    storage::Database,
};
use sync_core::{
    document::ChangeId,
    ids::{DeviceId, DocumentId, UserId},
    time::Timestamp,
};
use tempfile::TempDir;

pub use self::{
    company::{Company, Person},
    log::{Broken, Promise},
    network::{Faults, Wire},
    tally::{Size, Tally},
};
use self::{fates::Mark, log::Log, network::Network};

/// When every world begins: 2026-03-02 09:00 in Shanghai.
pub const START: Timestamp = Timestamp(1_772_413_200_000);
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Times every phone is let sync at the end before it is said that they do not come to rest.
const ROUNDS_MAX: usize = 16;
/// Round trips of one sync, with the smallest pages and all faults.
const ROUND_TRIPS_MAX: u64 = 150;

/// What a phone has been as one device: from an enrolment to its wipe.
struct Life {
    device: DeviceId,
    /// Outbox entries seen so far: id, document and name of the change.
    seen: Vec<(i64, DocumentId, ChangeId)>,
    /// Entries that got a final verdict, by id.
    settled: Vec<(i64, &'static str)>,
    wiped: bool,
}

/// A phone in somebody's hands.
struct Handset {
    person: usize,
    phone: Phone<Wire>,
    folder: PathBuf,
    seam: mobile_ffi::Seam,
    lives: Vec<Life>,
    skew_ms: i64,
    /// It has no network until then.
    offline_until: Timestamp,
}

impl Handset {
    fn life(&mut self) -> &mut Life {
        self.lives.last_mut().expect("a life")
    }

    fn device(&self) -> DeviceId {
        self.lives.last().expect("a life").device
    }

    fn is_wiped(&self) -> bool {
        self.lives.last().expect("a life").wiped
    }
}

/// The world.
pub struct World {
    size: Size,
    /// What was exercised.
    pub tally: Tally,
    log: Rc<Log>,
    rng: ChaCha8Rng,
    now: Timestamp,
    server_seam: Seam,
    network: Rc<RefCell<Network>>,
    company: Company,
    handsets: Vec<Handset>,
    crook: Option<crook::Crook>,
    marks: Vec<Mark>,
    mark_count: u64,
    handovers: Vec<departure::Done>,
    /// What the audit must tell of, by action.
    decisions: audit::Decisions,
    /// Last, so that everything in it is closed before it goes.
    folder: TempDir,
}

impl World {
    /// Makes a world: server, people, customers, enrolled phones.
    #[must_use]
    pub fn new(seed: u64, size: Size) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let folder = temporary_folder();
        let server_seam = Seam::simulated(seed, START);
        let log = Rc::new(Log::new(seed));
        let file = folder.path().join("fieldpool.sqlite");
        let company = Company::for_world(seed, size, &file);
        let mut network = Network::new(rng.random(), &file, company.org, &log);
        let (runtime, app) = start_server(folder.path(), &server_seam);
        network.connect(runtime, app);
        let mut world = Self {
            size,
            tally: Tally::default(),
            log,
            rng,
            now: START,
            server_seam,
            network: Rc::new(RefCell::new(network)),
            company,
            handsets: Vec::new(),
            crook: None,
            marks: Vec::new(),
            mark_count: 0,
            handovers: Vec::new(),
            decisions: audit::Decisions::default(),
            folder,
        };
        world.decisions.begin(&world.network.borrow().look());
        for index in 0..size.phones {
            let size = if world.rng.random_bool(0.5) { 4096 } else { 0 };
            world.network.borrow_mut().page_bytes.push(size);
            world.add_phone(index);
        }
        world.crook = Some(crook::Crook::enrol(&mut world));
        world
    }

    /// A whole world, from its first morning until all is at rest and compared.
    ///
    /// # Panics
    /// With [`Broken`] where a promise is.
    #[must_use]
    pub fn live(seed: u64, size: Size) -> (Tally, String) {
        let mut world = Self::new(seed, size);
        world.run();
        world.settle_and_check();
        world.end()
    }

    /// What was exercised, and all that happened.
    #[must_use]
    pub fn end(self) -> (Tally, String) {
        (self.tally, self.log.text())
    }

    fn add_phone(&mut self, index: usize) {
        let person = self.company.carrier(index, &mut self.rng);
        let seam = mobile_ffi::Seam::simulated(self.rng.random(), START);
        let folder = self.folder.path().join(format!("phone{index}"));
        let store = Store::open(&folder).expect("a phone's store");
        let phone = new_phone(store, &self.network, index, &seam);
        self.handsets.push(Handset {
            person,
            phone,
            folder,
            seam,
            lives: Vec::new(),
            skew_ms: 0,
            offline_until: START,
        });
        self.enrol(index).expect("enrols");
    }

    fn enrol(&mut self, handset: usize) -> Result<(), PhoneError> {
        let slot = &mut self.handsets[handset];
        let login = self.company.people[slot.person].login.clone();
        let name = format!("phone {handset}");
        slot.phone
            .enroll("http://world", &login, server::testing::PASSWORD, &name)?;
        let mut state = slot.phone.state()?.expect("an enrolled phone");
        let device = state.device;
        // Some have learned that their way takes small messages only, and say in many what others say in one.
        if self.rng.random_bool(0.5) {
            state.changes_max = 2;
            slot.phone
                .store_mut()
                .write::<_, mobile_ffi::store::StoreError>(|tx| sync_core::replica::Store::put_state(tx, &state))?;
        }
        slot.lives.push(Life {
            device,
            seen: Vec::new(),
            settled: Vec::new(),
            wiped: false,
        });
        Ok(())
    }

    /// Lets the days pass, with faults.
    pub fn run(&mut self) {
        for handset in 0..self.handsets.len() {
            self.sync(handset);
        }
        self.network.borrow_mut().faults = Faults::random(&mut self.rng);
        let steps = self.size.phones * self.size.days * self.size.steps;
        let end = START.plus_ms(self.size.days as i64 * DAY_MS);
        for left in (1..=steps).rev() {
            let mean = end.since_ms(self.now).max(0) / left as i64;
            let pause = self.rng.random_range(0..=2 * mean);
            self.set_now(self.now.plus_ms(pause));
            self.step();
        }
    }

    fn step(&mut self) {
        let handset = self.rng.random_range(0..self.handsets.len());
        match self.rng.random_range(0..1000) {
            0..500 => self.work(handset),
            500..740 => {
                self.maybe_kill(handset);
                self.sync_if_online(handset);
            }
            740..800 => self.office_work(),
            800..850 => self.move_customer(),
            850..860 => self.jump_clock(handset),
            860..875 => self.restart_server(),
            875..895 => self.network.borrow_mut().deliver_delayed(),
            895..920 => self.decide_quarantine(),
            920..930 => self.decide_proposal(),
            930..945 => self.lose_network(handset),
            945..952 => self.attack(),
            952..962 => self.change_place(),
            _ => self.depart(handset),
        }
    }

    fn set_now(&mut self, now: Timestamp) {
        self.now = now;
        self.server_seam.set_now(now);
        for handset in &self.handsets {
            handset.seam.set_now(now.plus_ms(handset.skew_ms));
        }
    }

    fn jump_clock(&mut self, handset: usize) {
        let days = *[-3650, -3, -1, 0, 1, 3, 3650]
            .choose(&mut self.rng)
            .expect("one of seven");
        self.note(format!("phone {handset}: its clock is {days} days off"));
        self.handsets[handset].skew_ms = days * DAY_MS;
        self.set_now(self.now);
    }

    fn lose_network(&mut self, handset: usize) {
        let hours = self.rng.random_range(4..60);
        self.note(format!("phone {handset}: no network for {hours} hours"));
        self.handsets[handset].offline_until = self.now.plus_ms(hours * 3_600_000);
    }

    fn maybe_kill(&mut self, handset: usize) {
        if self.rng.random_bool(0.2) {
            let step = *mobile_ffi::seam::steps::ALL
                .choose(&mut self.rng)
                .expect("there are steps");
            self.handsets[handset].seam.crash_at(step, self.rng.random_range(1..3));
        }
        if self.rng.random_bool(0.3) {
            let step = mobile_ffi::seam::steps::WIPE.choose(&mut self.rng);
            mobile_ffi::seam::die_once_at(step.copied());
        }
    }

    fn sync_if_online(&mut self, handset: usize) {
        if self.now >= self.handsets[handset].offline_until {
            self.sync(handset);
        }
        mobile_ffi::seam::die_once_at(None);
    }

    /// One sync of a phone, however it ends.
    fn sync(&mut self, handset: usize) -> bool {
        self.tally.syncs += 1;
        // Two proofs of one key in one instant would be one.
        self.set_now(self.now.plus_ms(1_000));
        let mut failed = Box::default();
        let done = self.survive(handset, |phone| {
            phone.sync().map_err(|failure| {
                failed = failure.report;
                failure.error
            })
        });
        let (report, error) = match done {
            Ok(report) => (Box::new(report), None),
            Err(error) => (failed, Some(error)),
        };
        let slot = &mut self.handsets[handset];
        for settled in &report.settled {
            slot.life().settled.push((settled.entry, settled.verdict.name()));
        }
        self.tally.verdicts += report.settled.len() as u64;
        self.tally.amended += report.verdicts.amended;
        self.tally.quarantined += report.verdicts.quarantined;
        let ended = error.as_ref().map_or("done".to_owned(), ToString::to_string);
        self.note(format!("phone {handset}: sync {ended} {:?}", report.verdicts));
        if report.round_trips > ROUND_TRIPS_MAX {
            let trips = report.round_trips;
            self.broken(
                Promise::I10,
                format!("one sync of phone {handset} took {trips} round trips"),
            );
        }
        match error.as_ref().map(PhoneError::code) {
            Some("killed") => {
                self.tally.kills += 1;
                self.revive(handset);
            }
            // A clock that has jumped ahead ends the lease: the person signs in again, if the network lets him.
            Some("locked") => {
                let opened = self.handsets[handset].phone.unlock(server::testing::PASSWORD);
                self.note(format!("phone {handset}: unlocked {}", opened.is_ok()));
            }
            None
            | Some(
                "offline" | "busy" | "device_wiped" | "device_revoked" | "account_not_active" | "malformed_answer",
            ) => {}
            // A proof that arrives twice is refused the second time; the clock stands still until the next sync.
            Some("sign_in_required" | "reauthenticate") if self.network.borrow().has_faults() => {}
            Some(other) => self.broken(Promise::I10, format!("phone {handset} cannot sync: {other}")),
        }
        self.observe(handset);
        error.is_none()
    }

    /// A killed process leaves its files to the next.
    fn revive(&mut self, handset: usize) {
        mobile_ffi::seam::die_once_at(None);
        let seam = mobile_ffi::Seam::simulated(self.rng.random(), self.now.plus_ms(self.handsets[handset].skew_ms));
        let store = Store::open(&self.handsets[handset].folder).expect("a phone's store");
        let slot = &mut self.handsets[handset];
        slot.seam = seam.clone();
        slot.phone = new_phone(store, &self.network, handset, &seam);
    }

    /// Remembers what is in a phone's outbox, and whether it was wiped.
    fn observe(&mut self, handset: usize) {
        let slot = &mut self.handsets[handset];
        let wiped = slot.phone.store_mut().tombstone().expect("the store answers").is_some();
        if wiped {
            self.tally.wiped += u64::from(!slot.is_wiped());
            slot.life().wiped = true;
            return;
        }
        for entry in read(&mut slot.phone, |tx| tx.outbox()) {
            if !slot.life().seen.iter().any(|(id, ..)| *id == entry.id) {
                slot.life().seen.push((entry.id, entry.document, entry.change));
            }
        }
    }

    fn restart_server(&mut self) {
        self.tally.restarts += 1;
        self.note("the server is killed and started again");
        let mut network = self.network.borrow_mut();
        network.disconnect();
        let (runtime, app) = start_server(self.folder.path(), &self.server_seam);
        network.connect(runtime, app);
    }

    fn note(&self, line: impl std::fmt::Display) {
        self.log.note(self.now, line);
    }

    fn broken(&self, promise: Promise, what: impl std::fmt::Display) -> ! {
        self.log.broken(promise, what)
    }

    /// The faults end; everybody syncs until nothing moves any more, then everything is compared.
    ///
    /// # Panics
    /// With [`Broken`] where a promise is.
    pub fn settle_and_check(&mut self) {
        self.network.borrow_mut().heal();
        for handset in &mut self.handsets {
            handset.skew_ms = 0;
        }
        self.set_now(self.now.plus_ms(3_600_000));
        let mut stuck = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let before = self.network.borrow().head();
            stuck.clear();
            for handset in 0..self.handsets.len() {
                let done = self.sync(handset) && !self.handsets[handset].is_wiped();
                if !(done || self.is_gone(handset)) {
                    stuck.push(handset);
                }
            }
            if stuck.is_empty() && before == self.network.borrow().head() {
                break;
            }
            stuck.push(self.handsets.len());
        }
        if !stuck.is_empty() {
            self.broken(Promise::I10, format!("the phones {stuck:?} do not come to rest"));
        }
        self.tally.delivered = self.network.borrow().watch.delivered;
        self.tally.late = self.network.borrow().watch.late;
        self.tally.faults = self.network.borrow().faults_done;
        self.check_everything();
    }

    /// It was wiped, and the server has heard of it.
    fn is_gone(&mut self, handset: usize) -> bool {
        let tombstone = self.handsets[handset].phone.store_mut().tombstone();
        tombstone.is_ok_and(|tombstone| tombstone.is_some_and(|tombstone| tombstone.confirmed))
    }

    /// Whose phone it is.
    fn user_of(&self, handset: usize) -> UserId {
        self.company.people[self.handsets[handset].person].id
    }
}

fn new_phone(store: Store, network: &Rc<RefCell<Network>>, index: usize, seam: &mobile_ffi::Seam) -> Phone<Wire> {
    let mut phone = Phone::new(store, Wire::new(network, index), seam.clone());
    phone.set_patience(2);
    phone
}

/// Reads from a phone's store.
fn read<T>(
    phone: &mut Phone<Wire>,
    step: impl FnOnce(&mut mobile_ffi::store::StoreTx<'_>) -> Result<T, mobile_ffi::store::StoreError>,
) -> T {
    phone.store_mut().read(step).expect("the phone's store is read")
}

/// In memory, where that can be had: the faults are the simulator's, not the disk's.
fn temporary_folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    TempDir::with_prefix_in("fieldpool-world-", root).expect("a temporary folder")
}

fn start_server(folder: &Path, seam: &Seam) -> (tokio::runtime::Runtime, App) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let config = Config {
        password_cost: PasswordCost::for_tests(),
        limits: Limits {
            tried_every: NonZeroU64::MIN,
            ..Limits::default()
        },
        ..Config::default()
    };
    let app = runtime.block_on(async {
        let database = Database::open_sqlite(folder, false).await.expect("the database opens");
        App::new(database, seam.clone(), config)
            .await
            .expect("the server starts")
    });
    (runtime, app)
}
