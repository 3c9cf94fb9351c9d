//! A world in one thread: a real server on a real SQLite file behind its real router, real phones with real stores,
//! a network that loses, doubles, delays and cuts, clocks that jump, and people who work. One seed decides it all.
//!
//! A failing seed is replayed by `FIELDPOOL_SEED=n cargo test -p tests --test simulation`.

mod check;
mod company;
mod network;
mod oracle;
mod people;

use std::{cell::RefCell, fmt::Write as _, num::NonZeroU64, path::PathBuf, rc::Rc};

use mobile_ffi::{Phone, Store};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use server::{
    app::App,
    auth::PasswordCost,
    config::{Config, Limits},
    http::router,
    seam::Seam,
    storage::Database,
};
use sync_core::{
    ids::{DocumentId, UserId},
    time::Timestamp,
};
use tempfile::TempDir;

pub use self::{
    company::{Company, Person},
    network::{Faults, Wire},
};

/// When every world begins: 2026-03-02 09:00 in Shanghai.
pub const START: Timestamp = Timestamp(1_772_413_200_000);

/// How large a world is and how long it runs.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Phones; every fifth person has two.
    pub phones: usize,
    /// Customers at the beginning.
    pub customers: usize,
    /// Things that happen.
    pub steps: usize,
}

/// Counts that say what a run has exercised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Edits recorded on phones.
    pub recorded: u64,
    /// Syncs begun.
    pub syncs: u64,
    /// Requests lost, doubled, delayed, cut.
    pub faults: u64,
    /// Phones killed in the middle of a step.
    pub kills: u64,
    /// Server restarts.
    pub restarts: u64,
    /// Customers handed over, claimed, released.
    pub moves: u64,
    /// Documents delivered and checked against the policy.
    pub delivered: u64,
    /// Final verdicts seen.
    pub verdicts: u64,
    /// Changes that ended in quarantine or were refused.
    pub refused: u64,
}

/// A phone in somebody's hands.
pub struct Handset {
    /// Whose.
    pub person: usize,
    /// The phone.
    pub phone: Phone<Wire>,
    seam: mobile_ffi::Seam,
    /// Outbox entries seen so far: id, document, actor and seq of the change.
    seen: Vec<(i64, DocumentId, sync_core::document::ChangeId)>,
    /// Entries that got a final verdict, by id.
    settled: Vec<(i64, &'static str)>,
    skew_ms: i64,
}

/// The world.
pub struct World {
    /// Its seed.
    pub seed: u64,
    /// What has happened, for whoever reads a failure.
    pub trace: Rc<RefCell<String>>,
    /// What was exercised.
    pub tally: Tally,
    rng: ChaCha8Rng,
    now: Timestamp,
    server_seam: Seam,
    folder: TempDir,
    network: Rc<RefCell<network::Network>>,
    /// The organisation.
    pub company: Company,
    /// The phones.
    pub handsets: Vec<Handset>,
}

impl World {
    /// Makes a world: server, people, customers, enrolled phones.
    #[must_use]
    pub fn new(seed: u64, size: Size) -> Self {
        // What the server has to complain about belongs to a failure.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
            .with_test_writer()
            .try_init();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Durable means a sync to memory here: the faults are the simulator's, not the disk's.
        let folder = TempDir::with_prefix_in("fieldpool-world-", temporary_root()).expect("a temporary folder");
        let server_seam = Seam::simulated(seed, START);
        let trace = Rc::new(RefCell::new(String::new()));
        let network = Rc::new(RefCell::new(network::Network::new(
            rng.random(),
            folder.path().join("fieldpool.sqlite"),
            Rc::clone(&trace),
        )));
        let (runtime, app) = start_server(folder.path().to_path_buf(), &server_seam);
        let company = Company::found(&runtime, &app, &mut rng, size);
        network.borrow_mut().connect(runtime, app, company.clone());
        let mut world = Self {
            seed,
            trace,
            tally: Tally::default(),
            rng,
            now: START,
            server_seam,
            folder,
            network,
            company,
            handsets: Vec::new(),
        };
        for index in 0..size.phones {
            world.enrol(index);
        }
        world
    }

    fn enrol(&mut self, index: usize) {
        let reps = self.company.with_phones();
        let person = reps[if index % 5 == 4 { index - 1 } else { index } % reps.len()];
        let seam = mobile_ffi::Seam::simulated(self.seed.wrapping_mul(31).wrapping_add(index as u64), START);
        let wire = Wire::new(Rc::clone(&self.network), index);
        let store = Store::open_in_memory().expect("a phone's store");
        let mut phone = Phone::new(store, wire, seam.clone());
        phone.set_patience(2);
        let login = self.company.people[person].login.clone();
        phone
            .enroll(
                "http://world",
                &login,
                server::testing::PASSWORD,
                &format!("phone {index}"),
            )
            .expect("enrols");
        self.handsets.push(Handset {
            person,
            phone,
            seam,
            seen: Vec::new(),
            settled: Vec::new(),
            skew_ms: 0,
        });
    }

    /// Lets so many things happen, with faults.
    pub fn run(&mut self, steps: usize) {
        for handset in 0..self.handsets.len() {
            self.sync(handset);
        }
        self.network.borrow_mut().faults = Faults::random(&mut self.rng);
        for _ in 0..steps {
            self.step();
        }
    }

    fn step(&mut self) {
        let minutes = self.rng.random_range(1..90);
        self.set_now(self.now.plus_ms(minutes * 60_000));
        let handset = self.rng.random_range(0..self.handsets.len());
        match self.rng.random_range(0..100) {
            0..45 => self.work(handset),
            45..70 => {
                self.maybe_kill(handset);
                self.sync(handset);
            }
            70..80 => self.office_work(),
            80..88 => self.hand_over(),
            88..91 => self.jump_clock(handset),
            91..94 => self.restart_server(),
            94..97 => self.network.borrow_mut().deliver_delayed(),
            _ => self.decide_quarantine(),
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
        self.handsets[handset].skew_ms = days * 86_400_000;
        self.set_now(self.now);
    }

    fn maybe_kill(&mut self, handset: usize) {
        if self.rng.random_bool(0.2) {
            let step = *mobile_ffi::seam::steps::ALL
                .choose(&mut self.rng)
                .expect("there are steps");
            self.handsets[handset].seam.crash_at(step, self.rng.random_range(1..3));
        }
    }

    /// One sync of a phone, however it ends.
    pub fn sync(&mut self, handset: usize) -> bool {
        self.tally.syncs += 1;
        // Two proofs of one key in one instant would be one.
        self.set_now(self.now.plus_ms(1_000));
        let slot = &mut self.handsets[handset];
        let (report, error) = match slot.phone.sync() {
            Ok(report) => (Box::new(report), None),
            Err(failure) => (failure.report, Some(failure.error)),
        };
        for settled in &report.settled {
            slot.settled.push((settled.entry, settled.verdict.name()));
        }
        self.tally.verdicts += report.settled.len() as u64;
        let line = format!(
            "phone {handset}: sync {} {:?}",
            error.as_ref().map_or("done".to_owned(), ToString::to_string),
            report.verdicts
        );
        self.note(line);
        if matches!(error, Some(mobile_ffi::PhoneError::Killed)) {
            self.tally.kills += 1;
            self.revive(handset);
        }
        // A clock that has jumped ahead ends the lease: the person signs in again, if the network lets him.
        if error.as_ref().is_some_and(|error| error.code() == "locked") {
            let opened = self.handsets[handset].phone.unlock(server::testing::PASSWORD);
            self.note(format!("phone {handset}: unlocked {}", opened.is_ok()));
        }
        self.observe(handset);
        error.is_none()
    }

    /// A killed process leaves its store to the next.
    fn revive(&mut self, handset: usize) {
        let mut slot = self.handsets.remove(handset);
        slot.seam = mobile_ffi::Seam::simulated(self.rng.random(), self.now.plus_ms(slot.skew_ms));
        let wire = Wire::new(Rc::clone(&self.network), handset);
        slot.phone = Phone::new(slot.phone.into_store(), wire, slot.seam.clone());
        slot.phone.set_patience(2);
        self.handsets.insert(handset, slot);
    }

    /// Remembers what is in a phone's outbox.
    fn observe(&mut self, handset: usize) {
        let slot = &mut self.handsets[handset];
        let outbox = slot
            .phone
            .store_mut()
            .read::<_, mobile_ffi::store::StoreError>(|tx| tx.outbox())
            .expect("the outbox is read");
        for entry in outbox {
            if !slot.seen.iter().any(|(id, ..)| *id == entry.id) {
                slot.seen.push((entry.id, entry.document, entry.change));
            }
        }
    }

    fn restart_server(&mut self) {
        self.tally.restarts += 1;
        self.note("the server is killed and started again".to_owned());
        let mut network = self.network.borrow_mut();
        network.disconnect();
        let (runtime, app) = start_server(self.folder.path().to_path_buf(), &self.server_seam);
        network.connect(runtime, app, self.company.clone());
    }

    fn note(&self, line: String) {
        let _ = writeln!(self.trace.borrow_mut(), "{} {line}", self.now.0 - START.0);
    }

    /// The faults end; everybody syncs until nothing moves any more, then everything is compared.
    ///
    /// # Panics
    /// Where a promise is broken; the message names the seed and the last things that happened.
    pub fn settle_and_check(&mut self) {
        let rounds_max = 12;
        self.network.borrow_mut().heal();
        for handset in 0..self.handsets.len() {
            self.handsets[handset].skew_ms = 0;
        }
        self.set_now(self.now.plus_ms(3_600_000));
        let mut quiet = false;
        for _ in 0..rounds_max {
            let before = self.network.borrow().head();
            let mut all = true;
            for handset in 0..self.handsets.len() {
                all &= self.sync(handset) || self.is_locked_out(handset);
            }
            quiet = all && before == self.network.borrow().head();
            if quiet {
                break;
            }
        }
        if !quiet {
            self.fail("the phones do not come to rest");
        }
        self.tally.delivered = self.network.borrow().delivered;
        self.tally.faults = self.network.borrow().faults_done;
        self.check_everything();
    }

    fn is_locked_out(&self, handset: usize) -> bool {
        let person = self.handsets[handset].person;
        self.network.borrow().state_of(self.company.people[person].id) != "active"
    }

    fn fail(&self, what: &str) -> ! {
        let trace = self.trace.borrow();
        let lines: Vec<&str> = trace.lines().collect();
        let last = &lines[lines.len().saturating_sub(60)..];
        panic!(
            "seed {}: {what}\nreplay: FIELDPOOL_SEED={} cargo test -p tests --test simulation\n{}",
            self.seed,
            self.seed,
            last.join("\n")
        );
    }

    /// The people's user id of a phone.
    #[must_use]
    pub fn user_of(&self, handset: usize) -> UserId {
        self.company.people[self.handsets[handset].person].id
    }
}

fn temporary_root() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

fn start_server(folder: PathBuf, seam: &Seam) -> (tokio::runtime::Runtime, App) {
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
        let database = Database::open_sqlite(&folder, false).await.expect("the database opens");
        App::new(database, seam.clone(), config)
            .await
            .expect("the server starts")
    });
    let _ = router;
    (runtime, app)
}
