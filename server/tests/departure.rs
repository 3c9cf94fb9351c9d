//! The whole story of a departure, over real processes and both databases: a rep is offline with thirty changes, his
//! customers are handed over and he is offboarded meanwhile, and he comes online.

#[path = "rep/company.rs"]
#[expect(dead_code, reason = "phones inside the process are the other tests'")]
mod company;

use company::{Company, Terminal};
use serde_json::{Value, json};
use server::testing::{TestDatabase, databases};

/// Names that nothing on the leaver's phone may hold afterwards.
const NAMES: [&str; 3] = ["金丝雀甲贸易", "金丝雀乙纺织", "canary-c-steel"];
/// Visits, follow-ups and tickets of the thirty changes.
const NEW_DOCUMENTS: usize = 22;
/// Edits of cards and dossiers.
const EDITS: usize = 8;

fn databases_now() -> Vec<TestDatabase> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(databases())
}

/// Li's customers, in the order of [`NAMES`], on his phone and at the server.
fn customers_of(li: &Terminal) -> Vec<String> {
    let customers: Vec<String> = NAMES
        .iter()
        .map(|name| {
            li.made(&[
                "customer",
                "new",
                &format!("name={name}"),
                "region=华北",
                "needs=before",
            ])
        })
        .collect();
    for customer in &customers {
        li.made(&["contact", "add", customer, "name=王芳", "phone=13800000000"]);
    }
    let synced = li.json(&["sync", "--json"]);
    assert_eq!(synced["verdicts"]["retry"], 0, "{synced}");
    customers
}

/// Thirty changes without a network. Gives the new documents, by customer.
fn work_offline(li: &Terminal, customers: &[String]) -> Vec<Vec<String>> {
    li.json(&["flight", "on"]);
    let mut made: Vec<Vec<String>> = vec![Vec::new(); customers.len()];
    for number in 0..NEW_DOCUMENTS {
        let place = number % customers.len();
        let (customer, text) = (&customers[place], format!("offline {number}"));
        let words: &[&str] = match number {
            0..12 => &["visit", "add", customer, "--note", &text],
            12..20 => &["follow-up", "add", customer, "--text", &text],
            _ => &["ticket", "add", customer, "--text", &text, "--severity", "low"],
        };
        made[place].push(li.made(words));
    }
    for number in 0..EDITS {
        let customer = &customers[number % customers.len()];
        let word = match number {
            0..3 => "region=leaver's region".to_owned(),
            3..6 => format!("needs=leaver's needs {number}"),
            _ => format!("tags+=leaver{number}"),
        };
        assert!(li.run(&["customer", "set", customer, &word]).status.success());
    }
    assert_eq!(li.json(&["status", "--json"])["pending"], NEW_DOCUMENTS + EDITS);
    made
}

fn people_of(company: &Company) -> impl Fn(&str) -> Value {
    let people = company.admin(&["user", "list", "--org", &company.org, "--json"]);
    move |login| {
        let found = people
            .as_array()
            .unwrap()
            .iter()
            .find(|person| person["login"] == login);
        found.unwrap()["id"].clone()
    }
}

#[test]
fn a_rep_who_leaves_while_offline_loses_no_change_and_keeps_no_customer() {
    for database in databases_now() {
        let name = database.name;
        let company = Company::on(tempfile::tempdir().unwrap(), database.arguments.clone());
        let li = company.terminal("li", "li");
        let customers = customers_of(&li);
        let made = work_offline(&li, &customers);

        // Meanwhile everything he has goes to two others, one of whom goes on working, and he is offboarded.
        let person = people_of(&company);
        let order = json!({
            "from": person("li"),
            "plan": [{"to": person("zhou"), "customers": [customers[0]]}, {"to": person("han"), "share": 1}],
            "reason": "leaves",
        });
        let (status, report) = company.api("ada", "POST", "/handovers", Some(&order));
        assert_eq!(status, 200, "{name}: {report}");
        let (zhou, han) = (company.terminal("zhou", "zhou"), company.terminal("han", "han"));
        zhou.json(&["sync", "--json"]);
        assert!(
            zhou.run(&["customer", "set", &customers[0], "region=new owner's region"])
                .status
                .success()
        );
        assert_eq!(zhou.json(&["sync", "--json"])["verdicts"]["accepted"], 1);
        let path = format!("/users/{}/state", person("li").as_str().unwrap());
        let (status, _) = company.api("ada", "PUT", &path, Some(&json!({"state": "offboarding"})));
        assert!((200..300).contains(&status), "{name}: {status}");
        let listed = company.devices_of("li").pop().unwrap();
        assert_eq!(listed["wipe_ordered_at"], Value::Null);

        // He comes online.
        li.json(&["flight", "off"]);
        let synced = li.json(&["sync", "--json"]);
        assert_eq!((&synced["complete"], &synced["wiped"]), (&true.into(), &true.into()));
        let verdicts = &synced["verdicts"];
        let count = |verdict: &str| usize::try_from(verdicts[verdict].as_u64().unwrap()).unwrap();
        let refused = ["quarantined", "rejected", "superseded", "retry"].map(count);
        assert_eq!(refused, [0; 4], "{name}: {synced}");
        // Of one field the new owner has written something else since.
        assert_eq!(
            (count("accepted"), count("amended")),
            (NEW_DOCUMENTS + EDITS - 1, 1),
            "{name}: {synced}"
        );

        // All of it is on the new owners' timelines, under his name and marked.
        for (owner, place) in [(&zhou, 0), (&han, 1), (&han, 2)] {
            owner.json(&["sync", "--json"]);
            let shown = owner.json(&["customer", "show", &customers[place], "--json"]);
            assert_eq!(shown["relation"], "owner", "{name}");
            let documents: Vec<&Value> = ["visits", "follow_ups", "tickets"]
                .iter()
                .flat_map(|list| shown[*list].as_array().unwrap())
                .collect();
            assert_eq!(documents.len(), made[place].len(), "{name}: {shown}");
            for document in documents {
                assert!(
                    made[place].iter().any(|id| document["id"] == id.as_str()),
                    "{name}: {document}"
                );
                assert_eq!(
                    (&document["author"]["login"], &document["late"]),
                    (&"li".into(), &true.into())
                );
            }
            // His edits have come too; where the new owner has written since, his value stays on top.
            let region = ["new owner's region", "leaver's region", "leaver's region"][place];
            assert_eq!(shown["card"]["fields"]["region"], region, "{name}");
            let needs = format!("leaver's needs {}", place + 3);
            assert_eq!(shown["dossier"]["fields"]["needs"], needs.as_str(), "{name}");
            if place < EDITS - 6 {
                let tags = json!([format!("leaver{}", place + 6)]);
                assert_eq!(shown["card"]["fields"]["tags"], tags, "{name}");
            }
        }

        // His phone is empty, and says so; his next request is refused, and he cannot sign in.
        assert_eq!(li.json(&["status", "--json"])["state"], "wiped");
        assert_nothing_left(&li);
        let (status, said) = li.refused(&["sync"]);
        assert_eq!(status, 1);
        assert!(said.contains("device_wiped"), "{name}: {said}");
        let (status, said) = li.refused(&["enroll", "--server", &company.url, "--login", "li"]);
        assert_eq!(status, 1);
        assert!(said.contains("account_not_active"), "{name}: {said}");
        let listed = company.devices_of("li").pop().unwrap();
        assert_eq!(listed["state"], "wiped", "{name}");
        assert!(listed["wiped_at"].as_i64() >= listed["wipe_ordered_at"].as_i64());
        let (_, audit) = company.api("ada", "GET", "/audit?limit=200", None);
        let rows = audit["items"].as_array().unwrap();
        for action in ["wipe_ordered", "wiped"] {
            let told = rows.iter().filter(|row| row["action"] == action).count();
            assert_eq!(told, 1, "{name}: {action}");
        }
    }
}

fn assert_nothing_left(li: &Terminal) {
    let entries: Vec<_> = std::fs::read_dir(&li.store)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(entries.iter().all(|path| path.is_file()), "{entries:?}");
    for path in entries {
        let bytes = std::fs::read(&path).unwrap();
        for canary in NAMES.iter().chain(&["王芳", "13800000000", "offline", "leaver's"]) {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} in {}", path.display());
        }
    }
}
