//! Identifiers, parsed once at the edge and trusted inside.
//!
//! Every id is a UUID except [`ActorId`], [`ChangeHash`] and the name of an intent's device.
//! Ids of documents of which a customer has one are derived ([`DocumentId::derived`]); ids of the
//! others are made by the device that creates them ([`DocumentId::made_by`]), clustered by device so
//! that one push meets one index page.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::document::Kind;

/// Text that is not an id of the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}")]
pub struct InvalidId {
    /// Name of the id type that was expected.
    pub what: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id as 16 bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id from 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text)
                    .map(Self)
                    .map_err(|_| InvalidId { what: stringify!($name) })
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

uuid_id!(
    /// An organisation: nothing crosses its border.
    OrgId
);
uuid_id!(
    /// A person with a login.
    UserId
);
uuid_id!(
    /// A team in the hierarchy of teams.
    TeamId
);
uuid_id!(
    /// A customer pool (公海).
    PoolId
);
uuid_id!(
    /// A customer, the unit of ownership.
    CustomerId
);
uuid_id!(
    /// A document, the unit of visibility and of merging.
    DocumentId
);
uuid_id!(
    /// An enrolled device.
    DeviceId
);
uuid_id!(
    /// An intent, made by the device that asks.
    IntentId
);
uuid_id!(
    /// Somebody standing in for another for a while.
    CoverId
);
uuid_id!(
    /// A handover of all that somebody had.
    HandoverId
);
uuid_id!(
    /// A log: a new one begins after a restore.
    LogId
);

impl DocumentId {
    /// The id of a document of which each customer has exactly one (`card`, `dossier`, `internal`):
    /// UUIDv5 over organisation, customer, kind and generation, so that two devices that create it at once
    /// create the same document.
    #[must_use]
    pub fn derived(org: OrgId, customer: CustomerId, kind: Kind, generation: u32) -> Self {
        let mut name = Vec::with_capacity(48);
        name.extend_from_slice(customer.as_bytes());
        name.extend_from_slice(kind.name().as_bytes());
        name.extend_from_slice(&generation.to_be_bytes());
        Self(Uuid::new_v5(&org.0, &name))
    }

    /// The id of a document made by one creator: the first 8 bytes of his actor, then his counter,
    /// as UUIDv8. The same actor and counter give the same id.
    #[must_use]
    pub fn made_by(actor: ActorId, counter: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&actor.0[..8]);
        bytes[8..].copy_from_slice(&counter.to_be_bytes());
        // The version and variant fields of UUIDv8 take 6 bits, all of them in the actor's and the
        // counter's high ends; a counter below 2^62 is never touched.
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The id from a slice of exactly its length.
            ///
            /// # Errors
            /// [`InvalidId`] for any other length.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidId> {
                <[u8; $len]>::try_from(bytes)
                    .map(Self)
                    .map_err(|_| InvalidId { what: stringify!($name) })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let bytes = hex::decode(text).map_err(|_| InvalidId { what: stringify!($name) })?;
                Self::from_slice(&bytes)
            }
        }
    };
}

byte_id!(
    /// One incarnation of a device (or of the hub, or of a web user) as an author of Automerge operations.
    ActorId,
    16
);
byte_id!(
    /// SHA-256 hash that names an Automerge change.
    ChangeHash,
    32
);
