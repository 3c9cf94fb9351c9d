//! A server that comes back from a backup, and phones that still have what it lost.

use std::process::Command;

use mobile_ffi::Phone;
use serde_json::json;
use sync_core::document::Kind;

use super::{
    company::{BINARY, Company, Wire},
    faults::words,
};

/// Phones of each of the three who sell.
const PHONES: [(&str, usize); 3] = [("li", 17), ("han", 17), ("zhou", 16)];

struct Fleet {
    phones: Vec<(&'static str, Phone<Wire>)>,
}

impl Fleet {
    fn enrol(company: &Company) -> Self {
        let people = PHONES
            .iter()
            .flat_map(|(login, count)| std::iter::repeat_n(*login, *count));
        let phones = people.enumerate().map(|(index, login)| {
            let phone = company.phone(&format!("phone-{index}"), login, 100 + index as u64);
            (login, phone)
        });
        Self {
            phones: phones.collect(),
        }
    }

    fn of(&mut self, login: &str) -> impl Iterator<Item = &mut Phone<Wire>> {
        let login = login.to_owned();
        self.phones
            .iter_mut()
            .filter(move |(whose, _)| *whose == login)
            .map(|(_, phone)| phone)
    }

    fn first(&mut self, login: &str) -> &mut Phone<Wire> {
        self.of(login).next().unwrap()
    }

    fn sync(&mut self) {
        for (login, phone) in &mut self.phones {
            phone.sync().unwrap_or_else(|failure| panic!("{login}: {failure}"));
        }
    }
}

fn note(text: &str) -> Vec<sync_core::document::Edit> {
    words(Kind::Visit, &[&format!("note={text}")])
}

#[test]
fn t042_t043_a_server_from_an_older_backup_gets_everything_back_that_any_of_fifty_phones_holds() {
    let mut company = Company::open();
    let mut fleet = Fleet::enrol(&company);
    let own = |fleet: &mut Fleet, login: &str, name: &str| {
        let phone = fleet.first(login);
        let customer = phone.create_customer(&[format!("name={name}")], None).unwrap();
        phone.sync().unwrap();
        customer
    };
    let acme = own(&mut fleet, "li", "Acme");
    let moved = own(&mut fleet, "zhou", "Moved");
    let south = own(&mut fleet, "zhou", "South");
    fleet.sync();
    company.backup();

    // What the backup does not have: a visit of each phone, an edit in the browser, a customer that changes hands.
    for (index, (login, phone)) in fleet.phones.iter_mut().enumerate() {
        let customer = if *login == "zhou" { south } else { acme };
        if *login != "han" {
            phone
                .add(customer, Kind::Visit, &note(&format!("visit {index}")))
                .unwrap();
        }
        phone.sync().unwrap();
    }
    let han = company.devices_of("han")[0]["user"]["id"].clone();
    let assignment = json!({"owner": han, "pool": null, "reason": "test"});
    let path = format!("/customers/{moved}/assignment");
    assert!(company.api("bo", "PUT", &path, Some(&assignment)).0 < 300);
    let card = fleet.first("li").customer(acme).unwrap()["card"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let region = json!({"fields": {"region": "web"}});
    assert!(
        company
            .api("bo", "PATCH", &format!("/documents/{card}"), Some(&region))
            .0
            < 300
    );
    fleet.sync();
    let promise = fleet
        .first("han")
        .add(moved, Kind::Visit, &note("by the new owner"))
        .unwrap();
    fleet.sync();
    fleet.sync();
    assert!(
        fleet.first("zhou").customer(moved).is_err(),
        "it has gone to somebody else"
    );
    // One phone is lost for ever; what it wrote others hold. Another has work that nobody has seen.
    let (_, drowned) = fleet.phones.remove(0);
    let lost = drowned.into_store();
    drop(lost);
    fleet.first("li").add(acme, Kind::Visit, &note("unsent")).unwrap();

    company.restore();
    for _ in 0..3 {
        fleet.sync();
    }
    let notes = |company: &Company, customer: &str| -> Vec<String> {
        let (_, shown) = company.api("bo", "GET", &format!("/customers/{customer}"), None);
        let visits = shown["visits"].as_array().unwrap().iter();
        let mut notes: Vec<String> = visits
            .map(|visit| visit["fields"]["note"].as_str().unwrap().to_owned())
            .collect();
        notes.sort();
        notes
    };
    let mut expected: Vec<String> = (0..17).map(|index| format!("visit {index}")).collect();
    expected.push("unsent".to_owned());
    expected.sort();
    assert_eq!(notes(&company, &acme.to_string()), expected);
    let mut expected: Vec<String> = (34..50).map(|index| format!("visit {index}")).collect();
    expected.sort();
    assert_eq!(notes(&company, &south.to_string()), expected);
    let (_, shown) = company.api("bo", "GET", &format!("/customers/{acme}"), None);
    assert_eq!(
        shown["card"]["fields"]["region"], "web",
        "what was written in the browser too"
    );
    let visits = shown["visits"].as_array().unwrap();
    assert!(visits.iter().all(|visit| visit["author"]["login"] == "li"), "{shown}");

    // Nobody has lost anything yet; the operator sees what came back from whom, and whose the moved customer was.
    assert!(fleet.first("han").customer(moved).is_ok());
    let status = company.admin(&["recovery", "status"])[0].clone();
    let recovered = status["recovered"].as_array().unwrap();
    assert!(
        recovered.iter().any(|row| row["customer"] == acme.to_string()),
        "{status}"
    );
    let believed = status["believed_owners"].as_array().unwrap();
    assert!(
        believed
            .iter()
            .any(|row| row["customer"] == moved.to_string() && row["owner"] == han),
        "{status}"
    );

    // He makes it right, and ends the recovery: who may not hold something is told so now.
    assert!(company.api("bo", "PUT", &path, Some(&assignment)).0 < 300);
    company.admin(&["recovery", "off"]);
    for _ in 0..3 {
        fleet.sync();
    }
    assert!(fleet.first("zhou").customer(moved).is_err());
    assert_eq!(notes(&company, &moved.to_string()), ["by the new owner"]);
    assert_eq!(fleet.first("han").document(promise).unwrap()["state"], "synced");
    for (login, phone) in &mut fleet.phones {
        assert!(
            phone.outbox().unwrap().is_empty(),
            "{login} {:?}",
            phone.outbox().unwrap()
        );
        assert!(phone.tray().unwrap().is_empty(), "{login} {:?}", phone.tray().unwrap());
        assert_eq!(phone.state().unwrap().unwrap().checking, None, "{login}");
    }
    let seen = fleet.first("li").customer(acme).unwrap();
    assert_eq!(seen["visits"].as_array().unwrap().len(), 18);
    // Nothing more to say: the next sync is one round trip.
    let report = fleet.first("li").sync().unwrap();
    assert_eq!((report.pulled_documents, report.complete), (0, true));
}

#[test]
fn t043_a_server_whose_people_nobody_has_confirmed_does_not_open_its_port() {
    let mut company = Company::open();
    company.kill();
    let data = company.folder.path().join("data");
    let raw = rusqlite::Connection::open(data.join("fieldpool.sqlite")).unwrap();
    raw.execute("UPDATE organisation SET unconfirmed_since = 1", [])
        .unwrap();
    drop(raw);
    let serve = || {
        let mut serve = Command::new(BINARY);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        serve.output().unwrap()
    };
    let refused = serve();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("admin recovery confirm") && said.contains("Acme"),
        "{said}"
    );
    assert!(refused.stdout.is_empty());
    let confirmed = company.admin(&["recovery", "confirm"]);
    assert_eq!(confirmed["confirmed"][0], company.org);
    company.backup();
    company.restore();
    assert_eq!(company.devices_of("li").len(), 0, "it serves");
}

#[test]
fn t042_a_phone_that_has_lost_something_gets_it_again_when_it_is_checked() {
    let company = Company::open();
    let li = company.terminal("li", "li");
    let customer = li.made(&["customer", "new", "name=Acme"]);
    let visits: Vec<String> = ["one", "two"]
        .iter()
        .map(|note| li.made(&["visit", "add", &customer, "--note", note]))
        .collect();
    li.json(&["sync", "--json"]);
    let raw = rusqlite::Connection::open(li.store.join("phone.db")).unwrap();
    let id = uuid::Uuid::parse_str(&visits[0]).unwrap();
    for table in [
        "DELETE FROM change WHERE document = ?1",
        "DELETE FROM document WHERE id = ?1",
    ] {
        assert!(raw.execute(table, [&id.as_bytes()[..]]).unwrap() > 0);
    }
    drop(raw);
    let shown = |li: &super::company::Terminal| {
        let shown = li.json(&["customer", "show", &customer, "--json"]);
        shown["visits"].as_array().unwrap().len()
    };
    li.json(&["sync", "--json"]);
    assert_eq!(shown(&li), 1, "a sync alone asks only for news");
    let healed = li.json(&["sync", "--check", "--json"]);
    assert_eq!(
        (&healed["complete"], &healed["pulled_documents"]),
        (&true.into(), &1.into())
    );
    assert_eq!(shown(&li), 2);
    let same = li.json(&["sync", "--check", "--json"]);
    assert_eq!(same["pulled_documents"], 0);
}
