//! The one place that reads the clock and the system's randomness.
//!
//! Everything else takes a [`Seam`]: a real one in the app, a simulated one in
//! tests, where time stands still until it is set, waiting takes no time and the same seed gives the same ids. A
//! simulated one can also stop the phone at a named step, as if its process had been killed there. A staged one tells
//! the time it is set to, and its randomness is the system's: the past of a demonstration is made up, its keys are not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{RngCore, SeedableRng, TryRngCore, rngs::StdRng};
use sync_core::time::Timestamp;
use uuid::Uuid;

/// Clock and randomness. Cheap to clone; clones of a simulated or staged seam share its clock and its generator.
#[derive(Clone, Debug)]
pub struct Seam(Source);

#[derive(Clone, Debug)]
enum Source {
    Real,
    Simulated(Arc<Mutex<Simulation>>),
    Staged(Arc<Mutex<Timestamp>>),
}

#[derive(Debug)]
struct Simulation {
    now: Timestamp,
    generator: StdRng,
    crash_at: Option<(&'static str, u32)>,
}

/// Steps of a sync at which a simulated phone can be killed, and those of a wipe.
pub mod steps {
    /// The message is in the store, not committed.
    pub const MESSAGE_MADE: &str = "message_made";
    /// The message is committed, not sent.
    pub const MESSAGE_STORED: &str = "message_stored";
    /// The answer has come, nothing of it is in the store.
    pub const ANSWER_RECEIVED: &str = "answer_received";
    /// The answer is in the store, not committed.
    pub const ANSWER_APPLIED: &str = "answer_applied";
    /// The answer is committed.
    pub const ANSWER_STORED: &str = "answer_stored";
    /// An edit is in the store, not committed.
    pub const EDIT_RECORDED: &str = "edit_recorded";
    /// A wipe: the device's key is kept apart, so that it can say so at the end.
    pub const WIPE_KEY_KEPT: &str = "wipe_key_kept";
    /// The note that outlives the store is there.
    pub const WIPE_MARKED: &str = "wipe_marked";
    /// The key of the data is gone.
    pub const WIPE_STORE_KEY_ERASED: &str = "wipe_store_key_erased";
    /// The database is no longer where it was.
    pub const WIPE_DATABASE_RENAMED: &str = "wipe_database_renamed";
    /// The database is gone.
    pub const WIPE_DATABASE_ERASED: &str = "wipe_database_erased";
    /// What lay beside it is gone.
    pub const WIPE_LOG_ERASED: &str = "wipe_log_erased";
    /// The photos are gone.
    pub const WIPE_PHOTOS_ERASED: &str = "wipe_photos_erased";
    /// That all is gone is written down.
    pub const WIPE_ERASED: &str = "wipe_erased";
    /// The server has heard of it, which is not written down.
    pub const WIPE_CONFIRMED: &str = "wipe_confirmed";
    /// All of a wipe, at which a process of a debug build can be killed (`die_at`). The first is
    /// [`ANSWER_STORED`]: the order stands in the store.
    pub const WIPE: [&str; 10] = [
        ANSWER_STORED,
        WIPE_KEY_KEPT,
        WIPE_MARKED,
        WIPE_STORE_KEY_ERASED,
        WIPE_DATABASE_RENAMED,
        WIPE_DATABASE_ERASED,
        WIPE_LOG_ERASED,
        WIPE_PHOTOS_ERASED,
        WIPE_ERASED,
        WIPE_CONFIRMED,
    ];
    /// All of a sync.
    pub const ALL: [&str; 6] = [
        MESSAGE_MADE,
        MESSAGE_STORED,
        ANSWER_RECEIVED,
        ANSWER_APPLIED,
        ANSWER_STORED,
        EDIT_RECORDED,
    ];
}

impl Seam {
    /// The system's clock and its generator for secrets.
    #[must_use]
    pub const fn real() -> Self {
        Self(Source::Real)
    }

    /// A clock that stands at `start` until it is set, and a generator that repeats itself for a seed.
    #[must_use]
    pub fn simulated(seed: u64, start: Timestamp) -> Self {
        let simulation = Simulation {
            now: start,
            generator: StdRng::seed_from_u64(seed),
            crash_at: None,
        };
        Self(Source::Simulated(Arc::new(Mutex::new(simulation))))
    }

    /// A clock that stands at `start` until it is set or waited for, and the system's generator for secrets.
    #[must_use]
    pub fn staged(start: Timestamp) -> Self {
        Self(Source::Staged(Arc::new(Mutex::new(start))))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::Real => read_clock(),
            Source::Simulated(simulation) => locked(simulation).now,
            Source::Staged(now) => *locked(now),
        }
    }

    /// Sets a simulated or staged clock, forwards or backwards. A real one cannot be set and stays as it is.
    pub fn set_now(&self, now: Timestamp) {
        match &self.0 {
            Source::Real => {}
            Source::Simulated(simulation) => locked(simulation).now = now,
            Source::Staged(clock) => *locked(clock) = now,
        }
    }

    /// Moves a simulated or staged clock by so many milliseconds.
    pub fn advance_ms(&self, ms: i64) {
        self.set_now(self.now().plus_ms(ms));
    }

    /// Waits: a real phone sleeps, a simulated or staged one moves its clock.
    pub fn wait_ms(&self, ms: u64) {
        match &self.0 {
            Source::Real => std::thread::sleep(std::time::Duration::from_millis(ms)),
            Source::Simulated(_) | Source::Staged(_) => self.advance_ms(i64::try_from(ms).unwrap_or(i64::MAX)),
        }
    }

    /// A number below `bound`; 0 if the bound is 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        // The bias of the remainder does not matter for waiting times.
        u64::from_le_bytes(self.random()).checked_rem(bound).unwrap_or(0)
    }

    /// Has a simulated phone killed when it reaches this step for the `nth` time (from 1). Once.
    pub fn crash_at(&self, step: &'static str, nth: u32) {
        if let Source::Simulated(simulation) = &self.0 {
            locked(simulation).crash_at = Some((step, nth.max(1)));
        }
    }

    /// Whether the phone is to be killed here.
    #[must_use]
    pub(crate) fn crashes(&self, step: &str) -> bool {
        let Source::Simulated(simulation) = &self.0 else {
            return false;
        };
        let mut simulation = locked(simulation);
        match simulation.crash_at {
            Some((at, 1)) if at == step => {
                simulation.crash_at = None;
                true
            }
            Some((at, nth)) if at == step => {
                simulation.crash_at = Some((at, nth - 1));
                false
            }
            _ => false,
        }
    }

    /// Fresh random bytes, fit for secrets.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing secret can be made then.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            Source::Real | Source::Staged(_) => rand::rngs::OsRng
                .try_fill_bytes(&mut bytes)
                .expect("the operating system gives random bytes"),
            Source::Simulated(simulation) => locked(simulation).generator.fill_bytes(&mut bytes),
        }
        bytes
    }

    /// A new id: UUIDv7, which sorts by the time it was made.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let ms = u64::try_from(self.now().0).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(ms, &self.random()).into_uuid()
    }
}

/// What a thread panics with at the step [`die_once_at`] has named.
#[cfg(feature = "seeded-bugs")]
#[derive(Debug)]
pub struct Died;

#[cfg(feature = "seeded-bugs")]
thread_local! {
    static DIE_AT: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// Has what this thread does end at a step of a wipe, once, by a panic with [`Died`]: a simulated phone is killed so.
#[cfg(feature = "seeded-bugs")]
pub fn die_once_at(step: Option<&'static str>) {
    DIE_AT.set(step);
}

/// Ends the process as a kill does, nothing tidied up, if the environment names this step: for tests with real
/// processes. Builds for people have none of it.
pub(crate) fn die_at(step: &str) {
    #[cfg(feature = "seeded-bugs")]
    if DIE_AT.get() == Some(step) {
        DIE_AT.set(None);
        std::panic::panic_any(Died);
    }
    if cfg!(debug_assertions) && std::env::var("FIELDPOOL_DIE_AT").is_ok_and(|named| named == step) {
        std::process::abort();
    }
}

// A test that panics while it holds the lock has failed already; others may go on.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "the seam: the only reader of the clock")]
fn read_clock() -> Timestamp {
    let now = std::time::SystemTime::now();
    // A clock before 1970 counts as 1970.
    let ms = now
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    Timestamp(i64::try_from(ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_seam_repeats_itself_and_its_clock_stands_until_it_is_set() {
        let [first, second] = [1, 1].map(|seed| Seam::simulated(seed, Timestamp(1_700_000_000_000)));
        assert_eq!(first.random::<16>(), second.random::<16>());
        assert_eq!(first.uuid(), second.uuid());
        assert_eq!(first.now(), Timestamp(1_700_000_000_000));
        first.clone().advance_ms(5);
        assert_eq!(first.now(), Timestamp(1_700_000_000_005));
    }

    #[test]
    fn a_staged_seam_tells_the_time_it_is_set_to_and_does_not_repeat_itself() {
        let [first, second] = [1, 1].map(|_| Seam::staged(Timestamp(1_700_000_000_000)));
        assert_ne!(first.random::<32>(), second.random::<32>());
        first.clone().wait_ms(5);
        assert_eq!(first.now(), Timestamp(1_700_000_000_005));
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let seam = Seam::simulated(7, Timestamp(1_700_000_000_000));
        let earlier = seam.uuid();
        seam.advance_ms(1);
        assert!(earlier < seam.uuid());
        assert_eq!(earlier.get_version_num(), 7);
    }

    #[test]
    fn the_real_seam_reads_a_clock_of_this_century_and_does_not_repeat_itself() {
        let seam = Seam::real();
        assert!(seam.now() > Timestamp(1_700_000_000_000));
        assert_ne!(seam.random::<32>(), seam.random::<32>());
    }
}
