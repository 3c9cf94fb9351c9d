//! Phones that are copied, put back from backups, killed: no name of a change is ever given to two.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use mobile_ffi::{Phone, Seam, Store};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sync_core::{
    document::{ChangeId, Kind},
    ids::DocumentId,
    protocol::{
        message::{SyncRequest, Verdict},
        oplist,
    },
};

use super::{double::*, verdicts::rejected};

/// Stores that exist at the same time.
const STORES_MAX: usize = 4;

struct World {
    folder: tempfile::TempDir,
    generator: StdRng,
    phones: Vec<(PathBuf, Phone<Double>, Double)>,
    backup: Option<PathBuf>,
    customer: sync_core::ids::CustomerId,
    made: u32,
    /// What was ever sent under each name.
    said: BTreeMap<(DocumentId, ChangeId), Vec<u8>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0");
        let (mut phone, wire) = phone_in(&path, seed);
        let customer = phone_with_customer(&mut phone, &wire, 90);
        Self {
            folder,
            generator: StdRng::seed_from_u64(seed),
            phones: vec![(path, phone, wire)],
            backup: None,
            customer,
            made: 0,
            said: BTreeMap::new(),
        }
    }

    fn open(&mut self, path: PathBuf) {
        let wire = Double::default();
        let seam = Seam::simulated(self.generator.random(), START);
        let mut phone = Phone::new(Store::open(&path).unwrap(), wire.clone(), seam);
        phone.set_patience(1);
        self.phones.push((path, phone, wire));
    }

    fn new_path(&mut self) -> PathBuf {
        self.made += 1;
        self.folder.path().join(self.made.to_string())
    }

    fn step(&mut self) {
        let which = self.generator.random_range(0..self.phones.len());
        match self.generator.random_range(0..12) {
            0..5 => self.write(which),
            5..8 => self.sync(which),
            8 => {
                let (path, phone, _) = self.phones.remove(which);
                drop(phone);
                self.open(path);
            }
            9 if self.phones.len() < STORES_MAX => {
                let to = self.new_path();
                self.copied(which, &to);
                self.open(to);
            }
            10 => {
                let to = self.new_path();
                self.copied(which, &to);
                self.backup = Some(to);
            }
            11 => self.put_back(which),
            _ => {}
        }
    }

    fn write(&mut self, which: usize) {
        let number: u32 = self.generator.random();
        let (_, phone, _) = &mut self.phones[which];
        let card = DocumentId::derived(ORG, self.customer, Kind::Card, 0);
        if number.is_multiple_of(2) {
            phone
                .edit(card, &words(Kind::Card, &[&format!("region=r{number}")]))
                .unwrap();
        } else {
            let note = words(Kind::Visit, &[&format!("note=n{number}")]);
            phone.add(self.customer, Kind::Visit, &note).unwrap();
        }
    }

    fn sync(&mut self, which: usize) {
        let refuses = self.generator.random_range(0..4) == 0;
        let (_, phone, wire) = &mut self.phones[which];
        if refuses {
            wire.then(refuse_first);
        }
        if let Err(failure) = phone.sync() {
            assert_eq!(failure.error.code(), "sign_in_required");
            phone.enroll("http://double", "li", "secret", "copy").unwrap();
            phone.sync().unwrap();
        }
        for request in wire.requests() {
            note(&mut self.said, &request);
        }
    }

    fn copied(&mut self, which: usize, to: &Path) {
        let (path, phone, _) = self.phones.remove(which);
        drop(phone);
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        self.open(path);
    }

    /// The phone is as it was when the backup was made.
    fn put_back(&mut self, which: usize) {
        let Some(backup) = self.backup.take() else { return };
        let (path, phone, _) = self.phones.remove(which);
        drop(phone);
        std::fs::remove_dir_all(&path).unwrap();
        let to = self.new_path();
        std::fs::create_dir(&to).unwrap();
        for entry in std::fs::read_dir(&backup).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        self.open(to);
    }
}

/// The first change is refused, and with it what was made on it.
fn refuse_first(message: &SyncRequest) -> Answer {
    let of_first = message.documents.first().map_or(0, |pushed| pushed.changes.len());
    let mut answer = page().accepting(message);
    for index in 0..u32::try_from(of_first).unwrap() {
        let verdict = if index == 0 {
            rejected("schema")
        } else {
            Verdict::Superseded
        };
        answer = answer.verdict(index, verdict);
    }
    Ok(Some(answer))
}

fn note(said: &mut BTreeMap<(DocumentId, ChangeId), Vec<u8>>, request: &SyncRequest) {
    for pushed in &request.documents {
        let kind = Kind::from_number(pushed.kind).unwrap();
        let customer = request.customers[pushed.customer as usize];
        let document = sync_core::protocol::message::document_id(ORG, pushed.document, customer, kind).unwrap();
        for body in &pushed.changes {
            let name = (document, oplist::decode(body, kind).unwrap().id());
            let before = said.entry(name).or_insert_with(|| body.to_vec());
            assert_eq!(before, &body.to_vec(), "{name:?} was given to two changes");
        }
    }
}

#[test]
fn t046_whatever_is_copied_put_back_or_killed_no_two_changes_have_one_name() {
    for seed in 0..6 {
        let mut world = World::new(seed);
        for _ in 0..40 {
            world.step();
        }
        for which in 0..world.phones.len() {
            world.sync(which);
        }
        assert!(world.said.len() > 5, "seed {seed} exercises something");
    }
}
