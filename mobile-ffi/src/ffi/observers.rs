//! Telling screens that something has changed.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::SyncTotals;

/// What has happened. It is durable when an observer hears of it.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum PhoneEvent {
    /// Somebody has recorded something on this phone: draw this customer again, and the outbox.
    Recorded {
        /// Whose.
        customer: String,
    },
    /// A page of a running sync is in the store: lists may have changed.
    SyncProgress {
        /// What the sync has done so far.
        totals: SyncTotals,
    },
    /// A sync has ended, well or not: draw everything that shows more than one customer again.
    SyncEnded {
        /// What it did.
        totals: SyncTotals,
        /// Why it did not come to its end; none if it did.
        error_code: Option<String>,
    },
    /// An entry of the tray was dealt with.
    TrayChanged,
    /// Somebody has signed in on this phone.
    Enrolled,
    /// Flight mode was switched.
    FlightMode {
        /// Whether it is on.
        on: bool,
    },
}

/// An observer failed. Nobody is told: what it was told of has happened all the same.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Error, thiserror::Error)]
pub enum ObserverFailed {
    /// It threw what it may not throw.
    #[error("{reason}")]
    Unexpected {
        /// What.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for ObserverFailed {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Unexpected { reason: error.reason }
    }
}

/// A screen that wants to know.
#[uniffi::export(with_foreign)]
pub trait PhoneObserver: Send + Sync {
    /// Called after a commit, on the thread of the call that made it, with no lock held: it may call the phone, but a
    /// sync waits until it returns. Hand the event to the screen's own thread and return.
    ///
    /// # Errors
    /// What it throws is dropped.
    fn on_event(&self, event: PhoneEvent) -> Result<(), ObserverFailed>;
}

/// Somebody who listens to the server.
#[uniffi::export(with_foreign)]
pub trait PokeListener: Send + Sync {
    /// `news`: something may have changed at the server, sync now; otherwise only a sign of life, every half a minute or
    /// so. Gives whether to go on listening.
    ///
    /// # Errors
    /// What it throws ends the listening.
    fn on_heard(&self, news: bool) -> Result<bool, ObserverFailed>;
}

#[derive(Default)]
pub(super) struct Observers(Mutex<List>);

#[derive(Default)]
struct List {
    next: u64,
    observers: BTreeMap<u64, Arc<dyn PhoneObserver>>,
}

impl Observers {
    pub(super) fn add(self: &Arc<Self>, observer: Arc<dyn PhoneObserver>) -> Observing {
        let mut list = self.lock();
        let number = list.next;
        list.next += 1;
        list.observers.insert(number, observer);
        Observing {
            number,
            observers: Arc::downgrade(self),
        }
    }

    pub(super) fn tell(&self, event: &PhoneEvent) {
        let observers: Vec<_> = self.lock().observers.values().cloned().collect();
        for observer in observers {
            // An observer that fails is the screen's defect; the commit it was told of stands.
            let _ = catch_unwind(AssertUnwindSafe(|| observer.on_event(event.clone())));
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The observing itself: it ends when this is cancelled or dropped.
#[derive(uniffi::Object)]
pub struct Observing {
    number: u64,
    observers: Weak<Observers>,
}

#[uniffi::export]
impl Observing {
    /// Ends it. An event that is being told may still arrive. Twice is once.
    pub fn cancel(&self) {
        let observers = self.observers.upgrade();
        // Dropped outside the lock: the observer's own end may call anything.
        let _gone = observers.and_then(|observers| observers.lock().observers.remove(&self.number));
    }
}

impl Drop for Observing {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicU32);

    impl PhoneObserver for Counter {
        fn on_event(&self, _: PhoneEvent) -> Result<(), ObserverFailed> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    struct Clumsy;

    impl PhoneObserver for Clumsy {
        fn on_event(&self, _: PhoneEvent) -> Result<(), ObserverFailed> {
            std::panic::panic_any("clumsy")
        }
    }

    #[test]
    fn an_observer_hears_until_its_observing_is_dropped() {
        let observers = Arc::new(Observers::default());
        let counter = Arc::new(Counter::default());
        let observing = observers.add(counter.clone());
        observers.tell(&PhoneEvent::Enrolled);
        drop(observing);
        observers.tell(&PhoneEvent::Enrolled);
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
        assert_eq!(Arc::strong_count(&counter), 1);
    }

    #[test]
    fn a_clumsy_observer_keeps_nobody_else_from_hearing() {
        let observers = Arc::new(Observers::default());
        let counter = Arc::new(Counter::default());
        let _clumsy = observers.add(Arc::new(Clumsy));
        let _counting = observers.add(counter.clone());
        observers.tell(&PhoneEvent::Enrolled);
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    }
}
