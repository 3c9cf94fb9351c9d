//! The phone: everything a person does on it, and its syncs.

mod edits;
mod install;
mod leave;
mod live;
mod online;
mod shapes;
mod sync;

use serde_json::Value;
use sync_core::replica::{DeviceState, Replica, Store as _};

use crate::{
    PhoneError, Seam, Store, Transport,
    directory::Directory,
    store::{StoreError, StoreTx},
};

pub use edits::{Photo, Place, set};
pub use live::Heard;
pub use sync::{SyncFailure, SyncReport};

/// Keys of what is kept beside the engine's state.
mod meta {
    /// The server's address.
    pub(super) const SERVER: &str = "server";
    /// The private half of the device's key pair.
    pub(super) const KEY: &str = crate::store::DEVICE_KEY;
    /// The access token, until it ends.
    pub(super) const TOKEN: &str = "token";
    /// Who has signed in, as `{"id","login","name"}`.
    pub(super) const ME: &str = "me";
    /// In which file the store was used last.
    pub(super) const INSTALL_FILE: &str = "install_file";
    /// In which installation of the app, as the app named it.
    pub(super) const INSTALL_APP: &str = "install_app";
    /// There while the store is a copy whose person has not signed in on it.
    pub(super) const COPIED: &str = "copied";
    /// There while flight mode is on.
    pub(super) const FLIGHT_MODE: &str = "flight_mode";
    /// The server's directory, written by the engine.
    pub(super) const DIRECTORY: &str = "directory";
}

/// A phone: its store, its way to the server, its clock.
#[derive(Debug)]
pub struct Phone<T> {
    store: Store,
    transport: T,
    seam: Seam,
    token: Option<online::Token>,
    patience: u32,
    /// What the host knows this installation by.
    installation: Option<Vec<u8>>,
    install_checked: bool,
}

impl<T: Transport> Phone<T> {
    /// A phone over an open store.
    pub fn new(store: Store, transport: T, seam: Seam) -> Self {
        Self {
            store,
            transport,
            seam,
            token: None,
            patience: online::ATTEMPTS_MAX,
            installation: None,
            install_checked: false,
        }
    }

    /// How often a request is sent before a sync gives up; simulations count their own attempts.
    pub fn set_patience(&mut self, attempts: u32) {
        self.patience = attempts.max(1);
    }

    /// The way to the server.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// The way to the server, to be changed under the phone's feet.
    pub fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// The phone's clock and randomness.
    pub fn seam(&self) -> &Seam {
        &self.seam
    }

    /// The store, for what screens list.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Gives the store back, as a killed process leaves it to the next.
    #[must_use]
    pub fn into_store(self) -> Store {
        self.store
    }

    /// What the device knows of itself; none before enrolment.
    ///
    /// # Errors
    /// `device_wiped`, the store's.
    pub fn state(&mut self) -> Result<Option<DeviceState>, PhoneError> {
        self.store.read(|tx| Ok(tx.state()?))
    }

    /// Whether somebody has turned the network off on this phone.
    ///
    /// # Errors
    /// The store's.
    pub fn flight_mode(&mut self) -> Result<bool, PhoneError> {
        if self.store.tombstone()?.is_some() {
            return Ok(false);
        }
        self.store.read(|tx| Ok(tx.meta(meta::FLIGHT_MODE)?.is_some()))
    }

    /// Turns the network off on this phone, or on again. It stays as it was set until it is set again; a sync that is
    /// running stops before its next round trip.
    ///
    /// # Errors
    /// The store's.
    pub fn set_flight_mode(&mut self, on: bool) -> Result<(), PhoneError> {
        self.store.write(|tx| {
            let set = if on {
                tx.put_meta(meta::FLIGHT_MODE, &[1])
            } else {
                tx.delete_meta(meta::FLIGHT_MODE)
            };
            Ok(set?)
        })
    }

    /// What the organisation calls things, as the server sent it last: stages, pipeline, tiers, pools, people, its time
    /// zone. Null before the first sync.
    ///
    /// # Errors
    /// The store's.
    pub fn organisation(&mut self) -> Result<Value, PhoneError> {
        Ok(self.directory()?.json().clone())
    }

    fn check_flight_mode(&mut self) -> Result<(), PhoneError> {
        if self.flight_mode()? {
            return Err(PhoneError::FlightMode);
        }
        Ok(())
    }

    /// Runs a step of the engine as one transaction.
    fn engine<R>(
        &mut self,
        step: impl FnOnce(&mut Replica<'_, StoreTx<'_>>) -> Result<R, PhoneError>,
    ) -> Result<R, PhoneError> {
        self.check_install()?;
        self.store.write(|tx| step(&mut Replica::open(tx)?))
    }

    /// Reads through the engine.
    fn look<R>(
        &mut self,
        step: impl FnOnce(&mut Replica<'_, StoreTx<'_>>) -> Result<R, PhoneError>,
    ) -> Result<R, PhoneError> {
        self.store.read(|tx| step(&mut Replica::open(tx)?))
    }

    fn directory(&mut self) -> Result<Directory, PhoneError> {
        self.store.read(|tx| Ok(read_directory(tx)?))
    }

    /// Whether a simulated phone is killed at this step.
    fn survive(seam: &Seam, step: &str) -> Result<(), PhoneError> {
        if seam.crashes(step) {
            Err(PhoneError::Killed)
        } else {
            Ok(())
        }
    }
}

/// The address of the server a store is enrolled at; none before.
///
/// # Errors
/// The store's.
pub fn server_of(store: &mut Store) -> Result<Option<String>, StoreError> {
    if let Some(tombstone) = store.tombstone()? {
        return Ok(Some(tombstone.server.clone()));
    }
    let bytes = store.read(|tx| tx.meta(meta::SERVER))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn read_directory(tx: &mut StoreTx<'_>) -> Result<Directory, StoreError> {
    let mut directory = Directory::read(tx.meta(meta::DIRECTORY)?.as_deref());
    let me: Option<Value> = tx.meta(meta::ME)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(me) = me {
        directory.add(&me);
    }
    Ok(directory)
}
