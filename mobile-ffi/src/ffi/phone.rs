//! The phone's object: opening, signing in, syncing, observing.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
};

use super::{
    CustomerItem, Enrolled, Observing, PhoneError, PhoneEvent, PhoneObserver, SyncResult, SyncTotals,
    error::guarded,
    line::{FlightMode, Line},
    observers::Observers,
    records,
};
use crate::{Seam, Store, StoreKey, phone::server_of};

pub(super) type Engine = crate::Phone<Line>;

/// The key of an encrypted store.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct EncryptionKey {
    /// 32 random bytes, kept in the system's key store; not a password.
    pub bytes: Vec<u8>,
}

/// One phone: one folder, one person. Share it between threads; two objects of one folder work as well, also in two
/// processes.
#[derive(uniffi::Object)]
pub struct Phone {
    folder: PathBuf,
    /// What screens read and record: a connection of its own, so that a sync does not stand in their way.
    desk: Mutex<Engine>,
    /// What asks the server, one call at a time.
    line: Mutex<Engine>,
    flight_mode: FlightMode,
    observers: Arc<Observers>,
}

#[uniffi::export]
impl Phone {
    /// Opens the store in a folder, making both if they are missing.
    ///
    /// # Errors
    /// `EncryptionUnavailable` for any key in this version; nothing has been made then. `StoreFailed`,
    /// `UpdateRequired` if a newer app wrote it, `StorageFull`.
    #[uniffi::constructor(default(key = None))]
    pub fn open(folder: String, key: Option<EncryptionKey>) -> Result<Arc<Self>, PhoneError> {
        guarded(|| {
            let key = key.map(check_key).transpose()?;
            let folder = PathBuf::from(folder);
            let flight_mode = FlightMode::default();
            let desk = Store::open_with_key(&folder, key.as_ref())?;
            let line = Store::open_with_key(&folder, key.as_ref())?;
            Ok(Arc::new(Self {
                folder,
                desk: Mutex::new(engine(desk, &flight_mode)?),
                line: Mutex::new(engine(line, &flight_mode)?),
                flight_mode,
                observers: Arc::default(),
            }))
        })
    }

    /// Signs a person in on this phone and makes it a device, with a key made here that never leaves it. Signing the
    /// same person in again keeps everything on the phone. Asks the server: not for the drawing thread.
    ///
    /// # Errors
    /// `Offline`; `Refused` with `invalid_credentials`, `too_many_attempts`, or `not_permitted` if the store is another
    /// person's; `SyncInProgress` while a sync runs.
    pub fn enroll(
        &self,
        server: String,
        login: String,
        password: String,
        device_name: String,
    ) -> Result<Enrolled, PhoneError> {
        guarded(|| {
            let is_url = ["http://", "https://"].iter().any(|scheme| server.starts_with(scheme));
            if !is_url {
                return Err(PhoneError::invalid(
                    "write the server's whole URL, such as https://pool.example.com",
                ));
            }
            let mut line = self.take_line()?;
            self.check_flight_mode()?;
            *line.transport_mut() = Line::new(&server, self.flight_mode.clone());
            let enrolled = line.enroll(&server, &login, &password, &device_name)?;
            drop(line);
            self.observers.tell(&PhoneEvent::Enrolled);
            Ok(records::enrolled(&enrolled))
        })
    }

    /// Sends what is pending and gets what is new, until nothing is left; observers hear of each page. Asks the
    /// server: not for the drawing thread. What a sync that failed had done until then stays done.
    ///
    /// # Errors
    /// `Offline`, `Busy`, `SignInRequired`, `Locked`, `UpdateRequired`, `SyncInProgress`, `StorageFull`, `Refused`.
    pub fn sync(&self) -> Result<SyncResult, PhoneError> {
        guarded(|| {
            let mut line = self.take_line()?;
            self.check_flight_mode()?;
            let result = line.sync_with(&mut |report| {
                let totals = SyncTotals::of(report);
                self.observers.tell(&PhoneEvent::SyncProgress { totals });
            });
            drop(line);
            match result {
                Ok(report) => {
                    let totals = SyncTotals::of(&report);
                    self.observers.tell(&PhoneEvent::SyncEnded {
                        totals,
                        error_code: None,
                    });
                    Ok(SyncResult::of(&report))
                }
                Err(failure) => {
                    let totals = SyncTotals::of(&failure.report);
                    let error = PhoneError::from(failure.error);
                    let error_code = Some(error.code().to_owned());
                    self.observers.tell(&PhoneEvent::SyncEnded { totals, error_code });
                    Err(error)
                }
            }
        })
    }

    /// Searches at the server, beyond what this phone holds. Asks the server: not for the drawing thread.
    ///
    /// # Errors
    /// `Offline`, `Busy`, `SignInRequired`, `Locked`; `Refused` with `search_unavailable`.
    pub fn search_online(&self, query: String) -> Result<Vec<CustomerItem>, PhoneError> {
        guarded(|| {
            self.check_flight_mode()?;
            // A line of its own: a search does not wait for a sync.
            let mut engine = engine(Store::open(&self.folder)?, &self.flight_mode)?;
            let found = engine.search_online(&query)?;
            Ok(found.iter().map(records::customer_item).collect())
        })
    }

    /// Cuts this object's way to the server, or opens it again; a sync that runs ends at its next request. Lasts as
    /// long as the object.
    pub fn set_flight_mode(&self, on: bool) {
        self.flight_mode.set(on);
        self.observers.tell(&PhoneEvent::FlightMode { on });
    }

    /// Whether flight mode is on.
    pub fn flight_mode(&self) -> bool {
        self.flight_mode.is_on()
    }

    /// Has an observer told of what happens through this object, until what this returns is cancelled or dropped: keep
    /// it. Changes that another process makes to the same folder are not told.
    pub fn observe(&self, observer: Arc<dyn PhoneObserver>) -> Arc<Observing> {
        Arc::new(self.observers.add(observer))
    }

    /// Whether the file on this phone is encrypted. Not in this version.
    ///
    /// # Errors
    /// None in this version.
    pub fn is_encrypted(&self) -> Result<bool, PhoneError> {
        self.at_desk(|desk| Ok(desk.store_mut().is_encrypted()))
    }
}

impl Phone {
    /// One call of a screen on the local store.
    pub(super) fn at_desk<T>(
        &self,
        call: impl FnOnce(&mut Engine) -> Result<T, crate::PhoneError>,
    ) -> Result<T, PhoneError> {
        guarded(|| Ok(call(&mut locked(&self.desk))?))
    }

    /// One call that records something of a customer, told to observers once it is durable.
    pub(super) fn recording<T>(
        &self,
        call: impl FnOnce(&mut Engine) -> Result<(T, String), crate::PhoneError>,
    ) -> Result<T, PhoneError> {
        let (made, customer) = self.at_desk(call)?;
        self.tell(&PhoneEvent::Recorded { customer });
        Ok(made)
    }

    pub(super) fn tell(&self, event: &PhoneEvent) {
        self.observers.tell(event);
    }

    /// Taken or not, never waited for: an observer that syncs inside a sync must not wait for itself.
    fn take_line(&self) -> Result<MutexGuard<'_, Engine>, PhoneError> {
        match self.line.try_lock() {
            Ok(line) => Ok(line),
            Err(TryLockError::Poisoned(line)) => Ok(line.into_inner()),
            Err(TryLockError::WouldBlock) => Err(crate::PhoneError::SyncInProgress.into()),
        }
    }

    fn check_flight_mode(&self) -> Result<(), PhoneError> {
        if self.flight_mode.is_on() {
            return Err(crate::PhoneError::Offline("flight mode is on".to_owned()).into());
        }
        Ok(())
    }
}

fn engine(mut store: Store, flight_mode: &FlightMode) -> Result<Engine, PhoneError> {
    let server = server_of(&mut store)?.unwrap_or_default();
    let line = Line::new(&server, flight_mode.clone());
    Ok(crate::Phone::new(store, line, Seam::real()))
}

fn check_key(key: EncryptionKey) -> Result<StoreKey, PhoneError> {
    let bytes = key.bytes.try_into();
    bytes
        .map(StoreKey::new)
        .map_err(|_| PhoneError::invalid(format!("a key has {} bytes", StoreKey::BYTES)))
}

// A call that panicked has rolled its transaction back; what it held is whole.
fn locked(engine: &Mutex<Engine>) -> MutexGuard<'_, Engine> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}
