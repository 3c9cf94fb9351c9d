//! What a person records. Each call is durable when it returns.

use std::{fs, io::Read, path::Path};

use sha2::{Digest, Sha256};
use sync_core::{
    document::{Edit, Kind, Value, edits_from_words},
    ids::{CustomerId, DocumentId, IntentId, PoolId},
    protocol::message::IntentAction,
    replica::{Recorded, Target},
};

use super::Phone;
use crate::{PhoneError, Transport, seam::steps};

/// Bytes of a photo that is taken: what cameras of phones make, with room.
const PHOTO_BYTES_MAX: u64 = 30 * 1024 * 1024;

/// Where a person was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// Radius of uncertainty in metres.
    pub accuracy_m: Option<f64>,
}

/// A photo copied into the store, to be named by a document and uploaded later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// SHA-256 of its bytes.
    pub hash: [u8; 32],
    /// Its size.
    pub bytes: u64,
}

impl Place {
    /// The edits that record it in a visit.
    #[must_use]
    pub fn edits(self) -> Vec<Edit> {
        let number = |key: &str, value| set(key, Value::F64(value));
        let mut edits = vec![number("lat", self.lat), number("lon", self.lon)];
        edits.extend(self.accuracy_m.map(|accuracy| number("accuracy_m", accuracy)));
        edits
    }
}

/// Writes a field.
#[must_use]
pub fn set(key: &str, value: Value) -> Edit {
    Edit::Set {
        key: key.to_owned(),
        value,
    }
}

impl<T: Transport> Phone<T> {
    /// Records one change of one document.
    ///
    /// # Errors
    /// `not_permitted`, `not_found`, `locked`, or what does not fit the schema.
    pub fn record(&mut self, target: Target, edits: &[Edit]) -> Result<Recorded, PhoneError> {
        let recorded = self.record_all(&[(target, edits.to_vec())])?;
        recorded
            .first()
            .copied()
            .ok_or_else(|| PhoneError::refused("invalid_request", "nothing was said to record"))
    }

    /// Records changes of several documents as one step: all of them or none.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn record_all(&mut self, targets: &[(Target, Vec<Edit>)]) -> Result<Vec<Recorded>, PhoneError> {
        self.check_unlocked()?;
        let (now, seam) = (self.seam.now(), self.seam.clone());
        self.engine(|replica| {
            let mut recorded = Vec::with_capacity(targets.len());
            for (target, edits) in targets {
                recorded.push(replica.record(*target, edits, now)?);
            }
            Self::survive(&seam, steps::EDIT_RECORDED)?;
            Ok(recorded)
        })
    }

    /// A new document of a customer.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn add(&mut self, customer: CustomerId, kind: Kind, edits: &[Edit]) -> Result<DocumentId, PhoneError> {
        Ok(self.record(Target::New(customer, kind), edits)?.document)
    }

    /// Edits a document that is here.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn edit(&mut self, document: DocumentId, edits: &[Edit]) -> Result<Recorded, PhoneError> {
        self.record(Target::Document(document), edits)
    }

    /// Edits a document by words such as `note=…`; also settles a conflict by choosing a value.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn edit_words(&mut self, document: DocumentId, words: &[String]) -> Result<Recorded, PhoneError> {
        self.check_unlocked()?;
        let row = self.look(|replica| Ok(replica.find_document(document)?))?;
        let kind = Kind::from_number(row.kind)
            .ok_or_else(|| PhoneError::refused("upgrade_required", "this document needs a newer version of the app"))?;
        let edits = read_words(kind, words)?;
        self.edit(document, &edits)
    }

    /// A new customer from words such as `name=…`, one's own or for a pool.
    ///
    /// # Errors
    /// As [`Self::record`]; `schema` without a name.
    pub fn create_customer(&mut self, words: &[String], pool: Option<PoolId>) -> Result<CustomerId, PhoneError> {
        self.check_unlocked()?;
        let (now, seam) = (self.seam.now(), self.seam.clone());
        let customer = CustomerId(self.seam.uuid());
        let intent = IntentId(self.seam.uuid());
        let (card, others) = split_words(customer, words)?;
        let named = card.iter().any(
            |edit| matches!(edit, Edit::Set { key, value: Value::Str(name) } if key == "name" && !name.is_empty()),
        );
        if !named {
            return Err(PhoneError::refused("schema", "a customer needs a name: name=…"));
        }
        self.engine(|replica| {
            replica.create_customer(customer, intent, pool, &card, now)?;
            for (target, edits) in &others {
                replica.record(*target, edits, now)?;
            }
            Self::survive(&seam, steps::EDIT_RECORDED)?;
            Ok(customer)
        })
    }

    /// Edits a customer's card, or his dossier or internal document where the words name their fields.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn edit_customer(&mut self, customer: CustomerId, words: &[String]) -> Result<Vec<Recorded>, PhoneError> {
        let (card, mut targets) = split_words(customer, words)?;
        if !card.is_empty() {
            targets.insert(0, (Target::Single(customer, Kind::Card), card));
        }
        self.record_all(&targets)
    }

    /// Asks for something only the server decides; provisional until it has.
    ///
    /// # Errors
    /// `not_permitted`, `not_found`, `locked`.
    pub fn intend(&mut self, customer: CustomerId, action: IntentAction) -> Result<IntentId, PhoneError> {
        self.check_unlocked()?;
        let (now, seam) = (self.seam.now(), self.seam.clone());
        let id = IntentId(self.seam.uuid());
        self.engine(|replica| {
            let id = replica.intend(id, customer, action, now)?;
            Self::survive(&seam, steps::EDIT_RECORDED)?;
            Ok(id)
        })
    }

    /// Copies a photo into the store's folder. The document that names it comes afterwards.
    ///
    /// # Errors
    /// `photo_unreadable`, `photo_too_large`, or that the store has no folder.
    pub fn keep_photo(&mut self, file: &Path) -> Result<Photo, PhoneError> {
        self.check_unlocked()?;
        let unreadable = |error: std::io::Error| {
            PhoneError::refused(
                "photo_unreadable",
                format!("{} cannot be read: {error}", file.display()),
            )
        };
        let mut bytes = Vec::new();
        fs::File::open(file)
            .and_then(|source| source.take(PHOTO_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        if bytes.len() as u64 > PHOTO_BYTES_MAX {
            return Err(PhoneError::refused("photo_too_large", "a photo has at most 30 MB"));
        }
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        if let Some(folder) = self.store.folder() {
            let photos = folder.join("photos");
            let kept = photos.join(hex::encode(hash));
            let part = photos.join(format!("{}.part", hex::encode(hash)));
            fs::create_dir_all(&photos)
                .and_then(|()| fs::write(&part, &bytes))
                .and_then(|()| fs::File::open(&part)?.sync_all())
                .and_then(|()| fs::rename(&part, &kept))
                .map_err(unreadable)?;
        }
        Ok(Photo {
            hash,
            bytes: bytes.len() as u64,
        })
    }

    /// A new document that names photos kept before.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn add_with_photos(
        &mut self,
        customer: CustomerId,
        kind: Kind,
        edits: &[Edit],
        photos: &[Photo],
    ) -> Result<DocumentId, PhoneError> {
        let mut edits = edits.to_vec();
        edits.extend(photos.iter().map(|photo| Edit::SetEntry {
            map: "photos".to_owned(),
            entry: hex::encode(photo.hash),
            value: Value::Bool(true),
        }));
        let (now, seam) = (self.seam.now(), self.seam.clone());
        self.store.write(|tx| {
            let recorded = sync_core::replica::Replica::open(tx)?.record(Target::New(customer, kind), &edits, now)?;
            for photo in photos {
                tx.put_attachment(recorded.document, photo.hash, photo.bytes, now)?;
            }
            Self::survive(&seam, steps::EDIT_RECORDED)?;
            Ok(recorded.document)
        })
    }

    pub(super) fn remove_photos(&self, hashes: &[[u8; 32]]) {
        let Some(folder) = self.store.folder() else { return };
        for hash in hashes {
            // One that is gone already is what was wanted.
            let _ = fs::remove_file(folder.join("photos").join(hex::encode(hash)));
        }
    }
}

fn read_words(kind: Kind, words: &[String]) -> Result<Vec<Edit>, PhoneError> {
    edits_from_words(kind, words).map_err(|error| PhoneError::refused(error.code(), error.to_string()))
}

type Targets = Vec<(Target, Vec<Edit>)>;

/// Sorts the words of a customer by the document they belong to: the card's, then the dossier's; what is meant for
/// the internal document says so (`internal.notes=…`).
fn split_words(customer: CustomerId, words: &[String]) -> Result<(Vec<Edit>, Targets), PhoneError> {
    let mut card = Vec::new();
    let mut dossier = Vec::new();
    let mut internal = Vec::new();
    for word in words {
        let key = word
            .split(['=', '+', '.'])
            .next()
            .unwrap_or_default()
            .trim_end_matches('-');
        if let Some(rest) = word.strip_prefix("internal.") {
            internal.push(rest.to_owned());
        } else if let Some(rest) = word.strip_prefix("dossier.") {
            dossier.push(rest.to_owned());
        } else if let Some(rest) = word.strip_prefix("card.") {
            card.push(rest.to_owned());
        } else if Kind::Card.field(key).is_none() && Kind::Dossier.field(key).is_some() {
            dossier.push(word.clone());
        } else {
            card.push(word.clone());
        }
    }
    let mut others = Vec::new();
    for (kind, words) in [(Kind::Dossier, dossier), (Kind::Internal, internal)] {
        if !words.is_empty() {
            others.push((Target::Single(customer, kind), read_words(kind, &words)?));
        }
    }
    Ok((read_words(Kind::Card, &card)?, others))
}
