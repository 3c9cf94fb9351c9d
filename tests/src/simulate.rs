//! Runs worlds, as many at a time as there are cores, and collects what went wrong in which.

use std::{
    any::Any,
    panic,
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use mobile_ffi::seam::Died;
use sync_core::seeded::{self, Bug};

use crate::world::{Broken, Promise, Size, Tally, World};

/// Lines of what happened that are shown of a failure; the replay prints all.
const LINES_SHOWN: usize = 12;

/// Which worlds are run.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub count: u64,
    /// How large each is.
    pub size: Size,
    /// How many at a time; 0: as there are cores.
    pub threads: usize,
    /// Stop at so many failures.
    pub failures_max: usize,
    /// The defect that every world has.
    pub bug: Option<Bug>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            from: 0,
            count: 1,
            size: Size::ORDINARY,
            threads: 0,
            failures_max: 10,
            bug: None,
        }
    }
}

/// What came of them.
#[derive(Debug, Default)]
pub struct Ran {
    /// Worlds that came to their end, well or not.
    pub worlds: u64,
    /// What was exercised by those that ended well.
    pub tally: Tally,
    /// Broken promises, by seed.
    pub failures: Vec<Broken>,
}

impl Ran {
    /// The failures, each with how to see it again.
    #[must_use]
    pub fn tell_failures(&self) -> String {
        let told = self.failures.iter().map(|broken| {
            let Broken {
                seed,
                promise,
                what,
                trace,
            } = broken;
            let lines: Vec<&str> = trace.lines().collect();
            let trace = lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n");
            format!("seed {seed} breaks {promise}: {what}\n{trace}\nreplay: cargo run -p tests --bin simulate -- --seed {seed}\n")
        });
        told.collect()
    }
}

/// Runs worlds.
#[must_use]
pub fn run(run: Run) -> Ran {
    run_and_tell(run, &|_| {})
}

/// Runs worlds; `told` hears after each how many are done.
///
/// # Panics
/// If a thread cannot be made.
#[must_use]
pub fn run_and_tell(run: Run, told: &(dyn Fn(&Ran) + Sync)) -> Ran {
    keep_quiet();
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if run.threads == 0 { cores() } else { run.threads };
    let next = AtomicU64::new(run.from);
    let ran = Mutex::new(Ran::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= run.from + run.count {
                        return;
                    }
                    let ended = try_seed_with(seed, run.size, run.bug).map(|(tally, _)| tally);
                    let mut ran = ran.lock().unwrap_or_else(PoisonError::into_inner);
                    ran.worlds += 1;
                    match ended {
                        Ok(tally) => ran.tally.add(&tally),
                        Err(broken) => ran.failures.push(broken),
                    }
                    told(&ran);
                    if ran.failures.len() >= run.failures_max {
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut ran = ran.into_inner().unwrap_or_else(PoisonError::into_inner);
    ran.failures.sort_by_key(|broken| broken.seed);
    ran
}

/// One world, with a defect if one is named. Gives what was exercised and all that happened.
///
/// # Errors
/// The promise that it breaks; a panic nobody foresaw breaks [`Promise::I10`].
pub fn try_seed_with(seed: u64, size: Size, bug: Option<Bug>) -> Result<(Tally, String), Broken> {
    keep_quiet();
    let ended = panic::catch_unwind(|| {
        let mut world = World::new(seed, size);
        seeded::plant(bug);
        world.run();
        world.settle_and_check();
        world.end()
    });
    seeded::plant(None);
    ended.map_err(|payload| match payload.downcast::<Broken>() {
        Ok(broken) => *broken,
        Err(payload) => Broken {
            seed,
            promise: Promise::I10,
            what: format!("something panicked: {}", words_of(&*payload)),
            trace: String::new(),
        },
    })
}

/// What the simulator makes of a defect.
#[derive(Debug, Clone)]
pub struct Caught {
    /// The defect.
    pub bug: Bug,
    /// The first world that finds it, and the promise it breaks there.
    pub by: Option<Broken>,
    /// How many worlds were run until then.
    pub worlds: u64,
}

/// Looks for a defect in worlds from seed 0 on.
#[must_use]
pub fn hunt(bug: Bug, run: Run, told: &(dyn Fn(&Ran) + Sync)) -> Caught {
    let ran = run_and_tell(
        Run {
            failures_max: 1,
            bug: Some(bug),
            ..run
        },
        told,
    );
    // Several worlds run at a time: the one with the lowest seed counts.
    let by = ran.failures.into_iter().next();
    Caught {
        bug,
        worlds: by.as_ref().map_or(run.count, |broken| broken.seed - run.from + 1),
        by,
    }
}

fn words_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// Broken promises are told by whoever runs the world, and simulated kills are nobody's business.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            if !payload.is::<Broken>() && !payload.is::<Died>() {
                before(info);
            }
        }));
    });
}
