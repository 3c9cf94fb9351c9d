//! Phones in terminals against a server process: what scripts and acceptance tests drive.

#[path = "rep/company.rs"]
mod company;
#[path = "rep/erasing.rs"]
mod erasing;
#[path = "rep/faults.rs"]
mod faults;
#[path = "rep/leaving.rs"]
mod leaving;
#[path = "rep/recovery.rs"]
mod recovery;

use company::Company;

#[test]
fn every_command_of_a_phone_does_what_the_interface_says() {
    let company = Company::open();
    let li = company.terminal("li", "li");
    let first = li.json(&["sync", "--json"]);
    assert_eq!(first["complete"], true);
    assert!(first["round_trips"].as_u64().unwrap() >= 1 && first["bytes_up"].as_u64().unwrap() > 100);
    let customer = li.made(&[
        "customer",
        "new",
        "name=长城贸易",
        "region=北京",
        "needs=快递",
        "tags+=vip",
    ]);
    li.run(&[
        "customer",
        "set",
        &customer,
        "stage=lead",
        "tags+=east",
        "tags-=vip",
        "custom.colour=red",
    ]);
    let contact = li.made(&["contact", "add", &customer, "name=王芳", "phone=+86 138 0000 0000"]);
    assert!(li.run(&["contact", "set", &contact, "title=采购"]).status.success());
    let started = li.made(&[
        "visit",
        "start",
        &customer,
        "--lat",
        "-33.8",
        "--lon",
        "151.2",
        "--accuracy",
        "12",
    ]);
    assert!(
        li.run(&["visit", "finish", &started, "--note", "见了采购", "--outcome", "good"])
            .status
            .success()
    );
    li.made(&["visit", "plan", &customer, "--at", "2026-12-01T09:30:00+08:00"]);
    let photo = company.folder.path().join("photo.jpg");
    std::fs::write(&photo, b"a photo").unwrap();
    let added = li.made(&[
        "visit",
        "add",
        &customer,
        "--note",
        "x",
        "--started",
        "1790000000000",
        "--ended",
        "1790000600000",
        "--next-date",
        "2026-12-24",
        "--photo",
        photo.to_str().unwrap(),
    ]);
    assert!(li.run(&["visit", "set", &added, "note=better"]).status.success());
    let follow_up = li.made(&[
        "follow-up",
        "add",
        &customer,
        "--text",
        "call",
        "--channel",
        "wechat",
        "--due",
        "2026-12-02",
    ]);
    assert!(li.run(&["follow-up", "done", &follow_up]).status.success());
    let deal = li.made(&[
        "opportunity",
        "add",
        &customer,
        "--title",
        "Phones",
        "--stage",
        "needs",
        "--amount-minor",
        "120000",
        "--currency",
        "CNY",
    ]);
    assert!(
        li.run(&["opportunity", "set", &deal, "stage=proposal"])
            .status
            .success()
    );
    li.made(&["ticket", "add", &customer, "--text", "broken", "--severity", "high"]);
    let shown = li.json(&["customer", "show", &customer, "--json"]);
    assert_eq!(shown["card"]["state"], "pending");
    let outbox = li.json(&["outbox", "--json"]);
    assert!(outbox.as_array().unwrap().len() > 10);
    for key in ["id", "kind", "document", "customer", "what", "state", "reason"] {
        assert!(outbox[0].get(key).is_some(), "{key}");
    }
    let synced = li.json(&["--json", "sync"]);
    assert_eq!(synced["verdicts"]["rejected"], 0, "{}", li.json(&["tray", "--json"]));
    assert_eq!(synced["verdicts"]["quarantined"], 0);
    assert_eq!(synced["intents"][0]["type"], "create");
    assert_eq!(synced["intents"][0]["outcome"], "accepted");

    let shown = li.json(&["customer", "show", &customer, "--json"]);
    assert_eq!(shown["relation"], "owner");
    assert_eq!(shown["card"]["fields"]["tags"], serde_json::json!(["east"]));
    assert_eq!(shown["card"]["fields"]["custom"]["colour"], "red");
    assert_eq!(shown["dossier"]["fields"]["needs"], "快递");
    assert!(shown["internal"].is_null());
    assert_eq!(shown["contacts"][0]["fields"]["title"], "采购");
    assert_eq!(shown["visits"].as_array().unwrap().len(), 3);
    assert_eq!(shown["visits"][0]["author"]["login"], "li");
    assert_eq!(shown["follow_ups"][0]["fields"]["done"], true);
    assert_eq!(shown["opportunities"][0]["fields"]["stage"], "proposal");
    assert_eq!(shown["tickets"][0]["fields"]["severity"], "high");
    let states = ["contacts", "visits", "follow_ups", "opportunities", "tickets"];
    for document in states.iter().flat_map(|list| shown[list].as_array().unwrap()) {
        assert_eq!(document["state"], "synced");
    }
    let found = li.json(&["customers", "--query", "长城", "--json"]);
    assert_eq!(found.as_array().unwrap().len(), 1);
    let history = li.json(&["history", &added, "note", "--json"]);
    assert_eq!(history.as_array().unwrap().len(), 2);
    assert!(history[1]["received_at"].is_i64());
    let status = li.json(&["status", "--json"]);
    assert_eq!(status["user"]["login"], "li");
    assert_eq!((&status["pending"], &status["refused"]), (&0.into(), &0.into()));
    assert_eq!(status["state"], "active");
    assert_eq!(status["encrypted"], false);
    assert!(li.json(&["tray", "--json"]).as_array().unwrap().is_empty());
    assert_eq!(li.run(&["customers"]).status.code(), Some(0));
}

#[test]
fn refusals_end_with_1_and_wrong_usage_with_2() {
    let company = Company::open();
    let li = company.terminal("li", "li");
    let nobody = "01a20f92-50a7-7ab2-8486-cf3585b90d17";
    let (status, said) = li.refused(&["customer", "show", nobody, "--json"]);
    assert_eq!(status, 1);
    assert!(said.contains("not_found"), "{said}");
    let (status, said) = li.refused(&["customer", "new", "colour=red"]);
    assert_eq!(status, 1);
    assert!(said.contains("schema") && said.contains("region"), "{said}");
    for words in [
        // The full-screen phone has nothing to show itself on.
        &[][..],
        &["customer", "show", "no-id"],
        &["visit", "add", nobody],
        &["ticket", "add", nobody, "--text", "x", "--severity", "terrible"],
        &["unheard-of"],
    ] {
        assert_eq!(li.refused(words).0, 2, "{words:?}");
    }
    let other = company::Terminal {
        store: company.store("nothing"),
    };
    let (status, said) = other.refused(&["sync"]);
    assert_eq!(status, 1);
    assert!(said.contains("store_not_found"), "{said}");
    let (status, said) = li.refused(&["enroll", "--server", &company.url, "--login", "han"]);
    assert_eq!(status, 1);
    assert!(said.contains("not_permitted"), "{said}");
}

#[test]
fn of_two_offline_claims_one_wins_and_the_other_lies_in_the_tray() {
    let company = Company::open();
    let (li, han) = (company.terminal("li", "li"), company.terminal("han", "han"));
    let customer = li.made(&["customer", "new", "name=公海客户", "--pool", &company.pool]);
    let synced = li.json(&["sync", "--json"]);
    assert_eq!(synced["verdicts"]["accepted"], 1, "{}", li.json(&["tray", "--json"]));
    han.json(&["sync", "--json"]);
    assert_eq!(han.json(&["customers", "--json"])[0]["relation"], "pool");
    assert_eq!(li.json(&["customers", "--json"])[0]["relation"], "pool");
    han.made(&["claim", &customer]);
    li.made(&["claim", &customer]);
    let visit = li.made(&["visit", "add", &customer, "--note", "first"]);
    assert_eq!(li.json(&["customers", "--json"])[0]["provisional"], "claim");
    let won = han.json(&["sync", "--json"]);
    assert_eq!(won["intents"][0]["outcome"], "accepted");
    let lost = li.json(&["sync", "--json"]);
    assert_eq!(lost["intents"][0]["outcome"], "rejected");
    assert_eq!(lost["intents"][0]["reason"], "already_claimed");
    assert_eq!(lost["verdicts"]["accepted"], 1);
    let tray = li.json(&["tray", "--json"]);
    assert_eq!(tray[0]["kind"], "claim");
    assert_eq!(tray[0]["owner"]["login"], "han");
    han.json(&["sync", "--json"]);
    let shown = han.json(&["customer", "show", &customer, "--json"]);
    assert_eq!(shown["relation"], "owner");
    assert_eq!(shown["visits"][0]["id"], visit.as_str());
    assert_eq!(shown["visits"][0]["author"]["login"], "li");
    li.json(&["sync", "--json"]);
    // He is responsible for the visit he made, and in the owner's team.
    assert_eq!(li.json(&["customers", "--json"])[0]["relation"], "responsible");
    assert_eq!(li.json(&["customers", "--json"])[0]["owner"]["login"], "han");
}

#[test]
fn a_customer_handed_over_leaves_the_first_phone_after_its_unsent_work() {
    let company = Company::open();
    let (li, bo) = (company.terminal("li", "li"), company.terminal("bo", "bo"));
    let zhou = company.terminal("zhou", "zhou");
    let customer = li.made(&["customer", "new", "name=Acme"]);
    li.made(&["contact", "add", &customer, "name=canary-contact"]);
    li.json(&["sync", "--json"]);
    bo.json(&["sync", "--json"]);
    // Li works on offline while the customer is handed to the south.
    let visit = li.made(&["visit", "add", &customer, "--note", "late work"]);
    bo.made(&["assign", &customer, "--to", &company.south, "--reason", "region"]);
    assert_eq!(bo.json(&["sync", "--json"])["intents"][0]["outcome"], "accepted");
    let synced = li.json(&["sync", "--json"]);
    assert_eq!(synced["verdicts"]["accepted"], 1, "{synced}");
    assert_eq!(synced["evicted_customers"], 1, "{synced}");
    assert!(li.json(&["customers", "--json"]).as_array().unwrap().is_empty());
    let (status, _) = li.refused(&["customer", "show", &customer, "--json"]);
    assert_eq!(status, 1);
    zhou.json(&["sync", "--json"]);
    let shown = zhou.json(&["customer", "show", &customer, "--json"]);
    assert_eq!(shown["visits"][0]["id"], visit.as_str());
    assert_eq!(shown["visits"][0]["late"], true);
    assert_eq!(shown["contacts"][0]["fields"]["name"], "canary-contact");
    assert_eq!(li.json(&["sync", "--json"])["evicted_customers"], 0);
    // Beyond what a phone holds the server searches, by the same rights.
    let fresh = company.terminal("fresh", "bo");
    let found = fresh.json(&["customers", "--query", "acme", "--online", "--json"]);
    assert_eq!(found[0]["id"], customer.as_str());
    let found = li.json(&["customers", "--query", "acme", "--online", "--json"]);
    assert!(found.as_array().unwrap().is_empty());
}

#[test]
fn a_phone_searches_at_the_server_what_it_does_not_hold_as_far_as_its_person_may_see_it() {
    let company = Company::open();
    let li = company.terminal("li", "li");
    let customer = li.made(&["customer", "new", "name=远航轴承"]);
    assert!(li.run(&["sync", "--json"]).status.success());
    // Names are found at once; documents when the index has followed.
    let found = li.json(&["customers", "--query", "轴承", "--online", "--json"]);
    assert_eq!(found[0]["id"], customer.as_str());
    assert_eq!(found[0]["relation"], "owner");
    let none = li.json(&["customers", "--query", "不存在", "--online", "--json"]);
    assert_eq!(none, serde_json::json!([]));
}
