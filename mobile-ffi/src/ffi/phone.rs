//! The phone's object: opening, signing in, syncing, observing.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
};

use super::{
    CustomerItem, Enrolled, Observing, PhoneError, PhoneEvent, PhoneObserver, PokeListener, Status, SyncResult,
    SyncTotals, error::guarded, observers::Observers, records,
};
use crate::{
    HttpTransport, Seam, Store, StoreKey,
    phone::{Heard, server_of},
};

pub(super) type Engine = crate::Phone<HttpTransport>;

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
    /// What the app knows this installation by, for every connection that is opened later.
    installation: Mutex<Option<Vec<u8>>>,
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
            let desk = Store::open_with_key(&folder, key.as_ref())?;
            let line = Store::open_with_key(&folder, key.as_ref())?;
            Ok(Arc::new(Self {
                folder,
                desk: Mutex::new(engine(desk)?),
                line: Mutex::new(engine(line)?),
                installation: Mutex::default(),
                observers: Arc::default(),
            }))
        })
    }

    /// Names this installation by bytes that no backup holds, such as an item of the system's key store that stays on this
    /// device. To be given at each start, before anything else: a phone put back from a backup, or copied, then
    /// takes a new identity before it records anything.
    ///
    /// # Errors
    /// `SyncInProgress` while a sync runs.
    pub fn bind_install(&self, installation: Vec<u8>) -> Result<(), PhoneError> {
        guarded(|| {
            self.take_line()?.bind_install(&installation);
            locked(&self.desk).bind_install(&installation);
            *locked(&self.installation) = Some(installation);
            Ok(())
        })
    }

    /// Signs a person in on this phone and makes it a device, with a key made here that never leaves it. Signing the
    /// same person in again keeps everything on the phone. Asks the server: not for the drawing thread.
    ///
    /// # Errors
    /// `Offline`; `Refused` with `wrong_credentials`, `too_many_attempts`, or `not_permitted` if the store is another
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
            if line.flight_mode()? {
                return Err(crate::PhoneError::FlightMode.into());
            }
            *line.transport_mut() = HttpTransport::new(&server);
            let enrolled = line.enroll(&server, &login, &password, &device_name)?;
            drop(line);
            self.observers.tell(&PhoneEvent::Enrolled);
            Ok(records::enrolled(&enrolled))
        })
    }

    /// Signs the person of this phone in again after it was out of its server's reach for too long (`locked`): everything
    /// is as it was. Asks the server: not for the drawing thread.
    ///
    /// # Errors
    /// `Offline`; `Refused` with `wrong_credentials` or `too_many_attempts`; `Locked` if the server does not work with
    /// this phone any more; `SyncInProgress` while a sync runs.
    pub fn unlock(&self, password: String) -> Result<Status, PhoneError> {
        guarded(|| {
            let status = self.take_line()?.unlock(&password)?;
            Ok(records::status(&status))
        })
    }

    /// Logs the person out: erases everything on this phone and tells the server, now or with a later sync. Gives how
    /// many unsent changes were given up. Asks the server: not for the drawing thread.
    ///
    /// # Errors
    /// `Refused` with `unsent_work` if there is any and it is not to be discarded: nothing has been done then;
    /// `SyncInProgress` while a sync runs; `Locked` if the phone was wiped already.
    pub fn log_out(&self, discard_unsent: bool) -> Result<u64, PhoneError> {
        guarded(|| {
            let done = self.take_line()?.log_out(discard_unsent)?;
            Ok(done["discarded"].as_u64().unwrap_or_default())
        })
    }

    /// Sends what is pending and gets what is new, until nothing is left; observers hear of each page. Asks the
    /// server: not for the drawing thread. What a sync that failed had done until then stays done. A phone whose person
    /// leaves only sends; when all is taken it is erased, which [`SyncResult::wiped`] says.
    ///
    /// # Errors
    /// `Offline`, `Busy`, `SignInRequired`, `Locked`, `UpdateRequired`, `SyncInProgress`, `StorageFull`, `Refused`.
    pub fn sync(&self) -> Result<SyncResult, PhoneError> {
        guarded(|| {
            let mut line = self.take_line()?;
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
            let found = self.another_line()?.search_online(&query)?;
            Ok(found.iter().map(records::customer_item).collect())
        })
    }

    /// Hears from the server that something this person may read has changed, until the listener says stop or the
    /// stream ends, which it does after some minutes: call it again then, in a loop that waits longer after each
    /// error. Asks the server and blocks for as long as it listens: give it a thread of its own.
    ///
    /// # Errors
    /// `Offline`, also when the stream breaks; `Busy`, `SignInRequired`, `Locked`.
    pub fn listen(&self, listener: Arc<dyn PokeListener>) -> Result<(), PhoneError> {
        guarded(|| {
            let mut line = self.another_line()?;
            // A listener that fails has nobody left to tell.
            line.listen(&mut |heard| listener.on_heard(heard != Heard::Silence).unwrap_or(false))?;
            Ok(())
        })
    }

    /// Turns the network off on this phone, or on again; a sync that runs ends before its next round trip. It stays as
    /// it was set, also over a restart.
    ///
    /// # Errors
    /// `StoreFailed`, `StorageFull`.
    pub fn set_flight_mode(&self, on: bool) -> Result<(), PhoneError> {
        self.at_desk(|desk| desk.set_flight_mode(on))?;
        self.tell(&PhoneEvent::FlightMode { on });
        Ok(())
    }

    /// Whether flight mode is on.
    ///
    /// # Errors
    /// `StoreFailed`.
    pub fn flight_mode(&self) -> Result<bool, PhoneError> {
        self.at_desk(crate::Phone::flight_mode)
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

    /// For what does not wait for a sync.
    fn another_line(&self) -> Result<Engine, PhoneError> {
        let mut line = engine(Store::open(&self.folder)?)?;
        if let Some(installation) = &*locked(&self.installation) {
            line.bind_install(installation);
        }
        Ok(line)
    }
}

fn engine(mut store: Store) -> Result<Engine, PhoneError> {
    let server = server_of(&mut store)?.unwrap_or_default();
    Ok(crate::Phone::new(store, HttpTransport::new(&server), Seam::real()))
}

fn check_key(key: EncryptionKey) -> Result<StoreKey, PhoneError> {
    let bytes = key.bytes.try_into();
    bytes
        .map(StoreKey::new)
        .map_err(|_| PhoneError::invalid(format!("a key has {} bytes", StoreKey::BYTES)))
}

// A call that panicked has rolled its transaction back; what it held is whole.
fn locked<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
